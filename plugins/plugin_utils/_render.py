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

from ansible_collections.gandi.hosting.plugins.module_utils._files import HEADER_LINE, SHARED
from ansible_collections.gandi.hosting.plugins.module_utils._netplan import NETWORKD_HAS
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import GATEWAYS_TABLE

from ._ifupdown import stanzas
from ._model import Interface

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
)

Files = dict[str, dict[str, str]]


def files(present: list[Interface]) -> dict[str, Files]:
    present = [interface for interface in present if not interface.agent]
    return {
        "networkd": _networkd(present) | _networkd_conf(present),
        # Debian 11: its networkd would have to be restarted for networkd.conf, at which it may crash (systemd issue 27854). What it
        # takes away of ours, the service puts back.
        "networkd-247": _networkd(present, old=True),
        "netplan": _netplan(present),
        "ifupdown-dhclient": _ifupdown_dhclient(present),
        "ifupdown-dhcpcd": _ifupdown_dhcpcd(present),
    }


def unmanaged(present: list[Interface]) -> Files:
    """What tells systemd-networkd to leave each interface alone, where another manager is to have it."""
    return {_network_path(i): _file("networkd-unmanaged.network.j2", i) for i in present}


def _file(template: str, interface: Interface | None = None, mode: str = "", **values: Any) -> dict[str, str]:
    """A file of one interface, or of all of them."""
    owner = interface.name if interface else ""
    content = _templates.get_template(template).render(
        header=(HEADER_LINE % (owner or SHARED)).rstrip(),
        interface=interface,
        gateways_table=GATEWAYS_TABLE,
        primary_metric=PRIMARY_METRIC,
        secondary_metric=SECONDARY_METRIC,
        **values,
    )
    return {"content": content, "interface": owner, **({"mode": mode} if mode else {})}


def _network_path(interface: Interface) -> str:
    """05: networkd takes the first file that matches, and a cloud image has its own (10-, 50-, 99-)."""
    return f"/etc/systemd/network/05-gandi-{interface.name}.network"


def _networkd(present: list[Interface], old: bool = False) -> Files:
    return {_network_path(i): _file("networkd.network.j2", i, old=old) for i in present}


def _networkd_conf(present: list[Interface]) -> Files:
    routed = any(i.policy_routing for i in present)
    return {"/etc/systemd/networkd.conf.d/10-gandi-hosting.conf": _file("networkd.conf.j2")} if routed else {}


def _netplan(present: list[Interface]) -> Files:
    # netplan merges what several files say of one id, and networkd takes the first file that matches: an id of our own, whose
    # 10-netplan-ID.network is before those of cloud-init (eth0) and of Debian's cloud images (all-en, all-eth).
    found = {}
    for i in present:
        identity = f"00-gandi-{i.name}"
        found[f"/etc/netplan/90-gandi-{i.name}.yaml"] = _file("netplan.yaml.j2", i, mode="0600", id=identity)
        if i.mac or i.mtu or i.dhcp4 or i.dhcp6 or i.accept_ra:
            found[f"/etc/systemd/network/10-netplan-{identity}.network.d/gandi.conf"] = _file("netplan.network.j2", i)
    if present:
        service = _file("netplan-networkd.service.j2", networkd_has=NETWORKD_HAS)
        found["/etc/systemd/system/systemd-networkd.service.d/gandi-hosting.conf"] = service
    return found | _networkd_conf(present)


def _stanza_files(present: list[Interface], dhcpcd: bool) -> Files:
    return {
        f"/etc/network/interfaces.d/gandi-{i.name}": _file("ifupdown.j2", i, stanzas=stanzas(i, dhcpcd, PRIMARY_METRIC))
        for i in present
    }


def _ifupdown_dhclient(present: list[Interface]) -> Files:
    found = _stanza_files(present, dhcpcd=False)
    dhcp = [i for i in present if i.dhcp4 or i.dhcp6]
    secondaries = [i for i in dhcp if not i.primary]
    with_mtu = [i for i in dhcp if i.mtu]
    if secondaries or with_mtu:
        enter = _file("dhclient-enter-hook.j2", secondaries=secondaries, with_mtu=with_mtu)
        found["/etc/dhcp/dhclient-enter-hooks.d/zz-gandi-hosting"] = enter
    if _leased(present):
        found["/etc/dhcp/dhclient-exit-hooks.d/zz-gandi-hosting"] = _file("dhclient-exit-hook.j2", leased=_leased(present))
    return found


def _ifupdown_dhcpcd(present: list[Interface]) -> Files:
    found = _stanza_files(present, dhcpcd=True)
    for i in present:
        if i.dhcp4:
            found[f"/etc/gandi-hosting/dhcpcd-{i.name}.conf"] = _file("dhcpcd.conf.j2", i)
        if i.dhcp6:
            found[f"/etc/gandi-hosting/dhcpcd6-{i.name}.conf"] = _file("dhcpcd6.conf.j2", i)
    if any(i.dhcp4 or i.dhcp6 for i in present if not i.primary):
        hook = _file("dhcpcd-hook.j2", leased=_leased(present), mode="0755")
        found["/usr/local/lib/gandi-hosting/dhcpcd-hook"] = hook
    return found


def _leased(present: list[Interface]) -> list[Interface]:
    """Those whose gateway only the DHCP client knows: it says it to the kernel, in a table that no rule looks up.

    Also without policy routing, so that switching it on later needs no new lease.
    """
    return [i for i in present if i.dhcp4 and not i.primary]
