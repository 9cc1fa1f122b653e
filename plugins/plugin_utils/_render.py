# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""From the model to the files of each backend variant: {variant: {path: {content, interface}}}.

A variant says which files there are; the templates say how they read. Every variant is rendered, because the controller does
not ask which one a host runs: the module on the host knows, and takes it. Values were made safe for all of these formats by
_fields.py, so nothing is escaped; StrictUndefined turns a template's misspelling into an error.
"""

from __future__ import annotations

import os
from typing import Any

import jinja2
from ansible import constants

from ansible_collections.gandi.hosting.plugins.module_utils._files import HEADER_LINE, SHARED
from ansible_collections.gandi.hosting.plugins.module_utils._netplan import NETWORKD_HAS
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import GATEWAYS_TABLE

from ._ifupdown import DOWN, HARDWARE_PATTERN, LEFT_ALONE, logical, patterns, stanzas
from ._model import HARDWARE, Interface

# Lower than what anybody else gives a default route: networkd 1024, dhcpcd 1000 + index, the kernel 1024 for IPv6.
PRIMARY_METRIC = 100
# networkd's own. netplan would give 100, so that a secondary in the primary's subnet would be as good.
SECONDARY_METRIC = 1024

_templates = jinja2.Environment(
    loader=jinja2.FileSystemLoader(os.path.join(os.path.dirname(__file__), "templates")),
    undefined=jinja2.StrictUndefined,
    trim_blocks=True,
    lstrip_blocks=True,
    keep_trailing_newline=True,
    autoescape=False,
    # Each host's task is a process of its own. The folder is that of one ansible-playbook, which removes it at its end.
    bytecode_cache=jinja2.FileSystemBytecodeCache(constants.DEFAULT_LOCAL_TMP),
)

Files = dict[str, dict[str, str]]


def files(present: list[Interface]) -> dict[str, Files]:
    ours = [i for i in present if not i.agent]
    # The agent's DHCP client is dhclient, whoever manages the rest.
    agents = _dhclient_hooks([i for i in present if i.agent], present)
    return {
        "networkd": _networkd(present) | _networkd_conf(present) | agents,
        # what that and netplan have besides, from systemd 256 on
        "networkd-256": _networkd_conf(present, "networkd-256"),
        # Debian 11: its networkd would have to be restarted for networkd.conf, at which it may crash (systemd issue 27854). What it
        # takes away of ours, the service puts back.
        "networkd-247": _networkd(present, old=True) | agents,
        "netplan": _netplan(present) | agents,
        "ifupdown-dhclient": _stanza_files(present, dhcpcd=False) | _dhclient_hooks(present, present),
        "ifupdown-dhcpcd": _ifupdown_dhcpcd(ours, present) | agents,
    }


def unmanaged(present: list[Interface]) -> Files:
    """What tells systemd-networkd to leave each interface alone, where another manager is to have it."""
    return {_network_path(i): _file("networkd-unmanaged.network.j2", i) for i in present if not (i.agent or i.hotplug)}


def _file(template: str, interface: Interface | None = None, mode: str = "", **values: Any) -> dict[str, str]:
    """A file of one interface, or of all of them."""
    owner = interface.name if interface and not interface.hotplug else ""
    known_as = f"{owner}: MAC {interface.mac}" if interface and interface.mac else owner
    content = _templates.get_template(template).render(
        header=(HEADER_LINE % (known_as or SHARED)).rstrip(),
        interface=interface,
        gateways_table=GATEWAYS_TABLE,
        hardware=HARDWARE,
        primary_metric=PRIMARY_METRIC,
        secondary_metric=SECONDARY_METRIC,
        **values,
    )
    return {"content": content, "interface": owner, **({"mode": mode} if mode else {})}


def _network_path(interface: Interface) -> str:
    """networkd takes the first file that matches. 05: a cloud image has its own (10-, 50-). 04: a MAC address wins over a name. 85: what
    anybody says of an interface wins (10-netplan, 80-container), but for a distribution's catch-all (89-ethernet, 99-)."""
    number = "85" if interface.hotplug else "04" if interface.mac else "05"
    return f"/etc/systemd/network/{number}-gandi-{interface.name}.network"


def _networkd(present: list[Interface], old: bool = False) -> Files:
    found = {_network_path(i): _file("networkd.network.j2", i, old=old) for i in present if not (i.agent or i.hotplug)}
    return found | _networkd_hotplug(present, old)


def _networkd_hotplug(present: list[Interface], old: bool = False) -> Files:
    found = {}
    for hotplug in (i for i in present if i.hotplug):
        names, macs = _without_file(hotplug, present)
        for word, values in (("names", names), ("macs", macs)):
            if values:
                found[f"/etc/systemd/network/84-gandi--{word}.network"] = _file("networkd-named.network.j2", **{"names": [], word: values})
        found[_network_path(hotplug)] = _file("networkd.network.j2", hotplug, old=old)
    return found


def _networkd_conf(present: list[Interface], version: str = "networkd") -> Files:
    number = "10" if version == "networkd" else "11"
    routed = any(i.policy_routing for i in present)
    return {f"/etc/systemd/networkd.conf.d/{number}-gandi-hosting.conf": _file(f"{version}.conf.j2")} if routed else {}


def _netplan(present: list[Interface]) -> Files:
    # netplan merges what several files say of one id, and networkd takes the first file that matches: an id of our own, whose
    # 10-netplan-ID.network is before those of cloud-init (eth0) and of Debian's cloud images (all-en, all-eth). A second dash, which
    # sorts before any name: a MAC address wins over a name. What nobody named is networkd's file: netplan's come before that.
    found = {}
    ours = [i for i in present if not (i.agent or i.hotplug)]
    for i in ours:
        own = f"gandi-{'-' if i.mac else ''}{i.name}"
        identity = f"00-{own}"
        found[f"/etc/netplan/90-{own}.yaml"] = _file("netplan.yaml.j2", i, mode="0600", id=identity)
        if i.mac or i.mtu or i.dhcp4 or i.dhcp6 or i.accept_ra:
            found[f"/etc/systemd/network/10-netplan-{identity}.network.d/gandi.conf"] = _file("netplan.network.j2", i, own=own)
    if ours:
        service = _file("netplan-networkd.service.j2", networkd_has=NETWORKD_HAS)
        found["/etc/systemd/system/systemd-networkd.service.d/gandi-hosting.conf"] = service
    return found | _networkd_hotplug(present) | _networkd_conf(present)


def _without_file(hotplug: Interface, present: list[Interface]) -> tuple[list[str], list[str]]:
    """What the list names and has no file that is found by it: the names and the MAC addresses of what is absent or the agent's, and the
    names of what is known by its MAC address, which some other interface may have today."""
    ours = {i.mac or i.name for i in present if not i.agent}
    rest = [word for word in hotplug.named if word not in ours]
    return [word for word in rest if ":" not in word], [word for word in rest if ":" in word]


def _stanza_files(present: list[Interface], dhcpcd: bool) -> Files:
    ours = [i for i in present if not i.agent]
    found = {
        f"/etc/network/interfaces.d/gandi-{i.name}": _file(
            "ifupdown.j2", i, stanzas=stanzas(i, dhcpcd, PRIMARY_METRIC), logical=logical(i), pattern=HARDWARE_PATTERN
        )
        for i in ours
    }
    if ours:
        found["/etc/systemd/system/ifup@.service.d/gandi-hosting.conf"] = _file("ifupdown-ifup.service.j2")
    lines = _mapping(present)
    if lines:
        # A name of ours (gandi-*), and that of no interface's own file: names do not begin with a dash.
        mapping = _file("ifupdown-mapping.j2", lines=lines, patterns=patterns(ours))
        found["/etc/network/interfaces.d/gandi--mapping"] = mapping
        found["/usr/local/lib/gandi-hosting/stanzas-of"] = _file("stanzas-of.j2", mode="0755")
    return found


def _mapping(present: list[Interface]) -> list[tuple[str, str]]:
    """By MAC address or name, which stanzas an interface takes; * is any other. The first line that fits is taken."""
    ours = [i for i in present if not i.agent]
    found = [(i.mac, logical(i)) for i in ours if i.mac]
    for hotplug in (i for i in present if i.hotplug):
        found += [(i.name, i.name) for i in ours if not (i.mac or i.hotplug)]
        agents = {i.mac or i.name for i in present if i.agent}
        for word in sum(_without_file(hotplug, present), []):
            found.append((word, LEFT_ALONE if word in agents else DOWN))
        found.append(("*", logical(hotplug)))
    return found


def _dhclient_hooks(clients: list[Interface], present: list[Interface]) -> Files:
    """What the dhclient of some of the interfaces, whoever runs it, sources."""
    found: Files = {}
    dhcp = [i for i in clients if i.dhcp4 or i.dhcp6]
    secondaries = [i for i in dhcp if not i.primary]
    with_mtu = [i for i in dhcp if i.mtu]
    if secondaries or with_mtu:
        enter = _hook("dhclient-enter-hook.j2", present, secondaries=secondaries, with_mtu=with_mtu)
        found["/etc/dhcp/dhclient-enter-hooks.d/zz-gandi-hosting"] = enter
    if _leased(clients):
        found["/etc/dhcp/dhclient-exit-hooks.d/zz-gandi-hosting"] = _hook("dhclient-exit-hook.j2", present, leased=_leased(clients))
    return found


def _ifupdown_dhcpcd(ours: list[Interface], present: list[Interface]) -> Files:
    found = _stanza_files(present, dhcpcd=True)
    for i in ours:
        if i.dhcp4:
            found[f"/etc/gandi-hosting/dhcpcd-{i.name}.conf"] = _file("dhcpcd.conf.j2", i)
        if i.dhcp6:
            found[f"/etc/gandi-hosting/dhcpcd6-{i.name}.conf"] = _file("dhcpcd6.conf.j2", i)
    if any(i.dhcp4 or i.dhcp6 for i in ours if not i.primary):
        hook = _hook("dhcpcd-hook.j2", present, leased=_leased(ours), mode="0755")
        found["/usr/local/lib/gandi-hosting/dhcpcd-hook"] = hook
    return found


def _hook(template: str, present: list[Interface], mode: str = "", **values: Any) -> dict[str, str]:
    """A DHCP client's hook; the variable that says which entry of the list an interface is, is its name where all are known by that."""
    by_mac, hotplug = [i for i in present if i.mac], [i for i in present if i.hotplug]
    who = "gandi_hosting_entry" if by_mac or hotplug else "interface"
    return _file(template, mode=mode, by_mac=by_mac, hotplug=[(i.name, logical(i)) for i in hotplug], who=who, **values)


def _leased(present: list[Interface]) -> list[Interface]:
    """Those whose gateway only the DHCP client knows: it says it to the kernel, in a table that no rule looks up.

    Also without policy routing, so that switching it on later needs no new lease.
    """
    return [i for i in present if i.dhcp4 and not i.primary]
