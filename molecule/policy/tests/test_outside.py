# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who talks to the machine: every address answers, through its own interface and no other."""

import pytest
from conftest import first, missing, stays_right

PROTOCOLS = ("icmp", "tcp", "udp")
SOURCES = ["client", "neighbour-a", "neighbour-b", "neighbour-c", "neighbour-d"]


def test_every_interface_has_its_addresses(settled, lab, machine):
    """One of each family, and eth3 a second IPv4 address: so that the tests below prove something for each of them."""
    assert missing(lab, machine) == set()
    assert len(lab.addresses(machine)) == 9


@pytest.mark.parametrize("source", SOURCES)
def test_ping_tcp_and_udp_come_and_go_through_the_interface_of_the_address(lab, machine, source):
    """From a remote client, and from a host in each of the machine's segments, on its own link and on those of the others."""
    def wrong():
        trips = lab.trace(source, machine, count=2, protocols=PROTOCOLS)
        assert len(trips) == 27
        return [trip for trip in trips if not trip.right]

    stays_right(wrong)


def test_a_container_on_the_machine_reaches_all_of_its_addresses(lab, machine):
    """A bridge with a network behind it, as docker makes one; nothing of it is seen outside."""
    box = lab.add_box(machine, "docker0")

    def wrong():
        trips = lab.trace(box, machine, count=2, protocols=PROTOCOLS)
        assert {trip.interface for trip in trips} == {"eth0", "eth1", "eth2", "eth3"}
        return [trip for trip in trips if not trip.ok or trip.request_in or trip.reply_out]

    try:
        stays_right(wrong)
    finally:
        lab.remove_box(machine, "docker0")


@pytest.mark.parametrize("interface", ["eth1", "eth2"])
def test_the_gateway_stays_when_the_kernel_forgets_the_routers_neighbour_entry(settled, lab, machine, host, interface):
    """It does that on any segment with many hosts, and the next router advertisement may be minutes away."""
    lab.run_in(machine, "ip", "-6", "neighbour", "delete", "fe80::1", "dev", interface)
    host.check_output("gandi-policy-routing apply")
    address = first(lab, machine, interface, ipv6=True)
    stays_right(lambda: [] if address in [trip.address for trip in lab.trace("client", machine, count=1) if trip.right] else address)
