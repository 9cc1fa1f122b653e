# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds an interface: which network manager really runs it, by which file, and what of that we take over.

Another file of the *same* manager is adopted: a stanza is set aside in its place, a networkd file of others sorts after ours, also one that
netplan made: our definitions have ids of their own, so netplan joins nothing, and theirs stays in force for what else it says. An interface
that *another* manager holds would be configured twice: that is refused with a sentence that names both files, unless we are told to take it
over. Either way what was there stays on the host, and comes back to the byte when the interface leaves the list.
"""

from __future__ import annotations

import glob
import os
import re
import typing

from . import _files, _stanzas
from ._commands import is_active, is_enabled
from .reconciler import intents, kernel, netlink

NETWORKD, NETPLAN, IFUPDOWN, NETWORK_MANAGER, DHCPCD = "systemd-networkd", "netplan", "ifupdown", "NetworkManager", "dhcpcd"
# The daemons' own notes, one file a link, named by its index. Neither has a stable way to be asked that costs no process and is in
# Debian 11 already: networkctl's JSON came later, and the bus is not the standard library's.
NETWORKD_LINKS = "/run/systemd/netif/links"
NETWORK_MANAGER_LINKS = "/run/NetworkManager/devices"
# What netplan makes for networkd, and how the names of those begin that it makes of our files.
NETPLAN_GENERATED, OWN_NETPLAN = "/run/systemd/network/10-netplan-", "10-netplan-00-gandi-"
IFSTATE = "/run/network/ifstate"
# dhcpcd's as a service for all interfaces; one that was started for a single interface has the interface in the name.
DHCPCD_MASTER, DHCPCD_FILE = "/run/dhcpcd/pid", "/etc/dhcpcd.conf"


TAKEABLE = ("%(interface)s: %(other)s holds it (%(file)s), and %(manager)s would by %(own)s: two network managers on one interface; expected "
            "one: network_takeover: true gives it to %(manager)s")
NOT_OURS_TO_TAKE = ("%(interface)s: %(other)s holds it (%(file)s), and %(manager)s would by %(own)s, which would not be in effect; expected "
                    "%(other)s to leave it alone")

# Of [Network] (systemd.network(5)).
STACKING = re.compile(r"\s*(Bridge|Bond|VRF|VLAN|MACVLAN|MACVTAP|IPVLAN|IPVTAP|IPoIB|VXLAN|Tunnel|L2TP|MACsec|Xfrm|BatmanAdvanced)\s*=")
CLOUD_INIT = "/etc/cloud/cloud.cfg.d"
CLOUD_INIT_CONTENT = _files.HEADER_LINE % _files.SHARED + """\
# What is there stays; it is not written anew for another instance, beside the files of gandi.hosting.
network: {config: disabled}
"""


class Holder(typing.NamedTuple):
    """A manager that runs an interface, or will bring it up. ``path``: the file that says so."""

    manager: str
    path: str
    ours: bool


def attached(entries):
    """Return ``{name of the entry: Link}`` of those that are attached, by MAC where one is said."""
    with netlink.Netlink() as connection:
        links = kernel.read_links(connection)
    found = intents.match([intents.Intent(entry["name"], entry["mac"], 0, ()) for entry in entries], links)
    return {intent.name: links[index] for index, intent in found.items()}


def holders(entries, links):
    """Return ``{name of the entry: [Holder]}``: who really runs each interface now, or will when it is attached or at boot.

    :arg links: as ``attached`` returns it.
    """
    configured, networkd = ifstate(), is_active("systemd-networkd.service")
    found = {}
    for entry in entries:
        link = links.get(entry["name"])
        found[entry["name"]] = [*(_networkd(link) if networkd else ()), *_network_manager(link), *_dhcpcd(),
                                *_ifupdown(entry["name"], link.name if link else entry["name"], configured)]
    return found


def running_manager(entries, held):
    """Return which of NETWORKD, NETPLAN and IFUPDOWN runs the first of the entries, the primary first, that any of them runs, or None."""
    for entry in sorted(entries, key=lambda entry: not entry["primary"]):
        for holder in held[entry["name"]]:
            if holder.manager in (NETWORKD, NETPLAN, IFUPDOWN):
                return holder.manager
    return None


def conflicts(manager, held, paths):
    """Return ``{name: Holder}``: the interfaces that another manager holds beside ``manager``, which is to configure them.

    :arg held: as ``holders`` returns it.
    :arg paths: ``{name: path}`` of our own files, as we would have them.
    """
    found = {}
    for name, path in paths.items():
        for holder in held.get(name, ()):
            # netplan's files become networkd's, and networkd takes the first that matches
            same = {holder.manager, manager} <= {NETWORKD, NETPLAN}
            if not holder.ours and (_networkd_name(holder.path) < _networkd_name(path) if same else holder.manager != manager):
                found.setdefault(name, holder)
    return found


def stacked(held, paths):
    """Return a sentence for each interface whose file of networkd's puts something on top of it, or it below something: our file would be
    in effect in its place, and nothing would say so any more. What a drop-in of our own file says stays said.

    :arg held: as ``holders`` returns it.
    :arg paths: ``{name: path}`` of our own files.
    """
    sentences = []
    for name, path in paths.items():
        for holder in held.get(name, ()):
            if holder.manager in (NETWORKD, NETPLAN) and not holder.ours:
                ours = os.path.join("/etc/systemd/network", _networkd_name(path))
                lines = sorted(_stacking(holder.path) - _stacking(ours))
                sentences += ["%s: %s says %s, which gandi_interfaces cannot; expected it in a drop-in of ours, %s.d/*.conf"
                              % (name, holder.path, ", ".join(lines), ours)] if lines else []
    return sentences


def refusals(manager, found, paths):
    """Return a sentence for each interface in ``found``, as ``conflicts`` returns it."""
    sentences = []
    for name, holder in sorted(found.items()):
        words = {"interface": name, "other": holder.manager, "file": holder.path, "manager": manager, "own": paths[name]}
        sentences.append((TAKEABLE if can_be_taken(holder, manager) else NOT_OURS_TO_TAKE) % words)
    return sentences


def can_be_taken(holder, manager):
    """Return whether ``manager`` can be given an interface that ``holder`` has: ifupdown's stanzas are set aside, networkd is told not to
    manage it. Files of others that networkd prefers to ours, and managers that we know nothing more of, are the administrator's."""
    return manager != holder.manager and IFUPDOWN in (manager, holder.manager) and {manager, holder.manager} <= {NETWORKD, NETPLAN, IFUPDOWN}


def unmanaged(files, manager, found, present):
    """Return those of ``files``, which tell networkd to leave an interface alone, that are wanted: what is taken over now, and was before.

    :arg found: as ``conflicts`` returns it.
    :arg present: the paths of our files on the host.
    """
    if manager != IFUPDOWN:
        return {}
    taken = {name for name, holder in found.items() if holder.manager in (NETWORKD, NETPLAN)}
    return {path: file for path, file in files.items() if path in present or file["interface"] in taken}


def aside(manager, names, found):
    """Return the interfaces among ``names`` whose stanzas in files of others are set aside: all, where ifupdown is to have ours."""
    if manager == IFUPDOWN:
        return set(names)
    taken = {name for name, holder in found.items() if holder.manager == IFUPDOWN}
    return taken | _stanzas.already_aside() & set(names)


def cloud_init(manager):
    """Return the file, as ``_files.changes`` takes it, by which cloud-init leaves the network's files as they are, where it would write
    one anew that says the same as ours once more: ifupdown joins what several files say, networkd takes the first, netplan's too."""
    if manager != IFUPDOWN or not os.path.isdir(CLOUD_INIT):
        return {}
    return {CLOUD_INIT + "/99-gandi-hosting.cfg": (CLOUD_INIT_CONTENT.encode(), 0o644, _files.SHARED)}


def ifstate():
    """Return ``{name: name of the stanzas}`` of what ifupdown holds as configured; it keeps one file, and one more for each interface."""
    state = (_files.read(IFSTATE) or b"").decode("utf-8", "replace")
    return dict(line.split("=", 1) for line in state.splitlines() if "=" in line)


def networkd_links(path):
    """Return the names of the links that networkd configures by a file."""
    with netlink.Netlink() as connection:
        links = kernel.read_links(connection)
    return sorted(link.name for link in links.values() if _note(NETWORKD_LINKS, link).get("NETWORK_FILE") == path)


def networkd_has(name):
    """Return whether networkd configures a link that is attached; None if it has not said so yet, and the word that is there is not its last.

    The word stays there when it stops; it may name a file that is gone.
    """
    with netlink.Netlink() as connection:
        links = kernel.read_links(connection)
    note = next((_note(NETWORKD_LINKS, link) for link in links.values() if link.name == name), None)
    if note is None or note.get("ADMIN_STATE") == "unmanaged":
        return False
    return os.path.exists(note.get("NETWORK_FILE", "")) or None


def _stacking(path):
    """Return the lines of a .network file, and of its drop-ins, that name a device on top of the link or below which it is."""
    drop_ins = [other for folder in ("/etc", "/run", "/usr/lib")
                for other in glob.glob("%s/systemd/network/%s.d/*.conf" % (folder, os.path.basename(path)))]
    contents = [(_files.read(each) or b"").decode("utf-8", "replace") for each in [path, *drop_ins]]
    return {line.strip() for content in contents for line in content.splitlines() if STACKING.match(line)}


def _networkd_name(path):
    """Return the name by which networkd sorts a file, also one of ours that netplan makes into one of networkd's."""
    name = os.path.basename(path)
    if path.startswith("/etc/netplan/"):
        return OWN_NETPLAN + re.sub(r"^90-gandi-|\.yaml$", "", name) + ".network"
    return name


def _networkd(link):
    values = _note(NETWORKD_LINKS, link)
    path = values.get("NETWORK_FILE", "")
    if path and values.get("ADMIN_STATE") != "unmanaged":
        # others too put files of networkd's there: amazon-ec2-net-utils, systemd-network-generator
        yield Holder(NETPLAN if path.startswith(NETPLAN_GENERATED) else NETWORKD, path, _is_ours(path))


def _network_manager(link):
    values = _note(NETWORK_MANAGER_LINKS, link)
    if values.get("managed") == "true":
        yield Holder(NETWORK_MANAGER, "connection %s" % values.get("connection-uuid", "unknown"), False)


def _ifupdown(entry, name, configured):
    """``name``: the one that the interface has now. A stanza that nothing brings up is nobody's. udev brings up ``allow-hotplug``, at boot
    too; ``auto`` is networking.service's."""
    paths, classes = _stanzas.holders(name)
    if paths and (name in configured or "allow-hotplug" in classes or "auto" in classes and is_enabled("networking.service")):
        yield from (Holder(IFUPDOWN, path, False) for path in paths)
    own = os.path.join(_stanzas.OWN_FOLDER, "gandi-" + entry)
    if _is_ours(own):
        yield Holder(IFUPDOWN, own, True)


def _dhcpcd():
    if os.path.exists(DHCPCD_MASTER):
        yield Holder(DHCPCD, DHCPCD_FILE, False)


def _note(folder, link):
    """Return what a daemon has noted of a link, ``KEY=value`` a line."""
    content = _files.read("%s/%d" % (folder, link.index)) if link else None
    return dict(line.split("=", 1) for line in (content or b"").decode("utf-8", "replace").splitlines() if "=" in line)


def _is_ours(path):
    return bool(_files.HEADER.match(_files.read(path) or b"")) or os.path.basename(path).startswith(OWN_NETPLAN)
