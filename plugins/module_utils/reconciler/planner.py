# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pure: which rules and routes must exist, and the difference to those that do. No input, no output, no clock.

Two statements hold for every state and every list of intents, and the property tests hold us to them: a plan that was applied
leaves an empty plan, and any beginning of a plan (a crash) followed by a new plan ends in the same place. Objects without our
mark never reach this file.
"""

import socket
import typing

from . import (IPV4_TOS, MAIN_TABLE, NOWHERE_TABLE, PRIORITY_ALL, PRIORITY_DEFAULT, PRIORITY_DEVICE, PRIORITY_MAIN, PRIORITY_MARK,
               PRIORITY_OWN_LINK, PRIORITY_SELECTORS, PRIORITY_UNREACHABLE, TABLES)
from . import nowhere
from .connmark import match_of
from .kernel import ANYWHERE, EVERYTHING, FAMILIES, HEARD_METRIC, IPV6_METRIC, RTN_UNREACHABLE, Match, Prefix, Route, Rule, family_of, text

ICMP, ICMPV6 = 1, 58
# Interfaces whose table the user fixed share these blocks of priorities: two in one block differ by who came first.
FIXED_BLOCKS = 512


class Action(typing.NamedTuple):
    """One change. ``what`` is a Rule or a Route; ``add`` of a Route replaces one with the same key."""

    verb: str           # "add" or "delete"
    what: typing.Any


class Wanted(typing.NamedTuple):
    rules: frozenset
    routes: frozenset
    nowhere: bool = False       # whether the link that nobody is on is needed


def wanted(managed, state, detached=()):
    """Return what must exist.

    :arg managed: ``{index: Intent}``: the attached interfaces that are policy routed. One without a table could not be understood: its
        subnets count for the others, and what it has is left as it is.
    :arg state: the kernel's State.
    :arg detached: the Intents whose interfaces are not attached.
    """
    subnets = {index: _subnets(index, state) for index in managed}
    addresses = {index: [] for index in managed}
    for address in state.addresses:
        addresses.get(address.index, []).append(address.address)
    rules, routes = [], []
    for index, intent in managed.items():
        link = state.links[index]
        if not intent.table or not (link.up or intent.strict):
            continue
        others = set().union(*[subnets[other] for other in subnets if other != index])
        for family in FAMILIES:
            gateway = gateway_of(index, intent, family, state)
            heard = family == socket.AF_INET6 and index in state.heard and gateway not in intent.gateways
            routes += _routes(index, intent, family, subnets[index], others, gateway, link.up, heard)
        for address in addresses[index]:
            rules += _of_address(address, intent)
        if link.up:
            own = [family for family in FAMILIES if any(len(address) == len(ANYWHERE[family].address) for address in addresses[index])]
            rules += _of_device(link.name, intent.table, own)
            rules += _of_mark(intent, own)
        rules += _of_selectors(intent)
    for intent in detached:
        if intent.table and intent.strict:
            rules += _of_selectors(intent)
    # only from an address that has a rule could anything get out
    if not any(family_of(address) == socket.AF_INET6 for found in addresses.values() for address in found):
        rules = [rule for rule in rules if rule.table != NOWHERE_TABLE]
    led = any(rule.table == NOWHERE_TABLE for rule in rules)
    if led and state.nowhere:
        routes.append(nowhere.route(state.nowhere))
    return Wanted(*(frozenset(what for what in found if what.family in state.families) for found in (rules, routes)), led)


def plan(target, state, known_tables=None):
    """Return the Actions, in an order in which no beginning of them is worse than nothing.

    Routes come before the rules that lead to them, and rules go before the routes that they led to. Rules come in the order in which
    the kernel looks at them, and go in the opposite one: an ``unreachable`` is never there without what stands before it.

    :arg known_tables: where an intent could not be understood, the tables of those that could: only these are cleaned.
    """
    keys = {route.key for route in target.routes}
    stale_rules = [rule for rule in state.rules if rule not in target.rules]
    stale_routes = [route for route in state.routes if route not in target.routes and route.key not in keys]
    if known_tables is not None:
        own = {rule.match for rule in target.rules}
        blocks = {priority + step for priority in map(selectors_priority, known_tables) for step in range(4)}
        stale_rules = [rule for rule in stale_rules if rule.table in known_tables or rule.match in own or rule.priority in blocks]
        stale_routes = [route for route in stale_routes if route.table in known_tables]
    return ([Action("add", route) for route in _ordered(target.routes - set(state.routes))]
            + [Action("add", rule) for rule in _ordered(target.rules - set(state.rules))]
            + [Action("delete", rule) for rule in sorted(reversed(_ordered(stale_rules)), key=_particular, reverse=True)]
            + [Action("delete", route) for route in _ordered(stale_routes)])


def describe(what, links):
    """Return a Rule or Route as people write it, with the words of ip(8)."""
    command = "ip -%s" % ("4" if what.family == socket.AF_INET else "6")
    if isinstance(what, Rule):
        return "%s rule %s" % (command, what)
    if what.type == RTN_UNREACHABLE:
        return "%s route unreachable %s table %d" % (command, what.destination, what.table)
    name = links[what.index].name if what.index in links else "if%d" % what.index
    via = " via %s" % text(what.gateway) if what.gateway else ""
    source = " src %s" % text(what.source) if what.source else ""
    return "%s route %s%s dev %s table %d%s" % (command, what.destination, via, name, what.table, source)


def selectors_priority(table):
    """Return the first of the priorities of an interface's selectors: it hangs on the table, which is kept by identity."""
    block = table - TABLES.start if table in TABLES else len(TABLES) + table % FIXED_BLOCKS
    return PRIORITY_SELECTORS + 4 * block


def families(match):
    """Return the families that a rule with this match is for."""
    found = {prefix.family for prefix in (match.source, match.destination) if prefix}
    found.update(family for family, protocol in ((socket.AF_INET, ICMP), (socket.AF_INET6, ICMPV6)) if match.ipproto == protocol)
    if match.tos & ~IPV4_TOS:
        found.add(socket.AF_INET6)
    return FAMILIES if not found else tuple(found) if len(found) == 1 else ()


def _subnets(index, state):
    subnets = {address.subnet for address in state.addresses if address.index == index and address.subnet}
    return subnets | state.on_link.get(index, set())


def gateway_of(index, intent, family, state):
    """Return an interface's gateway: the configured one, else the one that was learned, else None."""
    for gateway in intent.gateways:
        if len(gateway) == len(ANYWHERE[family].address):
            return gateway
    return state.gateways.get((index, family))


def _routes(index, intent, family, own, others, gateway, up, heard):
    metric = IPV6_METRIC if family == socket.AF_INET6 else 0
    if up:
        for subnet in own:
            if subnet.family == family:
                yield Route(intent.table, subnet, None, index, metric)
    for subnet in others - own:
        if subnet.family == family and gateway and up:
            yield Route(intent.table, subnet, gateway, index, metric)
        elif subnet.family == family and intent.strict:
            yield Route(intent.table, subnet, None, 0, metric, RTN_UNREACHABLE)
    if gateway and up:
        yield Route(intent.table, ANYWHERE[family], gateway, index, HEARD_METRIC if heard else metric)


def _of_address(address, intent):
    source = Match(Prefix(address, 8 * len(address)))
    family = source.source.family
    yield Rule(family, PRIORITY_OWN_LINK, source, intent.table, 0)
    yield Rule(family, PRIORITY_MAIN, source, MAIN_TABLE, 0)
    yield Rule(family, PRIORITY_DEFAULT, source, intent.table)
    if intent.strict:
        yield Rule(family, PRIORITY_UNREACHABLE, source, 0)


def _of_mark(intent, own):
    marked = match_of(intent.connmark)
    for family in own if intent.connmark else ():
        yield Rule(family, PRIORITY_MARK[0], marked, intent.table, 0)
        yield Rule(family, PRIORITY_MARK[1], marked, MAIN_TABLE, 0)
        yield Rule(family, PRIORITY_MARK[2], marked, intent.table)
        if intent.strict:
            yield Rule(family, PRIORITY_MARK[3], marked, 0)


def _of_device(name, table, own):
    bound = Match(oif=name)
    for family in own:
        yield Rule(family, PRIORITY_DEVICE[0], bound, MAIN_TABLE, 0)
        yield Rule(family, PRIORITY_DEVICE[1], bound, table)


def _of_selectors(intent):
    groups = [(match, selectors_priority(intent.table)) for match in intent.selectors]
    if intent.default:
        groups.append((EVERYTHING, PRIORITY_ALL))
    for match, priority in groups:
        # nobody sends what is forwarded, which to the kernel is user 0 (net/ipv4/route.c, ip_route_input_slow; net/ipv6/route.c)
        if match.uid and not match.uid[0] and not match.iif:
            match = match._replace(iif="lo")
        for family in families(match):
            yield Rule(family, priority, match, MAIN_TABLE, 0)
            yield Rule(family, priority + 1, match, intent.table)
            if intent.strict and family == socket.AF_INET6 and not (match.source or match.oif) and match.iif in ("", "lo"):
                yield Rule(family, priority + 2, match._replace(iif="lo"), NOWHERE_TABLE)
            if intent.strict:
                yield Rule(family, priority + 3, match, 0)


def _particular(rule):
    """Sort rules of one priority by how much they say: to delete one, the kernel takes the first that says at least as much
    (net/core/fib_rules.c, rule_find), so that one which says more must have gone before."""
    return rule.family, rule.priority, sum(map(bool, rule.match))


def _ordered(objects):
    """Sort for a steady, readable plan: IPv4 first, then by number; on-link routes before those through a gateway."""
    return sorted(objects, key=lambda what: (what.family, isinstance(what, Route) and what.gateway is not None, repr(what)))
