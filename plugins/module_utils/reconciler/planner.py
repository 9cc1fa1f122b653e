# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Pure: which rules and routes must exist, and the difference to those that do. No input, no output, no clock.

Two statements hold for every state and every list of intents, and the property tests hold us to them: a plan that was applied
leaves an empty plan, and any beginning of a plan (a crash) followed by a new plan ends in the same place. Objects without our
mark never reach this file.
"""

import socket
import typing

from . import MAIN_TABLE, PRIORITY_DEFAULT, PRIORITY_MAIN, PRIORITY_OWN_LINK
from .kernel import IPV6_METRIC, Prefix, Route, Rule, text

ANYWHERE = {socket.AF_INET: Prefix(b"\0" * 4, 0), socket.AF_INET6: Prefix(b"\0" * 16, 0)}


class Action(typing.NamedTuple):
    """One change. ``what`` is a Rule or a Route; ``add`` of a Route replaces one with the same key."""

    verb: str           # "add" or "delete"
    what: typing.Any


class Wanted(typing.NamedTuple):
    rules: frozenset
    routes: frozenset


def wanted(managed, state):
    """Return what must exist.

    :arg managed: ``{index: Intent}``: the attached interfaces that are policy routed.
    :arg state: the kernel's State.
    """
    subnets = {index: _subnets(index, state) for index in managed}
    rules, routes = [], []
    for index, intent in managed.items():
        if not state.links[index].up:
            continue
        others = set().union(*[subnets[other] for other in subnets if other != index])
        for family in ANYWHERE:
            routes += _routes(index, intent.table, family, subnets[index], others, _gateway(index, intent, family, state))
        for address in state.addresses:
            if address.index == index:
                rules += _rules(address.address, intent.table)
    return Wanted(frozenset(rules), frozenset(routes))


def plan(target, state, known_tables=None):
    """Return the Actions, in an order in which no beginning of them is worse than nothing.

    Routes come before the rules that lead to them, and rules go before the routes that they led to.

    :arg known_tables: where an intent could not be understood, the tables of those that could: only these are cleaned.
    """
    keys = {route.key for route in target.routes}
    stale_rules = [rule for rule in state.rules if rule not in target.rules]
    stale_routes = [route for route in state.routes if route not in target.routes and route.key not in keys]
    if known_tables is not None:
        own = _addresses(target.rules)
        stale_rules = [rule for rule in stale_rules if rule.table in known_tables or rule.source in own]
        stale_routes = [route for route in stale_routes if route.table in known_tables]
    return ([Action("add", route) for route in _ordered(target.routes - set(state.routes))]
            + [Action("add", rule) for rule in _ordered(target.rules - set(state.rules))]
            + [Action("delete", rule) for rule in _ordered(stale_rules)]
            + [Action("delete", route) for route in _ordered(stale_routes)])


def describe(what, links):
    """Return a Rule or Route as people write it, with the words of ip(8)."""
    command = "ip -%s" % ("4" if what.family == socket.AF_INET else "6")
    if isinstance(what, Rule):
        return "%s rule %s" % (command, what)
    name = links[what.index].name if what.index in links else "if%d" % what.index
    via = " via %s" % text(what.gateway) if what.gateway else ""
    return "%s route %s%s dev %s table %d" % (command, what.destination, via, name, what.table)


def _subnets(index, state):
    subnets = {address.subnet for address in state.addresses if address.index == index and address.subnet}
    return subnets | state.on_link.get(index, set())


def _gateway(index, intent, family, state):
    for gateway in intent.gateways:
        if len(gateway) == len(ANYWHERE[family].address):
            return gateway
    return state.gateways.get((index, family))


def _routes(index, table, family, own, others, gateway):
    metric = IPV6_METRIC if family == socket.AF_INET6 else 0
    for subnet in own:
        if subnet.family == family:
            yield Route(table, subnet, None, index, metric)
    if gateway is None:
        return
    for subnet in others - own:
        if subnet.family == family:
            yield Route(table, subnet, gateway, index, metric)
    yield Route(table, ANYWHERE[family], gateway, index, metric)


def _rules(address, table):
    source = Prefix(address, 8 * len(address))
    yield Rule(source.family, PRIORITY_OWN_LINK, source, table, 0)
    yield Rule(source.family, PRIORITY_MAIN, source, MAIN_TABLE, 0)
    yield Rule(source.family, PRIORITY_DEFAULT, source, table)


def _addresses(rules):
    return {rule.source for rule in rules}


def _ordered(objects):
    """Sort for a steady, readable plan: IPv4 first, then by number; on-link routes before those through a gateway."""
    return sorted(objects, key=lambda what: (what.family, isinstance(what, Route) and what.gateway is not None, repr(what)))
