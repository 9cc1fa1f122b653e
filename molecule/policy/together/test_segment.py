# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The platform changes its mind about a segment: another gateway, another prefix. No Ansible run mends it."""

import contextlib
import time

import pytest
from conftest import first, kernel, milliseconds, stays_right, wait_until

from lab import Lab


@pytest.fixture
def segment(machines):
    """A segment's gateway and prefix are everybody's. After the test all are plugged in anew: a prefix that is no longer given is
    kept for hours."""
    yield machines
    for name in machines:
        Lab.load().detach(name, "eth1")
        Lab.load().attach(name, "eth1")


@contextlib.contextmanager
def monitoring(lab, names):
    """Yield ``{machine: Log}``."""
    with contextlib.ExitStack() as stack:
        yield {name: stack.enter_context(lab.monitoring(name)) for name in names}


def test_another_gateway_at_renewal(segment, machines, lab, figure):
    """The old one goes: whoever still uses it is cut off."""
    where = lab.state.machine(machines[0]).nic("eth1").where
    old, new = ("default via %s dev eth1" % where.ipv4(number) for number in (1, 2))

    def stale():
        return [name for name in machines for said in ["\n".join(kernel(lab, name)[0])] if old in said or new + " table 26521" not in said]

    lab.add_router("b", 2)
    try:
        with monitoring(lab, machines) as logs:
            start = time.time()
            for name in machines:
                lab.renew(name, "eth1")
            wait_until(stale)
        lab.remove_router("b", 1)
        stays_right(lambda: [trip for name in machines for trip in lab.trace("client", name) if trip.interface == "eth1" and not trip.right])
    finally:
        lab.add_router("b", 1)
        lab.remove_router("b", 2)
    for name, log in logs.items():
        figure("%s: another gateway at renewal: in the own table %s after the lease's"
                       % (name, milliseconds(log, start, [new, "table 26519"], [new, "table 26521"])))


def test_another_prefix_by_router_advertisement(segment, machines, lab, figure):
    """The new one is right, and the old one, deprecated, until it expires."""
    old = {name: first(lab, name, "eth1", ipv6=True) for name in machines}
    new = {name: address.replace("2001:db8:11:", "2001:db8:21:") for name, address in old.items()}

    def unanswered(source):
        answered = {trip.address for name in machines for trip in lab.trace(source, name, count=1) if trip.right}
        return {*old.values(), *new.values()} - answered

    with monitoring(lab, machines) as logs:
        start = time.time()
        lab.renumber_prefix("b")
        try:
            wait_until(lambda: unanswered("client"))
            stays_right(lambda: unanswered("neighbour-c"))
        finally:
            lab.renumber_prefix("b", back=True)
    for name, log in logs.items():
        figure("%s: another prefix: rules %s after the address can be used"
                       % (name, milliseconds(log, start, ["inet6 " + new[name]], ["from " + new[name], "26540:"])))
