# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's network managers: which one the files are for, and how it is told of files that have changed.

The files themselves come from the controller; nothing here knows their syntax.
"""

from __future__ import annotations

import contextlib
import glob
import os
import re
import time

from . import _files, _netplan, _others
from ._commands import Failure, is_active, run, run_apart
from .reconciler import intents, kernel, netlink

NETWORKD, NETWORKD_247, NETPLAN, DHCLIENT, DHCPCD = "networkd", "networkd-247", "netplan", "ifupdown-dhclient", "ifupdown-dhcpcd"
# What networkd and netplan have besides, from that version of systemd on.
NETWORKD_256 = "networkd-256"
# The part of systemd that has its version in its name: Debian 11, and later.
SYSTEMD = ("/lib/systemd/libsystemd-shared-*.so", "/usr/lib/*/systemd/libsystemd-shared-*.so")

# All places (glob(7)) in which a file of the interfaces section may lie; ours are known by their header.
FOLDERS = (
    "/etc/netplan",
    "/etc/systemd/network",
    "/etc/systemd/network/10-netplan-00-gandi-*.network.d",
    "/etc/systemd/networkd.conf.d",
    "/etc/systemd/system/systemd-networkd.service.d",
    "/etc/systemd/system/ifup@.service.d",
    "/etc/network/interfaces.d",
    "/etc/dhcp/dhclient-enter-hooks.d",
    "/etc/dhcp/dhclient-exit-hooks.d",
    "/etc/cloud/cloud.cfg.d",
    "/etc/gandi-hosting",
    "/usr/local/lib/gandi-hosting",
)
# What interfaces get that nobody has named: of each manager, what says it, and the name of ifupdown's stanzas.
HOTPLUG_NETWORK = "/etc/systemd/network/85-gandi--hotplug.network"
HOTPLUG_STANZAS = "gandi--hotplug"
HOTPLUG_FILES = (HOTPLUG_NETWORK, "/etc/network/interfaces.d/" + HOTPLUG_STANZAS, "/etc/gandi-hosting/dhcpcd--hotplug.conf")
# What is said of the unit by which udev, and we, bring up an interface that is plugged in.
IFUP_UNIT = "/etc/systemd/system/ifup@.service.d/"
# The unit in which the Gandi agent runs dhclient for an interface (gandi-hosting-vm2).
AGENT_CLIENT = "gandi-dhclient@%s.service"
# How often, and every how many seconds, networkd is asked whether it has looked at a link.
SETTLE_TRIES, SETTLE_PAUSE = 100, 0.05


def detect(requested, running):
    """Return which variant of the files this host takes.

    :arg requested: ``auto``, or the manager that the user says.
    :arg running: the manager that really runs the interfaces now (``_others.running_manager``), or None. Without it ``auto`` is
        networkd where systemd-networkd is active, or netplan where it makes the configuration of that, else ifupdown.
    :raises Failure: no manager was found, or the one asked for is not there.
    """
    if requested == NETPLAN and not _netplan.generator():
        raise Failure("backend: netplan: netplan is not installed on this host; expected netplan.io")
    if requested in (NETWORKD, NETPLAN):
        if not is_active("systemd-networkd.service"):
            raise Failure("backend: %s: systemd-networkd does not run on this host; expected it to be active" % requested)
        return _of_this_systemd(requested)
    if requested == "auto" and running in (_others.NETWORKD, _others.NETPLAN):
        return _of_this_systemd(NETPLAN if running == _others.NETPLAN else NETWORKD)
    if requested == "auto" and running is None and is_active("systemd-networkd.service"):
        return _of_this_systemd(NETPLAN if _netplan.configures_networkd() else NETWORKD)
    if not Ifupdown.is_installed():
        raise Failure("backend: %s: this host runs no systemd-networkd and has no ifupdown; expected one of them" % requested)
    # which DHCP client ifupdown would call: it looks for dhclient first (ifupdown, inet.defn)
    return DHCLIENT if any(os.path.exists(path) for path in ("/sbin/dhclient", "/usr/sbin/dhclient")) else DHCPCD


def name(variant):
    """Return the manager that reads the files of a variant."""
    return {NETWORKD: _others.NETWORKD, NETWORKD_247: _others.NETWORKD, NETPLAN: _others.NETPLAN}.get(variant, _others.IFUPDOWN)


def _of_this_systemd(variant):
    # before 250 it lacks what "networkd" says of router advertisements
    if systemd_version() >= 250:
        return variant
    if variant == NETPLAN:
        raise Failure("backend: netplan: the systemd-networkd of this host is older than 250; expected Debian 12 or newer, or ifupdown or networkd "
                      "without netplan")
    return NETWORKD_247


def systemd_version():
    """Return the version of this host's systemd. To ask it would cost a process."""
    found = [re.search("-([0-9]+)[^/]*$", path) for pattern in SYSTEMD for path in glob.glob(pattern)]
    return max((int(match.group(1)) for match in found if match), default=0)


def besides(variant):
    """Return the variant of which this host takes the files too, or None."""
    return NETWORKD_256 if variant in (NETWORKD, NETPLAN) and systemd_version() >= 256 else None


class Networkd:
    """systemd-networkd reconfigures by itself the links whose file a reload finds changed (networkctl(1)).

    netplan's files are made into networkd's first. Never `netplan apply`: it configures every interface again, and that costs packets.
    """

    def __init__(self, paths):
        # what networkd.conf says of foreign rules and routes it reads only when it starts
        self._restart = any(path.startswith("/etc/systemd/networkd.conf.d/") for path in paths)
        self._reload = any(path.startswith(("/etc/systemd/network/", "/etc/netplan/")) for path in paths)
        # also where none of netplan's own changes: so that networkd finds only those files changed that are
        self._netplan = any(path.startswith("/etc/netplan/") for path in paths) or _netplan.has_made_files()
        self._hotplug = HOTPLUG_NETWORK in paths
        self._unnamed = []

    @staticmethod
    def is_installed():
        return os.path.exists("/lib/systemd/systemd-networkd")

    def before(self, _names):
        """Remember who has what nobody named gets; there is nothing to do while the old files are still there."""
        if self._hotplug:
            self._unnamed = _others.networkd_links(HOTPLUG_NETWORK)

    def after(self, _names, gone):
        if self._netplan:
            _netplan.generate()
        if self._restart:
            # or systemd gives it up where it was started often, by us or because it crashed: Debian 11's does, now and then, after a start
            run("systemctl", "reset-failed", "systemd-networkd.service", check=False)
            run("systemctl", "restart", "systemd-networkd.service")
        elif self._reload:
            run("networkctl", "reload")
        if self._netplan:
            _netplan.networkd_has_them()
        for name in [*gone, *self._unnamed]:
            self._forget(name)

    def _forget(self, name):
        """Take a link down that no file configures any more: after a restart networkd leaves on it whatever was there."""
        for _attempt in range(SETTLE_TRIES):
            has = _others.networkd_has(name)
            if has is not None:
                break
            time.sleep(SETTLE_PAUSE)
        if not has:
            clear(name)


class Ifupdown:
    """ifupdown takes an interface down by the file that is there: so before it changes, and up by the new one after."""

    def __init__(self, paths):
        self._hotplug = any(path in HOTPLUG_FILES for path in paths)
        self._unit = any(path.startswith(IFUP_UNIT) for path in paths)
        self._were_up = []

    @staticmethod
    def is_installed():
        # ifupdown2 and ifupdown-ng have programs of the same names, and nothing there; our stanzas are not for them
        return os.path.exists("/sbin/ifup") and os.path.isdir("/lib/ifupdown")

    def before(self, names):
        unnamed = [name for name, stanzas in _others.ifstate().items() if stanzas == HOTPLUG_STANZAS and self._hotplug]
        self._were_up = [name for name in _on_top(names, _others.ifstate()) if not is_active("ifup@%s.service" % name)]
        for name in [*self._were_up, *names, *unnamed]:
            if is_active("ifup@%s.service" % name):
                run("systemctl", "stop", "ifup@%s.service" % name)
            elif name in _others.ifstate():
                run("ifdown", name)

    def after(self, names, _gone):
        if self._unit:
            run("systemctl", "daemon-reload")
        if not (names or self._hotplug):
            return
        known, always = self._listed("--allow=hotplug"), self._listed()
        names = [name for name in names if os.path.exists("/sys/class/net/%s" % name)]
        for name in names:
            # the same unit that udev starts for a hot-plugged interface, so that it is also taken down with it
            if name in known:
                run("systemctl", "start", "ifup@%s.service" % name)
            elif name in always:
                run_apart("ifup", name)
        for name in _on_top(names, always - set(_others.ifstate())):
            # one that was not up before may be one that cannot be
            with contextlib.suppress(*() if name in self._were_up else (Failure,)):
                run_apart("ifup", name)
        for name in sorted(known - set(_others.ifstate())) if self._hotplug else ():
            if "interface %s=%s " % (name, HOTPLUG_STANZAS) in run("ifquery", "--verbose", name, check=False)[1]:
                # nobody has named it, so nobody waits for it
                run("systemctl", "--no-block", "start", "ifup@%s.service" % name)

    @staticmethod
    def _listed(*options):
        """Return the interfaces that ifquery lists. Without any it says nothing and exits with 1.

        That a pattern finds an interface without stanzas (a bridge, which has the MAC address of one of its ports) is a failure to
        ifquery too, and none to us.
        """
        status, said = run("ifquery", "--list", *options, check=False)
        lines = said.splitlines()
        complaints = [line for line in lines if line.startswith("ifquery: ")]
        if status and not all(line.startswith("ifquery: unknown interface ") for line in complaints):
            raise Failure("ifquery --list: %s" % said)
        return set(lines) - set(complaints)


def _on_top(names, others):
    """Return those of ``others`` that are aliases (eth0:1) or VLANs (eth0.100) of interfaces in ``names``, by what they are called: they lose
    addresses with the interface, and nobody else would bring them up again."""
    return sorted(other for other in set(others) - set(names) if re.split("[:.]", other)[0] in names)


# networkd comes first: an interface that goes from one to the other is let go by networkd before ifupdown takes it, and what networkd
# forgets is taken down by us, which must not come after ifup.
MANAGERS = (
    (Networkd, ("/etc/systemd/network", "/etc/netplan/")),
    (Ifupdown, ("/etc/network/", "/etc/dhcp/", "/etc/gandi-hosting/dhcpcd", "/usr/local/lib/gandi-hosting/dhcpcd", IFUP_UNIT)),
)


def concerned(changes, aside):
    """Return ``[(manager, names, gone)]``: who is to be told ``before`` and ``after`` files change, and of which interfaces, by the names
    that they have on this host.

    :arg changes: the Changes.
    :arg aside: the interfaces whose stanzas in files of others are set aside, or come back.
    """
    result = []
    for manager, folders in MANAGERS:
        own = [made for made in changes if made.path.startswith(folders)]
        before, after = holders(own)
        names = {*before.values(), *after.values(), *(aside if manager is Ifupdown else ())}
        if (own or names) and manager.is_installed():
            result.append((manager([made.path for made in own]), sorted(names), names - set(after.values())))
    return result


def holders(changes):
    """Return ``({owner: name}, {owner: name})``: which interfaces the owners of the files are, by what the files say before and after."""
    macs = {}, {}
    for made in changes:
        for known, content, mac in zip(macs, (made.before, made.after), made.macs):
            if content is not None and made.owner != _files.SHARED:
                known[made.owner] = known.get(made.owner) or mac
    return tuple(real_names(known) for known in macs)


def real_names(macs):
    """Return ``{owner: name}`` for ``{owner: MAC or ""}``: by MAC that of the link that has it, if one has; else the owner's own."""
    names = {owner: owner for owner, mac in macs.items() if not mac}
    by_mac = [{"name": owner, "mac": mac} for owner, mac in macs.items() if mac]
    if by_mac:
        names.update({owner: link.name for owner, link in _others.attached(by_mac).items()})
    return names


def clear(name):
    """Take a link down, if it is attached, with all addresses and routes on it, and from the agent, if that holds it."""
    if os.path.exists("/sys/class/net/%s" % name):
        if is_active(AGENT_CLIENT % name):
            run("systemctl", "stop", AGENT_CLIENT % name)
        run("ip", "link", "set", "dev", name, "down")
        run("ip", "address", "flush", "dev", name)


def leave_to_agent(name, renew, start):
    """Remove the default routes in main that an agent's interface has had before our hooks and sysctls prevented it.

    :arg renew: have its DHCP client run again, because the hooks by which it tells of its gateway are new.
    :arg start: also where it does not run, because the interface was ours.
    """
    if not os.path.exists("/sys/class/net/%s" % name):
        return
    for family in ("-4", "-6"):
        run("ip", family, "route", "flush", "exact", "default", "dev", name, "table", "main", check=False)
    if start:
        run("ip", "link", "set", "dev", name, "up")
    if renew or start:
        run("systemctl", "--no-block", "restart" if start else "try-restart", AGENT_CLIENT % name, check=False)


def missing_addresses(expected):
    """Return a sentence for each address that an attached interface should have and has not, or not yet.

    :arg expected: interfaces of the interfaces section, with ``name``, ``mac``, ``addresses`` and ``dhcp4``.
    """
    with netlink.Netlink() as connection:
        links = kernel.read_links(connection)
        addresses = kernel.read_addresses(connection)
    by_name = {entry["name"]: entry for entry in expected}
    found = intents.match([intents.Intent(entry["name"], entry["mac"], 0, ()) for entry in expected], links)
    sentences = []
    for index, intent in found.items():
        entry = by_name[intent.name]
        have = {address.address for address in addresses if address.index == index and not address.tentative}
        static = {kernel.pack(address.split("/")[0]) for address in entry["addresses"]}
        sentences += ["%s: the address %s is not there" % (links[index].name, kernel.text(address))
                      for address in sorted(static - have)]
        if entry["dhcp4"] and not any(len(address) == 4 for address in have - static):
            sentences.append("%s: DHCP gave no IPv4 address" % links[index].name)
    return sentences


def addresses4():
    """Return ``{name of a link: its IPv4 addresses with prefix length}``."""
    with netlink.Netlink() as connection:
        links, found = kernel.read_links(connection), {}
        for address in kernel.read_addresses(connection):
            if len(address.address) == 4 and address.subnet and address.index in links:
                found.setdefault(links[address.index].name, []).append("%s/%d" % (kernel.text(address.address), address.subnet.length))
    return found


def default_families():
    """Return the address families that have a default route in main."""
    with netlink.Netlink() as connection:
        return {family for family in kernel.FAMILIES
                for header, _found, _body in kernel.dump_routes(connection, family, kernel.MAIN_TABLE) if not header[1]}


def missing_default(before):
    """Return a sentence if the host had a default route and has none now: IPv4's, or IPv6's where there was no other."""
    family = min(before, default=None)
    if family is None or family in default_families():
        return []
    return ["table main has no IPv%d default route; there was one before" % (4 if family == kernel.FAMILIES[0] else 6)]
