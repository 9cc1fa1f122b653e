# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Names for people: our tables and our protocol number, as ip(8) shows them. And who else has named, filled or ruled what is ours.

Only files in the ``.d`` folders are ours: an ``/etc/iproute2/rt_tables`` would hide that of the package (Debian 13 has it in /usr/share).
"""

from __future__ import annotations

import glob
import re

from . import _files, reconciler
from .reconciler import intents as intent_files
from .reconciler import kernel, planner

FOLDERS = ("/usr/lib/iproute2", "/usr/share/iproute2", "/etc/iproute2")
TABLES_PATH = "/etc/iproute2/rt_tables.d/gandi-hosting.conf"
PROTOCOLS_PATH = "/etc/iproute2/rt_protos.d/gandi-hosting.conf"
PROTOCOL_NAME = "gandi-hosting"
# The protocol numbers that people meet (linux/rtnetlink.h); ip(8) knows more.
PROTOCOLS = {2: "kernel", 3: "boot", 4: "static", 9: "ra", 16: "dhcp"}


def name_of_table(interface):
    return "gandi-" + interface


def files(entries):
    """Return ``{path: (content, mode, owner)}`` for interfaces with ``name`` and ``table``."""
    tables = {entry["table"]: name_of_table(entry["name"]) for entry in entries}
    tables.update({reconciler.GATEWAYS_TABLE: "gandi-leases", reconciler.NOWHERE_TABLE: "gandi-nowhere"})
    return {TABLES_PATH: _file(tables), PROTOCOLS_PATH: _file({reconciler.PROTOCOL: PROTOCOL_NAME})}


def _file(names):
    lines = ["%d\t%s\n" % pair for pair in sorted(names.items())]
    return (_files.HEADER_LINE % _files.SHARED + "".join(lines)).encode(), 0o644, _files.SHARED


def others(kind):
    """Return ``{number: (name, path)}`` of the names that are not ours. ``kind``: ``rt_tables`` or ``rt_protos``."""
    found = {}
    for folder in FOLDERS:
        for path in ["%s/%s" % (folder, kind), *sorted(glob.glob("%s/%s.d/*.conf" % (folder, kind)))]:
            if path not in (TABLES_PATH, PROTOCOLS_PATH):
                for number, name in parse((_files.read(path) or b"").decode("utf-8", "replace")):
                    found[number] = name, path
    return found


def parse(content):
    """Yield ``(number, name)`` of a file of names, as iproute2 reads it (lib/rt_names.c, rtnl_hash_initialize)."""
    for line in content.splitlines():
        words = re.match(r"\s*(0x[0-9a-fA-F]+|[0-9]+)\s+([^\s#]+)", line)
        if words:
            yield int(words.group(1), 16 if words.group(1).startswith("0x") else 10), words.group(2)


# ---- who else ----


def collisions(entries, names, protocols, rules, routes, links):
    """Return sentences about what others have where we are to be; pure.

    :arg entries: the interfaces, each with its table.
    :arg names: others' names of tables, as `others` returns them; ``protocols``: those of protocols.
    :arg rules: ``[(Rule, protocol)]`` of others; ``routes``: ``[(Route, protocol)]`` of others in our tables.
    :arg links: ``{index: Link}``.
    """
    sentences = []
    ours = {entry["table"]: name_of_table(entry["name"]) for entry in entries}
    for number, (name, path) in sorted(names.items()):
        if number in ours and name != ours[number]:
            sentences.append("table %d, of %s, is named %s in %s; expected a table of its own" % (number, ours[number][6:], name, path))
        elif name in ours.values() and ours.get(number) != name:
            sentences.append("%s is the name of table %d in %s; expected it to be free for our own" % (name, number, path))
    for number, (name, path) in sorted(protocols.items()):
        if number == reconciler.PROTOCOL and name != PROTOCOL_NAME:
            sentences.append("routing protocol %d, by which ours is known, is named %s in %s; expected it to be free" % (
                number, name, path))
    for rule, protocol in rules:
        sentences.append("somebody else's rule is among the priorities %d to %d, which are ours: %s (proto %s); expected it elsewhere" % (
            reconciler.PRIORITIES[0], reconciler.PRIORITIES[-1], planner.describe(rule, links), PROTOCOLS.get(protocol, protocol)))
    for route, protocol in routes:
        sentences.append("table %d, of %s, has a route of somebody else's: %s (proto %s); expected a table of its own" % (
            route.table, ours[route.table][6:], planner.describe(route, links), PROTOCOLS.get(protocol, protocol)))
    return sentences


def used_by_others(netlink, entries):
    """Return ``(rules, routes, links)``: what others have among our priorities and in the tables of ``entries``."""
    links = kernel.read_links(netlink)
    rules, routes = [], []
    for family in kernel.FAMILIES:
        rules += [(rule, protocol) for rule, protocol, _body in kernel.dump_rules(netlink, family)
                  if rule.priority in reconciler.PRIORITIES and protocol != reconciler.PROTOCOL]
    for entry in entries:
        intent = intent_files.Intent(entry["name"], entry["mac"], entry["table"], ())
        routes += routes_of_others(netlink, entry["table"], next(iter(intent_files.match([intent], links)), -1))
    return rules, routes, links


def routes_of_others(netlink, table, own=-1):
    """Yield ``(route, protocol)`` of a table. Those through the very interface whose table it is do no harm: the user may want them."""
    for family in kernel.FAMILIES:
        for route, protocol, _body in kernel.dump_plain_routes(netlink, family, table):
            if protocol != reconciler.PROTOCOL and route.index != own:
                yield route, protocol
