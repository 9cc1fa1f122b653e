# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files: the one writer, what is ours, and the difference between what is wanted and what is there."""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
import typing

# The first line of each file of ours (the second after #!) names the interface that it belongs to, or * for several.
HEADER = re.compile(rb"\A(?:#![^\n]*\n)?# gandi\.hosting: (\S+): ")
HEADER_LINE = "# gandi.hosting: %s: written by Ansible, changes are overwritten\n"
SHARED = "*"
# Folders that are ours altogether: they go with the last file in them.
ROOTS = ("/etc/gandi-hosting", "/usr/local/lib/gandi-hosting", "/var/lib/gandi-hosting")


class Change(typing.NamedTuple):
    """A file that is to be written (``after`` is its content) or removed (``after`` is None)."""

    path: str
    before: typing.Optional[bytes]
    after: typing.Optional[bytes]
    mode: int
    owner: str          # the name of an interface, or SHARED


def read(path):
    """Return the content of a file, or None if there is none."""
    try:
        with open(path, "rb") as file:
            return file.read()
    except (FileNotFoundError, NotADirectoryError):
        return None


def write(path, content, mode=0o644):
    """Write a file so that whoever reads it, also after a power cut, finds the old content or the new, never a part.

    A temporary file in the same folder, fsync, rename, fsync of the folder (rename(2), fsync(2)).
    """
    folder = os.path.dirname(path)
    make_folder(folder)
    # hidden, and of a name that none of the programs that read these folders takes for its own
    handle, temporary = tempfile.mkstemp(prefix=".gandi-hosting-", suffix="~", dir=folder)
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            os.fchmod(file.fileno(), mode)
            file.flush()
            os.fsync(file.fileno())
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    sync_folder(folder)


def put_back(copy, path, mode):
    """Give a file the content of a copy, which stays. On one file system this needs no space, so a full disk cannot prevent it."""
    folder = os.path.dirname(path)
    make_folder(folder)
    temporary = os.path.join(folder, ".gandi-hosting-back~")
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


def remove(path):
    """Remove a file, if it is there, with the folders of ours that this leaves empty, and make that last."""
    try:
        os.unlink(path)
    except (FileNotFoundError, NotADirectoryError):
        return
    folder = os.path.dirname(path)
    while folder.startswith(ROOTS) and not os.listdir(folder):
        os.rmdir(folder)
        folder = os.path.dirname(folder)
    sync_folder(folder)


def make_folder(folder):
    """Make a folder and those above it, each of them lasting."""
    if os.path.isdir(folder):
        return
    parent = os.path.dirname(folder)
    make_folder(parent)
    os.mkdir(folder, 0o755)
    sync_folder(parent)


def sync_folder(folder):
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def ours(folders):
    """Return ``{path: owner}`` of the files in ``folders`` that carry our header."""
    found = {}
    for folder in folders:
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


def changes(wanted, present):
    """Return the Changes from what is there to what is wanted.

    :arg wanted: ``{path: (content, mode, owner)}``.
    :arg present: ``{path: owner}``: the files of ours; those that are not wanted go.
    """
    result = []
    for path, (content, mode, owner) in sorted(wanted.items()):
        before = read(path)
        if before != content or (os.stat(path).st_mode & 0o7777) != mode:
            result.append(Change(path, before, content, mode, owner))
    for path in sorted(set(present) - set(wanted)):
        result.append(Change(path, read(path), None, 0, present[path]))
    return result


def _beginning(path):
    with open(path, "rb") as file:
        return file.read(256)
