"""Names and addresses of the lab: pure, so that tests and people can foresee every address.

    controller 198.18.0.0/15 routes ──┐            ┌── client 198.19.0.2  2001:db8:c::2
                                    gandi-provider ┘
                     br-a      br-b      br-c      br-d (no DHCP, no router advertisement)
    198.18.N.0/24     N=0       N=1       N=2       N=3      router .1    neighbour .5
    2001:db8:1N::/64                                         router ::1 and fe80::1, neighbour ::5

198.18.0.0/15 is the range for benchmarks of network devices (RFC 2544, RFC 6890) and 2001:db8::/32 the
one for documentation (RFC 3849): nothing real is ever hidden by the lab's routes.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass

from .process import LabError

PROVIDER = "gandi-provider"
CLIENT = "gandi-client"
CONTROLLER_LINK = "gandi-lab"

CLIENT_IPV4, CLIENT_ROUTER_IPV4 = "198.19.0.2/24", "198.19.0.1/24"
CLIENT_IPV6, CLIENT_ROUTER_IPV6 = "2001:db8:c::2/64", "2001:db8:c::1/64"
CONTROLLER_IPV4, CONTROLLER_ROUTER_IPV4 = "198.19.1.2/30", "198.19.1.1/30"
CONTROLLER_IPV6, CONTROLLER_ROUTER_IPV6 = "2001:db8:e::2/64", "2001:db8:e::1/64"
CONTROLLER_ROUTES = ("198.18.0.0/22", "198.19.0.0/24", "2001:db8:10::/46", "2001:db8:c::/64")

DOMAIN = "lab.example"
FLAVOURS = ("debian11", "debian12", "debian13")
BACKENDS = ("networkd", "ifupdown", "netplan")
FIRST_NUMBER, LAST_NUMBER = 10, 49


@dataclass(frozen=True)
class Segment:
    """One layer-2 segment of the provider."""

    name: str
    number: int
    served: bool = True

    @property
    def bridge(self) -> str:
        """The bridge in the provider's namespace."""
        return f"br-{self.name}"

    @property
    def neighbour(self) -> str:
        """The namespace of the host that is in this segment with the machines."""
        return f"gandi-neighbour-{self.name}"

    @property
    def network4(self) -> str:
        """The IPv4 subnet."""
        return f"198.18.{self.number}.0/24"

    @property
    def network6(self) -> str:
        """The IPv6 subnet."""
        return f"2001:db8:1{self.number}::/64"

    @property
    def next_network6(self) -> str:
        """The IPv6 subnet after it was renumbered."""
        return f"2001:db8:2{self.number}::/64"

    @property
    def domain(self) -> str:
        """The domain name that DHCP gives here: another one on each segment, so that its origin shows."""
        return f"{self.name}.{DOMAIN}"

    def ipv4(self, host: int) -> str:
        """The IPv4 address of a host number."""
        return f"198.18.{self.number}.{host}"

    def ipv6(self, host: int) -> str:
        """The static IPv6 address of a host number (::k written as in decimal, to be read)."""
        return f"2001:db8:1{self.number}::{host}"

    def slaac(self, mac: str) -> str:
        """The address that stateless autoconfiguration gives to a MAC (RFC 4291, appendix A)."""
        octets = [int(part, 16) for part in mac.split(":")]
        octets[0] ^= 2
        low = bytes([*octets[:3], 0xFF, 0xFE, *octets[3:]])
        base = ipaddress.IPv6Network(self.network6).network_address.packed
        return str(ipaddress.IPv6Address(base[:8] + low))


SEGMENTS = {name: Segment(name, number, served=name != "d") for number, name in enumerate("abcd")}
_NEIGHBOUR = re.compile(r"neighbour-([a-d])")


def segment(name: str) -> Segment:
    """The segment of that name."""
    if name not in SEGMENTS:
        raise LabError(f"segment {name!r}: expected one of {', '.join(SEGMENTS)}")
    return SEGMENTS[name]


def check_machine_name(name: str) -> None:
    """Refuse a machine name that could not be a host name, a namespace and a container."""
    if not re.fullmatch(r"[a-z][a-z0-9-]{0,30}", name):
        raise LabError(f"machine name {name!r}: expected a lower-case host name of 1 to 31 characters")


def check_interface_name(name: str) -> None:
    """Refuse an interface name whose port in the provider would be longer than the kernel's 15."""
    if not re.fullmatch(r"[a-z][a-z0-9]{1,10}", name):
        raise LabError(f"interface name {name!r}: expected 2 to 11 lower-case letters and digits")


def check_mac(mac: str) -> str:
    """A unicast MAC in the kernel's spelling."""
    if not re.fullmatch(r"[0-9a-fA-F]{2}(:[0-9a-fA-F]{2}){5}", mac) or int(mac[:2], 16) & 1:
        raise LabError(f"MAC {mac!r}: expected six hexadecimal octets, not a multicast address")
    return mac.lower()


def netns(source: str) -> str | None:
    """The namespace of a source of traffic; None is the controller, the machine itself."""
    if source == "controller":
        return None
    if source in ("client", "provider"):
        return f"gandi-{source}"
    if found := _NEIGHBOUR.fullmatch(source):
        return SEGMENTS[found[1]].neighbour
    if source.startswith("box-"):
        return f"gandi-{source}"
    raise LabError(f"source {source!r}: expected client, controller, provider, neighbour-a to neighbour-d or box-VM-IF")


def machine_netns(name: str) -> str:
    """The namespace of a machine."""
    return f"gandi-vm-{name}"


def box(name: str, interface: str) -> str:
    """The source that is behind an interface of a machine, as a container is."""
    return f"box-{name}-{interface}"


def port(number: int, interface: str) -> str:
    """The provider's end of a machine's interface."""
    return f"v{number}-{interface}"


def default_slot(interface: str, taken: set[int]) -> int:
    """The interface's number in its MAC: N of ethN, else the first free one from 10 on."""
    if found := re.fullmatch(r"eth([0-9])", interface):
        return int(found[1])
    return next(slot for slot in range(10, 256) if slot not in taken)


def default_mac(slot: int, number: int) -> str:
    """The MAC of an interface: the slot and the machine's number."""
    return f"02:00:00:00:{slot:02x}:{number:02x}"


def default_segment(interface: str) -> str:
    """eth0 to eth3 are in a to d, anything else in b."""
    found = re.fullmatch(r"eth([0-3])", interface)
    return "abcd"[int(found[1])] if found else "b"


def host_number(number: int, mac: str, where: Segment, taken: set[int]) -> int:
    """The last octet for a MAC in a segment: the machine's number for its usual interface there.

    Another interface of the same machine (two in one segment, or a MAC of the user's) takes the first
    free octet from 100 on; the caller keeps it for that MAC, as the platform does.
    """
    if mac == default_mac(where.number, number) and number not in taken:
        return number
    return next(host for host in range(100, 250) if host not in taken)
