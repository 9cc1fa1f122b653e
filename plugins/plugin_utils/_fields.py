# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""One value of gandi_interfaces at a time: is it well formed, and what is its one normal spelling?

A field's function takes the value as the user wrote it and the Place where it stands. It returns the normalised value,
or refuses it there and returns None. Nothing here knows about a second field, let alone a second interface: that is
_model.py.

What passes is safe in every file that we render: names, addresses, numbers and domain names have no spaces, quotes or
control characters left. That is why the templates escape nothing.
"""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Mapping
from typing import Any, Callable, NamedTuple

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import (
    GATEWAYS_TABLE,
    HOTPLUG_TABLES,
    IPV4_TOS,
    LAST_PORT,
    NOWHERE_TABLE,
    PROTOCOL_NAMES,
)

try:
    import netaddr
except ImportError:  # reported by _model.parse(), which everything goes through
    netaddr = None

OUR_TABLES = range(NOWHERE_TABLE, HOTPLUG_TABLES.stop)
KERNEL_TABLES = range(253, 256)
LARGEST = 2**31 - 1  # of a route's metric or table: netplan writes more as a negative number for networkd

PROTOCOL_NUMBERS = {name: number for number, name in PROTOCOL_NAMES.items()} | {"icmpv6": 58}
FAMILY_OF_PROTOCOL = {1: 4, 58: 6}

_NOT_UNICAST = {
    4: {
        "0.0.0.0/8": 'an address of "this network"',
        "127.0.0.0/8": "a loopback address",
        "169.254.0.0/16": "a link-local address",
        "224.0.0.0/4": "a multicast address",
        "240.0.0.0/4": "a reserved address",
    },
    6: {
        "::/128": "the unspecified address",
        "::1/128": "the loopback address",
        "::ffff:0:0/96": "an IPv4-mapped address",
        "fe80::/10": "a link-local address",
        "ff00::/8": "a multicast address",
    },
}


class Place:
    """Where a value stands (`gandi_interfaces[2] (eth2): routes[0]: via`), and the list where what is wrong with it goes."""

    def __init__(self, path: str, errors: list[str]) -> None:
        self.path = path
        self.errors = errors

    def field(self, name: object) -> Place:
        return Place(f"{self.path}: {show(name)}", self.errors)

    def item(self, index: int) -> Place:
        return Place(f"{self.path}[{index}]", self.errors)

    def refuse(self, value: object, what: str, expected: str) -> None:
        self.say(f"{show(value)} {what}; expected {expected}")

    def say(self, sentence: str) -> None:
        self.errors.append(f"{self.path}: {sentence}")


def show(value: object) -> str:
    """A value as it may be printed on a terminal: whatever is odd about it is escaped, and it is short."""
    if value is None or isinstance(value, (bool, int, float)):
        return json.dumps(value)
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = str(value)
    if not re.fullmatch(r"[!-~]+", text):
        text = ascii(text)
    return text if len(text) <= 64 else text[:61] + "..."


def name(value: Any, at: Place) -> str | None:
    expected = "1 to 15 letters, digits, '.', '_' or '-', starting with a letter or digit"
    if not isinstance(value, str):
        return at.refuse(value, "is not a string", f"{expected} (in quotes if YAML would read it as something else)")
    if ":" in value:
        return at.refuse(value, "is an alias, not an interface", "the interface's name, with the alias's address in addresses")
    # The kernel allows more (anything but '/', ':' and white space). What it allows beyond this set means something else in
    # a file name, a shell word or a [Match] glob, and no driver uses it.
    if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]{0,14}", value):
        return at.refuse(value, "is not an interface name", expected)
    if value in ("all", "default", "lo"):
        return at.refuse(value, "is a name that the kernel uses itself", "a network interface")
    return str(value)


def mac(value: Any, at: Place) -> str | None:
    expected = "six octets such as 02:00:00:aa:bb:cc"
    if not isinstance(value, str):
        return at.refuse(value, "is not a string", f'{expected}; quote it: YAML reads some as base-60 numbers (mac: "52:54:00:12:34:56")')
    if not re.fullmatch(r"[0-9A-Fa-f]{2}([:-][0-9A-Fa-f]{2}){5}", value):
        return at.refuse(value, "is not a MAC address", expected)
    octets = netaddr.EUI(str(value)).words
    if octets[0] & 1:
        return at.refuse(value, "is a multicast MAC address", "a unicast one: its first octet is even")
    if not any(octets):
        return at.refuse(value, "is the zero MAC address", expected)
    return ":".join(f"{octet:02x}" for octet in octets)


def state(value: Any, at: Place) -> str | None:
    if value not in ("present", "absent"):
        return at.refuse(value, "is not a state", "present or absent")
    return str(value)


def flag(value: Any, at: Place) -> bool | None:
    """Ansible's own spellings (yes, "on", 1 ...), because `-e` and inventories in INI give strings."""
    try:
        return boolean(value, strict=True)
    except TypeError:
        return at.refuse(value, "is not a boolean", "true or false")


def number(lowest: int, highest: int) -> Callable[[Any, Place], int | None]:
    def parse(value: Any, at: Place) -> int | None:
        expected = f"a number from {lowest} to {highest}"
        if isinstance(value, str) and re.fullmatch(r"[0-9]{1,10}", value):
            value = int(value)
        if isinstance(value, bool) or not isinstance(value, int):
            return at.refuse(value, "is not a whole number", expected)
        if not lowest <= value <= highest:
            return at.refuse(value, "is out of range", expected)
        return int(value)

    return parse


def fixed_table(value: Any, at: Place) -> int | None:
    table = number(1, 2**32 - 1)(value, at)
    if table in KERNEL_TABLES:
        return at.refuse(table, "is one of the kernel's own tables", "a number other than 253 to 255")
    if table == GATEWAYS_TABLE:
        return at.refuse(table, "is where the gateways of leases are kept", "another number")
    if table == NOWHERE_TABLE:
        return at.refuse(table, "is where strict sends what must not leave", "another number")
    return table


def route_table(value: Any, at: Place) -> int | None:
    table = number(1, LARGEST)(value, at)
    if table == 255:
        return at.refuse(table, "is the kernel's local table", "another number")
    if table in OUR_TABLES:
        expected = f"a number outside {OUR_TABLES[0]} to {OUR_TABLES[-1]}"
        return at.refuse(table, "is one of the tables that policy_routing fills by itself", expected)
    return table


class PolicyRouting(NamedTuple):
    """What an interface says about policy routing; `table` 0 is the host's choice, a selector is ((key, value), ...)."""

    on: bool = False
    table: int = 0
    selectors: tuple = ()
    default: bool = False
    strict: bool = False
    connmark: bool = False


def policy_routing(value: Any, at: Place) -> PolicyRouting | None:
    if not isinstance(value, Mapping):
        try:
            return PolicyRouting(boolean(value, strict=True))
        except TypeError:
            keys = ", ".join(POLICY_ROUTING)
            return at.refuse(value, "is neither a boolean nor a mapping", f"true, false or a mapping with keys of {keys}")
    keys = mapping(value, POLICY_ROUTING, at, "policy_routing")
    return None if keys is None else PolicyRouting(True, **keys)


def selector(value: Any, at: Place) -> tuple[tuple[str, str], ...] | None:
    """What says which packets; every value in the one spelling that the host reads."""
    keys = mapping(value, SELECTOR, at, "a selector")
    if keys is None:
        return None
    if not keys:
        return at.say(f"says nothing about the traffic; expected one or more of {', '.join(SELECTOR)}")
    families = {word: 6 if ":" in keys[word] else 4 for word in ("from", "to") if word in keys}
    if int(keys.get("ipproto", 0)) in FAMILY_OF_PROTOCOL:
        families["ipproto"] = FAMILY_OF_PROTOCOL[int(keys["ipproto"])]
    word = next((word for word in families if families[word] != next(iter(families.values()))), None)
    if word:
        first = next(iter(families))
        what = f"is IPv{families[word]}, and {first} is IPv{families[first]}"
        return at.field(word).refuse(value[word], what, "one family in a selector")
    if int(keys.get("tos", 0)) & ~IPV4_TOS and 6 not in families.values():
        return at.field("tos").refuse(value["tos"], "has bits that IPv4 does not compare", "0x04 to 0x1c, or a selector for IPv6 alone")
    return tuple(keys.items())


def selected_prefix(value: Any, at: Place) -> str | None:
    if value == "default" or isinstance(value, str) and re.fullmatch("[^/]+/0+", value):
        return at.refuse(value, "is everything", "a narrower prefix (policy_routing: default: true is for everything)")
    return destination(value, at)


def fwmark(value: Any, at: Place) -> str | None:
    expected = "a mark such as 0x2 or 2, or a mark and a mask such as 0x200/0xff00"
    words = re.fullmatch(r"(0x[0-9a-fA-F]{1,8}|[0-9]{1,10})(?:/(0x[0-9a-fA-F]{1,8}|[0-9]{1,10}))?", str(value))
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not words:
        return at.refuse(value, "is not a mark", expected)
    mark, mask = (int(word or "0xffffffff", 16 if (word or "0x").startswith("0x") else 10) for word in words.groups())
    if not mark or max(mark, mask) >= 2**32:
        return at.refuse(value, "is out of range", "a mark from 1 to 0xffffffff")
    if mark & ~mask:
        return at.refuse(value, "has bits outside its mask", f"0x{mark & mask:x}/0x{mask:x}, or a wider mask")
    return f"0x{mark:x}/0x{mask:x}"


def uid(value: Any, at: Place) -> str | None:
    """A name is looked up on the host: users differ there."""
    expected = "a number, a range such as 1000-1999, or the name of a user"
    if isinstance(value, str) and not re.fullmatch("[0-9-]+", value):
        if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.@\\-]{0,30}[$]?", value):
            return at.refuse(value, "is not the name of a user", expected)
        return str(value)
    return _number_or_range(value, at, 0, 2**32 - 2, expected)


def port(value: Any, at: Place) -> str | None:
    """The kernel refuses 65535 in a rule."""
    return _number_or_range(value, at, 1, LAST_PORT, "a port or a range such as 5000-5999")


def _number_or_range(value: Any, at: Place, lowest: int, highest: int, expected: str) -> str | None:
    words = re.fullmatch("([0-9]{1,10})(?:-([0-9]{1,10}))?", str(value))
    if isinstance(value, bool) or not isinstance(value, (int, str)) or not words:
        return at.refuse(value, "is not a number or a range", expected)
    first, last = int(words[1]), int(words[2] or words[1])
    if not lowest <= first <= highest or not lowest <= last <= highest:
        return at.refuse(value, "is out of range", f"numbers from {lowest} to {highest}")
    if first > last:
        return at.refuse(value, "ends before it begins", f"{last}-{first}")
    return f"{first}" if first == last else f"{first}-{last}"


def device(value: Any, at: Place) -> str | None:
    """Any interface, also one that is not ours to configure: `lo` as iif is what this host sends itself (ip-rule(8))."""
    return "lo" if value == "lo" else name(value, at)


def tos(value: Any, at: Place) -> str | None:
    if isinstance(value, str) and re.fullmatch("0x[0-9a-fA-F]{1,2}", value):
        value = int(value, 16)
    found = number(4, 252)(value, at)
    if found is not None and found % 4:
        return at.refuse(value, "has one of the lower two bits, which are not of the type of service", "a multiple of 4 such as 0x10")
    return None if found is None else str(found)


def ipproto(value: Any, at: Place) -> str | None:
    expected = f"a number from 1 to 255 or one of {', '.join(PROTOCOL_NUMBERS)}"
    if isinstance(value, str) and not value.isdecimal():
        found = PROTOCOL_NUMBERS.get(value.lower())
        return at.refuse(value, "is not a protocol known here", expected) if found is None else str(found)
    found = number(1, 255)(value, at)
    return None if found is None else str(found)


def ip(value: Any, at: Place, expected: str, families: tuple[int, ...] = (4, 6)) -> netaddr.IPAddress | None:
    """An address that a host can have. INET_PTON: 10.1, 010.0.0.1 and 0xa000001 are typing mistakes, not addresses."""
    if not isinstance(value, str):
        return at.refuse(value, "is not a string", expected)
    try:
        if not re.fullmatch(r"[0-9A-Fa-f.:]{1,45}", value):
            raise ValueError(value)
        found = netaddr.IPAddress(str(value), flags=netaddr.INET_PTON)
    except (ValueError, netaddr.AddrFormatError):
        return at.refuse(value, "is not an IP address", expected)
    if found.version not in families:
        return at.refuse(value, f"is an IPv{found.version} address", expected)
    return found


def _why_not_unicast(address: netaddr.IPAddress) -> str | None:
    return next((what for block, what in _NOT_UNICAST[address.version].items() if address in netaddr.IPNetwork(block)), None)


def _split_prefix(value: Any, at: Place, expected: str) -> netaddr.IPNetwork | None:
    """ADDRESS/LENGTH, with the address's own bits kept."""
    address, slash, length = value.partition("/") if isinstance(value, str) else (value, "", "")
    if isinstance(value, str) and not slash:
        return at.refuse(value, "has no prefix length", expected)
    found = ip(address, at, expected)
    if found is None:
        return None
    if not re.fullmatch(r"[0-9]{1,3}", length) or int(length) > (32 if found.version == 4 else 128):
        return at.refuse(value, f"has no valid IPv{found.version} prefix length", expected)
    return netaddr.IPNetwork(f"{found}/{int(length)}")


def address(value: Any, at: Place) -> str | None:
    """An interface's own address. The all-zeros address of an IPv6 prefix is refused too: RFC 4291 gives it to the routers."""
    expected = "an address with its prefix length such as 198.51.100.10/24 or 2001:db8::10/64"
    found = _split_prefix(value, at, expected)
    if found is None:
        return None
    why_not = _why_not_unicast(found.ip)
    if why_not:
        return at.refuse(value, f"is {why_not}", "one that other hosts can reach")
    if found.prefixlen == 0:
        return at.refuse(value, "has no valid prefix length", expected)
    reserved = _reserved_in(found)
    if found.ip in reserved:
        return at.refuse(value, f"is the {reserved[found.ip]} address of its prefix", "an address of a host in it")
    return str(found)


def _reserved_in(network: netaddr.IPNetwork) -> dict[netaddr.IPAddress, str]:
    width = 32 if network.version == 4 else 128
    if network.prefixlen >= width - 1:  # point to point (RFC 3021, RFC 6164): every address is a host's
        return {}
    first = netaddr.IPAddress(network.first, network.version)
    if network.version == 6:
        return {first: "subnet-router anycast"}
    return {first: "network", netaddr.IPAddress(network.last, 4): "broadcast"}


def is_reserved_in(gateway: str, prefix: str) -> str | None:
    """`network` or `broadcast` where an IPv4 gateway has that part in a prefix; an IPv6 router may have any address."""
    network = netaddr.IPNetwork(prefix)
    return _reserved_in(network).get(netaddr.IPAddress(gateway)) if network.version == 4 else None


def router(family: int) -> Callable[[Any, Place], str | None]:
    """A gateway's address; an IPv6 router may be known by its link-local one only, and mostly is."""

    def parse(value: Any, at: Place) -> str | None:
        expected = "an IPv4 address such as 198.51.100.1" if family == 4 else "an IPv6 address such as 2001:db8::1 or fe80::1"
        return _router(value, at, expected, (family,))

    return parse


def _router(value: Any, at: Place, expected: str, families: tuple[int, ...] = (4, 6)) -> str | None:
    found = ip(value, at, expected, families)
    if found is None:
        return None
    why_not = _why_not_unicast(found)
    if why_not and not (found.version == 6 and found.is_link_local()):
        return at.refuse(value, f"is {why_not}", expected)
    return str(found)


def via(value: Any, at: Place) -> str | None:
    return _router(value, at, "the address of a router")


def destination(value: Any, at: Place) -> str | None:
    """default, or a prefix without host bits; an address alone is a host."""
    expected = "default, a prefix such as 203.0.113.0/24, or an address"
    if value == "default":
        return "default"
    if isinstance(value, str) and "/" not in value:
        found = ip(value, at, expected)
        return None if found is None else f"{found}/{32 if found.version == 4 else 128}"
    found = _split_prefix(value, at, expected)
    if found is None:
        return None
    if found.ip != found.network:
        return at.refuse(value, "has bits set beyond its prefix length", str(found.cidr))
    return str(found)


def nameserver(value: Any, at: Place) -> str | None:
    expected = "the address of a DNS server"
    found = ip(value, at, expected)
    if found is not None and (int(found) == 0 or found.is_multicast()):
        return at.refuse(value, "is not a host's address", expected)
    return None if found is None else str(found)


def domain(value: Any, at: Place) -> str | None:
    label = r"[A-Za-z0-9_]([A-Za-z0-9_-]{0,61}[A-Za-z0-9_])?"
    if not isinstance(value, str) or len(value) > 253 or not re.fullmatch(rf"{label}(\.{label})*", value):
        return at.refuse(value, "is not a domain name", "one such as example.net")
    return str(value)


def items_of(parse: Callable[[Any, Place], Any]) -> Callable[[Any, Place], tuple | None]:
    """A list, each item by `parse`; None when one of them is refused, and all of them are looked at."""

    def parse_list(value: Any, at: Place) -> tuple | None:
        if not isinstance(value, (list, tuple)):
            return at.refuse(value, "is not a list", "a list (with brackets or dashes), even of one")
        parsed = tuple(parse(item, at.item(index)) for index, item in enumerate(value))
        seen: dict[Any, int] = {}
        for index, item in enumerate(parsed):
            if item is not None and seen.setdefault(item, index) != index:
                at.item(index).refuse(value[index], f"is item {seen[item]} once more", "each item once")
                return None
        return None if None in parsed else parsed

    return parse_list


def mapping(value: Any, schema: Mapping[str, Callable], at: Place, what: str) -> dict[str, Any] | None:
    """The keys that are given, each by its function; None when the whole is not a mapping, or any key is refused."""
    if not isinstance(value, Mapping):
        return at.refuse(value, "is not a mapping", f"keys such as {', '.join(list(schema)[:3])}")
    before = len(at.errors)
    parsed = keys_of(value, schema, at, what)
    return parsed if len(at.errors) == before else None


def keys_of(value: Mapping, schema: Mapping[str, Callable], at: Place, what: str) -> dict[str, Any]:
    """As mapping(), but what is good is returned even when something else is not."""
    for key in value:
        if key not in schema:
            close = difflib.get_close_matches(str(key), schema, n=1)
            hint = f"did you mean {close[0]}?" if close else f"expected one of {', '.join(schema)}"
            at.field(key).say(f"is not a key of {what}; {hint}")
    parsed = {key: parse(value[key], at.field(key)) for key, parse in schema.items() if key in value}
    return {key: item for key, item in parsed.items() if item is not None}


SELECTOR: dict[str, Callable[[Any, Place], Any]] = {
    "from": selected_prefix,
    "to": selected_prefix,
    "tos": tos,
    "fwmark": fwmark,
    "iif": device,
    "oif": device,
    "uid": uid,
    "ipproto": ipproto,
    "sport": port,
    "dport": port,
}

POLICY_ROUTING: dict[str, Callable[[Any, Place], Any]] = {
    "table": fixed_table,
    "selectors": items_of(selector),
    "default": flag,
    "strict": flag,
    "connmark": flag,
}
