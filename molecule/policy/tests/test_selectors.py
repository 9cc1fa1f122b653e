# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Traffic that a selector sends to eth2 leaves there, with eth2's address; what only resembles it, and replies, do not."""

import pytest
from conftest import CLIENT4, CLIENT6, first

from lab import Question

CASES = {
    "a user": ({"uid": 4242}, {"uid": 4243}),
    "a mark": ({"mark": 0x302}, {"mark": 0x203}),
    "a destination port": ({"protocol": "tcp", "port": 7008}, {"protocol": "udp", "port": 7008}),
    "a range of source ports": ({"protocol": "udp", "source_port": 5009}, {"protocol": "udp", "source_port": 5010}),
    "a type of service": ({"tos": 0x10}, {"tos": 0x08}),
}

MASQUERADE = """
table ip boxes {
  chain out { type nat hook postrouting priority 100; ip saddr %s masquerade; }
}
"""


@pytest.mark.parametrize("address", [CLIENT4, CLIENT6], ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("name", CASES)
def test_what_is_selected_leaves_through_the_interface(lab, machine, ask, name, address):
    selected, other = CASES[name]
    answers = ask([Question(address, **selected), Question(address, **other)])
    assert [(answer.left_by, answer.back_by, answer.answered) for answer in answers] == [("eth2", "eth2", True), ("eth0", "eth0", True)]
    assert answers[0].seen_as == first(lab, machine, "eth2", ipv6=":" in address)


@pytest.mark.parametrize("address", ["198.19.1.1", "2001:db8:e::1"])
def test_a_destination_is_selected(lab, machine, ask, address):
    lab.serve("provider")
    answers = ask([Question(address, protocol) for protocol in ("tcp", "udp")])
    assert [(answer.left_by, answer.answered) for answer in answers] == [("eth2", True)] * 2, answers


@pytest.mark.parametrize("interface, network", [("docker7", "198.19.207.0/24"), ("docker8", "198.19.208.0/24")], ids=["iif", "from"])
def test_a_container_network_is_selected(lab, machine, host, ask, interface, network):
    """By the interface that it comes from, or by its addresses."""
    try:
        box = lab.add_box(machine, interface, network)
        host.check_output("sysctl -qw net.ipv4.ip_forward=1; nft '%s'" % (MASQUERADE % network))
        answers = ask([Question(CLIENT4, protocol) for protocol in ("tcp", "udp")], box)
    finally:
        host.run("nft delete table ip boxes; sysctl -qw net.ipv4.ip_forward=0")
        lab.remove_box(machine, interface)
    assert [(answer.left_by, answer.seen_as, answer.answered) for answer in answers] == [("eth2", first(lab, machine, "eth2"), True)] * 2


@pytest.mark.parametrize("selected", [{"uid": 4242}, {"mark": 2}, {"protocol": "tcp", "port": 7008}], ids=str)
def test_an_address_of_another_interface_weighs_more_than_a_selector(lab, machine, ask, selected):
    """It would be lost to anti-spoofing."""
    answers = ask([Question(CLIENT6 if ":" in address else CLIENT4, source=address, **selected)
                   for address in (first(lab, machine, "eth1"), first(lab, machine, "eth1", ipv6=True))])
    assert [(answer.left_by, answer.answered) for answer in answers] == [("eth1", True)] * 2


def test_a_host_in_a_segment_of_the_machine_is_reached_directly_also_by_what_is_selected(ask):
    """Main knows it more precisely than by a default."""
    answers = ask([Question("198.18.1.5", uid=4242), Question("2001:db8:11::5", uid=4242)])
    assert [(answer.left_by, answer.answered) for answer in answers] == [("eth1", True)] * 2
