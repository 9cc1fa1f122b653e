# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the planner's tests promise of a simulated kernel, held to the real one: any options, one after the other."""

import subprocess

from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import apply, kernel, netlink, planner
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler.intents import Intent

NETWORKS = st.sampled_from(["203.0.113.0/24", "192.0.2.1/32", "2001:db8:f::/48", "2001:db8::1/128"]).map(
    lambda text: kernel.Prefix(kernel.pack(text.split("/")[0]), int(text.split("/")[1])))
RANGES = st.tuples(st.integers(1, 5), st.integers(5, 9))
MATCHES = st.builds(
    kernel.Match, st.none() | NETWORKS, st.none() | NETWORKS, st.sampled_from([0, 0, 4, 0x10, 0xB8]),
    st.none() | st.sampled_from([(2, 0xFFFFFFFF), (0x200, 0xFF00), (1 << 31, 1 << 31)]), st.sampled_from(["", "", "lo", "eth0", "nowhere"]),
    st.sampled_from(["", "", "eth1"]), st.none() | RANGES, st.sampled_from([0, 0, 1, 6, 17, 58, 255]), st.none() | RANGES,
    st.none() | st.just((7, 7))).filter(lambda match: match != kernel.EVERYTHING and planner.families(match))
GATEWAYS = st.sampled_from([(), ("198.18.0.1",), ("fe80::1",), ("198.18.0.254", "2001:db8::ff")]).map(lambda words: tuple(map(kernel.pack, words)))


@st.composite
def intents(draw):
    numbers = draw(st.lists(st.integers(0, 2), unique=True))
    return [Intent("eth%d" % number, "", 26520 + number, draw(GATEWAYS), tuple(draw(st.lists(MATCHES, max_size=3))),
                   draw(st.booleans()) and number == 1, draw(st.booleans())) for number in numbers]


LESS, MORE = kernel.Match(uid=(1, 5)), kernel.Match(uid=(1, 5), fwmark=(2, 0xFFFFFFFF))
BOTH, ONE = ([Intent("eth0", "", 26520, ()), Intent("eth1", "", 26521, (), matches)] for matches in ((LESS, MORE), (MORE,)))


# to delete a rule, the kernel takes the first that says at least as much
@example([(BOTH, "up")])
@example([(BOTH, "up"), (ONE, "up")])
@example([(BOTH, "up"), (BOTH[:1], "up")])
@settings(max_examples=40, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(steps=st.lists(st.tuples(intents(), st.sampled_from(["up", "down"])), min_size=1, max_size=4))
def test_whatever_is_wanted_one_after_the_other_is_there_after_one_pass(ip, steps):
    """The kernel refuses nothing, a second pass does nothing, what is foreign stays, and at the end nothing of ours is left."""
    batch = "".join("link add eth%d type veth peer name peer%d\nlink set peer%d up\nlink set eth%d up\n" % (number, number, number, number)
                    + "address add 198.18.%d.10/24 dev eth%d\naddress add 2001:db8:1%d::10/64 dev eth%d nodad\n" % (number, number, number, number)
                    for number in range(2)) + "rule add from 203.0.113.7 lookup 26520 priority 26540\n"
    subprocess.run(["ip", "-batch", "-"], input=batch, check=True, text=True)
    try:
        with netlink.Netlink() as connection:
            for wanted, state in steps:
                ip("link set eth1 " + state)
                assert apply.reconcile(connection, wanted).problems == []
                assert apply.reconcile(connection, wanted) == apply.Outcome([], [])
            apply.reconcile(connection, [])
        assert "proto 171" not in "".join(ip(command) for command in ("rule", "-6 rule", "route show table all", "-6 route show table all"))
        assert "203.0.113.7" in ip("rule") and "gandi-nowhere" not in ip("link")
    finally:
        ip("rule del priority 26540 from 203.0.113.7")
        for number in range(2):
            ip("link del eth%d" % number)
