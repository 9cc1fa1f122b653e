# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read, plan, send: one pass of the reconciler. It may run anywhere and at any time; a lock lets one run at a time."""

import contextlib
import errno
import fcntl
import os
import socket
import typing

from . import INTENTS_DIR, LOCK_FILE
from . import intents as intent_files
from . import connmark, kernel, leases, nowhere, planner
from . import netlink as nl

# What an answer means when it is not an error: the object came, or went, between our reading and our writing.
HARMLESS = {("add", kernel.Rule): frozenset((errno.EEXIST,)), ("add", kernel.Route): frozenset()}
GONE = frozenset((errno.ENOENT, errno.ESRCH, errno.ENODEV))


class Outcome(typing.NamedTuple):
    """``lines``: what changes, as people write it, ``+`` and ``-``; ``problems``: sentences."""

    lines: list
    problems: list


def survey(netlink, intents):
    """Return ``(managed, state)``: the attached interfaces that are wanted, and what the kernel has."""
    links = kernel.read_links(netlink)
    managed = intent_files.match(intents, links)
    state = kernel.read_state(netlink, links, managed)
    unknown = {index: links[index] for index in managed if (index, socket.AF_INET) not in state.gateways}
    leased = leases.gateways(unknown, state.addresses)
    return managed, state._replace(gateways={**leased, **state.gateways}, nowhere=nowhere.index_of(links, state.addresses))


def difference(managed, state, intents):
    """Return ``(lines, actions)``: what is to become of the link that nobody is on, and the plan for rules and routes. Where a file could
    not be understood, nothing is deleted that may belong to it."""
    attached = {id(intent) for intent in managed.values()}
    target = planner.wanted(managed, state, [intent for intent in intents if id(intent) not in attached])
    unclear = not all(intent.table for intent in intents)
    return nowhere.difference(target.nowhere or unclear and state.nowhere, state), planner.plan(
        target, state, {intent.table for intent in intents if intent.table} if unclear else None)


def reconcile(netlink, intents, problems=(), dry_run=False):
    """Make the kernel have what ``intents`` ask for; return the Outcome."""
    intents, unknown = intent_files.resolve(intents)
    problems = list(problems) + unknown
    managed, state = survey(netlink, intents)
    link, actions = difference(managed, state, intents)
    if link == [nowhere.COMES]:
        if dry_run:
            links, index = nowhere.imagined(state.links)
            state = state._replace(links=links, nowhere=index)
        else:
            problems += nowhere.make(netlink)
            managed, state = survey(netlink, intents)
        actions = difference(managed, state, intents)[1]
    lines = [_line(action, state) for action in actions]
    if actions and not dry_run:
        failed = _send(netlink, actions, state)
        if any(action.verb == "delete" and isinstance(action.what, kernel.Rule) for action in actions):
            # where a rule that stays says more than one that goes, the kernel may have taken it instead (planner, _particular)
            managed, state = survey(netlink, intents)
            failed.update(_send(netlink, difference(managed, state, intents)[1], state))
        problems += ["%s: %s" % pair for pair in failed.items()]
        lines = [line for line in lines if line not in failed]
    if link == [nowhere.GOES] and not dry_run:
        problems += nowhere.remove(netlink)
    # a file that could not be understood may be one that marks: its rule in nftables is in the same table as the others'
    if all(intent.table for intent in intents):
        # after the rules that marks lead to
        marks, complaints = connmark.reconcile(connmark.wanted(managed, state.links), dry_run)
        lines, problems = lines + marks, problems + complaints
    return Outcome(link + lines, problems)


def _send(netlink, actions, state):
    """Make the kernel do ``actions``; return ``{line: why not}`` of those that it refused."""
    keys = {route.key for route in state.routes}
    answers = netlink.change([_request(action, state, keys) for action in actions])
    return {_line(action, state): _why(action, code) for action, code in zip(actions, answers)
            if code and code not in HARMLESS.get((action.verb, type(action.what)), GONE)}


def _line(action, state):
    return ("+ " if action.verb == "add" else "- ") + planner.describe(action.what, state.links)


def reconcile_host(netlink, directory=INTENTS_DIR, dry_run=False):
    """The same for the intents in a directory, alone on this host. Who only looks need not be alone."""
    with contextlib.nullcontext() if dry_run else alone():
        found, problems = intent_files.read(directory)
        return reconcile(netlink, found, problems, dry_run)


@contextlib.contextmanager
def alone(path=LOCK_FILE):
    """Hold the lock of the reconciler: two at once would each see the other's half-way state."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    # nobody else's: whoever can open a file can lock it, and keep us waiting
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        os.fchmod(descriptor, 0o600)
        fcntl.flock(descriptor, fcntl.LOCK_EX)
        yield
    finally:
        os.close(descriptor)


def _request(action, state, keys):
    """Return the request for an action. ``keys``: of the routes of ours that are there: one replaces these, and nobody else's."""
    rule = isinstance(action.what, kernel.Rule)
    if action.verb == "delete":
        # the very bytes that the kernel reported: nothing can be lost in translation, and nothing else matches
        known = state.rules if rule else state.routes
        return nl.RTM_DELRULE if rule else nl.RTM_DELROUTE, 0, known[action.what]
    if rule:
        return nl.RTM_NEWRULE, nl.NLM_F_CREATE | nl.NLM_F_EXCL, kernel.encode_rule(action.what)
    replace = nl.NLM_F_REPLACE if action.what.key in keys else nl.NLM_F_EXCL
    return nl.RTM_NEWROUTE, nl.NLM_F_CREATE | replace, kernel.encode_route(action.what)


def _why(action, code):
    if code == errno.EEXIST and isinstance(action.what, kernel.Route):
        return "table %d has a route of somebody else's to there" % action.what.table
    return os.strerror(code)
