# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Read, plan, send: one pass of the reconciler. It may run anywhere and at any time; a lock lets one run at a time."""

import contextlib
import errno
import fcntl
import os
import typing

from . import INTENTS_DIR, LOCK_FILE
from . import intents as intent_files
from . import kernel, leases, planner
from . import netlink as nl

# What an answer means when it is not an error: the object came, or went, between our reading and our writing.
HARMLESS = {"add": frozenset((errno.EEXIST,)), "delete": frozenset((errno.ENOENT, errno.ESRCH, errno.ENODEV))}
REQUESTS = {
    ("add", kernel.Rule): (nl.RTM_NEWRULE, nl.NLM_F_CREATE | nl.NLM_F_EXCL),
    ("add", kernel.Route): (nl.RTM_NEWROUTE, nl.NLM_F_CREATE | nl.NLM_F_REPLACE),
    ("delete", kernel.Rule): (nl.RTM_DELRULE, 0),
    ("delete", kernel.Route): (nl.RTM_DELROUTE, 0),
}


class Outcome(typing.NamedTuple):
    """``lines``: what changes, as people write it, ``+`` and ``-``; ``problems``: sentences."""

    lines: list
    problems: list


def survey(netlink, intents):
    """Return ``(managed, state)``: the attached interfaces that are wanted, and what the kernel has."""
    links = kernel.read_links(netlink)
    managed = intent_files.match(intents, links)
    state = kernel.read_state(netlink, links, managed)
    return managed, state._replace(gateways={**leases.gateways(managed), **state.gateways})


def difference(managed, state, intents, problems):
    """Return the plan; where a file could not be understood, nothing is deleted that may belong to it."""
    known = {intent.table for intent in intents} if problems else None
    return planner.plan(planner.wanted(managed, state), state, known)


def reconcile(netlink, intents, problems=(), dry_run=False):
    """Make the kernel have what ``intents`` ask for; return the Outcome."""
    managed, state = survey(netlink, intents)
    actions = difference(managed, state, intents, problems)
    lines = [("+ " if action.verb == "add" else "- ") + planner.describe(action.what, state.links) for action in actions]
    if dry_run or not actions:
        return Outcome(lines, list(problems))
    answers = netlink.change([_request(action, state) for action in actions])
    failures = ["%s: %s" % (line, os.strerror(code)) for action, line, code in zip(actions, lines, answers)
                if code and code not in HARMLESS[action.verb]]
    return Outcome(lines, list(problems) + failures)


def reconcile_host(netlink, directory=INTENTS_DIR, dry_run=False):
    """The same for the intents in a directory, alone on this host."""
    with alone():
        found, problems = intent_files.read(directory)
        return reconcile(netlink, found, problems, dry_run)


@contextlib.contextmanager
def alone(path=LOCK_FILE):
    """Hold the lock of the reconciler: two at once would each see the other's half-way state."""
    os.makedirs(os.path.dirname(path), exist_ok=True)
    with open(path, "a", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _request(action, state):
    kind, flags = REQUESTS[action.verb, type(action.what)]
    if action.verb == "delete":
        # the very bytes that the kernel reported: nothing can be lost in translation, and nothing else matches
        known = state.rules if isinstance(action.what, kernel.Rule) else state.routes
        return kind, flags, known[action.what]
    encode = kernel.encode_rule if isinstance(action.what, kernel.Rule) else kernel.encode_route
    return kind, flags, encode(action.what)
