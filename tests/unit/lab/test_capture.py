"""Which frames are our own traffic, and which interface counts as its way in or out."""

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


def udp(data: bytes) -> bytes:
    """A UDP datagram."""
    return bytes(8) + data


def tcp(data: bytes, options: int = 12) -> bytes:
    """A TCP segment with options, as Linux sends it (timestamps)."""
    return bytes([*bytes(12), (20 + options) // 4 << 4, *bytes(7 + options)]) + data


def over(protocol: int, body: bytes, version: int = 4) -> bytes:
    """A frame with an IP packet."""
    if version == 4:
        return frame(0x0800, bytes([0x45, *bytes(8), protocol, *bytes(10)]) + body)
    return frame(0x86DD, bytes([0x60, *bytes(5), protocol, *bytes(33)]) + body)


@pytest.mark.parametrize("version", [4, 6])
@pytest.mark.parametrize(("protocol", "segment"), [(17, udp), (6, tcp)], ids=["udp", "tcp"])
@pytest.mark.parametrize(("mark", "kind"), [(b"?", "request"), (b"!", "reply")])
def test_question_and_answer_are_recognised(version, protocol, segment, mark, kind):
    """Over UDP and TCP, of both families."""
    assert sniffer.message(over(protocol, segment(mark + COOKIE), version)) == (kind, COOKIE)


@pytest.mark.parametrize("data", [over(17, udp(COOKIE)), over(6, tcp(b"")), over(6, b"?"), over(47, udp(b"?" + COOKIE))])
def test_other_traffic_is_ignored(data):
    """Other data, a segment without data, a cut one, another protocol."""
    assert sniffer.message(data) is None


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
    assert sniffer.message(data) == (kind, COOKIE)


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
    assert sniffer.message(data) is None


def seen(lab: State, *entries: dict) -> dict:
    """What the collector makes of the sniffer's lines."""
    usual = {"cookie": "c", "kind": "request", "to_machine": True, "destination": "02:00:00:00:00:0a"}
    found = capture.Seen()
    capture._collect(lab, [json.dumps({**usual, **entry}) for entry in entries], found)
    return found.by


@pytest.fixture(name="lab")
def _lab() -> State:
    lab = State()
    machine = lab.new_machine("vm1", "debian12", "networkd")
    for interface in ("eth0", "eth1"):
        lab.new_nic(machine, interface, None, None)
    return lab


def test_request_to_the_interface_counts(lab):
    """A request addressed to eth0's MAC came in on eth0."""
    assert seen(lab, {"port": "v10-eth0"}) == {("c", "request", "in"): ["eth0"]}


def test_flooded_request_does_not_count(lab):
    """A copy that the bridge floods to another port is not the way in."""
    assert seen(lab, {"port": "v10-eth1"}) == {}


def test_reply_counts_where_it_left(lab):
    """A reply seen on eth1's port left by eth1."""
    assert seen(lab, {"port": "v10-eth1", "kind": "reply", "to_machine": False}) == {("c", "reply", "out"): ["eth1"]}


def test_a_machine_asks_and_is_answered(lab):
    """Its request goes out, the reply comes in."""
    entries = {"port": "v10-eth0", "to_machine": False}, {"port": "v10-eth0", "kind": "reply"}
    assert seen(lab, *entries) == {("c", "request", "out"): ["eth0"], ("c", "reply", "in"): ["eth0"]}


def test_reply_on_its_way_to_somebody_else_does_not_count(lab):
    """A reply that goes out of a bridge port was not sent by that machine."""
    assert ("c", "reply", "out") not in seen(lab, {"port": "v10-eth0", "kind": "reply"})


def test_both_interfaces_are_told(lab):
    """A packet that took two ways is seen on both."""
    entries = [{"port": f"v10-{name}", "kind": "reply", "to_machine": False} for name in ("eth1", "eth0", "eth1")]
    assert seen(lab, *entries) == {("c", "reply", "out"): ["eth1", "eth0"]}


def test_other_ports_do_not_count(lab):
    """The router's and the neighbours' own ports are no machine's."""
    assert seen(lab, {"port": "nb-a", "to_machine": False}) == {}


def test_cut_line_is_ignored(lab):
    """The sniffer is ended while it writes."""
    found = capture.Seen()
    capture._collect(lab, ['{"port": "v10-'], found)
    assert found.by == {}


@pytest.mark.parametrize(
    ("way", "right"),
    [(("eth1", "eth1"), True), (("eth1", "eth0"), False), (("eth0", "eth1"), False), (("eth1", "eth1,eth0"), False)],
)
def test_a_trip_is_right_by_its_own_interface_alone(way, right):
    """Answered, and in and out by the interface that has the address and no other."""
    assert capture.Trip("client", "eth1", "198.18.1.10", 1, 1, *way).right is right
