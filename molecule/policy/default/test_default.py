# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""eth2 is the way out for all that is bound to no address, and strict."""

import pytest
from conftest import CLIENT4, CLIENT6, stays_right, wait_until

from lab import Question

CLIENTS = [CLIENT4, CLIENT6]


def left_by(lab, machine, clients=tuple(CLIENTS)):
    asked = [Question(to, protocol, timeout=0.5) for to in clients for protocol in ("tcp", "udp")]
    return [(answer.left_by, answer.answered) for answer in lab.ask(machine, asked)]


def test_what_is_bound_to_nothing_leaves_through_it(lab, machine):
    lab.serve("client")
    wait_until(lambda: left_by(lab, machine) != [("eth2", True)] * 4)


@pytest.mark.parametrize("source", ["client", "neighbour-a", "neighbour-b", "neighbour-c"])
def test_replies_keep_their_way(lab, machine, source):
    lab.serve(machine)

    def wrong():
        trips = [trip for trip in lab.trace(source, machine, protocols=("icmp", "tcp", "udp")) if trip.interface != "eth3"]
        assert {trip.interface for trip in trips} == {"eth0", "eth1", "eth2"}
        return [trip for trip in trips if not trip.right]

    stays_right(wrong)


@pytest.mark.parametrize("client", CLIENTS, ids=["IPv4", "IPv6"])
@pytest.mark.parametrize("event", ["down", "detached"])
def test_nothing_takes_another_way_out_while_it_is_away(lab, machine, event, client):
    """Strict: unreachable, and the others are not harmed; when it is back, it is the way out again."""
    if event == "down":
        lab.run_in(machine, "ip", "link", "set", "eth2", "down")
    else:
        lab.detach(machine, "eth2")
    try:
        wait_until(lambda: ("eth2", True) in left_by(lab, machine))
        wait_until(lambda: left_by(lab, machine, [client]) != [("", False)] * 2, 5)
        stays_right(lambda: [trip for trip in lab.trace("client", machine, count=1) if trip.interface in ("eth0", "eth1") and not trip.right])
    finally:
        if event == "down":
            # a link that somebody took down has lost its lease: it is plugged in anew
            lab.detach(machine, "eth2")
        lab.attach(machine, "eth2")
    wait_until(lambda: left_by(lab, machine) != [("eth2", True)] * 4)
