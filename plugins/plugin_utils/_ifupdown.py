# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The stanzas of one interface in /etc/network/interfaces.d, for either of Debian's DHCP clients.

ifup works through the stanzas in their order and stops where one fails, so what is ready at once (static addresses, the
kernel's autoconfiguration) comes before what waits for a server. The first stanza also carries what must be true before the
link is up.

IPv6 router advertisements are the kernel's. On a secondary interface accept_ra_defrtr=0 keeps their default route out of main;
the router is still known, as a neighbour with the router flag, which is where the reconciler finds it.

dhclient is called by ifupdown itself, and our hooks make it "address only". dhcpcd is called by us, on the primary too:
ifupdown would run it for both families with Debian's /etc/dhcpcd.conf, which takes router advertisements away from the kernel,
makes IPv6 addresses that the platform does not expect (slaac private), probes for 5 seconds before an IPv4 address is used, and
cannot be told "no gateway" for one interface. That file is a conffile and others' to edit.

An interface that is known by its MAC address may have any name. A pattern in allow-hotplug finds it (mac/...), but the stanzas
that it then takes are those of its name, whatever the pattern says behind "=" (ifupdown 0.8.36 to 0.8.44, main.c: only ifup -a
uses that; the unit ifup@NAME does not). So a mapping leads its name to stanzas that no interface is called like. "rename" and
.link files cannot help: the names of two interfaces cannot be exchanged while both are there, and the kernel takes eth0 itself.
Not "auto": ifup -a would report a VLAN on top, which has the same address and no stanza, as a failure of networking.service.
"""

from __future__ import annotations

import fnmatch
from dataclasses import dataclass, field

from ._model import Interface, Route


# What the kernel and udev call Ethernet hardware, and not what is called NAME.VLAN: ifup would run for a VLAN too. A mapping has
# fnmatch(3) without options, so "no dot" takes several patterns; that of a VLAN is one of the last five characters.
HARDWARE = ("eth[0-9]", "eth[0-9][0-9]", *("en" + "[!.]" * length for length in range(1, 5)), "en*" + "[!.]" * 5)


@dataclass
class Stanza:
    family: str
    method: str
    lines: list[str] = field(default_factory=list)


def stanzas(interface: Interface, dhcpcd: bool, metric: int) -> list[Stanza]:
    """`dhcpcd`: which of the two clients. `metric`: that of the primary's own default route."""
    kernel_ra = interface.accept_ra and not (dhcpcd and interface.dhcp6)
    found = [
        *_static4(interface),
        *_static6(interface, kernel_ra, metric),
        *_dhcp4(interface, dhcpcd),
        *_dhcp6(interface, dhcpcd),
    ] or [Stanza("inet", "manual")]
    found[0].lines[:0] = [*_link(interface, kernel_ra, dhcpcd), *_dns(interface)]
    for route in (*_gateway6_alone(interface, metric), *interface.routes):
        family = "inet6" if route.family == 6 else "inet"
        same_family = [stanza for stanza in found if stanza.family == family]
        (same_family or found)[-1].lines.append(_route(interface, route))
    return found


# For allow-hotplug, which has FNM_EXTMATCH, and takes words of less than 80 characters: so no names can be left out here.
HARDWARE_PATTERN = "/@(eth+([0-9])|en[Pdopsx]+([^.]))"
# Stanzas of what is named and not ours to configure, because the pattern finds that too and ifup@.service is to succeed.
LEFT_ALONE, DOWN = "gandi--alone", "gandi--down"


def logical(interface: Interface) -> str:
    """The name of its stanzas."""
    return f"gandi-{interface.name}" if interface.mac or interface.hotplug else interface.name


def patterns(interfaces: list[Interface]) -> list[str]:
    """What a mapping looks at: hardware, and names that the list gives to interfaces known by their MAC."""
    others = [i.name for i in interfaces if i.mac and not any(fnmatch.fnmatchcase(i.name, pattern) for pattern in HARDWARE)]
    return [*HARDWARE, *others]


def _device(interface: Interface) -> str:
    """As a word of the shell."""
    return '"$IFACE"' if interface.mac or interface.hotplug else interface.name


def _static4(interface: Interface) -> list[Stanza]:
    found = [Stanza("inet", "static", [f"address {address}"]) for address in interface.addresses4]
    if found and interface.primary and interface.gateway4:
        found[0].lines.append(f"gateway {interface.gateway4}")
    return found


def _static6(interface: Interface, kernel_ra: bool, metric: int) -> list[Stanza]:
    if not interface.addresses6:
        return [Stanza("inet6", "auto")] if kernel_ra and not interface.dhcp6 else []
    ra = _ra_options(kernel_ra)
    found = [Stanza("inet6", "static", [f"address {address}", *ra]) for address in interface.addresses6]
    if interface.primary and interface.gateway6:
        # Without a metric it would be as good as a default route that the kernel learned elsewhere (1024).
        found[0].lines += [f"gateway {interface.gateway6}", f"metric {metric}"]
    return found


def _gateway6_alone(interface: Interface, metric: int) -> list[Route]:
    """The gateway where there is no static address, and so no stanza, that could have it."""
    alone = interface.primary and interface.gateway6 and not interface.addresses6
    return [Route("::/0", interface.gateway6, metric)] if alone else []


def _dhcp4(interface: Interface, dhcpcd: bool) -> list[Stanza]:
    if not interface.dhcp4:
        return []
    return [_dhcpcd(interface, 4)] if dhcpcd else [Stanza("inet", "dhcp")]


def _dhclient6(interface: Interface) -> Stanza:
    """In the background at once. `inet6 dhcp` waits for an answer without end, ifdown waits for that ifup, and whoever has changed
    something waits for ifdown. As there, it needs the link-local address; the kernel's part of IPv6 is set before the link is up."""
    device = _device(interface)
    files = f"-pf /run/dhclient6.{device}.pid -lf /var/lib/dhcp/dhclient6.{device}.leases {device}"
    lines = ["up /lib/ifupdown/wait-for-ll6.sh", f"up dhclient -6 -nw {files}", f"down dhclient -6 -r {files} || true"]
    return Stanza("inet6", "manual", lines)


def _dhcp6(interface: Interface, dhcpcd: bool) -> list[Stanza]:
    if not interface.dhcp6:
        return []
    return [_dhcpcd(interface, 6) if dhcpcd else _dhclient6(interface)]


def _dhcpcd(interface: Interface, family: int) -> Stanza:
    """Waits for the lease as dhclient does; when none comes, it goes on trying in the background, which dhcpcd alone would not.
    -4 or -6 again on the way down: the pid file's name has it. -x removes the addresses, the configuration is not persistent."""
    config = f"/etc/gandi-hosting/dhcpcd{'6' if family == 6 else ''}-{interface.name}.conf"
    wait, background = (f"dhcpcd -{family} {flag}-f {config} {_device(interface)}" for flag in ("", "-b "))
    up = background if interface.optional else f"{wait} || {background}"
    down = f"dhcpcd -{family} -f {config} -x {_device(interface)} || true"
    return Stanza("inet6" if family == 6 else "inet", "manual", [f"up {up}", f"down {down}"])


def _ra_options(kernel_ra: bool) -> list[str]:
    return ["accept_ra 2", "autoconf 1"] if kernel_ra else ["accept_ra 0", "autoconf 0"]


def _link(interface: Interface, kernel_ra: bool, dhcpcd: bool) -> list[str]:
    """Not through sysctl(8): procps need not be installed. A kernel without IPv6 has no such files."""
    values = {"accept_ra": 2 if kernel_ra else 0}
    if kernel_ra:
        values["accept_ra_defrtr"] = 1 if interface.primary else 0
    conf = f"/proc/sys/net/ipv6/conf/{_device(interface)}"
    lines = [f"pre-up [ ! -e {conf} ] || echo {value} >{conf}/{key}" for key, value in values.items()]
    if not interface.primary:
        # Where somebody set the link up before us (the agent, or an ifup of the one that had the name a moment ago), the kernel has listened.
        lines.append(f"pre-up ip -6 route flush exact default dev {_device(interface)} proto ra table main || true")
    if dhcpcd:
        # A dhcpcd that had the interface before left it without a link-local address (1: the kernel makes none; ip-sysctl),
        # and without one there is no router advertisement.
        lines.append(f"pre-up ! grep -qsx 1 {conf}/addr_gen_mode || echo 0 >{conf}/addr_gen_mode")
    if interface.mtu:
        lines.append(f"pre-up ip link set dev {_device(interface)} mtu {interface.mtu}")
    return lines


def _dns(interface: Interface) -> list[str]:
    """In effect where resolvconf or openresolv is installed, which is what reads them."""
    lines = [("dns-nameservers", interface.nameservers), ("dns-search", interface.search)]
    return [f"{word} {' '.join(values)}" for word, values in lines if values]


def _route(interface: Interface, route: Route) -> str:
    """onlink, as ifupdown does for its gateways: a lease or an advertisement may come later. It goes when the link goes down."""
    metric = "" if route.metric is None else f" metric {route.metric}"
    table = f" table {route.table}" if route.table else ""
    return f"up ip -{route.family} route replace {route.to} via {route.via} dev {_device(interface)} onlink proto static{metric}{table}"
