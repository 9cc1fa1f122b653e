# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What keeps the agent from configuring an interface, and what mends it without touching a file of its package. Pure.

The agent's udev rule matches ``eth?`` and runs manage_iface.sh, which goes by CONFIG_NODHCP with a substring test, asks get_json.py,
which gives up without /gandi/config, and starts gandi-dhclient@IF.service, which is /sbin/dhclient. Each of these can end in silence.

Repairs, each a file or two that go again when it is no longer asked for:

``dhcp``           a udev rule of our own starts gandi-dhclient@ for the interfaces that are the agent's
``dhclient``       gandi-dhclient@ runs dhcpcd where there is no dhclient (Debian 13 has deprecated it); as with the hooks that the
                   role network has for dhclient, a lease gives an address and, to policy routing, a gateway: the agent takes a
                   secondary's default route away before the lease has come, and so does not
``udevd``          old agents run dhclient inside udev's sandbox, which does not let it open a packet socket
"""

from __future__ import annotations

import fnmatch
import re
import zlib

from ._apt import HEADER
from .reconciler import GATEWAYS_TABLE

REPAIRS = ("dhcp", "dhclient", "udevd")
RULE = "/etc/udev/rules.d/87-gandi-hosting-agent.rules"
UNIT = "/etc/systemd/system/gandi-dhclient@.service.d/gandi-hosting.conf"
UDEVD = "/etc/systemd/system/systemd-udevd.service.d/gandi-hosting.conf"
# Not in the folders of the role network, which takes away what it does not know there.
DHCPCD_CONF = "/etc/gandi-hosting-agent/dhcpcd.conf"
DHCPCD_HOOK = "/usr/local/lib/gandi-hosting-agent/dhcpcd-hook"
PATHS = (RULE, UNIT, UDEVD, DHCPCD_CONF, DHCPCD_HOOK)

AGENT_NAMES = "eth?"        # KERNEL== of the package's rule
ALL_NAMES = tuple("eth%d" % number for number in range(10))

CONF = """\
# no probing before the address is used, as with dhclient: it takes 5 seconds; IPv6 is the kernel's
ipv4only
hostname
duid
noarp
require dhcp_server_identifier
option interface_mtu

# Address only.
nogateway
nooption classless_static_routes, ms_classless_static_routes, static_routes
script %s
""" % DHCPCD_HOOK
HOOK = """\
#!/bin/sh
%(header)s\
# Tells the kernel the lease's gateway, in a table that no rule looks up, where gandi-policy-routing.service finds it. Nothing to do when
# a lease ends: the route goes with the address.
case "$interface" in
%(metrics)s
    *) exit 0 ;;
esac
case "$reason" in
    BOUND|REBOOT|RENEW|REBIND|TIMEOUT)
        if [ -n "${new_routers-}" ]; then
            ip -4 route replace default via "${new_routers%%%% *}" dev "$interface" onlink src "$new_ip_address" \\
                table %(table)d metric "$metric" proto dhcp
        fi
        ;;
esac
exit 0
"""


def files(repairs, interfaces, has_dhclient):
    """Return ``{path: (content, mode)}``.

    :arg repairs: which of REPAIRS.
    :arg interfaces: those that are the agent's, each with name and mac.
    """
    contents = {}
    if interfaces and "dhcp" in repairs:
        contents[RULE] = HEADER + "".join(
            'ACTION=="add", SUBSYSTEM=="net", %s, TAG+="systemd", ENV{SYSTEMD_WANTS}+="gandi-dhclient@$name.service"\n' % (
                'ATTR{address}=="%s", ENV{DEVTYPE}==""' % entry["mac"] if entry["mac"] else 'KERNEL=="%s"' % entry["name"])
            for entry in interfaces)
    if interfaces and "dhclient" in repairs and not has_dhclient:
        contents[UNIT] = HEADER + "[Service]\nType=exec\nExecStart=\nExecStart=dhcpcd -B -f %s %%I\n" % DHCPCD_CONF
        contents[DHCPCD_CONF] = HEADER + CONF
        contents[DHCPCD_HOOK] = HOOK % {"header": HEADER, "metrics": "\n".join(_metrics(interfaces)), "table": GATEWAYS_TABLE}
    if "udevd" in repairs:
        contents[UDEVD] = HEADER + "[Service]\nRestrictAddressFamilies=AF_PACKET\n"
    return {path: (content.encode(), 0o755 if path == DHCPCD_HOOK else 0o644) for path, content in contents.items()}


def _metrics(interfaces):
    """One interface's route is kept apart from another's by a number that hangs on its identity (Interface.gateways_metric)."""
    for entry in interfaces:
        yield "    %s) metric=%d ;;" % (entry["name"], zlib.crc32((entry["mac"] or entry["name"]).encode()) & 0x7FFFFFFF or 1)


def problems(host, interfaces, settings, repairs):
    """Return a sentence for each reason why an interface that is the agent's would get no address from it, or one from two.

    :arg host: the facts: ``dhclient``, ``config`` (whether /gandi/config is there), ``others`` (``{name: who else}`` configures it),
        ``unit`` (whether there is, or will be, a gandi-dhclient@.service).
    :arg settings: what CONFIG_* will be.
    """
    found, nodhcp = [], settings.get("CONFIG_NODHCP") or ""
    for name in [entry["name"] for entry in interfaces if entry["agent"]]:
        if "dhcp" not in repairs:
            if name in nodhcp:
                found.append("%s: agent: true, but the agent leaves it alone, because its name is a part of CONFIG_NODHCP=\"%s\", which it "
                             "tests for; expected a list without it, or agent_repairs with dhcp" % (name, nodhcp))
            if not fnmatch.fnmatchcase(name, AGENT_NAMES):
                found.append("%s: agent: true, but the agent's udev rule matches %s only; expected such a name, or agent_repairs with dhcp"
                             % (name, AGENT_NAMES))
            if not host["config"]:
                found.append("%s: agent: true, but there is no /gandi/config, without which the agent does not run DHCP and says nothing; "
                             "expected the file, or agent_repairs with dhcp" % name)
        elif not host["unit"]:
            found.append("%s: agent: true, but the agent that is installed is one without gandi-dhclient@.service, which agent_repairs with "
                         "dhcp starts; expected a newer one, or agent_repairs without dhcp" % name)
        if not host["dhclient"] and "dhclient" not in repairs:
            found.append("%s: agent: true, but there is no /sbin/dhclient, which the agent runs; expected the package isc-dhcp-client, or "
                         "agent_repairs with dhclient" % name)
        if name in host["others"]:
            found.append("%s: agent: true, but %s configures it too; expected one of the two" % (name, host["others"][name]))
    return found


def remarks(host, interfaces, settings):
    """Return a sentence for each thing that works and will surprise.

    :arg host: also ``names`` (of links that are there), ``rules`` (the text of the package's udev rules), ``xen``,
        ``overrides`` (``[(key, value, other, where)]``: what the agent's sysctl.conf says differently).
    """
    nodhcp, ours = settings.get("CONFIG_NODHCP") or "", {entry["name"]: entry["agent"] for entry in interfaces}
    found = []
    for name in sorted(host["names"] | set(ours)):
        if name in nodhcp or not fnmatch.fnmatchcase(name, AGENT_NAMES) or ours.get(name):
            continue
        other = "gandi_interfaces" if name in ours else host["others"].get(name)
        if other:
            found.append("%s: both the agent and %s configure it, because CONFIG_NODHCP=\"%s\" does not name it" % (name, other, nodhcp))
    if settings.get("CONFIG_SYSCTL") != "0":
        found += ["CONFIG_SYSCTL=%s: at boot the agent sets %s to %s (%s), over the %s of this host" % (
            settings.get("CONFIG_SYSCTL"), key, other, where, value) for key, value, other, where in host["overrides"]]
    if settings.get("CONFIG_NETWORK") != "0" and any(not agent for agent in ours.values()):
        found.append("CONFIG_NETWORK=%s: at a stop and start of the platform the agent writes the network configuration anew"
                     % settings.get("CONFIG_NETWORK"))
    if host["xen"] and twice(host["rules"]):
        found.append("the agent's udev rules match each interface twice (last_rule has had no meaning since udev 147), so its hook "
                     "post-iface-attach runs twice for each")
    return found


def twice(rules):
    """Return whether an interface of a Xen machine matches two of the rules; a GOTO between them would prevent it."""
    lines = [line for line in rules.splitlines() if re.search(r"^[^#]*manage_iface\.sh", line)]
    return len(lines) > 1 and not any("GOTO=" in line for line in lines[:-1])
