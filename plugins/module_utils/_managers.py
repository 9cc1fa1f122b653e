# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The host's network managers: which one runs, and how it is told of files that have changed.

The files themselves come from the controller; nothing here knows their syntax, save the one line of ``interfaces`` (5) by which
an administrator's stanza is set aside when we take its interface over.
"""

from __future__ import annotations

import os
import re
import time

from . import _files
from ._commands import Failure, is_active, run
from .reconciler import intents, kernel, netlink

NETWORKD, DHCLIENT, DHCPCD = "networkd", "ifupdown-dhclient", "ifupdown-dhcpcd"

# All places in which a file of the interfaces section may lie; ours are known by their header.
FOLDERS = (
    "/etc/systemd/network",
    "/etc/systemd/networkd.conf.d",
    "/etc/network/interfaces.d",
    "/etc/dhcp/dhclient-enter-hooks.d",
    "/etc/dhcp/dhclient-exit-hooks.d",
    "/etc/gandi-hosting",
    "/usr/local/lib/gandi-hosting",
)
INTERFACES = "/etc/network/interfaces"
IFSTATE = "/run/network/ifstate"
# An administrator's stanza that we have set aside: each of its lines after this mark, byte for byte.
ASIDE = "#gandi.hosting %s#"
# How often, and every how many seconds, networkd is asked whether it has looked at a link.
SETTLE_TRIES, SETTLE_PAUSE = 100, 0.05
KEYWORDS = re.compile(r"\s*(iface|auto|allow-\S+|mapping|source|source-directory|no-auto-down|no-scripts|rename|template)\s")


def detect(requested="auto"):
    """Return which variant of the files this host takes.

    networkd where systemd-networkd is active, else ifupdown where it is installed, with the DHCP client that it would call:
    it looks for dhclient first (ifupdown, inet.defn).

    :raises Failure: no manager was found, or the one asked for is not there.
    """
    if requested == NETWORKD or (requested == "auto" and is_active("systemd-networkd.service")):
        return NETWORKD
    if not os.path.exists("/sbin/ifup"):
        raise Failure("backend: %s: this host runs no systemd-networkd and has no ifupdown; expected one of them" % requested)
    if any(os.path.exists(path) for path in ("/sbin/dhclient", "/usr/sbin/dhclient")):
        return DHCLIENT
    return DHCPCD


def adopted(names):
    """Return the wanted content of files in which an administrator configures interfaces of ours: ``{path: (…)}``.

    The stanzas of ``names`` are set aside, those set aside of others come back, byte for byte.
    """
    contents = {}
    for path in _interfaces_files():
        before = _files.read(path)
        if before is None or _files.HEADER.match(before):
            continue
        text = before.decode("utf-8", "surrogateescape")
        after = set_aside(restore(text), names)
        if after != text:
            contents[path] = (after.encode("utf-8", "surrogateescape"), os.stat(path).st_mode & 0o7777, _files.SHARED)
    return contents


def set_aside(text, names):
    """Return an interfaces file with the ``iface`` stanzas of ``names``, a set, commented out."""
    lines, owner, continued = [], None, False
    for line in text.splitlines(keepends=True):
        words = line.split()
        if not continued and KEYWORDS.match(line):
            owner = words[1] if words[0] == "iface" and names.intersection(words[1:2]) else None
        quiet = not continued and (not words or words[0].startswith("#"))
        lines.append(line if owner is None or quiet else ASIDE % owner + line)
        continued = line.rstrip("\n").endswith("\\")
    return "".join(lines)


def restore(text):
    """Return an interfaces file with all that was set aside back in its place."""
    return re.sub(r"(?m)^#gandi\.hosting [^\s#]+#", "", text)


class Networkd:
    """systemd-networkd reconfigures by itself the links whose file a reload finds changed (networkctl(1))."""

    def __init__(self, paths):
        # what networkd.conf says of foreign rules and routes it reads only when it starts
        self._restart = any(path.startswith("/etc/systemd/networkd.conf.d/") for path in paths)
        self._reload = any(path.startswith("/etc/systemd/network/") for path in paths)

    def before(self, _names):
        """Nothing to do while the old files are still there."""

    def after(self, _names, gone):
        if self._restart:
            run("systemctl", "restart", "systemd-networkd.service")
        elif self._reload:
            run("networkctl", "reload")
        for name in gone:
            self._forget(name)

    def _forget(self, name):
        """Take a link down that no file configures any more: after a restart networkd leaves on it whatever was there."""
        for _attempt in range(SETTLE_TRIES):
            _status, said = run("networkctl", "list", "--no-legend", name, check=False)
            if not said.endswith(("pending", "initialized")):
                break
            time.sleep(SETTLE_PAUSE)
        if said.endswith("unmanaged"):
            clear(name)


class Ifupdown:
    """ifupdown takes an interface down by the file that is there: so before it changes, and up by the new one after."""

    def __init__(self, _paths):
        """All that matters is which interfaces are concerned."""

    def before(self, names):
        for name in names:
            if is_active("ifup@%s.service" % name):
                run("systemctl", "stop", "ifup@%s.service" % name)
            elif name in _configured():
                run("ifdown", name)

    def after(self, names, _gone):
        known = run("ifquery", "--list", "--allow=hotplug")[1].split()
        always = run("ifquery", "--list")[1].split()
        for name in names:
            if not os.path.exists("/sys/class/net/%s" % name):
                continue
            # the same unit that udev starts for a hot-plugged interface, so that it is also taken down with it
            if name in known:
                run("systemctl", "start", "ifup@%s.service" % name)
            elif name in always:
                run("ifup", name)


def of(variant, paths):
    """Return the manager of a variant, to be told ``before`` and ``after`` the files in ``paths`` change."""
    return (Networkd if variant == NETWORKD else Ifupdown)(paths)


def clear(name):
    """Take a link down, if it is attached, with all addresses and routes on it."""
    if os.path.exists("/sys/class/net/%s" % name):
        run("ip", "link", "set", "dev", name, "down")
        run("ip", "address", "flush", "dev", name)


def missing_addresses(expected):
    """Return a sentence for each address that an attached interface should have and has not, or not yet.

    :arg expected: interfaces of the interfaces section, with ``name``, ``mac``, ``addresses`` and ``dhcp4``.
    """
    with netlink.Netlink() as connection:
        links = kernel.read_links(connection)
        addresses = kernel.read_addresses(connection)
    sentences = []
    for entry in expected:
        intent = intents.Intent(entry["name"], entry["mac"], 0, ())
        for index in intents.match([intent], links):
            have = {address.address for address in addresses if address.index == index and not address.tentative}
            static = {kernel.pack(address.split("/")[0]) for address in entry["addresses"]}
            sentences += ["%s: the address %s is not there" % (links[index].name, kernel.text(address))
                          for address in sorted(static - have)]
            if entry["dhcp4"] and not any(len(address) == 4 for address in have - static):
                sentences.append("%s: DHCP gave no IPv4 address" % links[index].name)
    return sentences


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


def _interfaces_files():
    folder = INTERFACES + ".d"
    names = sorted(os.listdir(folder)) if os.path.isdir(folder) else []
    return [path for path in [INTERFACES] + [os.path.join(folder, name) for name in names] if os.path.isfile(path)]


def _configured():
    """Return the names that ifupdown holds as configured; it keeps one file, and one more for each interface."""
    state = _files.read(IFSTATE) or b""
    return {line.split(b"=")[0].decode("utf-8", "replace") for line in state.splitlines()}
