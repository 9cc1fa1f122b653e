# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a list asks for, and what a machine shows, in the same words: to be compared with ==."""

import ipaddress
import re

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import PROTOCOL
from ansible_collections.gandi.hosting.plugins.plugin_utils._model import parse
from ansible_collections.gandi.hosting.plugins.plugin_utils._render import PRIMARY_METRIC, files

OUR_PROTOCOL = str(PROTOCOL)
# What the programs say that is not about the files.
NOISE = re.compile(
    "Failed to get cgroup path, ignoring"    # networkd alone in a namespace: it was not started by systemd
    # networkd, of a link whose MTU is too small for IPv6: the kernel has none of this there
    "|Failed to set IPv6LL|Could not set address genmode|Failed to read IPv6 MTU|Cannot configure proxy NDP"
    "|Waiting for DAD"                       # ifupdown's own progress
    "|ignoring unknown interface eth0=eth0"  # ifup, which asks for eth0 before eth0.100, where there is a mapping for both
    "|^dhcpcd is not running$"               # what it is asked for (probe.py): a lease
)


class Question:
    """A list, its files for one variant, and the interfaces for which a machine is to have them."""

    def __init__(self, variant, interfaces, hotplug_default="none"):
        present = parse(interfaces, hotplug_default)
        self.interfaces = [interface for interface in present if not (interface.agent or interface.hotplug)]
        self.files = {path: file["content"] for path, file in files(present)[variant].items()}
        # networkd finds by its MAC address an interface of any name
        self.names = {i.name: i.name if variant.startswith("ifupdown") or not i.mac else f"other{n}" for n, i in enumerate(self.interfaces)}
        self.links = {self.names[i.name]: i.mac or f"02:00:00:00:dd:{n:02x}" for n, i in enumerate(self.interfaces)}
        self.ifupdown = variant.startswith("ifupdown")
        self.up = {self.names[i.name] for i in self.interfaces if not (i.dhcp4 or i.dhcp6 or i.accept_ra and not self.ifupdown)}
        # ifup brings eth0 up first for eth0.100
        self.up -= {name for name in self.up if {name.partition(".")[0]} & (set(self.links) - self.up)}

    def put_to(self, probe, program):
        return probe.ask(program, self.files, self.links, self.up)

    def asked(self):
        """Only of those that ifupdown can bring up without a server; networkd does what it can without."""
        return {self.names[i.name]: state(i, self.ifupdown) for i in self.interfaces if not self.ifupdown or self.names[i.name] in self.up}


def state(interface, ifupdown=False):
    """The MTU, the addresses and the routes with a gateway of one interface, before any server has answered."""
    routes = {(route.to, route.via, route.table or 254, metric(route.via, route.metric)) for route in interface.routes}
    if interface.primary:
        # ifupdown's IPv4 default route has no metric, which is the best one
        routes |= {("0.0.0.0/0", via, 254, 0 if ifupdown else PRIMARY_METRIC) for via in (interface.gateway4,) if via}
        routes |= {("::/0", via, 254, PRIMARY_METRIC) for via in (interface.gateway6,) if via}
    return {"mtu": interface.mtu or 1500, "addresses": set(interface.addresses), "routes": routes}


def metric(via, given):
    """The kernel's default of IPv6 is 1024, and so is its 0."""
    return given or (1024 if ":" in via else 0)


def shown(link, but=""):
    """The same from what probe.py says of a link, without the routes of one protocol."""
    routes = {(destination(route), route["gateway"], table(route), route.get("metric", 0))
              for route in link["routes"] if route.get("protocol") != but}
    return {"mtu": link["mtu"], "addresses": set(link["addresses"]), "routes": routes}


def destination(route):
    if route["dst"] == "default":
        return "::/0" if ":" in route["gateway"] else "0.0.0.0/0"
    return str(ipaddress.ip_network(route["dst"]))


def table(route):
    return {"main": 254, "default": 253, "local": 255}.get(route.get("table", "main")) or int(route["table"])


def complaints(answer):
    """Whatever a program has said that is about the files."""
    return [line for line in answer["said"] if line and not NOISE.search(line)]


def settings(*texts):
    """{"Section.Key": [values]} of a file of systemd's kind and its drop-ins; an empty value forgets those before it."""
    found, section = {}, ""
    for line in "\n".join(texts).splitlines():
        if line.startswith("["):
            section = line.strip("[]")
        elif "=" in line and not line.startswith("#"):
            key, value = line.split("=", 1)
            values = found.setdefault(f"{section}.{key}", [])
            values[:] = [*values, value] if value else []
    return found
