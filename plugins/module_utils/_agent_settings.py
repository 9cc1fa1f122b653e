# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The agent's settings: /etc/default/gandi, a shell file that is the administrator's. Pure: text in, text out.

It is edited, not owned: only the assignment that is in effect changes, in its place, and only where its value differs. As in the
shell the last assignment counts. One that is not a plain line of its own (a condition, two on one line) is left alone, and ours
goes to the end, behind it. What the division of labour has replaced is kept in a record, and comes back when it is over.
"""

from __future__ import annotations

import re
import shlex

PATH = "/etc/default/gandi"
BEFORE = "/var/lib/gandi-hosting/agent-settings-before.json"
# The package's own words, in its order, and what they are. Flags are 1 and 0 without quotes: gandi-postboot reads one with grep.
WORDS = {"motd": bool, "timezone": bool, "sysctl": bool, "sshd": bool, "console": bool, "hostname": bool, "nameserver": bool,
         "allow_mount": bool, "cron": bool, "mount_params": str, "disk_root": str, "nodhcp": list, "multiqueue": bool, "network": bool}

# A value is bare characters and quoted pieces; what ends a command, or starts another, is neither.
VALUE = r"""(?:[^\s"'\\;&|()<>`#]|"(?:[^"\\]|\\.)*"|'[^']*'|\\.)*"""
ASSIGNMENT = re.compile(r"([ \t]*(?:export[ \t]+)?)(\w+)=(" + VALUE + r")(?:[ \t]+#[^\n]*|[ \t]*)", re.S)


def key(word):
    return "CONFIG_" + word.upper()


def value_text(value):
    """Return a value as the file's shell reads it."""
    if isinstance(value, bool):
        return "1" if value else "0"
    return " ".join(value) if isinstance(value, list) else value


def parse(text):
    """Return ``{key: value}`` of the plain assignments, the last of each."""
    return {name: unquoted(raw) for name, raw, _start, _end in _assignments(text)}


def edit(text, settings):
    """Return the file with ``{key: value}`` in effect and everything else as it is."""
    for name, value in settings.items():
        text = _set(text, name, value)
    return text


def divide(text, settings, own, record):
    """Return ``(file, record)``: ``{key: value}`` in effect, and what is in the record and no longer asked for as it was before.

    :arg own: the keys of ``settings`` that nobody has asked for by name; None: what is in the record stays as it is.
    :arg record: ``{key: {"ours": value, "before": what stood there, as it was written, or None}}``.
    """
    kept = {} if own is not None else {name: entry for name, entry in record.items() if name not in settings}
    for name, entry in record.items():
        if name not in settings and name not in kept:
            text = _put_back(text, name, entry)
    for name, value in settings.items():
        if name in (own or ()):
            raw, start, _end = _in_effect(text, name)
            if name in record and start and unquoted(raw) == record[name]["ours"]:
                kept[name] = dict(record[name], ours=value)
            elif not start or unquoted(raw) != value:
                kept[name] = {"ours": value, "before": raw}
    return edit(text, settings), kept


def _put_back(text, name, entry):
    """Return the file as it was before, unless somebody has said otherwise since."""
    raw, start, end = _in_effect(text, name)
    if not start or unquoted(raw) != entry["ours"]:
        return text
    if entry["before"] is None:
        return text[:text.rindex("\n", 0, start) + 1 if "\n" in text[:start] else 0] + text[end:].partition("\n")[2]
    return text[:start] + entry["before"] + text[end:]


def _in_effect(text, name):
    """Return ``(raw value, its start, its end)`` of the plain assignment that counts; ``(None, 0, 0)`` if there is none."""
    plain = [(raw, start, end) for found, raw, start, end in _assignments(text) if found == name]
    # whatever else mentions it, a condition for example, may change it again
    mentions = [match.start() for match in re.finditer(r"(?m)^[^#\n]*?\b%s\+?=" % name, text)]
    return plain[-1] if plain and plain[-1][1] >= max(mentions) else (None, 0, 0)


def _set(text, name, value):
    raw, start, end = _in_effect(text, name)
    if start:
        return text if unquoted(raw) == value else text[:start] + quoted(value) + text[end:]
    newline = "" if text.endswith("\n") or not text else "\n"
    return "%s%s%s=%s\n" % (text, newline, name, quoted(value))


def quoted(value):
    """Return a value quoted for the shell: as the package does it, in double quotes unless it is a number."""
    return value if value.isdigit() else '"%s"' % re.sub(r"([\"$`\\])", r"\\\1", value)


def unquoted(raw):
    """Return the value of an assignment's right side; None for one that only a shell can tell."""
    if re.search(r"(?<!\\)[$`]", re.sub(r"'[^']*'", "", raw)):
        return None
    words = shlex.split(raw)
    return words[0] if words else ""


def _assignments(text):
    """Yield ``(name, raw value, its start, its end)`` of each line, or lines, that is one assignment and nothing else."""
    position = 0
    while position < len(text):
        match = ASSIGNMENT.match(text, position)
        end = match.end() if match else -1
        if match and (end == len(text) or text[end] == "\n"):
            yield match.group(2), match.group(3), match.start(3), match.end(3)
            position = end + 1
        else:
            position = text.find("\n", position) + 1 or len(text)
