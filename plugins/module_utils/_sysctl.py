# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sysctl section: one file in sysctl.d, and the live values of all that exists.

Keys are written with ``/`` because an interface's name may have a dot (sysctl.d(5)). A key may be a glob; as in sysctl.d, a key
that is said in full wins over a glob. The file sorts after the distribution's and the administrator's usual ones, because
systemd-sysctl takes for each key, glob or not, what the last file says, and udev has it run again for each new interface.
"""

from __future__ import annotations

import fnmatch
import glob
import json
import os
import typing

from . import _files

PATH = "/etc/sysctl.d/99-z-gandi-hosting.conf"
BEFORE = "/var/lib/gandi-hosting/sysctl-before.json"
ROOT = "/proc/sys/"


class Setting(typing.NamedTuple):
    """A live value: the file under /proc/sys, its value now and the one that it shall have."""

    path: str
    before: str
    after: str


def render(settings):
    """Return the file's content, or None where nothing is wanted."""
    if not settings:
        return None
    lines = ["%s = %s\n" % (key, value) for key, value in sorted(settings.items())]
    return (_files.HEADER_LINE % _files.SHARED + "".join(lines)).encode()


def effective(settings, existing):
    """Return ``{path: value}`` for the paths in ``existing``: a full key wins over a glob (sysctl.d(5))."""
    values = {}
    for key, value in settings.items():
        if any(character in key for character in "*?["):
            for path in fnmatch.filter(existing, ROOT + key):
                values.setdefault(path, str(value))
    values.update({ROOT + key: str(value) for key, value in settings.items() if ROOT + key in existing})
    return values


def plan(settings):
    """Return ``(changes, live)``: the files to write and the Settings to make, to have ``settings`` and nothing else of ours."""
    existing = {path for key in settings for path in glob.glob(ROOT + key)}
    wanted = effective(settings, existing)
    before = json.loads(_files.read(BEFORE) or b"{}")
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


def write(values):
    """Set live values. ``values``: ``{path: value}``.

    :raises OSError: the kernel refused one; the message names it.
    """
    for path, value in values.items():
        with open(path, "w", encoding="ascii") as file:
            file.write(value)


def _value(path):
    """Return the value as a list of one, or of none where its interface has gone in the meantime."""
    try:
        with open(path, encoding="ascii") as file:
            return [file.read().strip()]
    except OSError:
        return []
