# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The files that ifupdown reads, as others have written them: whose stanza is where, set aside, and back byte for byte.

Stanzas of ours come from the controller. Of interfaces(5), this file knows no more than how stanzas begin and how files are joined.
"""

from __future__ import annotations

import fnmatch
import glob
import os
import re

from . import _files

INTERFACES = "/etc/network/interfaces"
OWN_FOLDER = "/etc/network/interfaces.d"
# An administrator's stanza that we have set aside: each of its lines after this mark, byte for byte.
ASIDE = "#gandi.hosting %s#"
ASIDE_LINE = re.compile(r"(?m)^#gandi\.hosting ([^\s#]+)#")
# What we put before a file that does not have ours read: there it can be taken away again to the byte.
SOURCE = """\
# gandi.hosting: these two lines are ours, and go with the last of our files
source %s/gandi-*
""" % OWN_FOLDER
KEYWORDS = re.compile(r"\s*(iface|auto|allow-\S+|mapping|source|source-directory|no-auto-down|no-scripts|rename|template)\s")
# Only \n ends one, as in ifup.
LINE = re.compile(r"[^\n]*\n|[^\n]+")
# Options of a stanza that a list of interfaces has words for, or that say how ifupdown itself does what the list asks for.
SAID = frozenset(("iface", "address", "netmask", "network", "broadcast", "gateway", "metric", "mtu", "scope", "hostname", "client", "accept_ra",
                  "autoconf", "dad-attempts", "dad-interval", "dns-nameserver", "dns-nameservers", "dns-search", "dns-domain", "request_prefix",
                  "ll-attempts", "ll-interval", "leasehours", "leasetime", "vendor", "privext"))
# The only names that source-directory takes (interfaces(5)).
DIRECTORY_NAME = re.compile(r"[a-zA-Z0-9_-]+\Z")


def adopted(names, aliases_too=()):
    """Return the wanted content of the files in which others configure interfaces of ours: ``{path: (content, mode, owner)}``.

    The stanzas of ``names`` are set aside, those set aside of others come back. A file that would not have ours read is told to.

    :arg names: a set; empty where ifupdown configures nothing of ours.
    :arg aliases_too: whose stanzas are set aside with them.
    """
    contents = {}
    texts = {path: _text(path) for path in files()}
    for path, text in texts.items():
        after = set_aside(restore(text), names.union(aliases_too))
        if path == INTERFACES and names and not all(is_read("%s/gandi-%s" % (OWN_FOLDER, name), texts) for name in names):
            after = SOURCE + after
        if after != text:
            # where it is a link to a file elsewhere, it stays one
            contents[os.path.realpath(path)] = (after.encode("utf-8", "surrogateescape"), os.stat(path).st_mode & 0o7777, _files.SHARED)
    return contents


def files():
    """Return the files that ifup reads and we have not written, in its order."""
    found, waiting = [], [INTERFACES]
    while waiting:
        path = waiting.pop(0)
        if path in found or not os.path.isfile(path) or _files.HEADER.match(_files.read(path)):
            continue
        found.append(path)
        for pattern, names in patterns(path, restore(_text(path))):
            waiting += [other for other in sorted(glob.glob(pattern)) if names is None or names.match(os.path.basename(other))]
    return found


def patterns(path, text):
    """Return ``[(pattern, names)]`` of the files that a file has read; ``names`` is what their names must match, or None."""
    found = []
    for words in statements(text):
        if words[:1] in (["source"], ["source-directory"]):
            for word in words[1:]:
                pattern = os.path.join(os.path.dirname(path), word)
                found.append((pattern, None) if words[0] == "source" else (os.path.join(pattern, "*"), DIRECTORY_NAME))
    return found


def is_read(path, texts):
    """Return whether ifup reads ``path``, be it there or not. ``texts``: ``{path: text}`` of the files of others."""
    return any(fnmatch.fnmatchcase(path, pattern) and (names is None or names.match(os.path.basename(path)))
               for source, text in texts.items() for pattern, names in patterns(source, restore(text)))


def holders(name):
    """Return ``(paths, classes)``: the files in which others have a stanza for ``name``, and what brings it up (``auto``, ``allow-hotplug``)."""
    texts = {path: _text(path) for path in files()}
    lines = [words for text in texts.values() for words in statements(text)]
    classes = {words[0] for words in lines if name in words[1:] and (words[0] == "auto" or words[0].startswith("allow-"))}
    return [path for path, text in texts.items() if set_aside(text, {name}) != text], classes


def mapped(names):
    """Return a sentence for each interface that somebody's mapping leads to stanzas by other names: ifup goes by it first (interfaces(5))."""
    found = [(path, words) for path in files() for words in statements(restore(_text(path))) if words[:1] == ["mapping"]]
    return ["%s: %s says %s, by which ifup takes other stanzas than ours; expected no mapping for it" % (name, path, " ".join(words))
            for name in sorted(names) for path, words in found if any(fnmatch.fnmatchcase(name, pattern) for pattern in words[1:])]


def aliases(addresses):
    """Return the aliases (eth0:1) that others have stanzas for, with an address that an interface is to have itself.

    :arg addresses: ``{name of an interface: its addresses}``, with prefix lengths.
    """
    found, alias = set(), ""
    for text in map(_text, files()):
        for words in statements(restore(text)):
            if words[:1] == ["iface"]:
                alias = words[1] if ":" in "".join(words[1:2]) else ""
            own = [address.split("/")[0] for address in addresses.get(alias.partition(":")[0], ())]
            if alias and words[:1] == ["address"] and "".join(words[1:2]).partition("/")[0] in own:
                found.add(alias)
    return found


def set_aside(text, names):
    """Return an interfaces file with the ``iface`` stanzas of ``names``, a set, commented out."""
    lines, owner, continued = [], None, False
    for line in LINE.findall(text):
        words = line.split()
        if not continued and KEYWORDS.match(line):
            owner = words[1] if words[0] == "iface" and names.intersection(words[1:2]) else None
        quiet = not continued and (not words or words[0].startswith("#"))
        lines.append(line if owner is None or quiet else ASIDE % owner + line)
        continued = not quiet and line.endswith("\\\n")
    return "".join(lines)


def statements(text):
    """Yield the words of each line as ifup reads it: a backslash joins a line with the next, save at the end of a comment."""
    joined = ""
    for line in [*LINE.findall(text), "\n"]:
        if joined or not line.lstrip().startswith("#"):
            joined += line
        if not joined.endswith("\\\n"):
            yield joined.replace("\\\n", " ").split()
            joined = ""


def restore(text):
    """Return an interfaces file with all that was set aside back in its place, and nothing of ours in it."""
    text = ASIDE_LINE.sub("", text)
    return text[len(SOURCE):] if text.startswith(SOURCE) else text


def set_aside_names(content):
    """Return the names whose stanzas are set aside in a file's content, which may be None."""
    return set(ASIDE_LINE.findall((content or b"").decode("utf-8", "surrogateescape")))


def unsaid(before, after):
    """Return ``[(name, line)]`` of what is newly set aside in a file, ``after`` its content ``before``, and a list of interfaces does not say."""
    names = set_aside_names(after) - set_aside_names(before)
    lines = (after or b"").decode("utf-8", "replace").split("\n")
    found = [(name, line[len(ASIDE % name):].strip()) for line in lines for name in names if line.startswith(ASIDE % name)]
    return [(name, line) for name, line in found if not SAID.issuperset(line.split()[:1])]


def already_aside():
    """Return the names whose stanzas are set aside on this host."""
    return set().union(*[set_aside_names(_files.read(path)) for path in files()])


def _text(path):
    return _files.read(path).decode("utf-8", "surrogateescape")
