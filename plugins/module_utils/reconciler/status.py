# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wanted and what is there, interface by interface."""

from . import INTENTS_DIR, MAIN_TABLE, NOWHERE_TABLE, apply, connmark, kernel, planner
from . import intents as intent_files


def collect(netlink, directory=INTENTS_DIR):
    """Return the status as plain values: ``interfaces``, ``stale`` (ours, and of no interface that is wanted), ``problems``."""
    intents, problems = intent_files.read(directory)
    intents, unknown = intent_files.resolve(intents)
    managed, state = apply.survey(netlink, intents)
    indexes = {id(intent): index for index, intent in managed.items()}
    nobodys, actions = apply.difference(managed, state, intents)
    missing = [action.what for action in actions if action.verb == "add"]
    stale = [action.what for action in actions if action.verb == "delete"]
    owner = _owners([*missing, *stale, *state.rules, *state.routes])
    interfaces = []
    for intent in intents:
        index = indexes.get(id(intent))
        link = state.links.get(index)
        there = [what for what in [*state.rules, *state.routes] if owner(what) == intent.table and what not in stale]
        interfaces.append({
            "name": intent.name, "mac": intent.mac, "table": intent.table, "understood": bool(intent.table),
            "link": link.name if link else "", "attached": link is not None, "up": bool(link and link.up),
            "addresses": [kernel.text(address.address) for address in state.addresses if address.index == index],
            "gateways": [_gateway(index, intent, family, state) for family in kernel.FAMILIES],
            "default": intent.default, "strict": intent.strict, "connmark": intent.connmark,
            "selectors": [str(match) for match in intent.selectors],
            "rules": _lines((what for what in there if isinstance(what, kernel.Rule)), state),
            "routes": _lines((what for what in there if isinstance(what, kernel.Route)), state),
            "missing": _lines((what for what in missing if owner(what) == intent.table), state),
        })
    nftables, complaints = connmark.reconcile(connmark.wanted(managed, state.links), dry_run=True)
    nobodys += ["+ " + line for line in _lines((what for what in missing if owner(what) == NOWHERE_TABLE), state)]
    return {"interfaces": interfaces, "stale": _lines(stale, state), "nowhere": nobodys, "nftables": nftables,
            "problems": problems + unknown + complaints}


def is_right(status):
    return not (any(status[key] for key in ("problems", "stale", "nowhere", "nftables")) or
                any(entry["missing"] for entry in status["interfaces"]))


def lines(status):
    """Yield the status as people read it."""
    for entry in status["interfaces"]:
        name = entry["name"] + (" (now %s)" % entry["link"] if entry["link"] not in ("", entry["name"]) else "")
        attached = ("up" if entry["up"] else "down") if entry["attached"] else "not attached"
        yield "%s: %s, table %s" % (name, attached, entry["table"] if entry["understood"] else "unknown: its file cannot be understood")
        options = [option for option in ("default", "strict", "connmark") if entry[option]]
        for word, values in (("addresses", entry["addresses"]), ("gateways", filter(None, entry["gateways"])),
                             ("selectors", entry["selectors"]), ("options", options)):
            text = ", ".join(values)
            if text or word in ("addresses", "gateways"):
                yield "    %-10s %s" % (word, text or "none")
        if entry["understood"]:
            missing = "%d missing" % len(entry["missing"]) if entry["missing"] else "none missing"
            yield "    %-10s %d rules, %d routes, %s" % ("there", len(entry["rules"]), len(entry["routes"]), missing)
        for line in entry["missing"]:
            yield "    missing    " + line
    for line in status["stale"]:
        yield "too much: " + line
    for line in status["nowhere"] + status["nftables"]:
        yield "differs: " + line
    if not status["interfaces"]:
        yield "no interface is policy routed"


def _owners(objects):
    """Return a function from a rule or route to its interface's table: rules that lead to main go with those of the same match."""
    tables = {(what.family, what.match): what.table for what in objects
              if isinstance(what, kernel.Rule) and what.table not in (0, MAIN_TABLE, NOWHERE_TABLE)}

    def owner(what):
        if not isinstance(what, kernel.Rule):
            return what.table
        # the one that leads to where nobody is has the selector's match and that this host sends it
        matches = [what.match, what.match._replace(iif="")] if what.table == NOWHERE_TABLE else [what.match]
        return next((tables[what.family, match] for match in matches if (what.family, match) in tables), -1)

    return owner


def _gateway(index, intent, family, state):
    """Return the gateway with where it is from, or "" for none."""
    gateway = planner.gateway_of(index, intent, family, state)
    return "%s (%s)" % (kernel.text(gateway), "configured" if gateway in intent.gateways else "learned") if gateway else ""


def _lines(objects, state):
    return sorted(planner.describe(what, state.links) for what in objects)
