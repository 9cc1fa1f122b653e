# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What netplan's YAML files define, read by netplan itself: there is no YAML in the standard library.

Its generator (netplan-generate(8)) is given a root of its own with a copy of the file in it, and what it writes there for
systemd-networkd and NetworkManager is plain ``[Section]`` and ``Key=value``. It takes 3 ms; the program `netplan` takes 100.
"""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import shutil
import tempfile
import typing
import urllib.parse

from . import _files
from ._commands import Failure, run

# Debian 12 and later; Debian 11.
GENERATORS = ("/usr/libexec/netplan/generate", "/lib/netplan/generate")
GENERATED = re.compile(r"(?:10-)?netplan-(.+)\.(network|link|netdev|nmconnection)")
FOLDERS = ("run/systemd/network", "run/NetworkManager/system-connections")
UNDEFINED = re.compile(r": interface '([^']+)' is not defined")

# Where networkd finds what netplan has made for it, and further links to the files that it has read there.
MADE = "/run/systemd/network"
NETWORKD_HAS = "/run/gandi-hosting-netplan"
SOURCES = ("/run/netplan", "/etc/netplan", "/usr/lib/netplan")


class Definition(typing.NamedTuple):
    """An interface that a file defines. Without a match, ``name`` is the id; ``*`` where it matches by neither name nor MAC."""

    id: str
    name: str           # a glob, or ""
    mac: str            # in lower case, or ""
    set_name: str


def generator():
    """Return the path of netplan's generator, or None where netplan is not installed."""
    return next((path for path in GENERATORS if os.path.exists(path)), None)


def configures_networkd():
    """Return whether something in systemd-networkd's configuration comes from netplan, or would if it were asked to make it."""
    return has_made_files() or bool(generator()) and any(map(_defines_something, _sources()))


def has_made_files():
    """Return whether networkd has files of netplan's, and netplan is there to make them again."""
    return bool(generator() and glob.glob(MADE + "/10-netplan-*.network"))


def generate():
    """Have netplan make networkd's files anew. Those that come out as networkd has them stay the files that it has.

    netplan removes and writes all of them, also at each daemon-reload, and at its next reload networkd configures the interfaces of
    changed files again: it looks at inode and time, not at content (systemd, stat_inode_unmodified).

    :raises Failure: netplan does not accept some file; the message is netplan's.
    """
    with tempfile.TemporaryDirectory(prefix="gandi-hosting-", dir=os.path.dirname(NETWORKD_HAS)) as folder:
        _link(MADE, folder)
        run("netplan", "generate")
        for path in glob.glob(MADE + "/10-netplan-*"):
            kept = [os.path.join(where, os.path.basename(path)) for where in (NETWORKD_HAS, folder)]
            same = [other for other in kept if os.path.exists(other) and _files.read(other) == _files.read(path)]
            if same:
                _replace(same[0], path)


def networkd_has_them():
    """Keep networkd's files as they are now, when it has just read them. It also does so itself whenever it starts (a drop-in)."""
    shutil.rmtree(NETWORKD_HAS, ignore_errors=True)
    os.mkdir(NETWORKD_HAS)
    _link(MADE, NETWORKD_HAS)


def netplan_definitions(path):
    """Return the Definitions in one YAML file, in the order of their ids; those of other files with the same id are not looked at.

    :raises Failure: netplan does not accept the file; the message is netplan's.
    """
    content, program = _files.read(path), generator()
    if content is None or program is None:
        return []
    stubs = set()
    with tempfile.TemporaryDirectory(prefix="gandi-hosting-", dir="/run") as root:
        folder = os.path.join(root, "etc", "netplan")
        os.makedirs(folder)
        _write(os.path.join(folder, "50-one.yaml"), content)
        while True:
            status, said = run(program, "--root-dir", root, check=False)
            if status == 0:
                return [found for found in read_generated(root) if found.id not in stubs]
            # a bridge or a VLAN may be on top of an interface that another file defines
            missing = set(UNDEFINED.findall(said)) - stubs
            if not missing:
                raise Failure("%s: %s" % (path, said.replace(os.path.join(folder, "50-one.yaml"), "netplan").splitlines()[0]))
            stubs |= missing
            ethernets = {name: {} for name in sorted(stubs)}
            _write(os.path.join(folder, "00-stubs.yaml"), json.dumps({"network": {"version": 2, "ethernets": ethernets}}).encode())


def read_generated(root):
    """Return the Definitions that netplan has written below ``root``."""
    units = {}
    for folder in FOLDERS:
        folder = os.path.join(root, folder)
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            known = GENERATED.fullmatch(name)
            if known:
                text = (_files.read(os.path.join(folder, name)) or b"").decode("utf-8", "replace")
                units.setdefault(urllib.parse.unquote(known.group(1)), {})[known.group(2)] = _keys(text)
    return [_definition(identity, units[identity]) for identity in sorted(units)]


def _link(source, target):
    for path in glob.glob(source + "/10-netplan-*"):
        with contextlib.suppress(FileNotFoundError):
            os.link(path, os.path.join(target, os.path.basename(path)))


def _replace(kept, path):
    """Put another link to a file in the place of ``path``."""
    temporary = os.path.join(os.path.dirname(path), ".gandi-hosting~")
    os.link(kept, temporary)
    os.rename(temporary, path)
    # rename(2) does nothing where both are the same file already
    with contextlib.suppress(FileNotFoundError):
        os.unlink(temporary)


def _sources():
    return [path for folder in SOURCES for path in sorted(glob.glob(folder + "/*.yaml"))]


def _defines_something(path):
    """A file that netplan does not accept makes nothing."""
    try:
        return bool(netplan_definitions(path))
    except Failure:
        return False


def _definition(identity, kinds):
    link, network, connection = (kinds.get(kind, {}) for kind in ("link", "network", "nmconnection"))
    set_name = link.get("Link.Name", "")
    name, mac = link.get("Match.OriginalName", ""), ""
    for keys in (link, network):
        mac = mac or keys.get("Match.PermanentMACAddress") or keys.get("Match.MACAddress", "")
    mac = mac or connection.get("ethernet.mac-address", "")
    if not set_name:
        name = name or network.get("Match.Name") or connection.get("connection.interface-name") or connection.get("match.interface-name", "")
    if not (name or mac):
        name = identity if "netdev" in kinds else "*"
    return Definition(identity, name.rstrip(";"), mac.lower(), set_name)


def _keys(text):
    """Return ``{"Section.Key": value}`` of a file of systemd's or NetworkManager's kind, the last of several values of a key."""
    found, section = {}, ""
    for line in text.splitlines():
        if line.startswith("["):
            section = line.strip("[] ")
        elif "=" in line and not line.startswith(("#", ";")):
            key, value = line.split("=", 1)
            found["%s.%s" % (section, key)] = value
    return found


def _write(path, content):
    with open(path, "wb") as file:
        os.fchmod(file.fileno(), 0o600)
        file.write(content)
