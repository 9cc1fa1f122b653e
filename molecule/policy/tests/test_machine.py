# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the machine itself sends: by which interface it leaves, seen on the provider's side before anti-spoofing."""

import pytest
from conftest import CLIENT4, CLIENT6, questions

from lab import Question

EVERYWHERE = [CLIENT4, CLIENT6] + [address % number for number in range(4) for address in ("198.18.%d.5", "2001:db8:1%d::5")]


def test_a_socket_bound_to_an_address_leaves_through_its_interface(lab, machine, ask):
    """To a remote host, and to hosts in all of the segments: also there through the address's own gateway, or it would be spoofed."""
    interfaces = {address: interface for interface, address in lab.addresses(machine)}
    answers = ask(questions(interfaces, EVERYWHERE))
    assert len(answers) == 90
    assert [answer for answer in answers if not answer.answered or answer.seen_as != answer.question.source
            or not interfaces[answer.question.source] == answer.left_by == answer.back_by] == []


@pytest.mark.parametrize("interface", ["eth0", "eth1", "eth2", "eth3"])
def test_a_socket_bound_to_a_device_leaves_through_it(ask, interface):
    """With an address of that device, which the kernel chooses once it knows the way."""
    asked = [Question(to, protocol, device=interface) for to in (CLIENT4, CLIENT6) for protocol in ("tcp", "udp")]
    assert [answer for answer in ask(asked) if not answer.answered or not interface == answer.left_by == answer.back_by] == []


def test_what_is_bound_to_nothing_leaves_through_the_primary(ask):
    answers = ask([Question(to, protocol) for to in (CLIENT4, CLIENT6) for protocol in ("tcp", "udp")])
    assert [(answer.answered, answer.left_by, answer.back_by) for answer in answers] == [(True, "eth0", "eth0")] * 4


def test_a_host_in_a_segment_of_the_machine_is_reached_directly(ask):
    """Main knows the segment: what is bound to nothing takes the interface there, with its address."""
    answers = ask([Question(address % number) for number in range(4) for address in ("198.18.%d.5", "2001:db8:1%d::5")])
    assert [answer.left_by for answer in answers] == ["eth%d" % number for number in range(4) for _family in "46"]
    assert [answer for answer in answers if not answer.answered or answer.left_by != answer.back_by] == []
