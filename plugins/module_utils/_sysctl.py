# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sysctl section: one file in sysctl.d, and the live values of all that exists.

Keys are written with ``/`` because an interface's name may have a dot (sysctl.d(5)). A key may be a glob; as in sysctl.d, a key
that is said in full wins over a glob. The file sorts after the distribution's and the administrator's usual ones, because
systemd-sysctl takes for each key, glob or not, what the last file says, and udev has it run again for each new interface. Who wins is
worked out as it does it (src/sysctl/sysctl.c), so that another's file which wins is named, with its line.

The value ``auto`` of an interface's arp_ignore is 1 where it shares an IPv4 subnet with another interface: there the kernel answers for
one's address with the other's MAC. Elsewhere nothing is said. Subnets that DHCP brings are known on the host alone.
"""

from __future__ import annotations

import fnmatch
import glob
import ipaddress
import json
import os
import re
import typing

from . import _files
from ._commands import Failure

PATH = "/etc/sysctl.d/99-z-gandi-hosting.conf"
BEFORE = "/var/lib/gandi-hosting/sysctl-before.json"
ROOT = "/proc/sys/"
LINKS = "/sys/class/net/"
# A file of an earlier folder hides one of the same name in a later one (sysctl.d(5)).
FOLDERS = ("/etc/sysctl.d", "/run/sysctl.d", "/usr/local/lib/sysctl.d", "/usr/lib/sysctl.d", "/lib/sysctl.d")
# Files that other programs load after systemd-sysctl: the file, who says whether, by which word, and what it says then.
LATER = (("/etc/gandi/sysctl.conf", "/etc/default/gandi", "CONFIG_SYSCTL", "1"),
         ("/etc/ufw/sysctl.conf", "/etc/ufw/ufw.conf", "ENABLED", "yes"))
AUTO = "auto"
REPORTED = ("rp_filter", "arp_announce", "arp_ignore")
# An interface that nobody has named and that may be attached later.
LATER_LINK = "later0"


class Setting(typing.NamedTuple):
    """A live value: the file under /proc/sys, its value now and the one that it shall have."""

    path: str
    before: str
    after: str


class Said(typing.NamedTuple):
    """What a file says of a key: its value (None: only that globs do not concern it), and where."""

    value: typing.Optional[str]
    where: str


def render(settings):
    """Return the file's content, or None where nothing is wanted."""
    if not settings:
        return None
    lines = ["%s = %s\n" % (key, value) for key, value in sorted(settings.items())]
    return (_files.HEADER_LINE % _files.SHARED + "".join(lines)).encode()


def resolve(settings, subnets):
    """Return the settings with each ``auto`` decided.

    :arg subnets: ``{name of an interface: its IPv4 networks}``.
    :raises Failure: a key or a value that cannot be one.
    """
    result = {}
    for key, value in settings.items():
        if not re.fullmatch(r"[\w.*?\[\]@:-]+(/[\w.*?\[\]@:-]+)+", key) or ".." in key.split("/"):
            raise Failure("sysctl: %r is not a key; expected one such as net/ipv4/conf/eth0/rp_filter" % key)
        if value != AUTO:
            result[key] = value
        elif shares(key.split("/")[-2], subnets):
            result[key] = 1
    return result


def shares(name, subnets):
    """Return whether an interface has an IPv4 subnet in common with another one."""
    others = [network for other, networks in subnets.items() if other != name for network in networks]
    return any(own.overlaps(network) for own in subnets.get(name, ()) for network in others)


def networks(addresses):
    """Return the IPv4 networks of addresses with prefix lengths; a /32 has no neighbours."""
    found = [ipaddress.ip_interface(address).network for address in addresses]
    return [network for network in found if network.version == 4 and network.prefixlen < 32]


def effective(settings, existing):
    """Return ``{path: value}`` for the paths in ``existing``: a full key wins over a glob (sysctl.d(5))."""
    values = {}
    for key, value in settings.items():
        if is_glob(key):
            for path in fnmatch.filter(existing, ROOT + key):
                values.setdefault(path, str(value))
    values.update({ROOT + key: str(value) for key, value in settings.items() if ROOT + key in existing})
    return values


def is_glob(key):
    return any(character in key for character in "*?[")


def plan(settings):
    """Return ``(changes, live)``: the files to write and the Settings to make, to have ``settings`` and nothing else of ours."""
    existing = {path for key in settings for path in glob.glob(ROOT + key)}
    wanted = effective(settings, existing)
    before = _files.read_json(BEFORE) or {}
    # what we changed once and do not want any more gets back the value that it had
    restored = {path: value for path, value in before.items() if path not in wanted and os.path.exists(path)}
    live = [Setting(path, value, wanted_value) for path, wanted_value in sorted(dict(restored, **wanted).items())
            for value in _value(path) if value != wanted_value]
    contents = {}
    if settings:
        kept = dict({setting.path: setting.before for setting in live}, **before)
        kept = {path: value for path, value in kept.items() if path not in restored}
        contents = {PATH: (render(settings), 0o644, _files.SHARED),
                    BEFORE: ((json.dumps(kept, indent=1, sort_keys=True) + "\n").encode(), 0o644, _files.SHARED)}
    present = {path: _files.SHARED for path in (PATH, BEFORE) if os.path.exists(path)}
    return _files.changes(contents, present), live


def undecided(settings, changes, live):
    """Return ``(changes, live)`` that lead nowhere, of what is not in those given and may still change: a journal is to have it."""
    keys = [key for key, value in settings.items() if value == AUTO]
    known = {change.path for change in changes} | {setting.path for setting in live}
    files = [_files.Change(path, content, content, 0o644, _files.SHARED)
             for path in (PATH, BEFORE) if keys and path not in known for content in [_files.read(path)]]
    return files, [Setting(ROOT + key, value, value) for key in keys if ROOT + key not in known for value in _value(ROOT + key)]


def write(values):
    """Set live values, and see that they are what they were set to. ``values``: ``{path: value}``.

    :raises Failure: the kernel refused one; the message names it.
    """
    for path, value in values.items():
        try:
            with open(path, "w", encoding="ascii") as file:
                file.write(value)
        except OSError as error:
            # an interface may go at any time, and its settings with it
            if os.path.exists(path):
                raise Failure("%s: the kernel refused the value %s: %s" % (path, value, error.strerror)) from error
        for now in _value(path):
            if now != value:
                raise Failure("%s is %s after it was set to %s" % (path, now, value))


def missing(settings):
    """Return a sentence for each key that this kernel does not have. That of an interface that is not attached comes with it."""
    sentences = []
    if any(key.startswith("net/ipv6/") for key in settings) and not os.path.isdir(ROOT + "net/ipv6"):
        sentences.append("IPv6 is off: the settings of net/ipv6 in %s are for when it is on" % PATH)
        settings = [key for key in settings if not key.startswith("net/ipv6/")]
    for key in settings:
        parts = key.split("/")
        unattached = parts[2:3] == ["conf"] and not os.path.exists(LINKS + parts[3]) and parts[3] not in ("all", "default")
        if not is_glob(key) and not unattached and not os.path.exists(ROOT + key):
            sentences.append("%s cannot be set: this kernel does not have it; it is in %s for when it has" % (key, PATH))
    return sentences


def report(live=()):
    """Return ``{interface: {key: effective value}}``, with the Settings ``live`` taken for made.

    The kernel takes the larger of ``all`` and the interface's own (ip-sysctl).
    """
    planned = {setting.path: setting.after for setting in live}

    def value(which, key):
        path = "%snet/ipv4/conf/%s/%s" % (ROOT, which, key)
        return [int(found) for found in ([planned[path]] if path in planned else _value(path))]

    names = sorted(set(os.listdir(ROOT + "net/ipv4/conf")) - {"all", "default", "lo"}) if os.path.isdir(ROOT + "net/ipv4/conf") else []
    return {name: {key: max(value("all", key) + value(name, key)) for key in REPORTED if value(name, key)} for name in names}


def overridden(settings):
    """Return a sentence for each of the settings that will not last: at boot, or when udev sees the interface, another file wins."""
    said, later = _configuration(settings), _loaded_later()
    own = {key: Said(str(value), PATH) for key, value in settings.items()}
    # another's full key, or narrower glob, concerns interfaces that we have in a glob alone
    keys = {key.replace("*", LATER_LINK) for key in {**settings, **said, **later} if not re.search(r"[?[]", key)}
    sentences = []
    for key in sorted(keys):
        wanted = winning(key, own)
        for winner in (winning(key, said), later.get(key)):
            if wanted and winner and winner.value not in (wanted.value, None):
                sentences.append("%s: %s says %s, and wins over %s at boot; expected %s" % (
                    key.replace(LATER_LINK, "*"), winner.where, winner.value, PATH, wanted.value))
    return sentences


def winning(key, said):
    """Return the Said that systemd-sysctl goes by for a key, or None.

    :arg said: ``{key or glob: Said}`` in the order in which they are applied.
    """
    if key in said:
        return said[key]
    matching = [one for pattern, one in said.items() if is_glob(pattern) and one.value is not None and fnmatch.fnmatchcase(key, pattern)]
    return matching[-1] if matching else None


def merged(files):
    """Return what files say together, as systemd-sysctl keeps it: one value for a key, that of the last file, in its place.

    :arg files: ``[(path, text)]`` in the order in which they are read.
    """
    said = {}
    for path, text in files:
        for number, (key, value) in lines(text).items():
            if key in said and said[key].value == value:
                continue
            said.pop(key, None)
            said[key] = Said(value, "%s:%d" % (path, number))
    return said


def lines(text):
    """Return ``{line number: (key with slashes, value)}`` of a sysctl.d file; the value of ``-key`` alone is None."""
    found = {}
    for number, line in enumerate(text.splitlines(), 1):
        line = line.strip()
        key, equals, value = line.partition("=")
        key = key.strip().lstrip("-").strip()
        if not key or line[0] in "#;" or not (equals or line.startswith("-")):
            continue
        # the first separator says which of the two it is; the other one is then part of a name
        first = re.search(r"[./]", key)
        if first and first.group() == ".":
            key = key.translate({ord("."): "/", ord("/"): "."})
        # procps takes what follows a number for nothing, and the kernel does too
        found[number] = (key, re.split(r"\s+[#;]", value.strip())[0] if equals else None)
    return found


def _configuration(settings):
    """Return what the files in FOLDERS say, with ours as it shall be."""
    files = {}
    for folder in reversed(FOLDERS):
        files.update({os.path.basename(path): path for path in glob.glob(folder + "/*.conf")})
    files[os.path.basename(PATH)] = PATH
    texts = [(path, _text(path) if path != PATH else (render(settings) or b"").decode()) for _name, path in sorted(files.items())]
    return merged(texts)


def _loaded_later():
    found = {}
    for path, switch, word, on in LATER:
        # as in the shell, the last assignment counts
        if re.findall(r"(?m)^\s*(?:export\s+)?%s=[\"']?(\w*)" % word, _text(switch))[-1:] == [on]:
            found.update(merged([(path, _text(path))]))
    return found


def _text(path):
    try:
        return (_files.read(path) or b"").decode("utf-8", "replace")
    except OSError:
        return ""


def _value(path):
    """Return the value as a list of one, or of none where its interface has gone in the meantime."""
    try:
        with open(path, encoding="ascii") as file:
            return [file.read().strip()]
    except OSError:
        return []
