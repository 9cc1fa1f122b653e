# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The planner decides; here it is held to the design's table and, for any state at all, to its two promises."""

import socket

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import NOWHERE_TABLE, PRIORITIES, nowhere, planner
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler.intents import Intent
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler.kernel import (
    RTN_UNREACHABLE, Address, Link, Match, Prefix, Route, Rule, State, pack)


def prefix(text):
    address, length = text.split("/")
    return Prefix(pack(address), int(length))


def state(addresses=(), gateways=None, rules=(), routes=(), up=(2, 3, 4), on_link=None):
    """A host with eth0 (index 2), eth1 (3) and eth2 (4)."""
    links = {index: Link(index, "eth%d" % (index - 2), "02:00:00:00:00:0%d" % index, index in up, "") for index in (2, 3, 4)}
    found = [Address(index, pack(text.split("/")[0]), prefix(text).network()) for index, text in addresses]
    return State(links, found, on_link or {}, gateways or {}, {rule: b"" for rule in rules}, {route: b"" for route in routes})


MANAGED = {2: Intent("eth0", "", 26520, ()), 3: Intent("eth1", "", 26521, (pack("198.18.1.1"),))}
HOST = state([(2, "198.18.0.10/24"), (3, "198.18.1.10/24")], {(2, socket.AF_INET): pack("198.18.0.1")})


def described(target, host=HOST):
    return sorted(planner.describe(what, host.links) for what in target.rules | target.routes)


def test_two_interfaces_get_five_rules_and_three_routes_each():
    assert described(planner.wanted(MANAGED, HOST)) == [
        "ip -4 route 198.18.0.0/24 dev eth0 table 26520",
        "ip -4 route 198.18.0.0/24 via 198.18.1.1 dev eth1 table 26521",
        "ip -4 route 198.18.1.0/24 dev eth1 table 26521",
        "ip -4 route 198.18.1.0/24 via 198.18.0.1 dev eth0 table 26520",
        "ip -4 route default via 198.18.0.1 dev eth0 table 26520",
        "ip -4 route default via 198.18.1.1 dev eth1 table 26521",
        "ip -4 rule 26520: from 198.18.0.10 lookup 26520 suppress_prefixlength 0",
        "ip -4 rule 26520: from 198.18.1.10 lookup 26521 suppress_prefixlength 0",
        "ip -4 rule 26530: from 198.18.0.10 lookup main suppress_prefixlength 0",
        "ip -4 rule 26530: from 198.18.1.10 lookup main suppress_prefixlength 0",
        "ip -4 rule 26540: from 198.18.0.10 lookup 26520",
        "ip -4 rule 26540: from 198.18.1.10 lookup 26521",
        "ip -4 rule 26570: from all oif eth0 lookup main suppress_prefixlength 0",
        "ip -4 rule 26570: from all oif eth1 lookup main suppress_prefixlength 0",
        "ip -4 rule 26580: from all oif eth0 lookup 26520",
        "ip -4 rule 26580: from all oif eth1 lookup 26521",
    ]


def test_without_a_gateway_replies_fall_through_to_main():
    """The interface's own link stays right; there is no default, and nothing leads other subnets anywhere."""
    host = state([(2, "198.18.0.10/24"), (3, "198.18.1.10/24")])
    target = planner.wanted({2: MANAGED[2], 3: Intent("eth1", "", 26521, ())}, host)
    assert [line for line in described(target, host) if "route" in line] == [
        "ip -4 route 198.18.0.0/24 dev eth0 table 26520", "ip -4 route 198.18.1.0/24 dev eth1 table 26521"]


def test_a_subnet_shared_by_two_interfaces_is_on_the_link_of_each():
    host = state([(2, "198.18.0.10/24"), (3, "198.18.0.11/24")], {(index, socket.AF_INET): pack("198.18.0.1") for index in (2, 3)})
    target = planner.wanted({2: MANAGED[2], 3: Intent("eth1", "", 26521, ())}, host)
    assert [line for line in described(target, host) if "route 198" in line] == [
        "ip -4 route 198.18.0.0/24 dev eth0 table 26520", "ip -4 route 198.18.0.0/24 dev eth1 table 26521"]


def test_a_link_that_is_down_has_nothing():
    host = state([(3, "198.18.1.10/24")], up=(2,))
    assert planner.wanted(MANAGED, host) == planner.Wanted(frozenset(), frozenset())


def test_a_configured_gateway_wins_over_a_learned_one():
    host = state([(3, "198.18.1.10/24")], {(3, socket.AF_INET): pack("198.18.1.254")})
    assert "ip -4 route default via 198.18.1.1 dev eth1 table 26521" in described(planner.wanted(MANAGED, host), host)


def test_a_changed_gateway_replaces_the_route_and_deletes_nothing():
    """Deleting the old route after its replacement would delete the new one."""
    target = planner.wanted(MANAGED, HOST)
    old = [route._replace(gateway=pack("198.18.1.254")) if route.gateway == pack("198.18.1.1") else route for route in target.routes]
    actions = planner.plan(target, HOST._replace(rules=dict.fromkeys(target.rules), routes=dict.fromkeys(old)))
    assert {action.verb for action in actions} == {"add"}
    assert {action.what.gateway for action in actions} == {pack("198.18.1.1")}


def test_rules_go_before_the_routes_that_they_lead_to_and_come_after_them():
    target = planner.wanted(MANAGED, HOST)
    verbs = [(action.verb, type(action.what)) for action in planner.plan(target, HOST)]
    assert verbs == sorted(verbs, key=lambda pair: pair[1] is Rule)
    away = planner.plan(planner.wanted({}, HOST), HOST._replace(rules=dict.fromkeys(target.rules), routes=dict.fromkeys(target.routes)))
    assert [type(action.what) for action in away] == [Rule] * len(target.rules) + [Route] * len(target.routes)


@pytest.mark.parametrize("wish", [{"selectors": (Match(uid=(7, 7)),)}, {"default": True}, {}])
def test_an_unreachable_is_never_there_without_what_stands_before_it(wish):
    """At no moment of a change, also where only a part of it is made."""
    managed = {2: MANAGED[2], 3: MANAGED[3]._replace(strict=True, **wish)}
    target = planner.wanted(managed, HOST)
    there = set()
    for action in [*planner.plan(target, HOST), *planner.plan(planner.wanted({}, HOST), HOST._replace(rules=dict.fromkeys(target.rules)))]:
        if isinstance(action.what, Rule):
            (there.add if action.verb == "add" else there.remove)(action.what)
            for rule in there:
                if not rule.table:
                    before = [other.table for other in there if (other.family, other.match) == (rule.family, rule.match)]
                    assert sorted(set(before)) == [0, 254, 26521]
    assert not there


@pytest.mark.parametrize("match, led", [
    (Match(), True), (Match(uid=(7, 7)), True), (Match(iif="lo"), True), (Match(destination=prefix("2001:db8:f::/48")), True),
    (Match(destination=prefix("203.0.113.0/24")), False), (Match(source=prefix("2001:db8:f::/48")), False), (Match(iif="docker0"), False),
    (Match(oif="eth1"), False)], ids=str)
def test_only_what_has_no_source_yet_is_led_to_where_nobody_is(match, led):
    """Before the unreachable, which is for all else; and only where a host has an IPv6 address by which it could get out."""
    managed = {2: MANAGED[2], 3: MANAGED[3]._replace(strict=True, selectors=(match,))}
    assert not planner.wanted(managed, HOST).nowhere
    host = state([(2, "198.18.0.10/24"), (2, "2001:db8:10::a/64")])._replace(nowhere=9)
    target = planner.wanted(managed, host)
    assert target.nowhere is led and (nowhere.route(9) in target.routes) is led
    tables = [rule.table for rule in sorted(target.rules, key=lambda rule: rule.priority) if rule.priority in range(26604, 26608) and rule.family == 10]
    assert not led or tables == [254, 26521, NOWHERE_TABLE, 0]


def test_where_an_intent_cannot_be_understood_only_the_tables_of_the_others_are_cleaned():
    target = planner.wanted(MANAGED, HOST)
    host = HOST._replace(rules=dict.fromkeys(target.rules), routes=dict.fromkeys(target.routes))
    only_eth0 = {2: MANAGED[2]}
    actions = planner.plan(planner.wanted(only_eth0, host), host, {26520})
    assert {action.what.table for action in actions} <= {26520}


# A few addresses, prefixes and tables, so that collisions are likely.
PREFIXES = ["198.18.0.10/24", "198.18.0.11/24", "198.18.1.10/24", "198.18.1.10/32", "198.18.1.9/16", "2001:db8:10::1/64", "2001:db8:11::1/128"]
GATEWAYS = ["198.18.0.1", "198.18.1.1", "fe80::1", "2001:db8:10::ff"]
indexes = st.sampled_from([2, 3, 4])
tables = st.sampled_from([26520, 26521, 26522, 30000])
prefixes = st.sampled_from(PREFIXES).map(prefix)
gateways = st.sampled_from(GATEWAYS).map(pack)


matches = st.builds(
    Match, st.none() | prefixes.map(Prefix.network), st.none() | prefixes.map(Prefix.network), st.sampled_from([0, 8, 0xB8]),
    st.none() | st.just((2, 0xFF)), st.just(""), st.sampled_from(["", "eth1"]), st.none() | st.just((7, 8)), st.sampled_from([0, 1, 6, 58]))


@st.composite
def stray_rules(draw):
    """What may be left of us: rules of addresses that are gone, of other selectors and options."""
    match = draw(prefixes.map(Match) | matches)
    family = draw(st.sampled_from(planner.families(match) or [socket.AF_INET]))
    priority = draw(st.sampled_from([26520, 26530, 26540, 26545, 26570, 26580, 26600, 26601, 26608, 26609, 26610, 26611, 30600, 30601, 30602, 30603]))
    return Rule(family, priority, match, draw(tables | st.sampled_from([0, 254, NOWHERE_TABLE])), draw(st.sampled_from([None, 0])))


@st.composite
def stray_routes(draw):
    destination = draw(prefixes).network()
    gateway = draw(st.none() | gateways.filter(lambda packed: len(packed) == len(destination.address)))
    metric = 1024 if destination.family == socket.AF_INET6 else 0
    if gateway is None and draw(st.booleans()):
        return Route(draw(tables), destination, None, 0, metric, RTN_UNREACHABLE)
    return Route(draw(tables), destination, gateway, draw(indexes), metric)


@st.composite
def states(draw):
    addresses = draw(st.lists(st.tuples(indexes, st.sampled_from(PREFIXES)), max_size=5, unique_by=lambda pair: pair[1].split("/")[0]))
    learned = draw(st.dictionaries(indexes, gateways, max_size=3))
    routes = {route.key: route for route in draw(st.lists(stray_routes(), max_size=5))}
    found = state(addresses, {(index, socket.AF_INET6 if len(packed) == 16 else socket.AF_INET): packed for index, packed in learned.items()},
                 draw(st.lists(stray_rules(), max_size=5)), routes.values(), draw(st.sets(indexes)))
    return found._replace(nowhere=draw(st.sampled_from([0, 9])))


@st.composite
def intents(draw):
    """``(managed, detached)``, with any options; one in a few could not be understood."""
    def intent(index):
        return Intent("eth%d" % (index - 2), "", draw(st.sampled_from([26520 + index] * 4 + [0])), tuple(draw(st.lists(gateways, max_size=1))),
                      tuple(draw(st.lists(matches, max_size=2))), draw(st.booleans()), draw(st.booleans()),
                      draw(st.sampled_from([0, index])))

    indexes_of_all = draw(st.lists(indexes, unique=True))
    attached = draw(st.sets(indexes))
    return ({index: intent(index) for index in indexes_of_all if index in attached},
            [intent(index) for index in indexes_of_all if index not in attached])


def understood(managed, detached):
    """The same without what can not be: files not understood, two defaults, the same traffic for two interfaces."""
    seen, default = set(), False

    def good(index, intent):
        nonlocal default
        matches = tuple(match for match in intent.selectors if match not in seen)
        seen.update(matches)
        intent = intent._replace(table=26520 + index, selectors=matches, default=intent.default and not default)
        default = default or intent.default
        return intent

    return ({index: good(index, intent) for index, intent in managed.items()},
            [good(10 + number, intent) for number, intent in enumerate(detached)])


class Kernel:
    """What a kernel does with our requests: of routes one key is there once, and nobody's but ours is replaced or deleted."""

    def __init__(self, host, foreign):
        self.host, self.foreign = host, {route.key: route for route in foreign}
        self.rules = dict(host.rules)
        self.routes = {route.key: route for route in host.routes if route.key not in self.foreign}

    @property
    def state(self):
        return self.host._replace(rules=dict(self.rules), routes=dict.fromkeys(self.routes.values(), b""))

    def apply(self, actions):
        for action in actions:
            what, place = action.what, self.rules if isinstance(action.what, Rule) else self.routes
            key = what if isinstance(what, Rule) else what.key
            if action.verb == "delete":
                assert place.pop(key) in (b"", what)
            elif key not in self.foreign:
                place[key] = what if isinstance(what, Route) else b""


@settings(max_examples=300, deadline=None)
@given(states(), intents(), st.lists(stray_routes(), max_size=2), st.data())
def test_any_state_becomes_the_wanted_one_also_after_a_crash_anywhere(host, wanted, foreign, data):
    """Plan and apply is the wanted state; a second plan is empty; a plan after any beginning of a plan ends in the same place."""
    managed, detached = wanted
    target = planner.wanted(managed, host, detached)
    whole, crashed = Kernel(host, foreign), Kernel(host, foreign)
    actions = planner.plan(target, whole.state)
    crashed.apply(actions[:data.draw(st.integers(0, len(actions)))])
    whole.apply(actions)
    crashed.apply(planner.plan(target, crashed.state))
    possible = {route for route in target.routes if route.key not in whole.foreign}
    for after in (whole, crashed):
        assert set(after.rules) == target.rules
        assert set(after.routes.values()) == possible
        assert [action for action in planner.plan(target, after.state) if action.what not in target.routes - possible] == []


@settings(max_examples=100, deadline=None)
@given(states(), intents())
def test_nothing_is_wanted_twice_and_all_of_it_can_be_told_from_others(host, wanted):
    """One route for each key (a second would replace the first for ever); priorities and tables are in our own ranges."""
    target = planner.wanted(wanted[0], host, wanted[1])
    assert len({route.key for route in target.routes}) == len(target.routes)
    assert {rule.priority for rule in target.rules} <= set(PRIORITIES)
    assert {rule.table for rule in target.rules} <= {0, 254, NOWHERE_TABLE} | {intent.table for intent in [*wanted[0].values(), *wanted[1]]}


@settings(max_examples=100, deadline=None)
@given(states(), intents(), st.data())
def test_what_can_not_be_understood_any_more_keeps_what_it_has_and_so_do_the_others(host, wanted, data):
    managed, detached = understood(*wanted)
    every = [*managed.values(), *detached]
    if not every:
        return
    target = planner.wanted(managed, host, detached)
    host = host._replace(rules=dict.fromkeys(target.rules), routes=dict.fromkeys(target.routes))
    spoilt = data.draw(st.sampled_from(every))
    managed = {index: Intent(intent.name, "", 0, ()) if intent is spoilt else intent for index, intent in managed.items()}
    detached = [intent for intent in detached if intent is not spoilt]
    assert planner.plan(planner.wanted(managed, host, detached), host, {intent.table for intent in every if intent is not spoilt}) == []


@pytest.mark.parametrize("text, network", [("198.18.1.9/16", "198.18.0.0/16"), ("2001:db8::1/128", "2001:db8::1"), ("10.0.0.1/0", "default")])
def test_a_prefix_is_printed_as_people_write_it(text, network):
    assert str(prefix(text).network()) == network
