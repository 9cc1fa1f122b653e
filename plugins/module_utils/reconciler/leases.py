# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The gateways of systemd-networkd's leases, for the one version that cannot tell the kernel: 247 (Debian 11).

There `Gateway=_dhcp4` is in effect only beside a default route in main (`UseGateway=yes`). networkd writes a lease's file in the same
turn in which it sets the address, so the file is there when the service has waited for its short quiet.
"""

import os
import socket

from .kernel import pack

FOLDER = "/run/systemd/netif/leases"


def gateways(indexes):
    """Return ``{(index, family): packed}`` of the links that have a lease with a router."""
    found = {}
    for index in indexes:
        try:
            with open(os.path.join(FOLDER, str(index)), encoding="ascii", errors="replace") as file:
                values = dict(line.rstrip("\n").split("=", 1) for line in file if "=" in line)
            found[index, socket.AF_INET] = pack(values["ROUTER"].split()[0])
        except (OSError, KeyError, IndexError):
            # no lease, no router, or an address that is none
            continue
    return found
