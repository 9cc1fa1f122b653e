# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is in effect after a run, on what was there and on what came later; and what is told where it is not."""

import json
import re
import subprocess
from pathlib import Path

import pytest

HERE = Path(__file__).parents[1]
PLAYBOOK, REMOVE, VERIFY = HERE.parent / "shared" / "network.yml", HERE.parent / "shared" / "remove.yml", "gandi.hosting.verify"


@pytest.fixture
def run(inventory, machine):
    """Return a function that runs the role on one machine."""
    def play(*options, playbook=PLAYBOOK, **variables):
        command = ["ansible-playbook", "--inventory", inventory, "--limit", machine, str(playbook), "--extra-vars", json.dumps(variables)]
        done = subprocess.run(command + list(options), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        said = re.sub(r"\s+", " ", done.stdout)
        return done.returncode, int(re.search(r"changed=(\d+)", said).group(1)), said

    return play


def effective(host, interface, key):
    """What the kernel goes by: the larger of the interface's value and that of all."""
    paths = ["/proc/sys/net/ipv4/conf/%s/%s" % (which, key) for which in ("all", interface)]
    return max(int(value) for value in host.check_output("cat %s" % " ".join(paths)).split())


@pytest.mark.parametrize("name", ["eth0", "eth1"])
def test_each_address_is_answered_for_by_its_own_interface(lab, machine, name):
    """On the segment that both are in: one answer, with the MAC address of the interface that has the address."""
    nic = lab.state.machine(machine).nic(name)
    said = lab.run("neighbour-a", "/usr/bin/python3", str(HERE / "arp.py"), "eth0", nic.ipv4)
    assert said.stdout.split() == [nic.mac], said.stderr


@pytest.mark.parametrize("source", ["client", "neighbour-a"])
@pytest.mark.parametrize("name", ["eth0", "eth1"])
def test_each_address_answers_through_its_own_interface(lab, machine, source, name):
    for _second in range(5):
        # the service may still be looking at the interface that has just been attached
        trip = lab.ping(source, "%s:%s" % (machine, name))
        if trip.reply_out == name:
            break
    assert (trip.ok, trip.request_in, trip.reply_out) == (True, name, name)


@pytest.mark.parametrize("interface, key, expected", [
    ("eth0", "rp_filter", 0), ("eth1", "rp_filter", 0), ("eth2", "rp_filter", 0),
    ("eth0", "arp_announce", 2), ("eth1", "arp_announce", 2), ("eth2", "arp_announce", 2),
    ("eth0", "arp_ignore", 1), ("eth1", "arp_ignore", 1), ("eth2", "arp_ignore", 0),
])
def test_the_values_are_in_effect(host, interface, key, expected):
    """eth2 was attached after the run, and shares no subnet."""
    assert effective(host, interface, key) == expected


def test_they_are_in_effect_after_systemd_sysctl_and_on_a_name_with_a_dot(host):
    """Whatever udev and vendors' files say of it."""
    host.check_output("ip link add link eth0 name eth0.100 type macvlan; udevadm settle")
    try:
        assert effective(host, "eth0.100", "rp_filter") == 0
        host.check_output("/lib/systemd/systemd-sysctl")
        assert [effective(host, name, "rp_filter") for name in ("eth0", "eth0.100", "eth2")] == [0, 0, 0]
    finally:
        host.check_output("ip link delete eth0.100")


def test_a_file_that_wins_is_named_with_its_line_and_the_live_value_is_right(run, host):
    host.check_output("printf '# mine\\nnet.ipv4.conf.all.rp_filter = 1\\n' >/etc/sysctl.d/zz-mine.conf; /lib/systemd/systemd-sysctl")
    assert effective(host, "eth2", "rp_filter") == 1
    status, changed, said = run()
    host.check_output("rm /etc/sysctl.d/zz-mine.conf")
    assert (status, changed) == (0, 1), said
    assert "net/ipv4/conf/all/rp_filter: /etc/sysctl.d/zz-mine.conf:2 says 1, and wins over /etc/sysctl.d/99-z-gandi-hosting.conf at boot; expected 0" in said
    assert effective(host, "eth2", "rp_filter") == 0


def test_verify_tells_of_a_shared_subnet_that_came_without_a_run(run, host):
    """As when a second interface in the subnet is attached later."""
    host.check_output("sysctl -qw net.ipv4.conf.eth1.arp_ignore=0")
    status, _changed, said = run(playbook=VERIFY)
    assert status != 0 and "eth1: it shares an IPv4 subnet with another interface, and the effective arp_ignore is 0" in said
    assert "eth0: it shares" not in said
    assert run()[:2] == (0, 1)


def test_only_what_differs_changes_and_check_mode_says_it(run, host):
    host.check_output("sysctl -qw net.ipv4.conf.eth1.rp_filter=2")
    status, changed, said = run("--check", "--diff")
    assert (status, changed) == (0, 1), said
    assert "-/proc/sys/net/ipv4/conf/eth1/rp_filter = 2" in said and said.count("+/proc/sys/") == 1
    assert effective(host, "eth1", "rp_filter") == 2
    assert run()[:2] == (0, 1) and effective(host, "eth1", "rp_filter") == 0
    assert run()[:2] == (0, 0)


@pytest.mark.parametrize("key, value", [("rp_filter", 2), ("rp_filter", 1), ("arp_ignore", 2), ("arp_announce", 1)])
def test_other_values_can_be_told_and_taken_back(run, host, key, value):
    before = {name: effective(host, name, key) for name in ("eth0", "eth1", "eth2")}
    assert run(**{"network_" + key: value})[:2] == (0, 1)
    assert {effective(host, name, key) for name in before} == {value}
    status, changed, said = run("--diff", **{"network_" + key: value})
    assert (status, changed) == (0, 0), said
    assert run()[:2] == (0, 1)
    assert {name: effective(host, name, key) for name in before} == before


def test_removal_gives_every_value_back(run, host):
    """Live and on disk; whatever they were."""
    assert run(playbook=REMOVE)[0] == 0
    for setting in ("all.rp_filter=0", "eth0.rp_filter=2", "eth1.rp_filter=1", "all.arp_announce=1", "eth2.arp_ignore=2"):
        host.check_output("sysctl -qw net.ipv4.conf." + setting)
    keys = ("rp_filter", "arp_announce", "arp_ignore")
    before = {(name, key): effective(host, name, key) for name in ("eth0", "eth1", "eth2") for key in keys}
    assert run()[:2] == (0, 1) and effective(host, "eth0", "rp_filter") == 0
    assert run(playbook=REMOVE)[0] == 0
    assert {one: effective(host, *one) for one in before} == before
    assert not host.file("/etc/sysctl.d/99-z-gandi-hosting.conf").exists
    assert run()[:2] == (0, 1)
