"""Which frames count as a ping, and which interface as its way in or out."""

from __future__ import annotations

import json
import struct

import pytest
from lab import capture, sniffer
from lab.state import State

COOKIE = b"\x01\x02\x03\x04\x05\x06\x07\x08"


def frame(ethertype: int, packet: bytes) -> bytes:
    """An Ethernet frame."""
    return bytes(12) + struct.pack("!H", ethertype) + packet


def ipv4(icmp_type: int, protocol: int = 1) -> bytes:
    """An IPv4 packet without options, with an ICMP message."""
    return bytes([0x45, *bytes(8), protocol, *bytes(10)]) + bytes([icmp_type, *bytes(7)]) + COOKIE


def ipv6(icmp_type: int, following: int = 58) -> bytes:
    """An IPv6 packet with an ICMPv6 message."""
    return bytes([0x60, *bytes(5), following, *bytes(33)]) + bytes([icmp_type, *bytes(7)]) + COOKIE


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (frame(0x0800, ipv4(8)), "request"),
        (frame(0x0800, ipv4(0)), "reply"),
        (frame(0x86DD, ipv6(128)), "request"),
        (frame(0x86DD, ipv6(129)), "reply"),
    ],
)
def test_echo_is_recognised(data, kind):
    """Requests and replies of both families."""
    assert sniffer.echo(data) == (kind, COOKIE)


@pytest.mark.parametrize(
    "data",
    [
        frame(0x0800, ipv4(3)),
        frame(0x0800, ipv4(8, protocol=17)),
        frame(0x86DD, ipv6(135)),
        frame(0x86DD, ipv6(128, following=6)),
        frame(0x0806, ipv4(8)),
        frame(0x0800, b""),
        frame(0x86DD, ipv6(128)[:44]),
    ],
)
def test_other_frames_are_ignored(data):
    """Other ICMP, other protocols, cut frames."""
    assert sniffer.echo(data) is None


def seen(lab: State, *entries: dict) -> capture._Seen:
    """What the collector makes of the sniffer's lines."""
    usual = {"cookie": "c", "kind": "request", "to_machine": True, "destination": "02:00:00:00:00:0a"}
    return capture._collect(lab, [json.dumps({**usual, **entry}) for entry in entries])


@pytest.fixture(name="lab")
def _lab() -> State:
    lab = State()
    machine = lab.new_machine("vm1", "debian12", "networkd")
    for interface in ("eth0", "eth1"):
        lab.new_nic(machine, interface, None, None)
    return lab


def test_request_to_the_interface_counts(lab):
    """A request addressed to eth0's MAC came in on eth0."""
    assert seen(lab, {"port": "v10-eth0"}).requests == {"c": ["eth0"]}


def test_flooded_request_does_not_count(lab):
    """A copy that the bridge floods to another port is not the way in."""
    assert not seen(lab, {"port": "v10-eth1"}).requests


def test_reply_counts_where_it_left(lab):
    """A reply seen on eth1's port left by eth1."""
    assert seen(lab, {"port": "v10-eth1", "kind": "reply", "to_machine": False}).replies == {"c": ["eth1"]}


def test_reply_on_its_way_to_somebody_else_does_not_count(lab):
    """A reply that goes out of a bridge port was not sent by that machine."""
    assert not seen(lab, {"port": "v10-eth1", "kind": "reply"}).replies


def test_cut_line_is_ignored(lab):
    """The sniffer is ended while it writes."""
    assert not capture._collect(lab, ['{"port": "v10-']).requests
