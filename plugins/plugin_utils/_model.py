# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""gandi_interfaces as one model: parse() either returns all interfaces, with every default worked out, or raises all errors.

Three passes, each over the whole list, and errors come in the order of the list:

1. every value by itself (_fields.py);
2. the fields of one interface together: a gateway must be reachable, a route too, the MTU must carry IPv6. A check runs when
   the fields that it reads were good, so one mistake is reported once;
3. the interfaces together: names, MACs, addresses, tables, the primary and the default routes of main.

Pure: it reads nothing but its argument.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Callable

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import CONNMARK_MASK

from . import _fields as fields
from ._fields import Place, PolicyRouting, netaddr, show

LIST = "gandi_interfaces"
# What stands for an interface's name where there is none; no name begins with a dash.
HOTPLUG = "-hotplug"
# What interfaces are called that nobody has named: by the kernel, and by udev (fnmatch(3) of all that look at it).
HARDWARE = ("eth*", "en*")
HOTPLUG_DEFAULTS = ("none", "dhcp", "policy_routing")
MTU_OF_IPV6 = 1280  # the smallest (RFC 8200, 5)
MTU_OF_DHCP = 604  # a message of 576 octets (RFC 2132, 9.10) in UDP and IP; with less networkd gives the interface up


class InterfacesError(ValueError):
    """Everything that is wrong with a list, one line each."""

    def __init__(self, errors: list[str]) -> None:
        self.errors = errors
        count = "1 error" if len(errors) == 1 else f"{len(errors)} errors"
        super().__init__("\n".join([f"{count} in {LIST}:", *errors]))


class MissingLibrary(ImportError):
    """netaddr is not there; the sentence says how to get it."""


@dataclass(frozen=True)
class Route:
    to: str  # a prefix; the default one is 0.0.0.0/0 or ::/0
    via: str
    metric: int | None = None
    table: int = 0  # 0: main
    on_link: bool = False

    @property
    def family(self) -> int:
        return 6 if ":" in self.via else 4

    @property
    def is_default_in_main(self) -> bool:
        return self.to in ("0.0.0.0/0", "::/0") and self.table in (0, 254)


@dataclass(frozen=True)
class Interface:
    name: str
    mac: str = ""
    primary: bool = False
    dhcp4: bool = False
    dhcp6: bool = False
    accept_ra: bool = False
    addresses: tuple[str, ...] = ()
    gateway4: str = ""
    gateway6: str = ""
    nameservers: tuple[str, ...] = ()
    search: tuple[str, ...] = ()
    mtu: int = 0  # 0: the driver's
    routes: tuple[Route, ...] = ()
    optional: bool = False
    agent: bool = False  # the Gandi agent configures it: no file of ours
    routing: PolicyRouting = PolicyRouting()
    # What every Ethernet interface gets that the list does not name, neither in ``named`` by name nor by MAC address; at most one is this.
    hotplug: bool = False
    named: tuple[str, ...] = ()

    @property
    def policy_routing(self) -> bool:
        return self.routing.on

    @property
    def addresses4(self) -> tuple[str, ...]:
        return tuple(a for a in self.addresses if ":" not in a)

    @property
    def addresses6(self) -> tuple[str, ...]:
        return tuple(a for a in self.addresses if ":" in a)

    @property
    def gateway4_on_link(self) -> bool:
        return self.is_on_link(self.gateway4)

    @property
    def gateway6_on_link(self) -> bool:
        return self.is_on_link(self.gateway6)

    def is_on_link(self, router: str) -> bool:
        """Whether the kernel must be told that a router is on the link, because no static address says so: a lease or an
        advertisement may come later, and until then it refuses the route, for which networkd 247 gives up the whole interface. fe80::
        is on every link; but networkd wants to be told where it has no address at all."""
        if router.startswith("fe80:"):
            return not self.addresses
        return bool(router) and not any(router in netaddr.IPNetwork(address) for address in self.addresses)

    @property
    def mtu_excludes_ipv6(self) -> bool:
        return 0 < self.mtu < MTU_OF_IPV6

    @property
    def gateways_metric(self) -> int:
        """What keeps this interface's default route apart from the others' in the gateways table, where one metric would mean
        one route (IPv4) or one multipath route (IPv6). It hangs on the interface's identity, not on its place in the list."""
        return zlib.crc32((self.mac or self.name).encode()) & 0x7FFFFFFF or 1


def parse(interfaces: Any, hotplug_default: str = "none") -> list[Interface]:
    """The interfaces that are to be present. Those that are absent are checked, and then they are nothing: what is not in the
    result has no files and no rules. `hotplug_default`: what an interface gets that the list does not name; an empty list is nothing
    at all."""
    if netaddr is None:
        raise MissingLibrary(
            "netaddr is not installed for the Python that runs Ansible on the controller: pip install netaddr "
            "(or pip install -r requirements.txt of the collection gandi.hosting)"
        )
    errors: list[str] = []
    entries = _entries(interfaces, errors)
    _check_whole_list(entries)
    if entries and hotplug_default != "none" and not any(entry.values.get("primary") for entry in entries if not entry.absent):
        Place(LIST, errors).say(f"has no primary beside hotplug_default: {hotplug_default}, which would make it address only; "
                                "expected an entry with primary: true")  # fmt: skip
    if errors:
        raise InterfacesError(errors)
    routed = hotplug_default == "policy_routing"
    others = routed or any(entry.policy_routing_on for entry in entries if not entry.values.get("primary"))
    present = [_interface(entry, others) for entry in entries if not entry.absent]
    if entries and hotplug_default != "none":
        named = tuple(entry.values[word] for entry in entries for word in ("name", "mac") if word in entry.values)
        present.append(Interface(HOTPLUG, dhcp4=True, accept_ra=True, optional=True, routing=PolicyRouting(on=routed), hotplug=True, named=named))
    return present


# ---- one entry ------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Entry:
    """One entry of the list: what was good of it, and where to report what is not."""

    at: Place
    given: Mapping
    values: dict[str, Any]

    @property
    def absent(self) -> bool:
        return self.values.get("state") == "absent"

    @property
    def agent(self) -> bool:
        return bool(self.values.get("agent"))

    @property
    def policy_routing_on(self) -> bool:
        return not self.absent and self.routing.on

    @property
    def routing(self) -> PolicyRouting:
        return self.values.get("policy_routing", PolicyRouting())

    def good(self, *names: str) -> bool:
        return all(name in self.values or name not in self.given for name in names)

    def addresses(self, family: int) -> list[str]:
        return [a for a in self.values.get("addresses", ()) if (":" in a) == (family == 6)]

    def dynamic(self, family: int) -> list[str]:
        """What brings this interface addresses by itself; the first one also brings a gateway."""
        words = ("dhcp4",) if family == 4 else ("accept_ra", "dhcp6")
        return [word for word in words if self.values.get(word, self._default(word))]

    def _default(self, word: str) -> bool:
        return word != "dhcp6" and not self.addresses(4 if word == "dhcp4" else 6)


def _nameservers(value: Any, at: Place) -> tuple[tuple[str, ...], tuple[str, ...]] | None:
    schema = {"addresses": fields.items_of(fields.nameserver), "search": fields.items_of(fields.domain)}
    keys = fields.mapping(value, schema, at, "nameservers")
    return None if keys is None else (keys.get("addresses", ()), keys.get("search", ()))


def _route(value: Any, at: Place) -> Route | None:
    keys = fields.mapping(value, ROUTE, at, "a route")
    if keys is None:
        return None
    for word, expected in (("to", "the destination"), ("via", "the router's address")):
        if word not in keys:
            return at.field(word).say(f"is missing; expected {expected}")
    if keys["to"] == "default":
        keys["to"] = "::/0" if ":" in keys["via"] else "0.0.0.0/0"
    route = Route(**keys)
    if (":" in route.to) != (route.family == 6):
        return at.field("via").refuse(route.via, f"is not of the family of {route.to}", "a router of the destination's own family")
    return route


ROUTE: dict[str, Callable[[Any, Place], Any]] = {
    "to": fields.destination,
    "via": fields.via,
    "metric": fields.number(0, fields.LARGEST),
    "table": fields.route_table,
    "on_link": fields.flag,
}

INTERFACE: dict[str, Callable[[Any, Place], Any]] = {
    "name": fields.name,
    "mac": fields.mac,
    "primary": fields.flag,
    "state": fields.state,
    "dhcp4": fields.flag,
    "dhcp6": fields.flag,
    "accept_ra": fields.flag,
    "addresses": fields.items_of(fields.address),
    "gateway4": fields.router(4),
    "gateway6": fields.router(6),
    "nameservers": _nameservers,
    "mtu": fields.number(68, 65535),
    "routes": fields.items_of(_route),
    "optional": fields.flag,
    "agent": fields.flag,
    "policy_routing": fields.policy_routing,
}
# What may be said of an interface that the agent configures: it runs DHCP and nothing else, and by its own settings not on the first one.
WITH_AGENT = ("name", "mac", "state", "agent", "policy_routing", "gateway4", "gateway6")


def _entries(interfaces: Any, errors: list[str]) -> list[Entry]:
    if not isinstance(interfaces, (list, tuple)):
        Place(LIST, errors).refuse(interfaces, "is not a list", "a list with one entry for each interface, [] for none")
        return []
    found = [_entry(given, Place(f"{LIST}[{index}]", errors)) for index, given in enumerate(interfaces)]
    return [entry for entry in found if entry]


def _entry(given: Any, at: Place) -> Entry | None:
    if not isinstance(given, Mapping):
        return at.refuse(given, "is not a mapping", "the keys of an interface, such as name: eth1")
    if "name" not in given:
        at.field("name").say("is missing; expected the interface's name")
    elif isinstance(given["name"], str):
        at = Place(f"{at.path} ({show(given['name'])})", at.errors)
    entry = Entry(at, given, fields.keys_of(given, INTERFACE, at, "an interface"))
    _check_entry(entry)
    return entry


def _check_entry(entry: Entry) -> None:
    if entry.absent:
        for word in entry.given:
            if word in INTERFACE and word not in ("name", "mac", "state"):
                entry.at.field(word).say("is given beside state: absent; expected name, mac and state only")
        return
    if entry.agent:
        for word in entry.given:
            if word in INTERFACE and word not in WITH_AGENT and not (word == "primary" and entry.values.get("primary") is False):
                entry.at.field(word).say("is given beside agent: true; expected name, mac, policy_routing, gateway4 and gateway6 only")
    if entry.good("dhcp4", "dhcp6", "accept_ra", "addresses"):
        for family in (4, 6):
            _check_gateway(entry, family)
        for index, route in enumerate(entry.values.get("routes", ())):
            if not route.on_link:
                _check_on_link(entry, entry.at.field("routes").item(index).field("via"), route.via, "or on_link: true")
        _check_mtu(entry)


def _check_gateway(entry: Entry, family: int) -> None:
    word = f"gateway{family}"
    gateway = entry.values.get(word)
    if gateway is None:
        return
    at = entry.at.field(word)
    source = ("dhcp4", "accept_ra")[family == 6]
    if source in entry.dynamic(family) and not entry.agent:
        if source not in entry.given:
            source += f" (true, because no IPv{family} address is given)"
        at.refuse(gateway, f"is given beside {source}, which brings a gateway by itself", f"one of the two: no {word}, or {source.split()[0]}: false")
    elif not _all_hosts(entry.addresses(family)):
        _check_on_link(entry, at, gateway, "")
    elif gateway in [_ip(a) for a in entry.addresses(family)]:
        at.refuse(gateway, "is an address of this interface itself", "the router's")
    if entry.good("primary", "policy_routing") and not entry.values.get("primary") and not entry.policy_routing_on:
        at.refuse(gateway, "has no effect", "primary: true or policy_routing: true beside it, or no gateway")


def _check_on_link(entry: Entry, at: Place, gateway: str, otherwise: str) -> None:
    """The neighbour must be one that this interface can reach, as far as its prefixes are known here."""
    family = 6 if ":" in gateway else 4
    addresses = entry.addresses(family)
    prefixes = [str(netaddr.IPNetwork(address).cidr) for address in addresses]
    inside = [prefix for prefix in prefixes if gateway in netaddr.IPNetwork(prefix)]
    reserved = [kind for kind in (fields.is_reserved_in(gateway, prefix) for prefix in inside) if kind]
    expected = " ".join(["an address of one of the interface's own prefixes", otherwise]).strip()
    if gateway in [_ip(address) for address in addresses]:
        at.refuse(gateway, "is an address of this interface itself", "the router's")
    elif reserved:
        at.refuse(gateway, f"is the {reserved[0]} address of {inside[0]}", "an address of a host in it")
    elif inside or gateway.startswith("fe80:") or entry.dynamic(family):
        return
    elif prefixes:
        at.refuse(gateway, f"is not inside {' or '.join(prefixes)}", expected)
    else:
        at.refuse(gateway, f"is not reachable: the interface has no IPv{family} address", expected)


def _check_mtu(entry: Entry) -> None:
    mtu = entry.values.get("mtu", 1500)
    at = entry.at.field("mtu")
    user = "addresses" if entry.addresses(6) else next(iter(entry.dynamic(6)), None)
    if user and mtu < MTU_OF_IPV6:
        at.refuse(mtu, f"is too small for IPv6, which {user} brings", f"{MTU_OF_IPV6} or more, or no IPv6 (accept_ra: false)")
    elif entry.dynamic(4) and mtu < MTU_OF_DHCP:
        at.refuse(mtu, "is too small for DHCP", f"{MTU_OF_DHCP} or more, or dhcp4: false")


def _interface(entry: Entry, others_have_policy_routing: bool) -> Interface:
    values = dict(entry.values)
    values.pop("state", None)
    values["nameservers"], values["search"] = values.get("nameservers", ((), ()))
    default = PolicyRouting(bool(values.get("primary")) and others_have_policy_routing)
    values["routing"] = values.pop("policy_routing", default)
    values.update({word: word in entry.dynamic(family) for word, family in (("dhcp4", 4), ("dhcp6", 6), ("accept_ra", 6))})
    interface = Interface(**values)
    routes = tuple(replace(route, on_link=route.on_link or interface.is_on_link(route.via)) for route in interface.routes)
    return replace(interface, routes=routes)


def _ip(address: str) -> str:
    return address.partition("/")[0]


def _all_hosts(addresses: tuple[str, ...] | list[str]) -> bool:
    """Every address is a /32 or /128: the segment's prefix is unknown, so a gateway can only be on the link."""
    return bool(addresses) and all(address.endswith("/128" if ":" in address else "/32") for address in addresses)


# ---- the whole list -------------------------------------------------------------------------------------------------------


def _check_whole_list(entries: list[Entry]) -> None:
    present = [entry for entry in entries if not entry.absent]
    _once("name", "one entry for each interface", [(e, e.values["name"]) for e in entries if "name" in e.values])
    _once("mac", "one entry for each interface", [(e, e.values["mac"]) for e in entries if "mac" in e.values])
    _once("primary", "one primary interface", [(e, True) for e in present if e.values.get("primary")])
    _once("addresses", "each address once", [(e, _ip(a)) for e in present for a in e.values.get("addresses", ())])
    _once("policy_routing: table", "a table of its own", [(e, e.routing.table) for e in present if e.routing.table])
    _once("policy_routing: default", "one default interface", [(e, True) for e in present if e.routing.default])
    selectors = [(e, " ".join(f"{key} {value}" for key, value in selector)) for e in present for selector in e.routing.selectors]
    _once("policy_routing: selectors", "one interface for the same traffic", selectors)
    _check_default_interface(present)
    _check_marks(present)
    _check_tables(present)
    for family in (4, 6):
        _check_default_routes(present, family)
    _check_same_routes(present)


def _once(field: str, expected: str, uses: list[tuple[Entry, Any]]) -> None:
    first: dict[Any, Entry] = {}
    for entry, value in uses:
        if value in first:
            at = Place(f"{entry.at.path}: {field}", entry.at.errors)
            at.refuse(value, f"is already in {first[value].at.path}", expected)
        first.setdefault(value, entry)


def _check_default_interface(present: list[Entry]) -> None:
    """Where something else is the default, only rules of its own keep the primary's replies on the primary."""
    kept = any(e.values.get("primary") and (e.policy_routing_on or "policy_routing" not in e.given) for e in present)
    for entry in present:
        if entry.routing.default and not kept:
            at = entry.at.field("policy_routing").field("default")
            at.refuse(True, "would take the primary's replies along", "an entry with primary: true, and no policy_routing: false there")


def _check_marks(present: list[Entry]) -> None:
    """A selector must not take for its own what connmark has marked, nor be taken for it."""
    if not any(entry.routing.connmark for entry in present):
        return
    for entry in present:
        for index, selector in enumerate(entry.routing.selectors):
            mark = dict(selector).get("fwmark", "0")
            if int(mark.partition("/")[0], 16) & CONNMARK_MASK:
                at = entry.at.field("policy_routing").field("selectors").item(index).field("fwmark")
                at.refuse(mark, "has bits of the uppermost byte, which is that of connmark", "a mark up to 0xffffff")


def _check_tables(present: list[Entry]) -> None:
    """A route in another interface's table would be found there as somebody else's."""
    owners = {entry.routing.table: entry for entry in present if entry.routing.table}
    for entry in present:
        for index, route in enumerate(entry.values.get("routes", ())):
            owner = owners.get(route.table, entry)
            if owner is not entry:
                at = entry.at.field("routes").item(index).field("table")
                at.refuse(route.table, f"is the table of {owner.at.path}", "another one")


def _check_same_routes(present: list[Entry]) -> None:
    """What two routes of one destination, table and metric are, each manager has its own idea of: both, one of them, or shared traffic."""
    first: dict[tuple, Place] = {}
    for entry in present:
        for index, route in enumerate(entry.values.get("routes", ())):
            if route.is_default_in_main:
                continue
            at = entry.at.field("routes").item(index)
            # the kernel's metric of an IPv6 route that has none, or 0
            key = (route.to, route.table or 254, route.metric or (1024 if route.family == 6 else 0))
            if key in first:
                at.refuse(route.to, f"has a route in this table with this metric already, {first[key].path}", "another metric or table")
            first.setdefault(key, at)


def _check_default_routes(present: list[Entry], family: int) -> None:
    """main can follow one default route a family; the primary's own comes first, so that the other one gets the blame."""
    primaries = [e for e in present if e.values.get("primary")]
    owners = [e for e in primaries if f"gateway{family}" in e.values or ("dhcp4", "accept_ra")[family == 6] in e.dynamic(family)][:1]
    for entry in present:
        for index, route in enumerate(entry.values.get("routes", ())):
            if not route.is_default_in_main or route.family != family:
                continue
            if owners:
                at = entry.at.field("routes").item(index).field("to")
                what = f"is a second IPv{family} default route in main, beside that of {owners[0].at.path}"
                at.refuse("default", what, "one, or a table for this one")
            owners.append(entry)
