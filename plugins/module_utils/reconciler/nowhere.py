# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A way that leads nowhere: what ``strict`` gives to IPv6 sockets that are bound to no address.

Refused by a rule or a route, the kernel gives such a socket any address of the host and looks again (net/ipv6/ip6_output.c,
ip6_dst_lookup_tail), and from that address another interface is right. So it must not be refused but led: to a link of ours on which
nobody is. Its source is an address of that link, of the block for what is to be discarded (RFC 6666), which has no rule and is
deprecated, so that the kernel takes it for nothing else (RFC 6724, rule 3). The kernel asks there for a router that does not answer,
and says "No route to host" as soon as it gives up: after one question and a millisecond, by the link's own neighbour parameters.

A bridge, because every kernel of Debian has it; it has no ports. A dummy does not ask for a neighbour and swallows silently.
"""

import errno
import os
import socket
import struct

from . import NOWHERE_TABLE
from . import netlink as nl
from .kernel import (ANYWHERE, IFADDRMSG, IFA_ADDRESS, IFA_FLAGS, IFA_F_NOPREFIXROUTE, IFA_LOCAL, IFF_UP, IFINFOMSG, IFLA_IFNAME,
                     IFLA_INFO_KIND, IFLA_LINKINFO, IPV6_METRIC, Link, Route, pack, read_links)

NAME, KIND = "gandi-nowhere", "bridge"
ADDRESS, GATEWAY = pack("100::1"), pack("fe80::1")
COMES, GOES = ("%s ip link %s type %s" % (sign, NAME, KIND) for sign in "+-")

# linux/if_link.h, linux/if_addr.h, linux/neighbour.h
IFLA_AF_SPEC, IFLA_INET6_ADDR_GEN_MODE, IN6_ADDR_GEN_MODE_NONE = 26, 8, 1
IFA_CACHEINFO, IFA_F_NODAD = 6, 0x02
CACHEINFO = struct.Struct("=LLLL")
FOREVER = 0xFFFFFFFF
NDTMSG, U64 = struct.Struct("=BxH"), struct.Struct("=Q")
NDTA_NAME, NDTA_PARMS = 1, 6
NDTPA_IFINDEX, NDTPA_RETRANS_TIME, NDTPA_MCAST_PROBES = 1, 5, 11


def index_of(links, addresses):
    """Return the index of the link if it is there with all that it needs, else 0."""
    for link in links.values():
        if (link.name, link.kind) == (NAME, KIND) and link.up and (link.index, ADDRESS) in [pair[:2] for pair in addresses]:
            return link.index
    return 0


def imagined(links):
    """Return ``(links, index)`` as if the link were there: for what is only said."""
    return {**links, -1: Link(-1, NAME, "", True, KIND)}, -1


def route(index):
    return Route(NOWHERE_TABLE, ANYWHERE[socket.AF_INET6], GATEWAY, index, IPV6_METRIC, source=ADDRESS)


def difference(wanted, state):
    """Return the lines that say what changes."""
    if wanted:
        return [] if state.nowhere else [COMES]
    return [GOES] if _present(state.links) else []


def make(netlink):
    """Make the link, or what it lacks; return sentences about what could not be."""
    there = {link.name: link for link in read_links(netlink).values()}.get(NAME)
    if there and there.kind != KIND:
        return ["strict: there is an interface %s which is not ours; expected the name to be free" % NAME]
    kind = nl.attribute(IFLA_LINKINFO, nl.attribute(IFLA_INFO_KIND, KIND.encode() + b"\0"))
    new = IFINFOMSG.pack(0, 0, 0, 0, 0) + nl.attribute(IFLA_IFNAME, NAME.encode() + b"\0") + kind
    code = 0 if there else netlink.change([(nl.RTM_NEWLINK, nl.NLM_F_CREATE | nl.NLM_F_EXCL, new)])[0]
    link = _present(read_links(netlink))
    if not link:
        return ["strict: %s: %s; without it, an IPv6 socket bound to no address may leave by another interface" % (
            COMES, os.strerror(code))]
    failed = [code for code in netlink.change(_requests(link.index)) if code]
    return ["strict: %s: %s" % (COMES, os.strerror(failed[0]))] if failed else []


def remove(netlink):
    """Remove the link; return sentences about what could not be."""
    link = _present(read_links(netlink))
    code = netlink.change([(nl.RTM_DELLINK, 0, IFINFOMSG.pack(0, 0, link.index, 0, 0))])[0] if link else 0
    return ["%s: %s" % (GOES, os.strerror(code))] if code not in (0, errno.ENODEV) else []


def _present(links):
    return next((link for link in links.values() if (link.name, link.kind) == (NAME, KIND)), None)


def _requests(index):
    """What the link needs: no address of its own making, to be up, our address, and little patience with neighbours."""
    mode = nl.attribute(IFLA_INET6_ADDR_GEN_MODE, nl.U8.pack(IN6_ADDR_GEN_MODE_NONE))
    quiet = IFINFOMSG.pack(0, 0, index, 0, 0) + nl.attribute(IFLA_AF_SPEC, nl.attribute(socket.AF_INET6, mode))
    address = IFADDRMSG.pack(socket.AF_INET6, 128, 0, 0, index) + b"".join((
        nl.attribute(IFA_LOCAL, ADDRESS), nl.attribute(IFA_ADDRESS, ADDRESS), nl.attribute(IFA_CACHEINFO, CACHEINFO.pack(0, FOREVER, 0, 0)),
        nl.attribute(IFA_FLAGS, nl.U32.pack(IFA_F_NODAD | IFA_F_NOPREFIXROUTE))))
    patience = NDTMSG.pack(socket.AF_INET6, 0) + nl.attribute(NDTA_NAME, b"ndisc_cache\0") + nl.attribute(NDTA_PARMS, b"".join((
        nl.attribute(NDTPA_IFINDEX, nl.U32.pack(index)), nl.attribute(NDTPA_MCAST_PROBES, nl.U32.pack(1)),
        nl.attribute(NDTPA_RETRANS_TIME, U64.pack(1)))))
    return [(nl.RTM_NEWLINK, 0, quiet), (nl.RTM_NEWLINK, 0, IFINFOMSG.pack(0, 0, index, IFF_UP, IFF_UP)),
            (nl.RTM_NEWADDR, nl.NLM_F_CREATE | nl.NLM_F_REPLACE, address), (nl.RTM_SETNEIGHTBL, 0, patience)]
