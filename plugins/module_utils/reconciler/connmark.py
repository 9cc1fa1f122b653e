# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Replies of forwarded and DNATed connections leave through the interface on which the connection arrived.

Such a reply has the address of a container when it is routed, so no rule of an address is for it. A table of our own in nftables,
``inet gandi_hosting``, therefore marks a connection when it arrives, and gives the mark to the packets of its replies before they
are routed; our fwmark rules do the rest. Only the mark's uppermost byte is ours. The connection's own direction is not marked: it
is on its way to the container, and must not be sent back.

nft(8) writes the table, whole and at once, when what is there is not what is wanted. It is not asked where there is nothing to ask:
whether the table exists the kernel tells cheaper.
"""

import errno
import json
import os
import socket
import struct

from . import CONNMARK_MASK
from . import netlink as nl
from .kernel import Match

FAMILY, TABLE, CHAIN = "inet", "gandi_hosting", "arrival"
OTHER_BITS = 0x00FFFFFF
SHIFT = 24
NUMBERS = range(1, 255)     # with all bits set, nft would list the rule in another form
PRIORITY = -150             # "mangle": after conntrack (-200) knows the connection, before the route is chosen
PROGRAMS = ("/usr/sbin/nft", "/sbin/nft", "/usr/local/sbin/nft")
TIMEOUT = 20

# linux/netfilter/nfnetlink.h, linux/netfilter/nf_tables.h
NETLINK_NETFILTER = 12
NFNL_SUBSYS_NFTABLES, NFNLGRP_NFTABLES = 10, 7
NFT_MSG_GETTABLE = 1
NFPROTO_INET = 1
NFTA_TABLE_NAME = 1         # and of chains and rules, the table's
NFGENMSG = struct.Struct("=BBH")
MISSING = (errno.ENOENT, errno.EPROTONOSUPPORT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP, errno.EINVAL)


def match_of(number):
    """Return the Match of the packets that carry an interface's mark."""
    return Match(fwmark=(number << SHIFT, CONNMARK_MASK))


def wanted(managed, links):
    """Return ``[(interface's name, number)]`` of the attached interfaces that mark."""
    return sorted((links[index].name, intent.connmark) for index, intent in managed.items() if intent.connmark)


# ---- the table, as nft's JSON has it (libnftables-json(5)) ----


def rules(pairs):
    """Return ``[(expression, words)]``: all arrivals, then all replies."""
    return [_arrival(*pair) for pair in pairs] + [_reply(number) for _name, number in pairs]


def _arrival(name, number):
    mark = {"ct": {"key": "mark"}}
    words = 'iifname "%s" ct direction original ct mark & 0x%08x == 0 ct mark set ct mark & 0x%08x | 0x%08x' % (
        name, CONNMARK_MASK, OTHER_BITS | number << SHIFT, number << SHIFT)
    return [_equal({"meta": {"key": "iifname"}}, name), _equal({"ct": {"key": "direction"}}, "original"),
            _equal({"&": [mark, CONNMARK_MASK]}, 0), _mangle(mark, number)], words


def _reply(number):
    words = "ct direction reply ct mark & 0x%08x == 0x%08x meta mark set meta mark & 0x%08x | 0x%08x" % (
        CONNMARK_MASK, number << SHIFT, OTHER_BITS | number << SHIFT, number << SHIFT)
    return [_equal({"ct": {"key": "direction"}}, "reply"), _equal({"&": [{"ct": {"key": "mark"}}, CONNMARK_MASK]}, number << SHIFT),
            _mangle({"meta": {"key": "mark"}}, number)], words


def _equal(left, right):
    return {"match": {"op": "==", "left": left, "right": right}}


def _mangle(key, number):
    """Set our byte and keep the others; nft itself adds the bits that are set to those that are kept."""
    return {"mangle": {"key": key, "value": {"|": [{"&": [key, OTHER_BITS | number << SHIFT]}, number << SHIFT]}}}


def objects(pairs):
    """Return all of the table, in the form of `normalised`."""
    where = {"family": FAMILY, "table": TABLE}
    return [
        {"table": {"family": FAMILY, "name": TABLE}},
        {"chain": dict(where, name=CHAIN, type="filter", hook="prerouting", prio=PRIORITY, policy="accept")},
    ] + [{"rule": dict(where, chain=CHAIN, expr=expression)} for expression, _words in rules(pairs)]


def normalised(listing):
    """Return nft's listing without what differs where nothing does: handles, and how its versions say a mask."""
    found = []
    for item in listing.get("nftables", []):
        for kind, value in item.items():
            if kind != "metainfo":
                value = {key: part for key, part in value.items() if key != "handle"}
                if "expr" in value:
                    value["expr"] = [_mask(part) for part in value["expr"]]
                found.append({kind: value})
    return found


def _mask(part):
    match = part.get("match", {})
    if isinstance(match.get("right"), dict) and "prefix" in match["right"]:
        prefix = match["right"]["prefix"]
        mask = (1 << 32) - (1 << (32 - prefix["len"]))
        return _equal({"&": [match["left"], mask]}, prefix["addr"])
    return part


def difference(pairs, present):
    """Return the lines that say what changes; pure. ``present``: the `normalised` listing, or None where there is no table."""
    target = objects(pairs) if pairs else None
    if target == present:
        return []
    said = {json.dumps(expression): words for expression, words in rules(pairs)}
    there = [json.dumps(item["rule"].get("expr")) for item in present or [] if "rule" in item]
    lines = ["- nft rule %s %s %s: %s" % (FAMILY, TABLE, CHAIN, _words(key)) for key in there if key not in said]
    lines += ["+ nft rule %s %s %s: %s" % (FAMILY, TABLE, CHAIN, words) for key, words in said.items() if key not in there]
    return lines or ["%s nft table %s %s" % ("+" if pairs else "-", FAMILY, TABLE)]


def _words(key):
    """Return a rule's words if it is one that we make, from what is in it."""
    for number in NUMBERS:
        expression = json.loads(key) or [{}]
        name = expression[0].get("match", {}).get("right")
        for made in (_arrival(name, number) if isinstance(name, str) else None, _reply(number)):
            if made and json.dumps(made[0]) == key:
                return made[1]
    return "one that is not of ours"


def script(pairs):
    """Return what nft(8) reads: the table anew, in one transaction, or no table."""
    gone = "add table {0} {1}\ndelete table {0} {1}\n".format(FAMILY, TABLE)
    if not pairs:
        return gone
    body = "".join("\t\t%s\n" % words for _expression, words in rules(pairs))
    return "%stable %s %s {\n\tchain %s {\n\t\ttype filter hook prerouting priority %d; policy accept;\n%s\t}\n}\n" % (
        gone, FAMILY, TABLE, CHAIN, PRIORITY, body)


# ---- asking and writing ----

# {pairs: listing} of what this nft lists after it has read what we want, where that is not what we expect: a version that says things
# in yet another way must not have the service write the table again and again.
ACCEPTED = {}


def reconcile(pairs, dry_run):
    """Return ``(lines, problems)``; make the table what is wanted, unless ``dry_run``."""
    try:
        exists = _exists()
    except PermissionError as error:
        # who may not ask cannot have made it either
        return [], ["connmark: nftables: %s" % error.strerror] if pairs else []
    if not pairs and not exists:
        return [], []
    program = next((path for path in PROGRAMS if os.access(path, os.X_OK)), None)
    if program is None:
        return [], ["connmark: nft is not installed on this host; expected the package nftables"]
    try:
        present = _present(program) if exists else None
        lines = [] if present and present == ACCEPTED.get(tuple(pairs)) else difference(pairs, present)
        if lines and not dry_run:
            _run(program, "-f", "-", script=script(pairs))
            if pairs and difference(pairs, _present(program)):
                ACCEPTED[tuple(pairs)] = _present(program)
    except (OSError, ValueError) as error:
        return [], ["connmark: %s" % error]
    return lines, []


def _present(program):
    return normalised(json.loads(_run(program, "-j", "list", "table", FAMILY, TABLE)))


def _exists():
    """Ask the kernel whether the table is there."""
    try:
        with socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER) as nfnetlink:
            body = NFGENMSG.pack(NFPROTO_INET, 0, 0) + nl.attribute(NFTA_TABLE_NAME, TABLE.encode() + b"\0")
            request = NFNL_SUBSYS_NFTABLES << 8 | NFT_MSG_GETTABLE
            nfnetlink.send(nl.MESSAGE.pack(nl.MESSAGE.size + len(body), request, nl.NLM_F_REQUEST, 1, 0) + body)
            kind, _flags, _sequence, _port, answer = next(nl.messages(nfnetlink.recv(1 << 16)))
    except OSError as error:
        if error.errno in MISSING:
            return False
        raise
    code = -struct.unpack_from("=l", answer)[0] if kind == nl.NLMSG_ERROR else 0
    if code and code not in MISSING:
        raise OSError(code, os.strerror(code))
    return not code


def _run(program, *arguments, script=""):
    import subprocess

    try:
        done = subprocess.run([program, *arguments], input=script.encode(), stdout=subprocess.PIPE, stderr=subprocess.PIPE,
                              timeout=TIMEOUT, check=False, env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})
    except subprocess.TimeoutExpired as error:
        raise OSError("nft has not answered in %d s" % TIMEOUT) from error
    if done.returncode:
        raise OSError("nft: %s" % (done.stderr.decode("utf-8", "replace").strip().splitlines() or ["exit status %d" % done.returncode])[0])
    return done.stdout.decode("utf-8", "replace")


def listen():
    """Return a socket on which the kernel tells of changes to nftables, or None where it has none, or we may not."""
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, NETLINK_NETFILTER)
    try:
        events.setblocking(False)
        events.bind((0, 1 << (NFNLGRP_NFTABLES - 1)))
    except OSError:
        events.close()
        return None
    return events


def matters(body):
    """Return whether an event is about our table: everybody's are told, and others' may change all day."""
    return nl.attributes(body[NFGENMSG.size:]).get(NFTA_TABLE_NAME) == TABLE.encode() + b"\0"
