# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gateways of leases, as the clients' own files have them, for when the kernel does not know.

One is systemd-networkd 247 (Debian 11), where `Gateway=_dhcp4` is in effect only beside a default route in main. The other is an address
of a lease that somebody takes away and gives back by hand: the route in GATEWAYS_TABLE goes with the address, and no client puts it back.
A lease counts only while its address is on the link. networkd writes it in the same turn in which it sets the address, dhclient before
it calls its script, so the file is there when the service has waited for its short quiet.
"""

import os
import re
import socket

from .kernel import pack

NETWORKD = "/run/systemd/netif/leases"
DHCLIENT = "/var/lib/dhcp"


def gateways(links, addresses):
    """Return ``{(index, family): packed}`` of the links that have a lease with a router.

    :arg links: ``{index: Link}``.
    :arg addresses: all Addresses.
    """
    found = {}
    own = {(address.index, address.address) for address in addresses}
    for index, link in links.items():
        for address, router in (networkd(_read(NETWORKD, str(index))), dhclient(_read(DHCLIENT, "dhclient.%s.leases" % link.name))):
            try:
                if (index, pack(address)) in own:
                    found[index, socket.AF_INET] = pack(router)
            except OSError:
                # no lease, no router, or an address that is none
                continue
    return found


def networkd(text):
    """Return ``(address, router)`` of a lease file of systemd-networkd; what it does not say is empty."""
    values = dict(line.split("=", 1) for line in text.splitlines() if "=" in line)
    return values.get("ADDRESS", ""), values.get("ROUTER", "").partition(" ")[0]


def dhclient(text):
    """Return ``(address, router)`` of the last lease in a file of dhclient's (dhclient.leases(5))."""
    last = text.rpartition("lease {")[2] if "lease {" in text else ""
    address, router = (re.search(r"(?m)^\s*%s ([0-9.]+)" % words, last) for words in ("fixed-address", "option routers"))
    return address.group(1) if address else "", router.group(1) if router else ""


def _read(folder, name):
    try:
        with open(os.path.join(folder, name), encoding="ascii", errors="replace") as file:
            return file.read()
    except OSError:
        return ""
