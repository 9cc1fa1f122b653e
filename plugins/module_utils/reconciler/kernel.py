# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the kernel has, as plain values, and how a rule or a route of ours is written to it.

Addresses are packed bytes (4 or 16), because the kernel speaks them and hundreds must cost little; `text` prints them.
"""

import socket
import struct
import typing

from . import GATEWAYS_TABLE, MAIN_TABLE, PROTOCOL, PROTOCOL_NAMES
from . import netlink as nl

PAIR_U32, PAIR_U16 = struct.Struct("=LL"), struct.Struct("=HH")
RTMSG = struct.Struct("=BBBBBBBBL")         # struct rtmsg, and struct fib_rule_hdr, which has the same shape
IFINFOMSG = struct.Struct("=BxHlLL")
IFADDRMSG = struct.Struct("=BBBBl")
NDMSG = struct.Struct("=BxxxlHBB")
RTVIA_SIZE = 2                              # the address family before the address, struct rtvia
RTNEXTHOP = struct.Struct("=HBBl")

IFLA_ADDRESS, IFLA_IFNAME, IFLA_LINKINFO, IFLA_INFO_KIND = 1, 3, 18, 1
IFF_UP = 0x1
IFA_ADDRESS, IFA_LOCAL, IFA_FLAGS = 1, 2, 8
IFA_F_DADFAILED, IFA_F_TENTATIVE, IFA_F_NOPREFIXROUTE = 0x08, 0x40, 0x200
NDA_DST = 1
NTF_ROUTER = 0x80
NUD_INCOMPLETE, NUD_FAILED = 0x01, 0x20
RTA_DST, RTA_SRC, RTA_IIF, RTA_OIF, RTA_GATEWAY, RTA_PRIORITY, RTA_PREFSRC, RTA_MULTIPATH, RTA_TABLE, RTA_VIA = 1, 2, 3, 4, 5, 6, 7, 9, 15, 18
RTM_F_CLONED, RTM_F_LOOKUP_TABLE, RTM_F_FIB_MATCH = 0x200, 0x1000, 0x2000
RTNH_F_ONLINK = 0x4
RTN_UNICAST, RTN_UNREACHABLE = 1, 7
SCOPE_UNIVERSE, SCOPE_SITE, SCOPE_LINK = 0, 200, 253
FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_PRIORITY, FRA_FWMARK, FRA_SUPPRESS, FRA_TABLE, FRA_FWMASK, FRA_OIFNAME = 1, 2, 3, 6, 10, 14, 15, 16, 17
FRA_UID_RANGE, FRA_PROTOCOL, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE, FRA_SPORT_MASK, FRA_DPORT_MASK = 20, 21, 22, 23, 24, 28, 29
FR_ACT_TO_TBL, FR_ACT_UNREACHABLE = 1, 7
FIB_RULE_DETACHED = 0x8 | 0x10              # the interface of iif, of oif is not there: no difference in what the rule says
NO_SUPPRESS = ALL_BITS = 0xFFFFFFFF
FAMILIES = (socket.AF_INET, socket.AF_INET6)
RULE_ATTRIBUTES = frozenset((FRA_DST, FRA_SRC, FRA_IIFNAME, FRA_PRIORITY, FRA_FWMARK, FRA_SUPPRESS, FRA_TABLE, FRA_FWMASK, FRA_OIFNAME,
                             FRA_UID_RANGE, FRA_PROTOCOL, FRA_IP_PROTO, FRA_SPORT_RANGE, FRA_DPORT_RANGE))
# What later kernels tell of each rule beyond what they knew of when this was written (FRA_DSCP_MASK) must not make ours look like others.
FRA_LAST = 30
# Newer kernels (6.13) tell of a mask with each single port.
WHOLE_PORT = frozenset(((FRA_SPORT_MASK, b"\xff\xff"), (FRA_DPORT_MASK, b"\xff\xff")))
TABLE_NAMES = {253: "default", 254: "main", 255: "local"}
IPV6_METRIC = 1024                          # what the kernel itself gives (IP6_RT_PRIO_USER), said to compare equal
HEARD_METRIC = 1025                         # a default route with this one remembers a router that we have only heard of


class Prefix(typing.NamedTuple):
    """An IP prefix: ``address`` packed, ``length`` in bits."""

    address: bytes
    length: int

    @property
    def family(self):
        return family_of(self.address)

    def __str__(self):
        if not self.length:
            return "default"
        suffix = "" if self.length == 8 * len(self.address) else "/%d" % self.length
        return text(self.address) + suffix

    def network(self):
        """Return the prefix with the host bits cleared."""
        bits = 8 * len(self.address)
        shift = bits - self.length
        number = int.from_bytes(self.address, "big") >> shift << shift
        return Prefix(number.to_bytes(len(self.address), "big"), self.length)

    def __contains__(self, address):
        return len(address) == len(self.address) and Prefix(address, self.length).network() == self.network()


ANYWHERE = {socket.AF_INET: Prefix(b"\0" * 4, 0), socket.AF_INET6: Prefix(b"\0" * 16, 0)}


class Link(typing.NamedTuple):
    index: int
    name: str
    mac: str
    up: bool
    kind: str           # "" for hardware; "veth", "vlan", "bridge", ...


class Address(typing.NamedTuple):
    """A usable address. ``subnet`` is what it makes reachable on the link, None for nothing (a /32, noprefixroute)."""

    index: int
    address: bytes
    subnet: typing.Optional[Prefix]
    tentative: bool = False


class Match(typing.NamedTuple):
    """The packets that a rule is for; all that is said must hold. Ranges are ``(first, last)``, a mark is ``(value, mask)``."""

    source: typing.Optional[Prefix] = None
    destination: typing.Optional[Prefix] = None
    tos: int = 0
    fwmark: typing.Optional[tuple] = None
    iif: str = ""
    oif: str = ""
    uid: typing.Optional[tuple] = None
    ipproto: int = 0
    sport: typing.Optional[tuple] = None
    dport: typing.Optional[tuple] = None

    def __str__(self):
        """The words of ip-rule(8), in its order."""
        words = "from " + str(self.source or "all")
        if self.destination:
            words += " to " + str(self.destination)
        if self.tos:
            words += " tos 0x%02x" % self.tos
        if self.fwmark:
            words += " fwmark 0x%x" % self.fwmark[0] + ("" if self.fwmark[1] == ALL_BITS else "/0x%x" % self.fwmark[1])
        words += "".join(" %s %s" % (word, name) for word, name in (("iif", self.iif), ("oif", self.oif)) if name)
        if self.uid:
            words += " uidrange %d-%d" % self.uid
        if self.ipproto:
            words += " ipproto %s" % PROTOCOL_NAMES.get(self.ipproto, "ipproto-%d" % self.ipproto)
        for word, ports in (("sport", self.sport), ("dport", self.dport)):
            if ports:
                words += " %s %d" % (word, ports[0]) + ("" if ports[0] == ports[1] else "-%d" % ports[1])
        return words


EVERYTHING = Match()


class Rule(typing.NamedTuple):
    """A routing policy rule with our mark. ``suppress`` is None where the rule does not suppress; ``table`` is 0 for unreachable."""

    family: int
    priority: int
    match: Match
    table: int
    suppress: typing.Optional[int] = None
    other: tuple = ()   # attributes that no rule of ours has: a rule that has some is not the one that we want

    def __str__(self):
        return "%d: %s %s%s" % (
            self.priority, self.match,
            "lookup %s" % TABLE_NAMES.get(self.table, self.table) if self.table else "unreachable",
            "" if self.suppress is None else " suppress_prefixlength %d" % self.suppress)


class Route(typing.NamedTuple):
    """A route with our mark; ``gateway`` is None for a destination on the link. An unreachable one has ``index`` 0."""

    table: int
    destination: Prefix
    gateway: typing.Optional[bytes]
    index: int
    metric: int
    type: int = RTN_UNICAST
    source: typing.Optional[bytes] = None   # the preferred one of what has none yet

    @property
    def family(self):
        return self.destination.family

    @property
    def key(self):
        """What the kernel tells routes of one table apart by: a second one with the same key replaces the first."""
        return self.table, self.destination, self.metric


class Decision(typing.NamedTuple):
    """Where the kernel sends a packet: the matching route's table and prefix length, the interface, the gateway or None."""

    table: int
    length: int
    index: int
    gateway: typing.Optional[bytes]


class State(typing.NamedTuple):
    """What the planner needs to know of the kernel; rules and routes are those with our mark, each with its wire form."""

    links: dict         # {index: Link}
    addresses: list     # [Address], of every link
    on_link: dict       # {index: {Prefix}}: what main reaches without a gateway through a managed link
    gateways: dict      # {(index, family): packed}: learned, not configured
    rules: dict         # {Rule: bytes}
    routes: dict        # {Route: bytes}
    heard: frozenset = frozenset()  # indexes whose IPv6 gateway is known by its advertisements alone
    nowhere: int = 0    # the index of the link that nobody is on, 0 where it is not there
    families: tuple = FAMILIES  # those that the kernel has: with ipv6.disable=1, which is not an error, there are no IPv6 rules at all


def family_of(address):
    return socket.AF_INET if len(address) == 4 else socket.AF_INET6


def text(address):
    """Return a packed address as people write it."""
    return socket.inet_ntop(family_of(address), address)


def pack(address):
    """Return an address as packed bytes.

    :raises OSError: ``address`` is not an IPv4 or IPv6 address.
    """
    return socket.inet_pton(socket.AF_INET6 if ":" in address else socket.AF_INET, address)


def read_links(netlink):
    """Return ``{index: Link}``."""
    links = {}
    for body in netlink.dump(nl.RTM_GETLINK, IFINFOMSG.pack(0, 0, 0, 0, 0)):
        _family, _type, index, flags, _change = IFINFOMSG.unpack_from(body)
        found = nl.attributes(body[IFINFOMSG.size:])
        kind = nl.attributes(found.get(IFLA_LINKINFO, b"")).get(IFLA_INFO_KIND, b"")
        links[index] = Link(index, _name(found[IFLA_IFNAME]), ":".join("%02x" % octet for octet in found.get(IFLA_ADDRESS, b"")),
                            bool(flags & IFF_UP), _name(kind))
    return links


def read_addresses(netlink):
    """Return the global addresses of all links. One that failed duplicate address detection is not usable (RFC 4862)."""
    addresses = []
    for body in netlink.dump(nl.RTM_GETADDR, IFADDRMSG.pack(0, 0, 0, 0, 0)):
        _family, length, flags, scope, index = IFADDRMSG.unpack_from(body)
        found = nl.attributes(body[IFADDRMSG.size:])
        if IFA_FLAGS in found:
            flags = nl.U32.unpack(found[IFA_FLAGS])[0]
        if scope not in (SCOPE_UNIVERSE, SCOPE_SITE) or flags & IFA_F_DADFAILED:
            continue
        # with a peer (point-to-point), IFA_LOCAL is ours and IFA_ADDRESS the peer's prefix
        peer = found.get(IFA_ADDRESS)
        own = found.get(IFA_LOCAL, peer)
        alone = (length == 8 * len(own) and peer == own) or flags & IFA_F_NOPREFIXROUTE
        addresses.append(Address(index, own, None if alone else Prefix(peer, length).network(), bool(flags & IFA_F_TENTATIVE)))
    return addresses


def read_state(netlink, links, managed):
    """Return the State; routes of main are read for the links in ``managed`` alone (main may be a full BGP table)."""
    on_link, defaults = {}, {}
    for index in managed:
        for family in FAMILIES:
            _read_main(netlink, family, index, on_link.setdefault(index, set()), defaults)
    rules, routes, families = {}, {}, [socket.AF_INET]
    for family in FAMILIES:
        everybodys = list(dump_rules(netlink, family))
        families += [family] if everybodys and family not in families else []
        rules.update((rule, body) for rule, protocol, body in everybodys if protocol == PROTOCOL)
        routes.update(_read_routes(netlink, family))
    addresses = read_addresses(netlink)
    gateways = _routers(netlink, managed, routes, {address.index for address in addresses if len(address.address) == 16})
    heard = {index for index, _family in gateways}
    known = {key: gateway for key, (_metric, gateway) in defaults.items()}
    for family in FAMILIES:
        for index, destination, gateway in _next_hops_of(netlink, family, GATEWAYS_TABLE):
            if gateway is not None and destination is None:
                known[index, family] = gateway
            elif gateway is None and destination is not None and index in on_link:
                # systemd 247 cannot keep the default route of a router advertisement out of main alone
                on_link[index].add(destination)
    gateways.update(known)
    heard -= {index for index, family in known if family == socket.AF_INET6}
    return State(links, addresses, on_link, gateways, rules, routes, frozenset(heard), families=tuple(families))


def dump_routes(netlink, family, table, index=0, protocol=0):
    """Yield ``(header, attributes, body)`` of routes; the kernel filters where it can (5.x and later), we filter anyway."""
    request = RTMSG.pack(family, 0, 0, 0, 0, protocol, 0, 0, 0)
    if table:
        request += nl.attribute(RTA_TABLE, nl.U32.pack(table))
    if index:
        request += nl.attribute(RTA_OIF, nl.U32.pack(index))
    for body in netlink.dump(nl.RTM_GETROUTE, request):
        header = RTMSG.unpack_from(body)
        found = nl.attributes(body[RTMSG.size:])
        in_table = nl.U32.unpack(found[RTA_TABLE])[0] if RTA_TABLE in found else header[4]
        if header[8] & RTM_F_CLONED or (table and in_table != table) or (protocol and header[5] != protocol):
            continue
        yield header, found, body


def next_hops(found):
    """Yield ``(index, gateway or None)`` of a route, be it a single or a multipath one."""
    if RTA_MULTIPATH not in found:
        yield nl.U32.unpack(found[RTA_OIF])[0] if RTA_OIF in found else 0, _gateway(found)
        return
    data = found[RTA_MULTIPATH]
    while len(data) >= RTNEXTHOP.size:
        size, _flags, _hops, index = RTNEXTHOP.unpack_from(data)
        if size < RTNEXTHOP.size:
            break
        yield index, _gateway(nl.attributes(data[RTNEXTHOP.size:size]))
        data = data[size + (-size % 4):]


def _gateway(found):
    """Return the gateway, which may be an IPv6 one of an IPv4 route (RFC 5549), or None."""
    return found[RTA_VIA][RTVIA_SIZE:] if RTA_VIA in found else found.get(RTA_GATEWAY)


def decide(netlink, source, destination):
    """Return the Decision for a packet that this host sends.

    :raises OSError: there is no route (ENETUNREACH, EACCES, ...).
    """
    bits = 8 * len(source)
    # IPv6 always tells the table that it looked in, and refuses to be asked for it (net/ipv6/route.c, inet6_rtm_valid_getroute_req)
    flags = RTM_F_FIB_MATCH | (RTM_F_LOOKUP_TABLE if len(source) == 4 else 0)
    body = netlink.get(nl.RTM_GETROUTE, RTMSG.pack(family_of(source), bits, bits, 0, 0, 0, 0, 0, flags)
                       + nl.attribute(RTA_DST, destination) + nl.attribute(RTA_SRC, source))
    header, found = RTMSG.unpack_from(body), nl.attributes(body[RTMSG.size:])
    index, gateway = next(next_hops(found))
    return Decision(nl.U32.unpack(found[RTA_TABLE])[0] if RTA_TABLE in found else header[4], header[1], index, gateway)


def accepts(netlink, source, destination, index):
    """Return whether a packet to an address of this host, arriving through a link, passes (IPv4 reverse-path filtering, EXDEV)."""
    bits = 8 * len(source)
    try:
        netlink.get(nl.RTM_GETROUTE, RTMSG.pack(family_of(source), bits, bits, 0, 0, 0, 0, 0, 0)
                    + nl.attribute(RTA_DST, destination) + nl.attribute(RTA_SRC, source)
                    + nl.attribute(RTA_IIF, nl.U32.pack(index)))
    except OSError:
        return False
    return True


def metric_of(found):
    return nl.U32.unpack(found[RTA_PRIORITY])[0] if RTA_PRIORITY in found else 0


def _read_main(netlink, family, index, on_link, defaults):
    for header, found, _body in dump_routes(netlink, family, MAIN_TABLE, index):
        if header[7] != RTN_UNICAST:
            continue
        for hop, gateway in next_hops(found):
            if hop != index:
                continue
            if gateway is None and header[1] and not _is_of_every_link(found[RTA_DST]):
                on_link.add(Prefix(found[RTA_DST], header[1]))
            elif gateway is not None and not header[1] and family_of(gateway) == family:
                defaults[index, family] = min(defaults.get((index, family), (1 << 32, b"")), (metric_of(found), gateway))


def _next_hops_of(netlink, family, table):
    """Yield ``(index, Prefix or None for the default, gateway or None)`` of a table's routes."""
    for header, found, _body in dump_routes(netlink, family, table):
        if header[7] == RTN_UNICAST:
            for index, gateway in next_hops(found):
                yield index, Prefix(found[RTA_DST], header[1]) if header[1] else None, gateway


def _routers(netlink, managed, routes, with_addresses):
    """Return the gateways that are IPv6 routers of which the links hear, or have heard.

    With accept_ra_defrtr=0 (a secondary must not bring a default route) the kernel keeps no route of a router advertisement,
    but it does enter its sender as a neighbour with the router flag (net/ipv6/ndisc.c, ndisc_router_discovery). That entry is not
    there to stay: with more neighbours than gc_thresh1 (128, of all namespaces together) an idle one goes after a minute, long before
    the next advertisement. Our own default route remembers it then, until the interface has no address any more, or is down.
    (A flag that is missing says nothing: an entry that the router's own solicitation makes anew has none.)

    A flag that is there says little: any neighbour that forwards, such as a host with containers, has it when it has answered for its
    own address (RFC 4861, 7.2.3). Routers are heard first, when the link comes up. So the one that we have stays for as long as it answers.
    """
    own = {(route.index, route.gateway): route.metric for route in routes
           if route.family == socket.AF_INET6 and route.gateway and not route.destination.length
           and route.index in managed and managed[route.index].table == route.table}
    heard = {(index, gateway) for (index, gateway), metric in own.items() if metric == HEARD_METRIC and index in with_addresses}
    silent = set()
    for body in netlink.dump(nl.RTM_GETNEIGH, NDMSG.pack(socket.AF_INET6, 0, 0, 0, 0)):
        _family, index, state, flags, _type = NDMSG.unpack_from(body)
        address = nl.attributes(body[NDMSG.size:]).get(NDA_DST, b"")
        if index in managed and _is_link_local(address):
            if flags & NTF_ROUTER:
                heard.add((index, address))
            if state & (NUD_INCOMPLETE | NUD_FAILED):
                silent.add((index, address))
    gateways = {}
    # one that does not answer now is still a router, if the only one
    for router in sorted(heard, key=lambda router: (router in silent, router not in own, router)):
        gateways.setdefault((router[0], socket.AF_INET6), router[1])
    return gateways


def dump_rules(netlink, family):
    """Yield ``(rule, protocol, body)`` of everybody's rules, in the order in which the kernel looks at them."""
    for body in netlink.dump(nl.RTM_GETRULE, RTMSG.pack(family, 0, 0, 0, 0, 0, 0, 0, 0)):
        _family, dst_len, src_len, tos, table, _res1, _res2, action, flags = RTMSG.unpack_from(body)
        found = nl.attributes(body[RTMSG.size:])
        suppress = _u32(found, FRA_SUPPRESS, NO_SUPPRESS)
        other = tuple(sorted(pair for pair in found.items() if _is_other(pair)))
        if action not in (FR_ACT_TO_TBL, FR_ACT_UNREACHABLE) or flags & ~FIB_RULE_DETACHED:
            other += ((0, body[:RTMSG.size]),)
        mark = _u32(found, FRA_FWMARK), _u32(found, FRA_FWMASK)
        match = Match(
            Prefix(found[FRA_SRC], src_len) if src_len else None, Prefix(found[FRA_DST], dst_len) if dst_len else None,
            tos, mark if any(mark) else None, _name(found.get(FRA_IIFNAME, b"")), _name(found.get(FRA_OIFNAME, b"")),
            _pair(found, FRA_UID_RANGE, PAIR_U32), found.get(FRA_IP_PROTO, b"\0")[0],
            _pair(found, FRA_SPORT_RANGE, PAIR_U16), _pair(found, FRA_DPORT_RANGE, PAIR_U16))
        rule = Rule(family, _u32(found, FRA_PRIORITY), match, _u32(found, FRA_TABLE, table) if action == FR_ACT_TO_TBL else 0,
                    None if suppress == NO_SUPPRESS else suppress, other)
        yield rule, found.get(FRA_PROTOCOL, b"\0")[0], body


def _is_other(pair):
    return pair[0] <= FRA_LAST and pair[0] not in RULE_ATTRIBUTES and pair not in WHOLE_PORT


def _u32(found, kind, default=0):
    return nl.U32.unpack(found[kind])[0] if kind in found else default


def _pair(found, kind, layout):
    return layout.unpack(found[kind]) if kind in found else None


def _read_routes(netlink, family):
    for route, protocol, body in dump_plain_routes(netlink, family, 0, PROTOCOL):
        if protocol == PROTOCOL:
            yield route, body


def dump_plain_routes(netlink, family, table, protocol=0):
    """Yield ``(route, protocol, body)`` of a table, or of all; one that is not of a kind that we make has type 0."""
    zero = b"\0" * (4 if family == socket.AF_INET else 16)
    for header, found, body in dump_routes(netlink, family, table, protocol=protocol):
        hops = list(next_hops(found))
        unreachable = header[7] == RTN_UNREACHABLE
        # the kernel gives IPv6's unreachable routes the loopback interface
        route = Route(_u32(found, RTA_TABLE, header[4]), Prefix(found.get(RTA_DST, zero), header[1]), hops[0][1],
                      0 if unreachable else hops[0][0], metric_of(found), header[7] if len(hops) == 1 else 0, found.get(RTA_PREFSRC))
        yield route, header[5], body


def encode_rule(rule):
    match = rule.match
    body = RTMSG.pack(rule.family, match.destination.length if match.destination else 0, match.source.length if match.source else 0,
                      match.tos, 0, 0, 0, FR_ACT_TO_TBL if rule.table else FR_ACT_UNREACHABLE, 0)
    body += nl.attribute(FRA_PRIORITY, nl.U32.pack(rule.priority)) + nl.attribute(FRA_PROTOCOL, nl.U8.pack(PROTOCOL))
    if rule.table:
        body += nl.attribute(FRA_TABLE, nl.U32.pack(rule.table))
    if rule.suppress is not None:
        body += nl.attribute(FRA_SUPPRESS, nl.U32.pack(rule.suppress))
    for kind, prefix in ((FRA_SRC, match.source), (FRA_DST, match.destination)):
        if prefix:
            body += nl.attribute(kind, prefix.address)
    if match.fwmark:
        body += nl.attribute(FRA_FWMARK, nl.U32.pack(match.fwmark[0])) + nl.attribute(FRA_FWMASK, nl.U32.pack(match.fwmark[1]))
    for kind, name in ((FRA_IIFNAME, match.iif), (FRA_OIFNAME, match.oif)):
        if name:
            body += nl.attribute(kind, name.encode("utf-8", "surrogateescape") + b"\0")
    if match.ipproto:
        body += nl.attribute(FRA_IP_PROTO, nl.U8.pack(match.ipproto))
    for kind, pair, layout in ((FRA_UID_RANGE, match.uid, PAIR_U32), (FRA_SPORT_RANGE, match.sport, PAIR_U16),
                               (FRA_DPORT_RANGE, match.dport, PAIR_U16)):
        if pair:
            body += nl.attribute(kind, layout.pack(*pair))
    return body


def encode_route(route):
    """Return a route's wire form. A gateway is said to be on the link, so that no order of routes can refuse it."""
    on_link = route.family == socket.AF_INET and not route.gateway and route.type == RTN_UNICAST
    scope = SCOPE_LINK if on_link else SCOPE_UNIVERSE
    flags = RTNH_F_ONLINK if route.gateway else 0
    body = RTMSG.pack(route.family, route.destination.length, 0, 0, 0, PROTOCOL, scope, route.type, flags)
    if route.destination.length:
        body += nl.attribute(RTA_DST, route.destination.address)
    if route.gateway:
        body += nl.attribute(RTA_GATEWAY, route.gateway)
    if route.metric:
        body += nl.attribute(RTA_PRIORITY, nl.U32.pack(route.metric))
    if route.index:
        body += nl.attribute(RTA_OIF, nl.U32.pack(route.index))
    if route.source:
        body += nl.attribute(RTA_PREFSRC, route.source)
    return body + nl.attribute(RTA_TABLE, nl.U32.pack(route.table))


def _is_link_local(address):
    return len(address) == 16 and address[0] == 0xFE and address[1] & 0xC0 == 0x80


def _is_of_every_link(address):
    """Return whether a destination is IPv6's link-local or IPv4's multicast: no other link's gateway leads there. (Where a route with a
    gateway is for multicast alone, the kernel does send it to the gateway. IPv6's is in table local.)"""
    return _is_link_local(address) or (len(address) == 4 and 0xE0 <= address[0] < 0xF0)


def _name(data):
    return data.rstrip(b"\0").decode("utf-8", "surrogateescape")
