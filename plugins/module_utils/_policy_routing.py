# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The policy routing section: the intents, and the program and service that keep them true without Ansible."""

from __future__ import annotations

import json
import os
import pkgutil
import shutil
import time

from . import _files, _iproute_names, reconciler
from ._commands import Failure, is_active, run
# what is installed must also be what a module carries with it to the host, so each part is named here
from .reconciler import apply, cli, connmark, explain, intents, kernel, leases, netlink, nowhere, planner, service, status

UNIT = "gandi-policy-routing.service"
UNIT_PATH = "/etc/systemd/system/" + UNIT
COMMAND_PATH = "/usr/local/sbin/gandi-policy-routing"
PROGRAM_FOLDER = "/usr/local/lib/gandi-hosting/reconciler"
BYTE_CODE = PROGRAM_FOLDER + "/__pycache__"
PROGRAM = (reconciler, apply, cli, connmark, explain, intents, kernel, leases, netlink, nowhere, planner, service, status)

NOTHING = apply.Outcome([], [])

# The intent of interfaces that nobody has named; no name begins with a dash.
HOTPLUG = "-hotplug"

# How often, and every how many seconds, we look whether the service mends a difference.
LOOKS, PAUSE = 3, 0.2

# -I: nothing of the caller's environment is imported; -S: nor anything of other packages; -B: no byte code is left beside the program but
# that of compile_program
COMMAND_CONTENT = """\
#!/usr/bin/python3 -ISB
%simport sys

sys.path.insert(0, "%s")
from reconciler.cli import main

sys.exit(main())
""" % (_files.HEADER_LINE % _files.SHARED, os.path.dirname(PROGRAM_FOLDER))

# Before the network comes up, so that it hears of everything; it needs nothing but the kernel and its own files. It is root only by
# name: of root's powers it has CAP_NET_ADMIN alone, and it sees a read-only system. (A user of its own would have to share the lock
# in /run with the modules, which are root.) nft(8), which it calls for connmark, lives with the same.
UNIT_CONTENT = """\
%s[Unit]
Description=Policy routing of several network interfaces (gandi.hosting)
DefaultDependencies=no
After=local-fs.target systemd-sysctl.service
Before=network-pre.target shutdown.target
Wants=network-pre.target
Conflicts=shutdown.target
StartLimitIntervalSec=0

[Service]
Type=notify
ExecStart=%s service
Restart=always
RestartSec=1
RuntimeDirectory=gandi-hosting
RuntimeDirectoryPreserve=yes
UMask=0077
CapabilityBoundingSet=CAP_NET_ADMIN
NoNewPrivileges=yes
ProtectSystem=strict
ProtectHome=yes
ProtectProc=invisible
ProcSubset=pid
PrivateTmp=yes
PrivateDevices=yes
ProtectClock=yes
ProtectHostname=yes
ProtectKernelLogs=yes
ProtectKernelTunables=yes
ProtectKernelModules=yes
ProtectControlGroups=yes
RemoveIPC=yes
SystemCallFilter=@system-service
SystemCallFilter=~@privileged @resources
SystemCallErrorNumber=EPERM
RestrictAddressFamilies=AF_NETLINK AF_UNIX
RestrictNamespaces=yes
RestrictRealtime=yes
RestrictSUIDSGID=yes
LockPersonality=yes
MemoryDenyWriteExecute=yes
SystemCallArchitectures=native

[Install]
WantedBy=multi-user.target
""" % (_files.HEADER_LINE % _files.SHARED, COMMAND_PATH)


def allocate(wanted, present, is_occupied=lambda table: False):
    """Return ``wanted`` with a table in each: the one fixed by the user, else the one that it has had, else a free one.

    :arg wanted: interfaces of the section, with ``name``, ``mac`` and ``table`` (0: not fixed).
    :arg present: ``[Intent]``: those installed. A table belongs to a MAC, or to a name where no MAC is said.
    :arg is_occupied: tells whether others use a table: it is not given to an interface that has not had it before.
    :raises Failure: all tables are taken, or one is fixed twice.
    """
    kept = {intent.mac or intent.name: intent.table for intent in present if not intent.patterns}
    fixed = {}
    for entry in wanted:
        if entry["table"] and fixed.setdefault(entry["table"], entry) is not entry:
            raise Failure("policy_routing: table %d is fixed for %s and for %s; expected a table of its own for each"
                          % (entry["table"], fixed[entry["table"]]["name"], entry["name"]))
    result, taken = [], set(fixed) | set(kept.values())
    for entry in wanted:
        table = entry["table"] or kept.get(entry["mac"] or entry["name"]) or kept.get(entry["name"])
        if not table or (not entry["table"] and table in fixed) or table in [other["table"] for other in result]:
            table = next((number for number in reconciler.TABLES if number not in taken and not is_occupied(number)), None)
            if table is None:
                raise Failure("policy_routing: no free routing table between %d and %d"
                              % (reconciler.TABLES[0], reconciler.TABLES[-1]))
        taken.add(table)
        result.append(dict(entry, table=table))
    return result


def number_marks(wanted, present):
    """Return ``wanted`` with a number for ``connmark`` in each, 0 where it is off; kept as a table is: connections live on.

    :raises Failure: all are taken.
    """
    kept = {intent.mac or intent.name: intent.connmark for intent in present if intent.connmark}
    taken, result = set(kept.values()), []
    for entry in wanted:
        number = 0
        if entry.get("connmark"):
            number = kept.get(entry["mac"] or entry["name"]) or kept.get(entry["name"])
            if not number or number in [other["connmark"] for other in result]:
                number = next((free for free in connmark.NUMBERS if free not in taken), None)
                if number is None:
                    raise Failure("policy_routing: connmark: more than %d interfaces" % len(connmark.NUMBERS))
            taken.add(number)
        result.append(dict(entry, connmark=number))
    return result


def plan_tables(section):
    """Return the section's interfaces, each with its table.

    :raises Failure: others use what is to be ours, or use our numbers or names; the sentences say who.
    """
    if not section["interfaces"]:
        return []
    present, _problems = intents.read()
    names = _iproute_names.others("rt_tables")
    with netlink.Netlink() as connection:
        def is_occupied(table):
            return table in names or any(_iproute_names.routes_of_others(connection, table))

        entries = number_marks(allocate(section["interfaces"], present, is_occupied), present)
        rules, routes, links = _iproute_names.used_by_others(connection, entries)
    sentences = _iproute_names.collisions(entries, names, _iproute_names.others("rt_protos"), rules, routes, links)
    if sentences:
        raise Failure("\n".join("policy_routing: " + sentence for sentence in sentences))
    return entries


def files(section):
    """Return ``{path: (content, mode, owner)}`` of all that the section leaves on the host: nothing for no interface."""
    entries = named = plan_tables(section)
    if section["hotplug"]:
        # the table is no interface's: each gets one of its own on the host
        entries = named + [dict(section["hotplug"], name=HOTPLUG, table=reconciler.HOTPLUG_TABLES[0])]
    if not entries:
        return {}
    wanted = {
        COMMAND_PATH: (COMMAND_CONTENT.encode(), 0o755, _files.SHARED),
        UNIT_PATH: (UNIT_CONTENT.encode(), 0o644, _files.SHARED),
        **_iproute_names.files(named),
    }
    for part in PROGRAM:
        name = os.path.basename(part.__file__)
        wanted[os.path.join(PROGRAM_FOLDER, name)] = (pkgutil.get_data(reconciler.__name__, name), 0o644, _files.SHARED)
    for entry in entries:
        content = {key: value for key, value in entry.items() if value}
        if entry.get("selectors"):
            content["selectors"] = [{key: value for key, value in selector.items() if value} for selector in entry["selectors"]]
        text = json.dumps(dict(content, comment="gandi.hosting: written by Ansible, changes are overwritten"), indent=1, sort_keys=True)
        wanted["%s/%s.json" % (reconciler.INTENTS_DIR, entry["name"])] = ((text + "\n").encode(), 0o644, _files.SHARED)
    return wanted


def present():
    """Return ``{path: owner}`` of what the section has left on the host."""
    paths = (COMMAND_PATH, UNIT_PATH, _iproute_names.TABLES_PATH, _iproute_names.PROTOCOLS_PATH)
    found = {path: _files.SHARED for path in paths if os.path.exists(path)}
    for folder in (PROGRAM_FOLDER, reconciler.INTENTS_DIR):
        if os.path.isdir(folder):
            for name in os.listdir(folder):
                path = os.path.join(folder, name)
                if os.path.isfile(path):
                    found[path] = _files.SHARED
    return found


def parse(wanted):
    """Return the Intents among the wanted files."""
    return [intents.parse(content.decode(), path) for path, (content, _mode, _owner) in wanted.items()
            if path.startswith(reconciler.INTENTS_DIR + "/")]


def is_running():
    return is_active(UNIT)


def before_files(removed):
    """Stop the service while its unit is still there. ``removed``: the paths that are about to go."""
    if UNIT_PATH in removed:
        run("systemctl", "disable", "--now", UNIT, check=False)
        forget_byte_code()


def after_files(paths):
    """Start, restart or leave the service, whichever the changed ``paths`` ask for."""
    if UNIT_PATH in paths:
        run("systemctl", "daemon-reload")
    if not os.path.exists(UNIT_PATH):
        return
    if not os.path.islink("/etc/systemd/system/multi-user.target.wants/" + UNIT):
        run("systemctl", "enable", UNIT)
    program = any(path in (UNIT_PATH, COMMAND_PATH) or path.startswith(PROGRAM_FOLDER) for path in paths)
    if program:
        compile_program()
    if program or not is_active(UNIT):
        run("systemctl", "restart", UNIT)


def compile_program():
    """Leave byte code beside the program, for the command and the service to start faster; each of its files names the source's hash, so
    none outlives it. Without it they compile at every start."""
    forget_byte_code()
    run("/usr/bin/python3", "-Im", "compileall", "-q", "--invalidation-mode", "checked-hash", PROGRAM_FOLDER, check=False)


def forget_byte_code():
    shutil.rmtree(BYTE_CODE, ignore_errors=True)


def reconcile(wanted_intents, dry_run):
    """Return ``(lines, problems)`` of one pass of the reconciler for the given intents."""
    with netlink.Netlink() as connection:
        if dry_run:
            return apply.reconcile(connection, wanted_intents, dry_run=True)
        with apply.alone():
            return apply.reconcile(connection, wanted_intents)


def difference(wanted_intents):
    """Return ``(lines, problems)``: how the kernel differs from what is wanted, when the service has had the time to mend it.

    The service waits for a short quiet before it acts: what differs at one look only is on its way.
    """
    for _attempt in range(LOOKS):
        outcome = reconcile(wanted_intents, dry_run=True)
        if not outcome.lines or not is_running():
            break
        time.sleep(PAUSE)
    return outcome
