# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machine itself, after the module has applied the scenario's list: the less usual kinds of addresses and routes."""

import time
from pathlib import Path

import pytest
import yaml
from asked import OUR_PROTOCOL, parse, shown, state

SCENARIO = Path(__file__).parents[1] / "molecule.yml"
SECONDARIES = ("eth1", "eth2", "eth3")
PATIENCE = 10   # seconds until an address is more than tentative


@pytest.fixture
def wanted(probe):
    """The scenario's list, as the machine has it."""
    text = SCENARIO.read_text().replace("{{ number }}", str(probe.machine.number))
    interfaces = yaml.safe_load(text)["provisioner"]["inventory"]["group_vars"]["all"]["gandi_interfaces"]
    return {interface.name: state(interface) for interface in parse(interfaces)}


@pytest.mark.parametrize("name", SECONDARIES)
def test_a_secondary_has_the_addresses_routes_and_mtu_of_the_list(probe, wanted, name):
    """And no other; the engine's own routes, which carry its protocol number, apart."""
    deadline = time.monotonic() + PATIENCE
    while (now := shown(probe.ask("machine", {}, {name: ""}, [])["links"][name], but=OUR_PROTOCOL)) != wanted[name]:
        if time.monotonic() > deadline:
            break
        time.sleep(0.5)
    assert now == wanted[name]


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_main_has_the_primarys_default_route_and_no_other(lab, machine, family):
    assert lab.default_interfaces(machine, family) == {"eth0"}


def test_networkd_has_not_complained_of_a_file_of_ours(host):
    said = host.run("journalctl --no-pager --output cat --unit systemd-networkd --priority notice").stdout
    assert [line for line in said.splitlines() if "gandi" in line] == []


@pytest.mark.parametrize("unit", ["systemd-networkd", "networking", *("ifup@" + name for name in SECONDARIES)])
def test_no_unit_of_a_manager_has_failed(host, unit):
    assert host.run("systemctl is-failed %s" % unit).stdout.strip() != "failed"
