# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which way a packet goes, and why: the kernel is asked where, and the rules are walked to find the one that led there.

The kernel tells the table and the route that it found, but not the rule. The first rule that is for the packet, looks up that table
and does not suppress that route is the one: a rule before it with the same table would have found the same route.
"""

import errno
import os
import socket
import typing

from . import NOWHERE_TABLE, PROTOCOL, PROTOCOL_NAMES
from . import intents as intent_files
from . import kernel, planner
from . import netlink as nl

RTA_UID, RTA_MARK, RTA_IP_PROTO, RTA_SPORT, RTA_DPORT = 25, 16, 27, 28, 29
FRA_GOTO, FRA_TUN_ID, FRA_L3MDEV = 4, 12, 19
FIB_RULE_INVERT, FIB_RULE_UNRESOLVED = 0x2, 0x4
FR_ACT_GOTO, FR_ACT_NOP = 2, 3
# What the kernel takes where it is not told (net/ipv4/route.c, inet_rtm_getroute; net/ipv6/route.c).
DEFAULT_PROTOCOL = {socket.AF_INET: 17, socket.AF_INET6: 0}
RTN_LOCAL = 2
# How the kernel says that a packet goes nowhere; any other error is about the question.
NO_WAY = {
    errno.ENETUNREACH: "none: Network is unreachable", errno.EHOSTUNREACH: "none: No route to host",
    errno.EACCES: "none: Permission denied",
    errno.EINVAL: "none: it is thrown away", errno.EXDEV: "",
}
# Older kernels answer EXDEV, newer ones EINVAL, as for a blackhole.
DROPPED = "dropped on arrival by reverse-path filtering (rp_filter), or as a source that cannot come in this way"


class Flow(typing.NamedTuple):
    """A packet: addresses are packed, ``source`` None before one is chosen; ``iif`` is empty for what this host sends."""

    destination: bytes
    source: typing.Optional[bytes] = None
    iif: str = ""
    oif: str = ""
    uid: int = 0
    mark: int = 0
    ipproto: int = 0
    sport: int = 0
    dport: int = 0
    tos: int = 0

    @property
    def family(self):
        return kernel.family_of(self.destination)

    def __str__(self):
        words = "from %s to %s" % (kernel.text(self.source) if self.source else "no address yet", kernel.text(self.destination))
        words += "".join(" %s %s" % (word, value) for word, value in (("iif", self.iif), ("oif", self.oif)) if value)
        words += "" if self.iif else " uid %d" % self.uid
        words += " mark 0x%x" % self.mark if self.mark else ""
        words += " tos 0x%02x" % self.tos if self.tos else ""
        words += " ipproto %s" % PROTOCOL_NAMES.get(self.ipproto, self.ipproto) if self.ipproto else ""
        return words + "".join(" %s %d" % (word, value) for word, value in (("sport", self.sport), ("dport", self.dport)) if value)


class Answer(typing.NamedTuple):
    """``rule`` is None where none led anywhere; ``passed`` are the rules for this packet that led nowhere, before it."""

    rule: typing.Optional[kernel.Rule]
    ours: bool
    passed: list
    route: str          # the route as people write it, or why there is none
    index: int          # the interface, 0 for none
    gateway: typing.Optional[bytes]
    source: typing.Optional[bytes]
    local: bool


def explain(netlink, flow, links):
    """Return the Answer.

    :raises OSError: the kernel cannot answer such a question.
    """
    indexes = {link.name: index for index, link in links.items()}
    for name in (flow.iif, flow.oif):
        if name and name not in indexes:
            raise OSError("there is no interface %s" % name)
    rules = [(rule, protocol) for rule, protocol, _body in kernel.dump_rules(netlink, flow.family)]
    matching = list(_walk(rules, flow))
    try:
        header, found = _ask(netlink, flow, indexes, kernel.RTM_F_FIB_MATCH)
        _plain, chosen = _ask(netlink, flow, indexes, 0)
    except OSError as error:
        if error.errno not in NO_WAY:
            raise OSError("the kernel cannot be asked this: %s" % error.strerror) from error
        return _no_way(netlink, matching, flow, error.errno)
    table = nl.U32.unpack(found[kernel.RTA_TABLE])[0] if kernel.RTA_TABLE in found else header[4]
    passed = []
    for rule, protocol in matching:
        if rule.table == table and (rule.suppress is None or header[1] > rule.suppress):
            break
        passed.append(rule)
    else:
        rule, protocol = None, 0
    index, gateway = next(kernel.next_hops(found))
    zero = b"\0" * len(flow.destination)
    destination = kernel.Prefix(found.get(kernel.RTA_DST, zero), header[1])
    route = kernel.Route(table, destination, gateway, index, 0)
    words = planner.describe(route, links).partition(" route ")[2]
    index, gateway = next(kernel.next_hops(chosen))
    source = flow.source or chosen.get(kernel.RTA_PREFSRC)
    return Answer(rule, protocol == PROTOCOL, passed, words, index, gateway, source, header[7] == RTN_LOCAL)


def _ask(netlink, flow, indexes, flags):
    bits = 8 * len(flow.destination)
    flags |= kernel.RTM_F_LOOKUP_TABLE if flags and flow.family == socket.AF_INET else 0
    request = kernel.RTMSG.pack(flow.family, bits, bits if flow.source else 0, flow.tos, 0, 0, 0, 0, flags)
    request += nl.attribute(kernel.RTA_DST, flow.destination)
    if flow.source:
        request += nl.attribute(kernel.RTA_SRC, flow.source)
    for kind, name in ((kernel.RTA_IIF, flow.iif), (kernel.RTA_OIF, flow.oif)):
        if name:
            request += nl.attribute(kind, nl.U32.pack(indexes[name]))
    if flow.mark:
        request += nl.attribute(RTA_MARK, nl.U32.pack(flow.mark))
    request += nl.attribute(RTA_UID, nl.U32.pack(_uid(flow)))
    if flow.ipproto:
        request += nl.attribute(RTA_IP_PROTO, nl.U8.pack(flow.ipproto))
    for kind, port in ((RTA_SPORT, flow.sport), (RTA_DPORT, flow.dport)):
        if port:
            request += nl.attribute(kind, port.to_bytes(2, "big"))
    body = netlink.get(nl.RTM_GETROUTE, request)
    return kernel.RTMSG.unpack_from(body), nl.attributes(body[kernel.RTMSG.size:])


def _no_way(netlink, matching, flow, code):
    """The Answer where the kernel refuses: a rule does so, or a route that says so, or there is none."""
    passed = []
    for rule, protocol in matching:
        ours = protocol == PROTOCOL
        if not rule.table:
            return Answer(rule, ours, passed, NO_WAY[code], 0, None, flow.source, False)
        best = _best(netlink, rule, flow)
        # such a route is an answer also where it is no more precise than what the rule suppresses
        if best and best.type in REFUSALS:
            words = "%s %s table %d" % (REFUSALS[best.type], best.destination, best.table)
            return Answer(rule, ours, passed, words, 0, None, flow.source, False)
        passed.append(rule)
    if flow.iif and code in (errno.EINVAL, errno.EXDEV):
        return Answer(None, False, [], DROPPED, 0, None, flow.source, False)
    return Answer(None, False, passed, NO_WAY[code], 0, None, flow.source, False)


def _best(netlink, rule, flow):
    """Return the Route to the packet's destination in the table of a rule, or None."""
    routes = [route for route, _protocol, _body in kernel.dump_plain_routes(netlink, flow.family, rule.table)
              if flow.destination in route.destination]
    return max(routes, key=lambda route: route.destination.length, default=None)


def _walk(rules, flow):
    """Yield ``(rule, protocol)`` of those that are for the packet, in the kernel's order; a goto is followed."""
    target = 0
    for rule, protocol in rules:
        if rule.priority < target or not matches(rule, flow):
            continue
        action, flags = _header(rule)
        if action == FR_ACT_GOTO:
            # one to where no rule is does nothing
            target = target if flags & FIB_RULE_UNRESOLVED else max(target, nl.U32.unpack(dict(rule.other).get(FRA_GOTO, nl.U32.pack(0)))[0])
        elif action != FR_ACT_NOP:
            yield rule, protocol


def matches(rule, flow):
    """Return whether a rule is for a packet (net/core/fib_rules.c, fib_rule_match, and the families' own)."""
    match, other = rule.match, dict(rule.other)
    protocol = flow.ipproto or DEFAULT_PROTOCOL[flow.family]
    zero = b"\0" * len(flow.destination)
    said = (
        (match.source, (flow.source or zero) in match.source if match.source else True),
        (match.destination, flow.destination in match.destination if match.destination else True),
        (match.tos, match.tos == flow.tos),
        (match.fwmark, not (flow.mark ^ match.fwmark[0]) & match.fwmark[1] if match.fwmark else True),
        (match.iif, match.iif == (flow.iif or "lo")),
        (match.oif, match.oif == flow.oif),
        (match.uid, match.uid[0] <= _uid(flow) <= match.uid[1] if match.uid else True),
        (match.ipproto, match.ipproto == protocol),
        (match.sport, match.sport[0] <= flow.sport <= match.sport[1] if match.sport else True),
        (match.dport, match.dport[0] <= flow.dport <= match.dport[1] if match.dport else True),
        (FRA_L3MDEV in other or FRA_TUN_ID in other, False),
    )
    return all(holds for wanted, holds in said if wanted) != bool(_header(rule)[1] & FIB_RULE_INVERT)


def _uid(flow):
    """Return the user whom the kernel sees: 0 for what is forwarded."""
    return 0 if flow.iif else flow.uid


def _header(rule):
    """Return ``(action, flags)`` of a rule that is not of a kind of ours, or of one that is."""
    raw = dict(rule.other).get(0)
    if raw is None:
        return (kernel.FR_ACT_TO_TBL if rule.table else kernel.FR_ACT_UNREACHABLE), 0
    header = kernel.RTMSG.unpack_from(raw)
    return header[7], header[8]


# ---- for people ----

REFUSALS = {6: "blackhole", 7: "unreachable", 8: "prohibit"}


def _words(rule):
    """A rule as ip(8) would say it, also one of a kind that we do not make."""
    action, flags = _header(rule)
    words = str(rule).replace(": from", ": not from") if flags & FIB_RULE_INVERT else str(rule)
    return words if rule.table else words.replace("unreachable", REFUSALS.get(action, "action %d" % action))


def report(netlink, flow):
    """Return the lines that tell it."""
    links = kernel.read_links(netlink)
    answer = explain(netlink, flow, links)
    intents, _problems = intent_files.read()
    names = {intent.table: intent.name for intent in intents}
    lines = ["packet   " + str(flow)]
    if answer.rule is None:
        lines.append("rule     none leads anywhere" if answer.route.startswith("none") else "rule     unknown")
    else:
        lines.append("rule     %s" % _words(answer.rule))
        lines.append("         %s" % _meaning(answer.rule, answer.ours, names))
    of_interface = " (%s)" % names[answer.rule.table] if answer.rule and answer.rule.table in names else ""
    lines.append("route    %s%s" % (answer.route, of_interface))
    if answer.local:
        lines.append("leaves   not at all: it is for this host")
    elif answer.index and not (answer.ours and answer.rule.table == NOWHERE_TABLE):
        name = links[answer.index].name if answer.index in links else "interface %d" % answer.index
        lines.append("leaves   through %s, %s%s" % (
            name, "by %s" % kernel.text(answer.gateway) if answer.gateway else "on the link",
            ", from %s" % kernel.text(answer.source) if answer.source else ""))
    else:
        lines.append("leaves   not at all")
    for number, rule in enumerate(answer.passed):
        lines.append("%s   %s: %s" % ("      " if number else "passed", _words(rule), "nothing there" if rule.suppress is None else
                                      "nothing there that is more precise than a default"))
    return lines


def _meaning(rule, ours, names):
    if not ours:
        return "not one of ours"
    match, name = rule.match, names.get(rule.table, "")
    if rule.table in (0, NOWHERE_TABLE):
        return "strict: it should leave through an interface that cannot take it, and leaves by no other"
    if rule.table == kernel.MAIN_TABLE:
        return "the main table knows a more precise way than a default"
    if match.source and match.source.length == 8 * len(match.source.address) and rule.suppress is not None:
        return "sent from an address of %s: its own link, or another interface's subnet by its own gateway" % name
    if rule.priority < planner.PRIORITY_MARK[0]:
        return "sent from an address of %s: through its own gateway" % name
    if rule.priority in planner.PRIORITY_MARK:
        return "a reply of a forwarded connection that came in by %s" % name
    if rule.priority in planner.PRIORITY_DEVICE:
        return "the socket is bound to %s" % name
    return "%s is the default interface" % name if rule.priority >= planner.PRIORITY_ALL else "selected for %s" % name


def flow_of(arguments):
    """Return the Flow in the command's arguments.

    :raises ValueError: a sentence.
    """
    addresses = {}
    for word, value in (("from", arguments.source), ("to", arguments.destination)):
        try:
            addresses[word] = kernel.pack(value) if value else None
        except OSError:
            raise ValueError("--%s: %s is not an IP address" % (word, value)) from None
    if addresses["from"] and len(addresses["from"]) != len(addresses["to"]):
        raise ValueError("--from and --to: one is IPv4 and the other is IPv6")
    return Flow(addresses["to"], addresses["from"], arguments.iif, arguments.oif, _user(arguments.uid),
                _number("mark", arguments.mark, 0xFFFFFFFF), _protocol(arguments.ipproto), _number("sport", arguments.sport, 0xFFFF),
                _number("dport", arguments.dport, 0xFFFF), _number("tos", arguments.tos, 255))


def _number(word, value, highest):
    try:
        number = int(value or "0", 0)
    except ValueError:
        number = -1
    if not 0 <= number <= highest:
        raise ValueError("--%s: %s is not a number up to %d" % (word, value, highest))
    return number


def _user(value):
    if value is None:
        return os.getuid()
    if value.isdecimal():
        return _number("uid", value, kernel.ALL_BITS - 1)
    number = intent_files.user_number(value)
    if number is None:
        raise ValueError("--uid: there is no user %s on this host" % value)
    return number


def _protocol(value):
    numbers = {name: number for number, name in PROTOCOL_NAMES.items()}
    return numbers[value] if value in numbers else _number("ipproto", value, 255)
