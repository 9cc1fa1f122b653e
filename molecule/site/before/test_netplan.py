# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""netplan itself, on a machine that has it: what it accepts of ours, and what we understand of its files."""

import io
import json
import subprocess
import tarfile
from pathlib import Path

import pytest

CHECKOUT = Path(__file__).parents[3]
CASES = sorted((CHECKOUT / "tests/unit/artifacts").glob("*/netplan"))
GENERATE = "cd %s && chmod 600 etc/netplan/* && /usr/libexec/netplan/generate --root-dir . && ls run/systemd/network"
DEFINITIONS = """
import json, sys
sys.path.insert(0, sys.argv[1])
from module_utils import _netplan
print(json.dumps(_netplan.netplan_definitions(sys.argv[2])))
"""
FILES = {
    # as cloud-init writes it
    "{ethernets: {eth0: {dhcp4: true, match: {macaddress: '02:00:00:00:00:0A'}, set-name: eth0}}, version: 2}": [["eth0", "", "02:00:00:00:00:0a", "eth0"]],
    # as Debian's cloud images have it
    "{ethernets: {all-en: {match: {name: en*}}, all-eth: {match: {name: eth*}}}}": [["all-en", "en*", "", ""], ["all-eth", "eth*", "", ""]],
    # on top of an interface of another file
    "{vlans: {eth0.5: {id: 5, link: eth0}}, bridges: {br0: {interfaces: [eth1]}}}": [["br0", "br0", "", ""], ["eth0.5", "eth0.5", "", ""]],
    "{renderer: NetworkManager, ethernets: {'on': {}}}": [["on", "on", "", ""]],
    "{ethernets: {any: {match: {}}}}": [["any", "*", "", ""]],
    "{version: 2, renderer: networkd}": [],
}


@pytest.fixture
def container(lab, machine):
    found = lab.state.machine(machine)
    if found.backend != "netplan":
        pytest.skip("not netplan's")
    return found.container


def put(container, folder, target):
    """Copy a folder's content into the machine."""
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        tar.add(folder, arcname=".")
    unpack = ["sh", "-c", 'mkdir -p "$1" && exec tar -xf- -C "$1"', "sh", target]
    subprocess.run(["podman", "exec", "-i", container, *unpack], input=archive.getvalue(), check=True)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.parent.name)
def test_netplan_accepts_our_files(container, host, case):
    """Each golden tree, without a warning, and makes one file of each interface."""
    put(container, case, "/run/case")
    try:
        done = host.run(GENERATE % "/run/case")
        assert (done.rc, done.stderr) == (0, "")
        assert done.stdout.split() == ["10-netplan-00-gandi-%s.network" % path.stem.replace("90-gandi-", "")
                                       for path in sorted((case / "etc/netplan").iterdir())]
    finally:
        host.check_output("rm -r /run/case")


@pytest.mark.parametrize("text", FILES)
def test_we_understand_netplans_files(container, host, text):
    """Asked of netplan: nothing of ours reads YAML on a host."""
    put(container, CHECKOUT / "plugins/module_utils", "/run/code/module_utils")
    try:
        said = host.check_output("echo %s > /run/code/one.yaml && python3 -B -c %s /run/code /run/code/one.yaml", "network: " + text, DEFINITIONS)
        assert json.loads(said) == FILES[text]
    finally:
        host.check_output("rm -r /run/code")
