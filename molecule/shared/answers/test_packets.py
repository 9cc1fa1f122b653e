# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every address of every interface answers, through its own interface, with anti-spoofing on."""

import time

import pytest

PATIENCE = 10   # seconds until an interface that was just plugged in has its addresses (dhcpcd, duplicate address detection)


def lost(lab, source, machine):
    return [trip for trip in lab.trace(source, machine) if not trip.ok or not trip.interface == trip.request_in == trip.reply_out]


@pytest.mark.parametrize("source", ["client", "neighbour-a", "neighbour-b", "neighbour-c", "neighbour-d"])
def test_every_address_answers_through_its_own_interface(lab, machine, source):
    """From a remote client, and from a host in each of the machine's own segments."""
    deadline = time.monotonic() + PATIENCE
    while lost(lab, source, machine) and time.monotonic() < deadline:
        time.sleep(0.5)
    assert lost(lab, source, machine) == []


def test_every_interface_has_an_address_of_each_family(lab, machine):
    """So that the test above proves something for each of them."""
    have = {(trip.interface, ":" in trip.address) for trip in lab.trace("client", machine, count=1)}
    assert have == {("eth%d" % number, ipv6) for number in range(4) for ipv6 in (False, True)}


def test_a_container_network_on_the_machine_reaches_all_of_its_addresses(lab, machine):
    """A bridge with a network behind it, as docker makes one: what main knows more precisely than a default goes there."""
    lab.exec(machine, "sh", "-c", "ip netns add box; ip link add box0 type bridge; ip link set box0 up;"
             "ip address add 198.19.200.1/24 dev box0; ip link add box1 master box0 up type veth peer eth0 netns box;"
             "ip -n box address add 198.19.200.2/24 dev eth0; ip -n box link set eth0 up; ip -n box route add default via 198.19.200.1")
    try:
        addresses = [trip.address for trip in lab.trace("client", machine, count=1) if "." in trip.address]
        failed = [address for address in addresses
                  if lab.exec(machine, "ip", "netns", "exec", "box", "ping", "-q", "-c", "2", "-i", "0.2", "-W", "1", address).returncode]
        assert (len(addresses), failed) == (4, [])
    finally:
        lab.exec(machine, "sh", "-c", "ip netns del box; ip link del box0")
