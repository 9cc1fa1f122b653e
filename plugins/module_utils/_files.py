# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files: the one writer, what is ours, and the difference between what is wanted and what is there."""

from __future__ import annotations

import contextlib
import glob
import json
import os
import re
import tempfile
import typing

from ._commands import Failure

# The first line of each file of ours (the second after #!) names the interface that it belongs to, or * for several.
# That of an interface which is known by its MAC address says that too.
HEADER = re.compile(rb"\A(?:#![^\n]*\n)?# gandi\.hosting: (\S+): (?:MAC ([0-9a-f:]{17}): )?")
HEADER_LINE = "# gandi.hosting: %s: written by Ansible, changes are overwritten\n"
SHARED = "*"
# How the paths of folders begin that are ours altogether, or that nobody misses when they are empty: they go with the last file in them,
# and so do those of drop-ins.
ROOTS = ("/etc/gandi-hosting", "/usr/local/lib/gandi-hosting", "/var/lib/gandi-hosting", "/etc/iproute2")
DROP_INS = re.compile(r"/etc/systemd/.+\.d\Z")


# How the names begin and end of what is not there to stay: hidden, and taken for its own by none of the programs that read these folders.
HIDDEN = (".gandi-hosting-", "~")


class Change(typing.NamedTuple):
    """A file that is to be written (``after`` is its content) or removed (``after`` is None)."""

    path: str
    before: typing.Optional[bytes]
    after: typing.Optional[bytes]
    mode: int
    owner: str          # the name of an interface, or SHARED

    @property
    def macs(self):
        """The MAC address that the interface of the file is known by, as far as each content says one: before, after."""
        headers = [HEADER.match(content or b"") for content in (self.before, self.after)]
        return [(header.group(2) or b"").decode() if header else "" for header in headers]


def read(path):
    """Return the content of a file, or None if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def read_json(path):
    """Return what a file of ours says in JSON, or None if there is none.

    :raises Failure: it is damaged. It was written whole, so its disk or somebody else has done that.
    """
    content = read(path)
    try:
        return None if content is None else json.loads(content)
    except ValueError as error:
        raise Failure("%s is damaged (%s); expected it as it was written: put it back from a backup, or remove it to go on without what it says"
                      % (path, error)) from error


def is_as(path, content, mode):
    """Return whether there is a file with this content and mode."""
    return content is not None and read(path) == content and (os.stat(path).st_mode & 0o7777) == mode


def write(path, content, mode=0o644):
    """Write a file so that whoever reads it, also after a power cut, finds the old content or the new, never a part. Its owner stays.

    A temporary file in the same folder, fsync, rename, fsync of the folder (rename(2), fsync(2)).
    """
    folder = os.path.dirname(path)
    make_folder(folder)
    handle, temporary = tempfile.mkstemp(prefix=HIDDEN[0], suffix=HIDDEN[1], dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            with contextlib.suppress(FileNotFoundError):
                owner = os.stat(path)
                os.fchown(file.fileno(), owner.st_uid, owner.st_gid)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(folder)


def keep(path, number):
    """Keep a file as it is, under a second name beside it; return that name, or "" where the file system has no hard links.

    Putting it back needs no space, also where /var is a file system of its own, and gives owner, mode and attributes back as well.
    """
    kept = os.path.join(os.path.dirname(path), str(number).join(HIDDEN))
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(kept)
        os.link(path, kept, follow_symlinks=False)
    except OSError:
        return ""
    return kept


def put_back(copy, path, mode):
    """Give a file the content of a copy, which stays. On one file system this needs no space, so a full disk cannot prevent it."""
    folder = os.path.dirname(path)
    make_folder(folder)
    temporary = os.path.join(folder, "back".join(HIDDEN))
    try:
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        os.link(copy, temporary)
        os.rename(temporary, path)
        # rename(2) does nothing where both are the same file already
        with contextlib.suppress(FileNotFoundError):
            os.unlink(temporary)
        sync_folder(folder)
    except OSError:
        write(path, read(copy), mode)


def sweep(paths):
    """Remove what a killed process has left beside ``paths``, or what was kept there."""
    for folder in {os.path.dirname(path) for path in paths}:
        for name in os.listdir(folder) if os.path.isdir(folder) else ():
            if name.startswith(HIDDEN[0]) and name.endswith(HIDDEN[1]):
                remove(os.path.join(folder, name))


def remove(path):
    """Remove a file, if it is there, with the folders of ours that this leaves empty, and make that last."""
    # asked first: on a read-only file system unlink(2) fails also where there is nothing to remove
    if not os.path.lexists(path):
        return
    os.unlink(path)
    folder = os.path.dirname(path)
    with contextlib.suppress(OSError):
        while (folder.startswith(ROOTS) or DROP_INS.match(folder)) and not os.listdir(folder):
            os.rmdir(folder)
            folder = os.path.dirname(folder)
    sync_folder(folder)


def make_folder(folder):
    """Make a folder and those above it, each of them lasting."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    make_folder(parent)
    os.mkdir(folder)
    # whatever the umask: systemd-networkd, apt and others read in there as users of their own
    os.chmod(folder, 0o755)
    sync_folder(parent)


def sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ours(folders):
    """Return ``{path: owner}`` of the files in ``folders``, which may be globs, that carry our header."""
    found = {}
    for folder in [folder for pattern in folders for folder in glob.glob(pattern)]:
        try:
            names = os.listdir(folder)
        except (FileNotFoundError, NotADirectoryError):
            continue
        for name in names:
            path = os.path.join(folder, name)
            header = HEADER.match(_beginning(path)) if os.path.isfile(path) and not os.path.islink(path) else None
            if header:
                found[path] = header.group(1).decode("utf-8", "replace")
    return found


def diffs(changes_made):
    """Return Changes as Ansible shows a diff."""
    return [{"before_header": change.path, "after_header": change.path,
             "before": (change.before or b"").decode("utf-8", "replace"), "after": (change.after or b"").decode("utf-8", "replace")}
            for change in changes_made]


def changes(wanted, present):
    """Return the Changes from what is there to what is wanted.

    :arg wanted: ``{path: (content, mode, owner)}``.
    :arg present: ``{path: owner}``: the files of ours; those that are not wanted go.
    """
    result = []
    for path, (content, mode, owner) in sorted(wanted.items()):
        if not is_as(path, content, mode):
            result.append(Change(path, read(path), content, mode, owner))
    for path in sorted(set(present) - set(wanted)):
        result.append(Change(path, read(path), None, 0, present[path]))
    return result


def _beginning(path):
    with open(path, "rb") as file:
        return file.read(256)
