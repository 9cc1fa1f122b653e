# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The machine as each test finds it and must leave it."""

import re
import time

import pytest

from lab import Lab, Question

CLIENT4, CLIENT6 = "198.19.0.2", "2001:db8:c::2"
OURS = ("proto 171",)
PATIENCE = 60       # seconds until everything is as it was, dhcpcd's ARP probe, duplicate address detection and a busy machine included


@pytest.fixture(autouse=True)
def _always(no_second_default_route):
    """Whatever a test does."""


@pytest.fixture
def measured(figure, machine):
    """Return a function that has a figure of this machine printed at the end."""
    return lambda text, *values: figure("%s: %s" % (machine, text % values))


def wait_until(nothing_of, seconds=PATIENCE):
    """Wait until ``nothing_of()``, which returns what is wrong, is empty; fail with the last of it. Return how long it took."""
    start = time.monotonic()
    while found := nothing_of():
        assert time.monotonic() - start < seconds, found
        time.sleep(0.02)
    return time.monotonic() - start


def stays_right(nothing_of):
    """Fail if something is wrong, and still so after some seconds: a busy machine loses a packet now and then."""
    wait_until(nothing_of, 5)


def missing(lab, machine):
    """Which of the addresses that a machine of this scenario has are not there, or are not yet usable."""
    have = lab.addresses(machine)
    return {(nic.name, address) for nic in lab.state.machine(machine).nics for address in (nic.ipv4, nic.ipv6)} - set(have)


def wrong(lab, machine, source="client", protocols=("icmp",)):
    """Which addresses do not answer, or not through their own interface."""
    return missing(lab, machine) or [trip for trip in lab.trace(source, machine, count=1, protocols=protocols) if not trip.right]


def kernel(lab, machine):
    """Return ``(ours, foreign)``: all rules and routes of a machine, sorted, without the clocks in them.

    Not what others tell us in table 26519, nor their routes of advertisements: a network manager that starts anew has those when a
    router has advertised itself once more, and that may be before this look or after it.
    """
    ours, foreign = [], []
    for family in ("-4", "-6"):
        for command in (["rule"], ["route", "show", "table", "all"]):
            said = lab.run_in(machine, "ip", family, *command).stdout
            for line in said.splitlines():
                line = re.sub(r" expires \d+sec| metric 10\d\d|  +|\t", " ", line).strip()
                if "table 26519" in line or "proto ra " in line:
                    continue
                (ours if any(word in line for word in OURS) else foreign).append("%s %s %s" % (family, command[0], line))
    return sorted(ours), sorted(foreign)


def first(lab, machine, interface, ipv6=False):
    """The address of an interface that DHCP or a router advertisement gave it, or the first static one."""
    nic = lab.state.machine(machine).nic(interface)
    return nic.ipv6 if ipv6 else nic.ipv4


@pytest.fixture(scope="session", autouse=True)
def _servers():
    """Questions are answered everywhere."""
    lab = Lab.load()
    lab.serve("client", "neighbour-a", "neighbour-b", "neighbour-c", "neighbour-d", *lab.state.machines)


@pytest.fixture
def machines(lab):
    """All machines at once, right before the test and after it."""
    names = sorted(lab.state.machines)
    wait_until(lambda: [found for name in names for found in wrong(lab, name)])
    yield names
    wait_until(lambda: [found for name in names for found in wrong(Lab.load(), name)])


@pytest.fixture
def settled(lab, machine):
    """A machine on which everything is right, before the test and after it; rules and routes are the same, foreign ones too."""
    wait_until(lambda: wrong(lab, machine))
    before = kernel(lab, machine)
    yield before
    try:
        wait_until(lambda: wrong(Lab.load(), machine))
        # a router that has not heard a solicitation is asked again after 4 s (RFC 4861, 10)
        wait_until(lambda: [(set(then) ^ set(now)) for then, now in zip(before, kernel(lab, machine)) if then != now], 30)
    except AssertionError:
        renew(machine)
        raise


def renew(machine):
    """Plug all secondaries anew: a failure is one test's, and not that of all that come after it."""
    lab = Lab.load()
    lab.exec(machine, "systemctl", "restart", "gandi-policy-routing")
    for nic in lab.state.machine(machine).nics[1:]:
        lab.detach(machine, nic.name)
    for name in ("eth1", "eth2", "eth3"):
        lab.attach(machine, name)


@pytest.fixture
def ask(lab, machine):
    """Return a function that asks from the machine and returns its answers."""
    return lambda questions, place=machine: lab.ask(place, questions)


def questions(sources, destinations, protocols=("tcp", "udp"), **options):
    """Return all combinations of one family."""
    return [Question(to, protocol, source=source, **options) for source in sources for to in destinations for protocol in protocols
            if (":" in source) == (":" in to)]


def milliseconds(log, start, before, after):
    """How long after the line with the words ``before`` that with ``after`` came."""
    moments = [log.first(start, *words) for words in (before, after)]
    return "%.0f ms" % (1000 * (moments[1] - moments[0])) if None not in moments else "(%s)" % moments
