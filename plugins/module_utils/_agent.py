# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The agent: its package, recent enough; its settings; and what it needs to work. One plan, made before anything changes.

The page asks for gandi-hosting-vm 2652 or newer, an old revision number. Its successor gandi-hosting-vm2 starts again at 2.x and
provides the old name without a version, so versions of the two cannot be compared: the floor is that of the old name alone.
"""

from __future__ import annotations

import contextlib
import json
import os
import typing

from . import _agent_repairs, _agent_settings, _apt, _files, _others, _sysctl
from ._commands import Failure, run, sentence

PACKAGE, SUCCESSOR = "gandi-hosting-vm", "gandi-hosting-vm2"
NAMES = (PACKAGE, SUCCESSOR)
CONFIG, RULES, SYSCTL = "/gandi/config", "/etc/udev/rules.d/86-gandi.rules", "/etc/gandi/sysctl.conf"
DHCLIENTS, DHCPCDS = ("/sbin/dhclient", "/usr/sbin/dhclient"), ("/sbin/dhcpcd", "/usr/sbin/dhcpcd")
UNITS = tuple(folder + "/gandi-dhclient@.service" for folder in ("/etc/systemd/system", "/usr/lib/systemd/system", "/lib/systemd/system"))
DHCPCD = "dhcpcd-base"
# What the package's own file says of what matters here.
DEFAULTS = {"CONFIG_NODHCP": "eth0", "CONFIG_SYSCTL": "1", "CONFIG_NETWORK": "1"}
OURS = (_apt.SOURCES, _apt.KEYRING, _apt.PREFERENCES, *_agent_repairs.PATHS)


class Plan(typing.NamedTuple):
    """All that a run would do: packages, as apt takes them; file Changes; ``settings`` of a file that only the package will bring."""

    install: list
    purge: list
    changes: list
    settings: dict
    repository: dict
    before: str             # the packages that there are, and those that there will be, as the diff shows them
    after: str
    problems: list
    remarks: list

    @property
    def empty(self):
        return not (self.install or self.purge or self.changes or self.settings)


def execute(params, check_mode=False):
    """Make the agent what ``params``, the module's, say; return the module's result.

    :raises Failure: with a sentence; what this run had written is taken back.
    """
    plan = make_plan(params)
    if plan.problems:
        raise Failure("\n".join(plan.problems))
    if not (plan.empty or check_mode):
        make(plan, params)
    return {"changed": not plan.empty, "packages": plan.after.splitlines(), "remarks": plan.remarks, "diff": describe(plan)}


def make_plan(params):
    """Return the Plan: reads the host, and asks the repository only if something is to come from it. Changes nothing."""
    found = _apt.installed(NAMES)
    have = {name: version for name, (version, _want, status) in found.items() if status == "installed"}
    if params["state"] == "absent":
        problems = ["%s: agent: true, but agent_state: absent takes the agent away; expected one of the two" % entry["name"]
                    for entry in params["interfaces"] or [] if entry["agent"]]
        return Plan([], sorted(found), _files.changes({}, _present((*OURS, _agent_settings.BEFORE))), {}, {}, _listed(have), "", problems, [])
    kept = params["state"] == "kept"
    interfaces = with_real_names(params["interfaces"] or [])
    host = facts(interfaces)
    repository = {}
    if params["repository"]["url"] and not kept:
        _apt.check(params["repository"])
        repository = _apt.repository_files(params["repository"], NAMES, _apt.key_of(params["repository"]))
    repairs = _agent_repairs.files(params["repairs"], [entry for entry in interfaces if entry["agent"]], host["dhclient"])
    contents = dict({path: (content, 0o644) for path, content in repository.items()}, **repairs)
    changes = _files.changes({path: (content, mode, _files.SHARED) for path, (content, mode) in contents.items()},
                             _present(_agent_repairs.PATHS if kept else OURS))
    install, remarks = ([], []) if kept else _wanted_packages(params, repository, changes, found, have)
    edits, missing, in_effect = _settings_changes(
        settings(params["settings"], interfaces, params["unnamed"]), own_keys(params), bool(install), have)
    after = dict(one.split("=") for one in install)
    if not any(name == SUCCESSOR for name in after):
        after = dict(have, **after)
    if _agent_repairs.UNIT in repairs and not _exists(*DHCPCDS):
        install = install + [DHCPCD]
    host["unit"] = bool(install) or _exists(*UNITS)
    if after:
        remarks = remarks + _agent_repairs.remarks(host, interfaces, in_effect)
    return Plan(install, [], changes + edits, missing, repository, _listed(have), _listed(after),
                _agent_repairs.problems(host, interfaces, in_effect, params["repairs"]), remarks)


def with_real_names(interfaces):
    """Return the interfaces under the names that they have on this host, where a MAC address says which they are."""
    links = _others.attached(interfaces) if any(entry["mac"] for entry in interfaces) else {}
    return [dict(entry, name=links[entry["name"]].name if entry["mac"] and entry["name"] in links else entry["name"]) for entry in interfaces]


def _settings_changes(wanted, own, installing, have):
    """Return ``(file Changes, settings of a file that only the package will bring, what will be in effect)``.

    :raises Failure: the file is not there, and no package brings it.
    """
    before = _files.read(_agent_settings.PATH)
    if before is not None:
        changes, text = _edits(before, wanted, own)
        return changes, {}, _agent_settings.parse(text)
    if not installing and have and wanted:
        raise Failure("%s is not there, although the package is installed; expected the package's own: apt-get install --reinstall "
                      "-o Dpkg::Options::=--force-confmiss %s" % (_agent_settings.PATH, " ".join(have)))
    return [], wanted if installing else {}, dict(DEFAULTS, **wanted)


def _edits(before, wanted, own):
    """Return ``(file Changes, the text after them)``: of the settings, and of the record of what the division of labour has replaced there."""
    record = _files.read_json(_agent_settings.BEFORE) or {}
    text, record = _agent_settings.divide((before or b"").decode("utf-8", "surrogateescape"), wanted, own, record)
    content = json.dumps(record, indent=1, sort_keys=True).encode() + b"\n"
    changes = _files.changes({_agent_settings.BEFORE: (content, 0o644, _files.SHARED)} if record else {}, _present([_agent_settings.BEFORE]))
    after = text.encode("utf-8", "surrogateescape")
    if after != before:
        # where the administrator keeps it elsewhere, the link stays one
        path = os.path.realpath(_agent_settings.PATH)
        mode = 0o644 if before is None else os.stat(path).st_mode & 0o7777
        changes.append(_files.Change(path, before, after, mode, _files.SHARED))
    return changes, text


def division(interfaces, unnamed):
    """Return the settings, by their words, that divide the labour where the collection configures interfaces.

    CONFIG_NETWORK=1 would write the network configuration anew, CONFIG_SYSCTL=1 would load the agent's values over ours at boot.

    :arg unnamed: whether the collection also configures interfaces that nobody named: then all are ours but the agent's.
    """
    if not interfaces:
        return {}
    agents = {entry["name"] for entry in interfaces if entry["agent"]}
    names = [entry["name"] for entry in interfaces] + (sorted(_agent_repairs.ALL_NAMES) if unnamed else [])
    return {"nodhcp": list(dict.fromkeys(name for name in names if name not in agents)), "network": False, "sysctl": False}


def settings(given, interfaces, unnamed=False):
    """Return ``{CONFIG_*: text}``: what was given, and how the labour is divided."""
    merged = dict(division(interfaces, unnamed), **{word: value for word, value in given.items() if value is not None})
    return {_agent_settings.key(word): _agent_settings.value_text(merged[word]) for word in _agent_settings.WORDS if word in merged}


def own_keys(params):
    """Return the keys that are set for the division of labour, and not because somebody gave them; None if nothing is said of that."""
    if params["interfaces"] is None:
        return None
    return [_agent_settings.key(word) for word in division(params["interfaces"], params["unnamed"]) if params["settings"].get(word) is None]


def recent(packages, minimum):
    """Return the name among ``{name: version}`` that is recent enough, the successor first, or ``""``."""
    if SUCCESSOR in packages:
        return SUCCESSOR
    if PACKAGE in packages and _apt.at_least(packages[PACKAGE], minimum):
        return PACKAGE
    return ""


def _wanted_packages(params, repository, changes, found, have):
    """Return ``(packages to install, remarks)``; try the repository if it is new or something is to come from it.

    :raises Failure: nothing that is good enough is installed, and nothing can be.
    """
    minimum, satisfied = params["minimum_version"], recent(have, params["minimum_version"])
    new = any(change.path in repository for change in changes)
    if satisfied and params["state"] == "present" and not new:
        return [], []
    warnings = []
    if repository:
        with _apt.tried(repository, params["repository"]) as options:
            candidates, offered = _apt.candidates(NAMES, options), _apt.offered(NAMES, options)
    else:
        warnings = _apt.refresh({})
        candidates, offered = _apt.candidates(NAMES), _apt.offered(NAMES)
    name = recent(candidates, minimum)
    if satisfied and (params["state"] == "present" or not _is_newer(name, candidates, satisfied, have)):
        below = satisfied in offered and have[satisfied] != offered[satisfied] and _apt.at_least(have[satisfied], offered[satisfied])
        return [], ["%s %s is installed, and the repositories offer %s at most: nothing is downgraded" % (
            satisfied, have[satisfied], offered[satisfied])] if below else []
    if not name:
        raise Failure(". apt: ".join([too_old(offered, have, minimum), *warnings[:1]]))
    held = [one for one, (_version, want, status) in found.items() if want == "hold" and status == "installed"]
    if held:
        raise Failure("%s %s is on hold; expected %s or newer, or %s in any version: apt-mark unhold %s" % (
            held[0], found[held[0]][0], minimum, SUCCESSOR, held[0]) if not satisfied else
            "%s %s is on hold, so it is not kept current; expected no hold (apt-mark unhold %s), or agent_state: present" % (
            held[0], found[held[0]][0], held[0]))
    return ["%s=%s" % (name, candidates[name])], []


def _is_newer(name, candidates, satisfied, have):
    """Return whether the candidate is better than what is installed: a newer version of it, or the successor where it is not that."""
    if name != satisfied:
        return name == SUCCESSOR
    return have[name] != candidates[name] and _apt.at_least(candidates[name], have[name])


def too_old(offered, have, minimum):
    """Return the sentence that says why nothing can be installed."""
    installed = "".join("; %s %s is installed" % one for one in sorted(have.items()))
    good = recent(offered, minimum)
    if good:
        return "%s %s is offered%s, and kept away by apt_preferences(5) of this host; expected none (apt-cache policy %s)" % (
            good, offered[good], installed, good)
    if offered:
        return "%s is the newest that the configured repositories offer%s; expected %s or newer, or %s in any version" % (
            " ".join(max(offered.items())), installed, minimum, SUCCESSOR)
    return ("no configured repository offers %s or %s%s; expected one that does (agent_repository_url, agent_repository_key), "
            "or agent_state: absent for a host without the agent" % (PACKAGE, SUCCESSOR, installed))


def make(plan, params):
    """Make the changes of a plan; take back what was written if one cannot be made.

    :raises Failure: with a sentence.
    """
    done = []
    try:
        if plan.purge:
            _apt.purge(plan.purge)
        for change in plan.changes:
            done.append(change)
            _write(change.path, change.after, change.mode)
        if plan.repository and (plan.install or any(change.path in plan.repository for change in done)):
            _apt.refresh(plan.repository)
        if plan.install:
            _install(plan.install)
        if plan.settings:
            for change in _edits(_files.read(_agent_settings.PATH), plan.settings, own_keys(params))[0]:
                _write(change.path, change.after, change.mode)
        _tell([change.path for change in plan.changes], params)
    except (Failure, OSError) as error:
        for change in reversed(done):
            _write(change.path, change.before, change.mode or 0o644)
            if change.path == _apt.SOURCES and change.before is None:
                _apt.forget(params["repository"])
        with contextlib.suppress(Failure):
            _tell([change.path for change in done], dict(params, interfaces=[]))
        raise Failure("%s. %s" % (sentence(error), "What this run had written is taken back" if done else "Nothing was changed")) from error


def _install(packages):
    """Install packages; what they depend on comes from the host's own repositories, of which apt may know nothing yet, or what was true once."""
    try:
        _apt.install(packages)
    except Failure:
        with contextlib.suppress(Failure):
            _apt.refresh({})
        _apt.install(packages)


def _write(path, content, mode):
    if content is None:
        _files.remove(path)
    else:
        _files.write(path, content, mode)


def _tell(paths, params):
    """Have systemd and udev read what has changed, and start what waits for an interface that is there already."""
    if any("/systemd/system/" in path for path in paths):
        run("systemctl", "daemon-reload")
    if _agent_repairs.UDEVD in paths:
        run("systemctl", "restart", "systemd-udevd.service")
    if _agent_repairs.RULE in paths:
        run("udevadm", "control", "--reload")
    if any(path in _agent_repairs.PATHS for path in paths) and "dhcp" in params["repairs"]:
        for entry in params["interfaces"] or []:
            if entry["agent"] and os.path.exists("/sys/class/net/%s" % entry["name"]):
                run("systemctl", "restart", "--no-block", "gandi-dhclient@%s.service" % entry["name"], check=False)


def facts(interfaces):
    """Return what _agent_repairs goes by."""
    names = set(os.listdir("/sys/class/net"))
    known = {entry["name"] for entry in interfaces}
    entries = list(interfaces) + [{"name": name, "mac": ""} for name in sorted(names - known)]
    held = _others.holders(entries, _others.attached(entries))
    # our own files are for the role network to change, which comes after us
    others = {name: "%s (%s)" % (holder.manager, holder.path) for name, holders in held.items() for holder in holders if not holder.ours}
    return {"dhclient": _exists(*DHCLIENTS), "config": _exists(CONFIG), "names": names, "others": others,
            "rules": (_files.read(RULES) or b"").decode("utf-8", "replace"),
            "xen": (_files.read("/sys/hypervisor/type") or b"").strip() == b"xen", "overrides": _overrides()}


def _overrides():
    """Return ``[(key, our value, the agent's, file:line)]`` of the keys of our sysctl.d file that the agent's has otherwise."""
    ours = dict(_sysctl.lines((_files.read(_sysctl.PATH) or b"").decode("utf-8", "replace")).values())
    theirs = _sysctl.lines((_files.read(SYSCTL) or b"").decode("utf-8", "replace"))
    return [(key, ours[key], value, "%s:%d" % (SYSCTL, number)) for number, (key, value) in theirs.items() if ours.get(key, value) != value]


def _present(paths):
    return {path: _files.SHARED for path in paths if os.path.exists(path)}


def _exists(*paths):
    return any(os.path.exists(path) for path in paths)


def _listed(packages):
    return "".join("%s %s\n" % one for one in sorted(packages.items()))


def describe(plan):
    """Return the diff of a plan as Ansible shows it: packages, files, then settings of a file that only the package will bring."""
    diffs = []
    if plan.before != plan.after or plan.purge or plan.install:
        diffs.append({"before_header": "packages", "after_header": "packages", "before": plan.before, "after": plan.after})
    diffs += _files.diffs(plan.changes)
    if plan.settings:
        diffs.append({"before_header": _agent_settings.PATH, "after_header": _agent_settings.PATH, "before": "",
                      "after": "".join("%s=%s\n" % (name, _agent_settings.quoted(value)) for name, value in plan.settings.items())})
    return diffs
