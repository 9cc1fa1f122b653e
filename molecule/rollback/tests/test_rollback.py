# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever happens between the first write and the confirmation, the machine comes back by itself. No test waits for a fixed time."""

import json
import os
import re
import signal
import subprocess
import time
from pathlib import Path

import pytest

PLAYBOOK = Path(__file__).parents[2] / "shared" / "network.yml"
TIMEOUT = 10                # network_confirm_timeout of this scenario
BACK = TIMEOUT + 10         # seconds in which a machine must be back

PRIMARY = {"name": "eth0", "primary": True}
SECONDARY = {"name": "eth1", "policy_routing": True}
STEPS = ["armed", "file 0", "file 1", "written", "applied", "reconciled"]


def static(address, gateway):
    return dict(PRIMARY, addresses=[address], gateway4=gateway, accept_ra=True)


@pytest.fixture
def nic(lab, machine):
    return next(nic for nic in lab.state.machine(machine).nics if nic.name == "eth0")


@pytest.fixture
def start(inventory, machine):
    """Return a function that starts the role on one machine, with these interfaces."""
    def play(interfaces, fault="", **variables):
        variables.update(gandi_interfaces=interfaces)
        command = ["ansible-playbook", "--inventory", inventory, "--limit", machine, str(PLAYBOOK), "--extra-vars", json.dumps(variables)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                                env=dict(os.environ, GANDI_HOSTING_TEST_FAULT=fault))
    return play


@pytest.fixture
def run(start):
    """Return a function that runs the role and returns its status and what it said, in one line."""
    def play(interfaces, **options):
        process = start(interfaces, **options)
        said = process.communicate(timeout=180)[0]
        return process.returncode, re.sub(r"\s+", " ", said)
    return play


@pytest.fixture
def same(lab, machine, host):
    """After the test: files and rules are what they were before, every address answers, and nothing of the net is left."""
    def state():
        files = host.check_output("find /etc /usr/local /var/lib/gandi-hosting -type f ! -name '*.leases' ! -name resolv.conf* "
                                  "! -name undone.json ! -path '*/__pycache__/*' -exec sha256sum {} + | sort -k2")
        live = host.check_output("ip rule; ip -6 rule; sysctl net.ipv4.conf.all net.ipv4.conf.eth0 | grep -E 'rp_|announce'")
        # rules of one priority have no order among each other
        return files.splitlines(), sorted(live.splitlines())

    # IPv6 comes a moment after the run: what is compared must be all there
    wait_for(lambda: complete(lab, machine), BACK)
    before = state()
    yield
    deadline = time.monotonic() + BACK
    while time.monotonic() < deadline and (state() != before or lost(lab, machine)):
        time.sleep(0.5)
    assert lost(lab, machine) == []
    assert state() == before
    assert host.run("systemctl is-active gandi-hosting-undo.service").stdout.strip() == "inactive"


def complete(lab, machine):
    """Whether both interfaces have an address of each family, and all of them answer."""
    have = {(trip.interface, ":" in trip.address) for trip in lab.trace("client", machine, count=1)}
    return have == {(name, ipv6) for name in ("eth0", "eth1") for ipv6 in (False, True)} and not lost(lab, machine)


def lost(lab, machine):
    return [trip for trip in lab.trace("client", machine, count=1)
            if not trip.ok or not trip.interface == trip.request_in == trip.reply_out]


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def unconfirmed(host):
    return host.file("/var/lib/gandi-hosting/transaction/journal.json").exists


def test_a_wrong_gateway_is_undone_and_the_play_says_so(run, same, nic):
    """The address stays; but nothing beyond the segment is reached, and the controller is."""
    status, said = run([static(nic.ipv4 + "/24", "198.18.0.99"), SECONDARY])
    assert status != 0
    assert "the change was undone at" in said and "nobody confirmed it over a new connection within 10 s" in said


def test_a_wrong_address_is_undone(run, same):
    status, said = run([static("198.18.99.10/24", "198.18.99.1"), SECONDARY])
    assert status != 0 and "nobody confirmed it over a new connection within 10 s" in said


def test_an_interface_without_an_address_is_undone_at_once(run, same):
    """The host sees by itself that its default route is gone."""
    status, said = run([dict(PRIMARY, dhcp4=False, accept_ra=False), SECONDARY], network_timeout=3)
    assert status != 0
    assert "table main has no IPv4 default route; there was one before. The previous configuration is back" in said


def test_a_silent_dhcp_server_is_undone_at_once(run, same, lab, machine):
    """eth2 is in the private segment, where nobody answers."""
    lab.attach(machine, "eth2", "d")
    try:
        status, said = run([PRIMARY, SECONDARY, {"name": "eth2"}], network_timeout=3)
    finally:
        lab.detach(machine, "eth2")
    assert status != 0 and "eth2: DHCP gave no IPv4 address. The previous configuration is back" in said


def test_a_controller_that_is_killed_before_it_confirms(start, same, host):
    process = start([PRIMARY, dict(SECONDARY, mtu=1400)])
    wait_for(lambda: unconfirmed(host), 30)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not unconfirmed(host), BACK)


def test_a_machine_that_is_rebooted_before_anybody_confirms(start, same, host, lab, machine):
    """The boot undoes it, before the network comes up: also a change that would have kept the machine out of reach."""
    process = start([static("198.18.99.10/24", "198.18.99.1"), SECONDARY], network_confirm_timeout=600)
    wait_for(lambda: host.run("ip address show eth0").stdout.count("198.18.99.10"), 30)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    lab.reboot([machine], hard=True)


@pytest.mark.parametrize("step", STEPS)
def test_a_module_that_is_killed_at_any_step(run, same, host, step):
    """The change touches a file of an interface, and one that a hook or a client reads."""
    changed = dict(SECONDARY, mtu=1400, policy_routing={"table": 30000})
    status, _said = run([PRIMARY, changed], fault=step, network_confirm_timeout=4)
    assert status != 0
    wait_for(lambda: not unconfirmed(host), BACK)


def test_the_run_after_a_crash_repairs_it_first(run, host, machine, lab):
    """Killed before the switch was armed: nobody else would."""
    run([PRIMARY, dict(SECONDARY, mtu=1400)], fault="journal")
    assert unconfirmed(host)
    status, said = run([PRIMARY, SECONDARY])
    assert status == 0 and not unconfirmed(host)


def test_a_good_change_stands(run, host):
    """And nothing of the net is left behind, now or after the time."""
    assert run([PRIMARY, dict(SECONDARY, mtu=1400)])[0] == 0
    assert not unconfirmed(host)
    assert not host.file("/etc/systemd/system/gandi-hosting-undo-boot.service").exists
    assert host.check_output("cat /sys/class/net/eth1/mtu") == "1400"
    assert run([PRIMARY, SECONDARY])[0] == 0
