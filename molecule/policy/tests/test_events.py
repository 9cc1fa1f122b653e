# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Whatever somebody does to the network, everything is right again by itself; how many pings were lost meanwhile is printed."""

import time

import pytest
from conftest import kernel, missing, wait_until, wrong

from lab import Lab

SERVICE = "gandi-policy-routing"
MANAGERS = [
    ("networkd", "systemctl restart systemd-networkd"),
    ("networkd", "touch /etc/systemd/network/*gandi-eth1*; networkctl reload"),
    ("networkd", "networkctl reconfigure eth1"),
    ("netplan", "netplan apply"),
    ("netplan", "systemctl restart systemd-networkd"),
    ("netplan", "touch /run/systemd/network/*-eth1.network; networkctl reload"),
    ("netplan", "networkctl reconfigure eth1"),
    ("ifupdown", "ifdown eth1; ifup eth1"),
    ("ifupdown", "systemctl restart networking"),
    (None, "systemctl restart systemd-udevd; udevadm trigger --action=add --subsystem-match=net; udevadm settle"),
]
HANDS = [
    "ip rule delete priority 26540 from {eth1}; ip -6 rule delete priority 26530 from {eth1_6}",
    "ip route flush table 26521; ip -6 route flush table 26521",
    "ip route replace default via {neighbour} dev eth1 table 26521 protocol 171",
    "ip -4 address flush dev eth3; ip address add {eth3}/24 dev eth3; ip address add {eth3_second}/24 dev eth3",
    "ip link set eth3 down; ip link set eth3 up; ip -6 address replace {eth3_6}/64 dev eth3",
    "systemctl restart {service}",
    "systemctl kill --signal=KILL {service}; ip rule flush protocol 171; ip -6 rule flush protocol 171",
    "systemctl stop {service}; ip rule flush protocol 171; ip route flush table 26522; systemctl start {service}",
]

# The addresses that networkd has by DHCP and that are not there.
OWED = """for lease in /run/systemd/netif/leases/*; do
    address=$(sed -n 's/^ADDRESS=//p' "$lease" 2>/dev/null) && [ "$address" ] || continue
    ip -4 -o address | grep -q " $address/" || echo "$address"
done"""


@pytest.fixture
def until_applied(lab, machine, host, measured):
    """Return a function that waits as wait_until does. Where Debian 12's networkd owes an address after a while, it is started anew.

    With `networkctl reload` and `networkctl reconfigure` right after each other, and that is `netplan apply`, that networkd now and then
    takes back an address that it is only about to set, and never sets it again (dhcp4_remove_address_and_routes of networkd 252). It does
    so on a machine that has nothing of ours.
    """
    def wait(nothing_of):
        try:
            wait_until(nothing_of, 20)
        except AssertionError:
            owed = host.run(OWED).stdout.split()
            if not owed or lab.state.machine(machine).flavour != "debian12":
                raise
            measured("networkd 252 has a lease of %s and does not set it: started anew", ", ".join(owed))
            host.check_output("systemctl restart systemd-networkd")
            wait_until(nothing_of)
    return wait


@pytest.fixture
def pinged(lab, machine):
    """Return a function that pings all addresses while it calls another one, and says how many were lost: the most on eth1, and
    the most elsewhere, of each family."""
    def during(call):
        addresses = {address: interface for interface, address in lab.addresses(machine)}
        with lab.pinging("client", list(addresses)) as pings:
            call()
        return ", ".join("IPv%d %d and %d" % (6 if ipv6 else 4, *[max(ping.lost for address, ping in pings.items() if (":" in address) == ipv6
                                              and (addresses[address] == "eth1") == own) for own in (True, False)]) for ipv6 in (False, True))
    return during


def words(lab, machine):
    nics = lab.state.machine(machine).nics
    found = {nic.name: nic.ipv4 for nic in nics}
    found.update({nic.name + "_6": nic.ipv6 for nic in nics}, service=SERVICE, neighbour="198.18.1.5")
    found["eth3_second"] = found["eth3"].replace(".3.", ".3.2")  # molecule.yml
    return found


@pytest.mark.parametrize("backend, command", MANAGERS, ids=["%s: %s" % (backend or "any", command) for backend, command in MANAGERS])
def test_a_program_starts_anew(settled, pinged, until_applied, lab, machine, host, measured, backend, command):
    """With the service and, for comparison, while it is stopped."""
    wait = until_applied if command == "netplan apply" else wait_until
    if backend not in (None, lab.state.machine(machine).backend):
        pytest.skip("this machine has %s" % lab.state.machine(machine).backend)

    def event():
        host.run(command)
        wait(lambda: wrong(lab, machine))

    def event_alone():
        host.check_output("systemctl stop " + SERVICE)
        host.run(command)
        wait(lambda: missing(lab, machine))
        host.check_output("systemctl start " + SERVICE)
        wait_until(lambda: wrong(lab, machine))

    measured("%s: pings lost on eth1 and elsewhere: %s", command, pinged(event))
    measured("%s, the service stopped meanwhile: %s", command, pinged(event_alone))


def test_the_machine_reboots(pinged, lab, machine, host, measured):
    """With the service and, for comparison, with one that is started when the addresses are there. Ours is the same again; what others
    set up by hand may be gone."""
    wait_until(lambda: wrong(lab, machine))
    before = set(kernel(lab, machine)[0])

    def boot(wrong_yet):
        lab.reboot([machine])
        lab.serve(machine)
        wait_until(lambda: wrong_yet(lab, machine))

    def boot_alone():
        try:
            boot(missing)
        finally:
            host.check_output("systemctl enable --now " + SERVICE)
        wait_until(lambda: wrong(lab, machine))

    with lab.monitoring(machine) as log:
        start = time.time()
        measured("reboot: pings lost on eth1 and elsewhere: %s", pinged(lambda: boot(wrong)))
    # so that a second one would have been heard
    assert log.first(start, "default via", "dev eth0") and log.first(start, "default via", "dev eth1", "table 26521")
    host.check_output("systemctl disable " + SERVICE)
    measured("reboot, the service started at its end: %s", pinged(boot_alone))
    wait_until(lambda: before ^ set(kernel(lab, machine)[0]), 30)


@pytest.mark.parametrize("command", HANDS)
def test_somebodys_hand(settled, pinged, lab, machine, host, measured, command):
    def event():
        host.run(command.format(**words(lab, machine)))
        wait_until(lambda: wrong(lab, machine))
        wait_until(lambda: set(settled[0]) ^ set(kernel(lab, machine)[0]), 10)

    measured("%s: pings lost on eth1 and elsewhere: %s", command, pinged(event))


def test_an_address_by_hand_is_served_like_any_other(settled, lab, machine, host):
    """And forgotten when it goes."""
    nic = lab.state.machine(machine).nic("eth1")
    for address, length in ((nic.where.ipv4(nic.host + 90), 24), (nic.where.ipv6(nic.host + 90), 128)):
        lab.run_in(machine, "ip", "address", "add", "%s/%d" % (address, length), "dev", "eth1")
        try:
            wait_until(lambda: [] if address in [trip.address for trip in lab.trace("neighbour-a", machine, count=1) if trip.right]
                       else kernel(lab, machine)[0], 5)
        finally:
            lab.run_in(machine, "ip", "address", "delete", "%s/%d" % (address, length), "dev", "eth1")


def test_the_address_of_a_lease_is_taken_away_and_given_back_by_hand(settled, lab, machine, host):
    """Its gateway in the kernel goes with it, and no client puts that back: the lease has it still."""
    address = lab.state.machine(machine).nic("eth1").ipv4
    host.check_output("ip -4 address flush dev eth1")
    # dhcpcd has given it back already
    host.check_output("ip address replace %s/24 dev eth1", address)
    wait_until(lambda: wrong(lab, machine))
    # networkd's own route to the gateway comes back with the next lease only
    lab.renew(machine, "eth1", anew=True)


def test_an_interface_that_is_plugged_in_while_udevd_restarts(settled, lab, machine, host):
    """Others miss it (amazon-ec2-net-utils issue 86)."""
    lab.detach(machine, "eth2")
    restarted = host.run("systemctl --no-block restart systemd-udevd")
    lab.attach(machine, "eth2")
    assert restarted.rc == 0
    wait_until(lambda: wrong(Lab.load(), machine))


def test_the_default_route_of_a_router_advertisement_outlives_networkd(settled, lab, machine, host):
    """Told to leave others' routes alone, networkd 257 loses its own until the next advertisement (systemd issue 40510); it has solicited
    one after a second."""
    if lab.state.machine(machine).backend == "ifupdown":
        pytest.skip("this machine has ifupdown")
    host.check_output("systemctl restart systemd-networkd; sleep 2.5")
    assert "dev eth0" in lab.run_in(machine, "ip", "-6", "route", "show", "default").stdout
