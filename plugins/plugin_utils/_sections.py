# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three sections of gandi.hosting.network, each made from the same model. The filters of the same names wrap them."""

from __future__ import annotations

from typing import Any

from ._model import Interface
from ._render import HARDWARE, files, unmanaged


def sysctl(present: list[Interface], rp_filter: int, arp_announce: int) -> dict[str, int]:
    """The settings, and what it takes for them to be in effect (kernel ip-sysctl; sysctl.d(5)).

    rp_filter: the kernel uses the larger of `all` and the interface's own value, so every interface needs it: `default` for
    those that are created later, the glob because udev runs systemd-sysctl again for each new interface, where a vendor's
    `*.rp_filter = 2` would otherwise win, and the names, which win over anybody's glob.

    arp_announce: the larger of `all` and the interface's own again, but here larger is what we want: `all` is enough.

    accept_ra_defrtr of the agent's interfaces: nobody else keeps the default route of a router advertisement out of main there.

    With `/` between the parts of a key, a dot in an interface's name stays a dot.
    """
    scopes = ["all", "default", "*", *(interface.name for interface in present)]
    settings = {f"net/ipv4/conf/{scope}/rp_filter": rp_filter for scope in scopes}
    settings |= {f"net/ipv4/conf/{scope}/arp_announce": arp_announce for scope in ("all", "default")}
    return settings | {f"net/ipv6/conf/{i.name}/accept_ra_defrtr": 0 for i in present if i.agent}


def interfaces(present: list[Interface]) -> dict[str, Any]:
    words = ("name", "mac", "primary", "dhcp4", "optional", "agent")
    facts = [{word: getattr(i, word) for word in words} | {"addresses": list(i.addresses)} for i in present if not i.hotplug]
    return {"files": files(present), "unmanaged": unmanaged(present), "interfaces": facts}


def policy_routing(present: list[Interface]) -> dict[str, Any]:
    """Gateways that a lease or a router advertisement brings are not known here: the reconciler finds them in the kernel."""
    routed = [i for i in present if i.policy_routing]
    unnamed = [{"patterns": list(HARDWARE), "named": list(i.named)} for i in routed if i.hotplug]
    return {"interfaces": [_intent(i) for i in routed if not i.hotplug], "hotplug": unnamed[0] if unnamed else {}}


def _intent(interface: Interface) -> dict[str, Any]:
    routing = interface.routing
    words = {word: getattr(interface, word) for word in ("name", "mac", "gateway4", "gateway6")}
    options = {word: getattr(routing, word) for word in ("table", "default", "strict", "connmark")}
    return words | options | {"selectors": [dict(selector) for selector in routing.selectors]}
