# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The three sections of gandi.hosting.network, each made from the same model. The filters of the same names wrap them."""

from __future__ import annotations

from typing import Any

from ._model import HARDWARE, Interface


def sysctl(present: list[Interface], rp_filter: int, arp_announce: int, arp_ignore: int | str) -> dict[str, int | str]:
    """The settings, and what it takes for them to be in effect (kernel ip-sysctl; sysctl.d(5)).

    rp_filter: the kernel uses the larger of `all` and the interface's own value, so every interface needs it: `default` for
    those that are created later, the glob because udev runs systemd-sysctl again for each new interface, where a vendor's
    `*.rp_filter = 2` would otherwise win, and the names, which win over anybody's glob.

    arp_announce: the same. A larger value is the better one here, but one that is told is the one that is meant.

    arp_ignore: the same where it is told. By itself only where interfaces share a subnet, and the host knows that: `auto` is for the
    module to decide.

    accept_ra_defrtr: a secondary's network manager keeps the default route of a router advertisement out of main, but where the agent
    runs it sets every link up before the manager has seen it, and the kernel listens. Nobody else does it for the agent's interfaces.

    With `/` between the parts of a key, a dot in an interface's name stays a dot.
    """
    names = [interface.name for interface in present]
    settings: dict[str, int | str] = {}
    for key, value in (("rp_filter", rp_filter), ("arp_announce", arp_announce), ("arp_ignore", arp_ignore)):
        scopes = names if value == "auto" else ["all", "default", "*", *names]
        settings |= {f"net/ipv4/conf/{scope}/{key}": value for scope in scopes}
    has_primary = any(interface.primary for interface in present)
    secondaries = [i.name for i in present if i.agent or (has_primary and not i.primary)]
    return settings | {f"net/ipv6/conf/{name}/accept_ra_defrtr": 0 for name in secondaries}


def interfaces(present: list[Interface], with_files: bool = True) -> dict[str, Any]:
    """What each interface is, and the files. Ansible loads a filter anew for each task of each host, and rendering is most of what it
    does: who asks for no files does not load it. Without files there is no word for them, so nobody takes it for a wish to have none."""
    words = ("name", "mac", "primary", "dhcp4", "optional", "agent")
    facts = [{word: getattr(i, word) for word in words} | {"addresses": list(i.addresses)} for i in present if not i.hotplug]
    if not with_files:
        return {"interfaces": facts}
    from . import _render

    return {"files": _render.files(present), "unmanaged": _render.unmanaged(present), "interfaces": facts}


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
