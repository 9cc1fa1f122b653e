# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A change to the network as one transaction: everything needed to undo it is on disk before the first thing is done.

The journal is a folder with a copy of each file that is about to change, and ``journal.json``, written last and removed first:
while it is there, the change is neither finished nor undone. Each file is also kept beside itself under a second name, which can be put
back on a full disk. Whoever finds it (the run that failed, or the next one after a
crash) restores what it says.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import signal
import time

from . import _files
from ._commands import Failure

FOLDER = "/var/lib/gandi-hosting/transaction"
JOURNAL = FOLDER + "/journal.json"
# There once all of the change has been made: only then can it be confirmed.
MADE = FOLDER + "/made"
LOCK = "/run/gandi-hosting/network.lock"
# What became of the last change that was undone without anybody there to be told.
REPORT = "/var/lib/gandi-hosting/undone.json"
# For tests only: the step of a transaction at which the process kills itself (CONTRIBUTING.md).
FAULT = "GANDI_HOSTING_FAULT"


@contextlib.contextmanager
def alone(wait=False):
    """Hold this host's lock for changes to the network.

    :arg wait: for the one who holds it.
    :raises Failure: another run holds it.
    """
    os.makedirs(os.path.dirname(LOCK), exist_ok=True)
    # not for others to hold
    with open(LOCK, "a", encoding="utf-8", opener=lambda path, flags: os.open(path, flags, 0o600)) as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
        except BlockingIOError:
            raise Failure("another run is changing the network of this host; expected to be alone") from None
        yield


def begin(identity, changes, live, aside):
    """Write the journal of a change that is about to be made.

    :arg identity: by which the change is confirmed.
    :arg changes: the file Changes.
    :arg live: the sysctl Settings.
    :arg aside: the interfaces whose stanzas in files of others are set aside, or come back.
    """
    _forget()
    _files.sweep(change.path for change in changes)
    _files.remove(REPORT)
    _files.make_folder(FOLDER)
    os.chmod(FOLDER, 0o700)
    files = []
    for number, change in enumerate(changes):
        entry = {"path": change.path, "owner": change.owner, "copy": None}
        if change.before is not None:
            entry["copy"] = "%s/%d" % (FOLDER, number)
            entry["mode"] = os.stat(change.path).st_mode & 0o7777
            _files.write(entry["copy"], change.before, entry["mode"])
            entry["kept"] = _files.keep(change.path, number)
        files.append(entry)
    journal = {"id": identity, "files": files, "sysctl": {setting.path: setting.before for setting in live}, "aside": sorted(aside)}
    _files.write(JOURNAL, (json.dumps(journal, indent=1) + "\n").encode(), 0o600)


def unfinished():
    """Return the journal of a change that was begun and neither finished nor undone, or None.

    :raises Failure: it is damaged.
    """
    return _files.read_json(JOURNAL)


def write_files(changes):
    for number, change in enumerate(changes):
        reached("file %d" % number)
        if change.after is None:
            _files.remove(change.path)
        else:
            _files.write(change.path, change.after, change.mode)


def made():
    """Note that all of the change has been made, and when."""
    _files.write(MADE, b"%f\n" % time.monotonic())


def made_at():
    """Return when all of the change had been made (time.monotonic), or None."""
    content = _files.read(MADE)
    return float(content) if content else None


def changes_back(journal):
    """Return the Changes that undo those of a journal."""
    return [_files.Change(entry["path"], _files.read(entry["path"]), _files.read(entry["copy"]) if entry["copy"] else None,
                          entry.get("mode", 0), entry["owner"]) for entry in journal["files"]]


def restore_files(journal):
    """Give every file of a journal the content and mode that it had, or remove it where there was none.

    One that is as it was is left alone: it may be one that cannot be changed, for which the change has failed.

    :raises OSError: of the first file that cannot be put back, after all the others.
    """
    errors = []
    for entry in journal["files"]:
        try:
            _restore(entry)
        except OSError as error:
            errors.append(error)
    if errors:
        raise errors[0]


def finish():
    """Forget the journal: the change stands, or is undone. If this is cut short, there is a journal and a copy of everything in it."""
    _files.sweep(entry["path"] for entry in unfinished()["files"])
    _files.remove(JOURNAL)
    _forget()


def report(journal, reason):
    """Leave a note of an undone change for whoever asks."""
    content = {"id": journal["id"], "reason": reason, "at": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
               "files": [entry["path"] for entry in journal["files"]]}
    _files.write(REPORT, (json.dumps(content, indent=1) + "\n").encode(), 0o600)


def last_report():
    """Return the last note, or None."""
    return _files.read_json(REPORT)


def reached(step):
    """Die here, as by SIGKILL or a power cut, if a test has asked for it."""
    if os.environ.get(FAULT) == step:
        os.kill(os.getpid(), signal.SIGKILL)


def _restore(entry):
    if entry["copy"] is None:
        _files.remove(entry["path"])
    elif not _files.is_as(entry["path"], _files.read(entry["copy"]), entry["mode"]):
        kept = entry["kept"] if os.path.lexists(entry["kept"]) else entry["copy"]
        _files.put_back(kept, entry["path"], entry["mode"])


def _forget():
    for name in os.listdir(FOLDER) if os.path.isdir(FOLDER) else ():
        _files.remove(os.path.join(FOLDER, name))
