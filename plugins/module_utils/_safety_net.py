# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The dead man's switch: the host undoes a change by itself unless somebody confirms it over a new connection.

Armed before the first write of a change, and made of two things that need nothing of the module's own process, files or connection:

- a transient service that has already loaded all that it needs, sleeps, and then undoes the change;
- a unit that does so at boot, before the network comes up, if the machine was restarted or lost power in between.

Both run a copy of this code in a folder of its own, and do nothing once the journal is gone.
"""

from __future__ import annotations

import io
import os
import pkgutil
import sys
import time
import zipfile

from . import _apply, _files, _policy_routing, _transaction
from ._commands import SYSTEMD, Failure, is_active, run, sentence

ARMED_UNIT = "gandi-hosting-undo.service"
BOOT_UNIT = "gandi-hosting-undo-boot.service"
BOOT_UNIT_PATH = "/etc/systemd/system/" + BOOT_UNIT
BOOT_LINK = "/etc/systemd/system/sysinit.target.wants/" + BOOT_UNIT
PROGRAM = "/var/lib/gandi-hosting/undo.pyz"
PARTS = ("_apply.py", "_commands.py", "_files.py", "_iproute_names.py", "_managers.py", "_netplan.py", "_others.py", "_policy_routing.py",
         "_safety_net.py", "_stanzas.py", "_sysctl.py", "_transaction.py")
# How many seconds a controller has to connect and confirm, however long the change has taken.
GRACE = 10
MAIN = """\
import sys

from gandi_hosting._safety_net import main

sys.exit(main(sys.argv[1:]))
"""
BOOT_UNIT_CONTENT = """\
%s[Unit]
Description=Undo a change of the network that nobody has confirmed (gandi.hosting)
DefaultDependencies=no
ConditionPathExists=%s
After=local-fs.target
Before=network-pre.target systemd-sysctl.service systemd-networkd.service networking.service %s shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target

[Service]
Type=oneshot
ExecStart=/usr/bin/python3 -ISB %s boot

[Install]
WantedBy=sysinit.target
""" % (_files.HEADER_LINE % _files.SHARED, _transaction.JOURNAL, _policy_routing.UNIT, PROGRAM)


def prepare():
    """Write the program and the boot unit. They do nothing as long as there is no journal.

    :raises Failure: systemd is not this host's init: nothing could undo a change after the connection is lost.
    """
    if not os.path.isdir(SYSTEMD):
        raise Failure("systemd does not run this host, so nothing could undo the change if the connection is lost; expected systemd as "
                      "PID 1, or confirm_timeout 0 to change the network without a net")
    _files.write(PROGRAM, program())
    _files.write(BOOT_UNIT_PATH, BOOT_UNIT_CONTENT.encode())
    _files.make_folder(os.path.dirname(BOOT_LINK))
    if not os.path.islink(BOOT_LINK):
        os.symlink(BOOT_UNIT_PATH, BOOT_LINK)
        _files.sync_folder(os.path.dirname(BOOT_LINK))


def program():
    """Return the bytes of a Python archive with this code in it."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as parts:
        parts.writestr("__main__.py", MAIN)
        parts.writestr("gandi_hosting/__init__.py", "")
        for name in PARTS:
            parts.writestr("gandi_hosting/" + name, pkgutil.get_data(__package__, name))
        for part in _policy_routing.PROGRAM:
            name = os.path.basename(part.__file__)
            parts.writestr("gandi_hosting/reconciler/" + name, pkgutil.get_data(_policy_routing.reconciler.__name__, name))
    return archive.getvalue()


def arm(identity, seconds):
    """Start the service that undoes the journal's change after ``seconds``; return when it is ready to."""
    run("systemctl", "reset-failed", ARMED_UNIT, check=False)
    run("systemd-run", "--quiet", "--collect", "--unit=" + ARMED_UNIT, "--property=Type=notify",
        "/usr/bin/python3", "-ISB", PROGRAM, "wait", identity, str(seconds))


def is_armed():
    return is_active(ARMED_UNIT)


def disarm():
    """Forget the switch. The journal must be gone before."""
    run("systemctl", "stop", ARMED_UNIT, check=False)
    clear()


def clear():
    """Remove the files of the switch; a process that runs from them has loaded them."""
    _files.remove(BOOT_LINK)
    _files.remove(BOOT_UNIT_PATH)
    _files.remove(PROGRAM)


def main(arguments):
    """The program: ``wait ID SECONDS`` or ``boot``. Everything is loaded by the time it is called."""
    try:
        if arguments[:1] == ["wait"]:
            wait(arguments[1], float(arguments[2]))
        elif arguments == ["boot"]:
            boot()
        else:
            return 2
    except (Failure, OSError) as error:
        sys.stderr.write("the change could not be undone, the next run will try again: %s\n" % sentence(error))
        return 1
    return 0


def wait(identity, seconds):
    """Undo the change ``identity`` after a while, unless it is finished by then.

    Where making it has taken most of that while, whoever is to confirm it has GRACE seconds all the same.
    """
    deadline = time.monotonic() + seconds
    _policy_routing.service.notify("READY=1")
    while True:
        while time.monotonic() < deadline:
            time.sleep(max(0, deadline - time.monotonic()))
        # until it is made, or has failed
        with _transaction.alone(wait=True):
            deadline = (_transaction.made_at() or 0) + min(seconds, GRACE)
            if time.monotonic() >= deadline:
                undo_unconfirmed(identity, seconds)
                return


def undo_unconfirmed(identity, seconds):
    """Undo the change ``identity``, unless it is finished. Call it alone."""
    journal = _transaction.unfinished()
    if journal and journal["id"] == identity:
        _apply.undo(journal)
        _transaction.report(journal, "nobody confirmed it over a new connection within %d s" % seconds)
        # while nobody else can have armed a switch of their own
        clear()


def boot():
    """Undo the change that the last boot has left. Nothing is up yet: files are all that there is to put back."""
    journal = _transaction.unfinished()
    if journal:
        # the program may go, and its folder with it
        _policy_routing.forget_byte_code()
        _transaction.restore_files(journal)
        run("systemctl", "daemon-reload", check=False)
        _transaction.finish()
        _transaction.report(journal, "the host was restarted before it was confirmed")
        clear()
