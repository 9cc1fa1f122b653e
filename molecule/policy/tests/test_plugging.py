# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces come, go, and come back, also under another name."""

import time

import pytest
from conftest import kernel, stays_right, wait_until, wrong

from lab import Lab


@pytest.fixture
def replugged(lab, machine):
    """After the test, whatever it did, the interfaces are there under their own names."""
    yield
    names = [nic.name for nic in Lab.load().state.machine(machine).nics]
    for name in names:
        if name not in ("eth0", "eth1", "eth2", "eth3"):
            lab.detach(machine, name)
    for name in ("eth1", "eth2", "eth3"):
        if name not in names:
            lab.attach(machine, name)


def test_what_is_unplugged_leaves_nothing_of_ours_and_comes_back(settled, replugged, lab, machine, measured):
    """Not its rules, its table, nor the ways to its subnet in the tables of the others; nothing foreign goes. How long it takes from
    plug to the first reply is printed beside the time to a usable address, which is the DHCP client's and the kernel's own."""
    nic = lab.state.machine(machine).nic("eth1")
    addresses = [nic.ipv4, nic.ipv6]
    traces = (*addresses, nic.where.network4, nic.where.network6, "eth1", "26521")
    foreign = {line for line in settled[1] if "eth1" not in line}
    lab.detach(machine, "eth1")
    wait_until(lambda: [line for line in kernel(lab, machine)[0] if any(word in line for word in traces)], 5)
    assert set(kernel(lab, machine)[1]) == foreign
    stays_right(lambda: [trip for trip in lab.trace("client", machine, count=1) if not trip.right])
    for address in addresses:
        # the router's own patience (it asks once a second) is none of our time
        lab.run("provider", "ip", "neighbour", "replace", address, "lladdr", nic.mac, "dev", nic.where.bridge, "nud", "permanent")
    try:
        with lab.pinging("client", addresses, 0.01) as pings, lab.monitoring(machine) as log:
            plugged = time.time()
            lab.attach(machine, "eth1")
            wait_until(lambda: wrong(Lab.load(), machine))
    finally:
        for address in addresses:
            lab.run("provider", "ip", "neighbour", "delete", address, "dev", nic.where.bridge)
    for address in addresses:
        family = "inet6 " if ":" in address else "inet "
        times = [log.first(plugged, family + address), log.first(plugged, "from " + address, "26540:"), pings[address].first_reply(plugged)]
        measured("plugged eth1: %s usable after %.3f s, its rules %.3f s, first reply %.3f s", address, *[(when or 0) - plugged for when in times])


def test_a_mac_is_known_under_another_name(settled, replugged, lab, machine):
    """And keeps its table."""
    nic = lab.state.machine(machine).nic("eth1")
    lab.detach(machine, "eth1")
    lab.attach(machine, "eth7", nic.segment, nic.mac)
    wait_until(lambda: [] if (nic.ipv4, True) in [(trip.address, trip.right) for trip in Lab.load().trace("client", machine, count=1)]
               else kernel(lab, machine)[0])
    assert [line for line in kernel(lab, machine)[0] if "from %s lookup 26521" % nic.ipv4 in line]
    lab.detach(machine, "eth7")
    lab.attach(machine, "eth1")
