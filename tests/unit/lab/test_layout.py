"""Addresses and names are foreseeable, and a wrong one is refused with a sentence."""

from __future__ import annotations

import pytest
from lab import LabError, layout
from lab.state import State


def machine_with(*interfaces: str):
    """A machine in a lab that exists only in memory."""
    state = State()
    machine = state.new_machine("vm1", "debian12", "networkd")
    for interface in interfaces:
        state.new_nic(machine, interface, None, None)
    return state, machine


@pytest.mark.parametrize(
    ("interface", "mac", "ipv4", "ipv6"),
    [
        ("eth0", "02:00:00:00:00:0a", "198.18.0.10", "2001:db8:10::ff:fe00:a"),
        ("eth2", "02:00:00:00:02:0a", "198.18.2.10", "2001:db8:12::ff:fe00:20a"),
        ("eth3", "02:00:00:00:03:0a", "198.18.3.10", "2001:db8:13::10"),
    ],
)
def test_usual_interface_has_foreseeable_addresses(interface, mac, ipv4, ipv6):
    """ethN is in the Nth segment with the machine's number in its addresses."""
    _state, machine = machine_with(interface)
    nic = machine.nic(interface)
    assert (nic.mac, nic.ipv4, nic.ipv6) == (mac, ipv4, ipv6)


def test_second_interface_in_one_segment_has_its_own_address():
    """Two interfaces of a machine in one segment do not share an address."""
    state, machine = machine_with("eth0", "eth1")
    assert state.new_nic(machine, "eth2", "b", None).ipv4 == "198.18.1.100"


def test_address_follows_the_mac():
    """A MAC that is attached again, under another name, gets its old address."""
    state, machine = machine_with("eth0", "eth1")
    nic = machine.nic("eth1")
    machine.nics.remove(nic)
    assert state.new_nic(machine, "ens7", "b", nic.mac).ipv4 == nic.ipv4


def test_mac_in_use_is_refused():
    """Two interfaces cannot have one MAC."""
    state, machine = machine_with("eth0")
    with pytest.raises(LabError, match="is that of eth0 of vm1"):
        state.new_nic(machine, "eth1", None, "02:00:00:00:00:0a")


@pytest.mark.parametrize(
    ("call", "argument"),
    [
        (layout.check_machine_name, "VM_1"),
        (layout.check_machine_name, ""),
        (layout.check_machine_name, "a/b"),
        (layout.check_interface_name, "eth0.100"),
        (layout.check_interface_name, "interfaceone1"),
        (layout.check_mac, "01:00:5e:00:00:01"),
        (layout.check_mac, "02:00:00:00:00"),
        (layout.segment, "e"),
        (layout.netns, "neighbour-e"),
    ],
)
def test_bad_name_is_refused(call, argument):
    """The error shows what was given and what was expected."""
    with pytest.raises(LabError, match="expected"):
        call(argument)


def test_longest_port_name_fits_the_kernel():
    """An interface name in the kernel has at most 15 characters."""
    assert len(layout.port(layout.LAST_NUMBER, "e" * 11)) <= 15


def test_every_address_is_behind_a_route_of_the_controller():
    """The controller's routes cover every segment and nothing outside the lab's ranges."""
    import ipaddress

    routes = [ipaddress.ip_network(prefix) for prefix in layout.CONTROLLER_ROUTES]
    for segment in layout.SEGMENTS.values():
        for network in map(ipaddress.ip_network, (segment.network4, segment.network6)):
            assert any(network.version == route.version and network.subnet_of(route) for route in routes)
