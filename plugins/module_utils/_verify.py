# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a host would do with the packets of each of its addresses, asked of its kernel, and what is wrong with that."""

from __future__ import annotations

import os

from . import _managers, _others, _policy_routing, _sysctl
from .reconciler import intents as intent_files
from .reconciler import kernel, netlink

# Somewhere far away: documentation prefixes (RFC 5737, RFC 3849), no packet is sent. The first that only a default route reaches.
FAR = {4: ("192.0.2.1", "198.51.100.1", "203.0.113.1"), 16: ("2001:db8:ffff:ffff::1", "3fff:fff::1")}


def inspect(expected, routed, rp_filter=None):
    """Return ``(interfaces, problems, remarks)``: what is there, as plain values, and sentences about what is wrong, or worth knowing.

    :arg expected: interfaces of the interfaces section.
    :arg routed: interfaces of the policy_routing section.
    :arg rp_filter: the effective value that is expected on each of them, or None for any.
    """
    names = {entry["mac"] or entry["name"] for entry in routed}
    interfaces, problems, remarks = [], [], []
    with netlink.Netlink() as connection:
        entries = [intent_files.Intent(entry["name"], entry["mac"], 0, ()) for entry in expected]
        links = kernel.read_links(connection)
        managed = intent_files.match(entries, links)
        remarks += ["%s: not attached" % entry.name for entry in entries if entry not in managed.values()]
        addresses = kernel.read_addresses(connection)
        held = _others.holders(expected, _others.attached(expected))
        for index, entry in managed.items():
            link = links[index]
            own = [address.address for address in addresses if address.index == index]
            replies = [_reply(connection, links, link, address) for address in own]
            holders = [{"manager": holder.manager, "file": holder.path} for holder in held[entry.name]]
            found = {"name": link.name, "mac": link.mac, "up": link.up, "configured_by": holders,
                     "rp_filter": _effective("rp_filter", link.name),
                     "arp_announce": _effective("arp_announce", link.name), "addresses": replies}
            interfaces.append(found)
            said = [sentence for reply in replies for sentence in _wrong(link.name, reply)]
            (problems if (entry.mac or entry.name) in names else remarks).extend(said)
            problems += _wrong_link(found, rp_filter)
        problems += _defaults(connection, links, managed, {entry["name"] for entry in expected if entry.get("primary")})
    problems += _managers.missing_addresses([entry for entry in expected if not entry["optional"]])
    problems += _ambiguous([found["name"] for found in interfaces])
    if routed:
        problems += _engine()
    return interfaces, problems, remarks


def _reply(connection, links, link, address):
    """Return where a reply from an address to somewhere far away goes, and whether the request would be accepted."""
    result = {"address": kernel.text(address), "reply_interface": "", "reply_gateway": "", "table": 0, "accepted": True}
    for far in FAR[len(address)]:
        try:
            decision = kernel.decide(connection, address, kernel.pack(far))
        except OSError:
            continue
        result["reply_interface"] = links[decision.index].name if decision.index in links else ""
        result["reply_gateway"] = kernel.text(decision.gateway) if decision.gateway else ""
        result["table"] = decision.table
        result["accepted"] = kernel.accepts(connection, kernel.pack(far), address, link.index)
        if not decision.length:
            break
    return result


def _wrong(name, reply):
    if reply["reply_interface"] != name:
        yield "%s: replies from %s leave through %s; expected %s" % (
            name, reply["address"], reply["reply_interface"] or "no interface, there is no route", name)
    if not reply["accepted"]:
        yield "%s: requests to %s are dropped on arrival by reverse-path filtering" % (name, reply["address"])


def _wrong_link(found, rp_filter):
    if not found["up"]:
        yield "%s: the link is down" % found["name"]
    if len({holder["manager"] for holder in found["configured_by"]}) > 1:
        yield "%s: two network managers hold it: %s; expected one" % (found["name"], ", ".join(
            "%s (%s)" % (holder["manager"], holder["file"]) for holder in found["configured_by"]))
    if rp_filter is not None and found["rp_filter"] != rp_filter:
        yield "%s: the effective rp_filter is %s; expected %d" % (found["name"], found["rp_filter"], rp_filter)


def _defaults(connection, links, managed, primary):
    """Yield a sentence for each default route that a secondary interface has brought into main."""
    for index, entry in managed.items():
        for family in kernel.FAMILIES if primary and entry.name not in primary else ():
            for header, found, _body in kernel.dump_routes(connection, family, kernel.MAIN_TABLE, index):
                if not header[1] and header[7] == kernel.RTN_UNICAST:
                    gateways = [kernel.text(gateway) for hop, gateway in kernel.next_hops(found) if hop == index and gateway]
                    yield "%s: a default route through %s is in table main; expected one through %s only" % (
                        links[index].name, ", ".join(gateways) or "the link", ", ".join(sorted(primary)))


def _ambiguous(names):
    """Yield a sentence for each interface whose addresses another one may answer for, with the wrong MAC address."""
    subnets = {name: _sysctl.networks(addresses) for name, addresses in _managers.addresses4().items()}
    for name in names:
        if _sysctl.shares(name, subnets) and not (_effective("arp_ignore", name) or _effective("arp_filter", name)):
            yield ("%s: it shares an IPv4 subnet with another interface, and the effective arp_ignore is 0, so ARP answers for either may have "
                   "the other's MAC address; expected 1, which the section sysctl sets where it finds them" % name)


def _engine():
    """Yield what is wrong with the service and with what it should have done."""
    if not _policy_routing.is_running():
        yield "%s: not running" % _policy_routing.UNIT
    intents, problems = intent_files.read()
    yield from problems
    outcome = _policy_routing.difference(intents)
    yield from outcome.problems
    for line in outcome.lines:
        yield "policy routing: the kernel differs from what is wanted: %s" % line


def _effective(key, name):
    """Return the value in effect on a link: the larger of the link's own and that of all (kernel, ip-sysctl)."""
    values = []
    for which in ("all", name):
        try:
            with open(os.path.join("/proc/sys/net/ipv4/conf", which, key), encoding="ascii") as file:
                values.append(int(file.read()))
        except OSError:
            pass
    return max(values) if values else None
