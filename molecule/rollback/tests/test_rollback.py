# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever happens between the first write and the confirmation, the machine comes back by itself. No test waits for a fixed time."""

import json
import os
import re
import signal
import subprocess
import time

import pytest
from conftest import TIMEOUT, succeeds

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
def same(lab, machine, host):
    """After the test: files and rules are what they were before, every address answers, and nothing of the net is left."""
    def state():
        files = host.check_output("find /etc /usr/local /var/lib/gandi-hosting -type f ! -name '*.leases' ! -name resolv.conf* "
                                  "! -name undone.json ! -path '*/__pycache__/*' -exec sha256sum {} + | sort -k2")
        live = host.check_output("ip rule; ip -6 rule; sysctl net.ipv4.conf.all net.ipv4.conf.eth0 | grep -E 'rp_|announce'")
        clients = host.check_output("ps -e -o args= | grep -oE '^(dhclient|/sbin/dhclient) .*|^dhcpcd: eth[0-9]+' || true")
        # rules of one priority have no order among each other
        return files.splitlines(), sorted(live.splitlines()), sorted(clients.splitlines())

    # IPv6 comes a moment after the run: what is compared must be all there
    wait_for(lambda: complete(lab, machine), BACK)
    before = state()
    yield
    deadline = time.monotonic() + BACK
    while time.monotonic() < deadline and (state() != before or lost(lab, machine)):
        time.sleep(0.5)
    assert lost(lab, machine) == []
    after = state()
    assert [sorted(set(was) ^ set(now)) for was, now in zip(before, after)] == [[], [], []] and after == before
    assert host.run("systemctl is-active gandi-hosting-undo.service").stdout.strip() == "inactive"


def complete(lab, machine, interfaces=("eth0", "eth1")):
    """Whether these interfaces, and no others, have an address of each family, and all of them answer."""
    have = {(trip.interface, ":" in trip.address) for trip in lab.trace("client", machine, count=1)}
    return have == {(name, ipv6) for name in interfaces for ipv6 in (False, True)} and not lost(lab, machine)


def lost(lab, machine):
    return [trip for trip in lab.trace("client", machine, count=1)
            if not trip.ok or not trip.interface == trip.request_in == trip.reply_out]


def wait_for(condition, seconds):
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.1)


JOURNAL = "/var/lib/gandi-hosting/transaction/journal.json"


@pytest.fixture
def unconfirmed(lab, machine):
    """Return a function that tells whether there is a change that is not confirmed. It looks at the machine's files from outside, at once:
    a change is confirmed within a second or two, and to ask in the machine may take as long."""
    mounted = subprocess.run(["podman", "mount", lab.state.machine(machine).container], stdout=subprocess.PIPE, text=True, check=True).stdout
    return lambda: os.path.exists(mounted.strip() + JOURNAL)


@pytest.fixture
def meanwhile(lab, machine):
    """Return a function that has one thing done on the machine when a change is made and not confirmed, and another when it is over."""
    def watch(done, undone):
        script = "until [ -e %s ] && flock -n /run/gandi-hosting/network.lock true; do sleep 0.02; done; %s; while [ -e %s ]; do sleep 0.05; done; %s" % (
            JOURNAL, done, JOURNAL, undone)
        lab.exec(machine, "systemctl", "reset-failed", "meanwhile.service")
        lab.exec(machine, "systemd-run", "--quiet", "--collect", "--unit=meanwhile", "sh", "-c", script)
    return watch


def test_a_wrong_gateway_is_undone_and_the_play_says_so(attempt, same, nic):
    """The address stays; but nothing beyond the segment is reached, and the controller is."""
    status, said = attempt([static(nic.ipv4 + "/24", "198.18.0.99"), SECONDARY])
    assert status != 0
    assert "the change was undone at" in said and "nobody confirmed it over a new connection within 10 s" in said


def test_a_wrong_address_is_undone(attempt, same):
    status, said = attempt([static("198.18.99.10/24", "198.18.99.1"), SECONDARY])
    assert status != 0 and "nobody confirmed it over a new connection within 10 s" in said


def test_a_wrong_prefix_is_undone(attempt, same, nic):
    """198.18.0.8/30 has the address and a gateway that nobody is."""
    status, said = attempt([static(nic.ipv4 + "/29", "198.18.0.9"), SECONDARY])
    assert status != 0 and "nobody confirmed it over a new connection within 10 s" in said


def test_an_ssh_port_that_is_closed_after_the_change(attempt, same, meanwhile):
    """The connection that is there still works; a new one does not."""
    meanwhile("nft 'add table inet closed; add chain inet closed input { type filter hook input priority 0; }; "
              "add rule inet closed input tcp dport 22 ct state new drop'", "nft delete table inet closed")
    status, said = attempt([dict(PRIMARY, mtu=1400), SECONDARY])
    assert status != 0 and "nobody confirmed it over a new connection within 10 s" in said


def test_an_interface_that_is_down_after_the_change(attempt, same, meanwhile):
    meanwhile("ip link set eth0 down", "true")
    status, said = attempt([dict(PRIMARY, mtu=1400), SECONDARY])
    assert status != 0 and "nobody confirmed it over a new connection within 10 s" in said


def test_a_file_that_the_network_manager_does_not_understand_is_undone_at_once(inventory, machine, same, host):
    """The module alone, with a file that no filter of ours would give it."""
    files = {"networkd": {"/etc/systemd/network/05-gandi-eth0.network": "[Match]\nName=eth0\n\n[Network]\nDHCP=perhaps\n"},
             "netplan": {"/etc/netplan/90-gandi-eth0.yaml": "network: {ethernets: {00-gandi-eth0: {match: {name: eth0}, dhcp4: perhaps}}}\n"},
             "ifupdown-dhclient": {"/etc/network/interfaces.d/gandi-eth0": "auto eth0\niface eth0 inet perhaps\n"}}
    header = "# gandi.hosting: eth0: written by Ansible, changes are overwritten\n"
    section = {"files": {variant: {path: {"content": header + content, "interface": "eth0"} for path, content in tree.items()}
                         for variant, tree in files.items()},
               "interfaces": [{"name": "eth0", "primary": True, "dhcp4": True}]}
    arguments = json.dumps({"interfaces": section, "timeout": 3, "confirm_timeout": TIMEOUT})
    done = subprocess.run(["ansible", "--inventory", inventory, machine, "-m", "gandi.hosting.network", "-a", arguments],
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120)
    assert done.returncode != 0 and "The previous configuration is back" in re.sub(r"\s+", " ", done.stdout)


OWN = ["/etc/systemd/network/05-gandi-eth0.network", "/etc/netplan/90-gandi-eth0.yaml", "/etc/network/interfaces.d/gandi-eth0"]
FULL = ["/var/lib/gandi-hosting", "/etc/sysctl.d", "/etc/systemd/system", "/etc/gandi-hosting/policy-routing.d", "OWN"]


@pytest.mark.parametrize("folder", FULL)
def test_a_disk_that_is_full_where_a_file_must_go(attempt, same, host, folder):
    """Really full: a file system of its own with no byte left. What was there before it is there after it, and works."""
    if folder == "OWN":
        folder = os.path.dirname(next(path for path in OWN if host.file(path).exists))
    host.check_output("cp -a %s /run/kept && mount -t tmpfs -o size=64k full %s && cp -a /run/kept/. %s && rm -r /run/kept", folder, folder, folder)
    try:
        host.run("dd if=/dev/zero of=%s/.filler bs=4k", folder)
        status, said = attempt([PRIMARY, dict(SECONDARY, mtu=1400, policy_routing={"table": 30000}), {"name": "eth9"}], network_rp_filter=2)
        assert status != 0 and "No space left on device" in said
        assert lost_of(host, folder) == ""
    finally:
        host.check_output("umount %s", folder)


def lost_of(host, folder):
    """Half-written or kept files of ours in a folder."""
    return host.check_output("find %s -name '.gandi-hosting-*'", folder)


def test_a_read_only_etc(attempt, same, host):
    host.check_output("mount --bind /etc /etc && mount -o remount,bind,ro /etc")
    try:
        status, said = attempt([PRIMARY, dict(SECONDARY, mtu=1400)])
        assert status != 0 and "Read-only file system. The previous configuration is back" in said
    finally:
        host.check_output("umount /etc")
    succeeds(attempt([PRIMARY, SECONDARY]))


def test_an_interface_without_an_address_is_undone_at_once(attempt, same):
    """The host sees by itself that its default route is gone."""
    status, said = attempt([dict(PRIMARY, dhcp4=False, accept_ra=False), SECONDARY], network_timeout=3)
    assert status != 0
    assert "table main has no IPv4 default route; there was one before. The previous configuration is back" in said


def test_a_silent_dhcp_server_is_undone_at_once(attempt, same, lab, machine):
    """eth4 is in the private segment, where nobody answers."""
    lab.attach(machine, "eth4", "d")
    try:
        status, said = attempt([PRIMARY, SECONDARY, {"name": "eth4"}], network_timeout=3)
    finally:
        lab.detach(machine, "eth4")
    assert status != 0 and "eth4: DHCP gave no IPv4 address. The previous configuration is back" in said


def test_a_controller_that_is_killed_before_it_confirms(start, same, unconfirmed):
    process = start([PRIMARY, dict(SECONDARY, mtu=1400)], network_confirm_timeout=TIMEOUT)
    wait_for(unconfirmed, 30)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    wait_for(lambda: not unconfirmed(), BACK)


def test_a_machine_that_is_rebooted_before_anybody_confirms(start, same, host, lab, machine):
    """The boot undoes it, before the network comes up: also a change that would have kept the machine out of reach."""
    process = start([static("198.18.99.10/24", "198.18.99.1"), SECONDARY], network_confirm_timeout=600)
    wait_for(lambda: host.run("ip address show eth0").stdout.count("198.18.99.10"), 30)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    lab.reboot([machine], hard=True)


@pytest.fixture
def other_address(tmp_path, machine, nic):
    """An address that no machine has yet, and options by which the controller reaches the machine there."""
    address = "198.18.0.%d" % (nic.host + 60)
    (tmp_path / "there.yml").write_text("all: {hosts: {%s: {ansible_host: %s}}}\n" % (machine, address))
    return address, ("--inventory", str(tmp_path / "there.yml"))


def test_a_change_of_the_address_that_the_controller_connects_to(run, same, nic, other_address):
    """There and back: confirmed at the new address, where the second run finds nothing to do."""
    address, options = other_address
    alias = {"ansible_ssh_extra_args": "-o HostKeyAlias=" + nic.ipv4}
    changed = [static(address + "/24", "198.18.0.1"), SECONDARY]
    succeeds(run(changed, network_confirm_host=address, **alias), changed=1)
    succeeds(run(changed, options=options, **alias), changed=0)
    succeeds(run([PRIMARY, SECONDARY], options=options, network_confirm_host=nic.ipv4, **alias))


def test_a_new_address_at_which_nobody_answers_is_undone(attempt, same, nic, other_address):
    status, said = attempt([static(other_address[0] + "/24", "198.18.0.99"), SECONDARY], network_confirm_host=other_address[0],
                       ansible_ssh_extra_args="-o HostKeyAlias=" + nic.ipv4)
    assert status != 0 and "nobody confirmed it over a new connection within 10 s" in said


def test_a_change_in_the_background_that_fails_says_why(attempt, same, nic):
    status, said = attempt([dict(PRIMARY, dhcp4=False, accept_ra=False), SECONDARY], network_confirm_host=nic.ipv4, network_timeout=3)
    assert status != 0 and "because it failed: after 3 s: table main has no IPv4 default route; there was one before" in said


def test_a_change_in_the_background_that_is_killed(attempt, same, nic, host):
    status, said = attempt([PRIMARY, dict(SECONDARY, mtu=1400)], network_confirm_host=nic.ipv4, fault="written")
    assert status != 0 and "the change was not made to its end: the process that made it is gone. The previous configuration is back" in said


@pytest.mark.parametrize("changed", ["eth0", "eth1", "eth2"])
def test_no_packet_is_lost_on_the_interfaces_that_do_not_change(run, lab, machine, changed, figure):
    """A ping every 20 ms to each address, from before the run until after its confirmation. What a change costs it costs each time; a
    busy machine loses one of some thousands."""
    interfaces = [PRIMARY, SECONDARY, {"name": "eth2", "policy_routing": True}]
    succeeds(run(interfaces))
    wait_for(lambda: complete(lab, machine, ("eth0", "eth1", "eth2")), BACK)
    addresses = [(trip.interface, trip.address) for trip in lab.trace("client", machine, count=1)]

    def elsewhere(mtu):
        pings = [lab.start("client", "ping", "-n", "-q", "-i", "0.02", address) for _interface, address in addresses]
        succeeds(run([dict(entry, mtu=mtu) if entry["name"] == changed else entry for entry in interfaces]))
        counts = []
        for process in pings:
            process.send_signal(signal.SIGINT)
            counts.append([int(number) for number in re.search(r"(\d+) packets transmitted, (\d+) received", process.communicate()[0]).groups()])
        figure("%s, %s changes: packets lost: %s" % (machine, changed, ", ".join(
            "%s %d of %d" % (interface, sent - received, sent) for (interface, _address), (sent, received) in zip(addresses, counts))))
        assert all(sent > 50 for sent, _received in counts)
        # the last one may be on its way
        return [address for (interface, address), (sent, received) in zip(addresses, counts) if interface != changed and sent - received > 1]

    assert not elsewhere(1400) or elsewhere(1410) == []
    succeeds(run([PRIMARY, SECONDARY]))


@pytest.mark.parametrize("step", STEPS)
def test_a_module_that_is_killed_at_any_step(attempt, same, unconfirmed, step):
    """The change touches a file of an interface, and one that a hook or a client reads."""
    changed = dict(SECONDARY, mtu=1400, policy_routing={"table": 30000})
    status, _said = attempt([PRIMARY, changed], fault=step, network_confirm_timeout=4)
    assert status != 0
    wait_for(lambda: not unconfirmed(), BACK)


def test_the_run_after_a_crash_repairs_it_first(run, unconfirmed):
    """Killed before the switch was armed: nobody else would."""
    run([PRIMARY, dict(SECONDARY, mtu=1400)], fault="journal")
    assert unconfirmed()
    status, said = run([PRIMARY, SECONDARY])
    assert status == 0 and not unconfirmed()


def test_where_systemd_does_not_run_the_machine_nothing_is_changed(run, same, host):
    """Nothing could undo it. It looks so to everybody who asks (sd_booted(3))."""
    host.check_output("mv /run/systemd/system /run/systemd/hidden")
    try:
        status, said = run([PRIMARY, dict(SECONDARY, mtu=1400)])
    finally:
        host.check_output("mv /run/systemd/hidden /run/systemd/system")
    assert status != 0 and "systemd does not run this host, so nothing could undo the change if the connection is lost" in said


def test_a_good_change_stands(run, unconfirmed, host):
    """And nothing of the net is left behind, now or after the time."""
    succeeds(run([PRIMARY, dict(SECONDARY, mtu=1400)]))
    assert not unconfirmed()
    assert not host.file("/etc/systemd/system/gandi-hosting-undo-boot.service").exists
    assert host.check_output("cat /sys/class/net/eth1/mtu") == "1400"
    succeeds(run([PRIMARY, SECONDARY]))
