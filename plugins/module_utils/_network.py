# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The three sections as one plan and one transaction: work out the difference; if there is none, stop; else make it, or undo it."""

from __future__ import annotations

import signal
import time
import typing
import uuid

from . import _apply, _background, _files, _managers, _others, _policy_routing, _safety_net, _stanzas, _sysctl, _transaction
from ._commands import Failure, sentence


UNSAID = "%s: set aside from %s with its stanza, and not said in gandi_interfaces: %s"


class Plan(typing.NamedTuple):
    """All that a run would do.

    ``names`` are the interfaces whose own files change, ``aside`` those whose stanzas in files of others are set aside, or come back;
    ``routing`` is how ip(8) would say it; ``warnings`` are what cannot be done on this host for now, such as a selector of a user who
    is not there, beside which the rest can.
    """

    changes: list
    live: list
    variant: str
    names: list
    aside: set
    intents: typing.Optional[list]
    routing: list
    service: bool
    warnings: list

    @property
    def empty(self):
        return not (self.changes or self.live or self.routing or self.service)


def run(sections, check_mode=False):
    """Make the host what the sections say; return the module's result.

    :arg sections: ``sysctl``, ``interfaces``, ``policy_routing``, each None (not touched) or as the filters give it, ``backend``,
        ``takeover`` (whether an interface is taken from another network manager), ``timeout`` (seconds to wait for the addresses of an
        interface that changed), ``confirm_timeout`` (seconds until the host undoes a change that nobody has confirmed; 0: it stands
        without) and ``background`` (whether to return before the change is made).
    :raises Failure: with a sentence; what was there before is back.
    """
    identity = ""
    if sections["background"] and not sections["confirm_timeout"]:
        raise Failure("background: true without confirm_timeout: nobody would hear of a failure; expected a confirm_timeout, in seconds")
    with _transaction.alone():
        repaired = None if check_mode else repair()
        plan = make_plan(sections)
        if not plan.empty and not check_mode:
            identity = execute(plan, sections)
        settings = _sysctl.resolve(sections["sysctl"] or {}, subnets(sections))
    return {
        "confirm": identity,
        "changed": bool(not plan.empty or repaired),
        "backend": plan.variant,
        "interfaces_changed": plan.names,
        "routing": plan.routing,
        "sysctl": _sysctl.report(plan.live if check_mode else ()) if settings else {},
        "diff": describe(plan),
        "warnings": ([repaired] if repaired else []) + plan.warnings + _sysctl.missing(settings) + _sysctl.overridden(settings),
    }


def make_plan(sections):
    """Return the Plan: reads the host, changes nothing."""
    changes, live, variant, names, aside, lost = [], [], "", [], set(), []
    if sections["sysctl"] is not None:
        changes, live = plan_sysctl(sections)
    if sections["interfaces"] is not None:
        variant, found = plan_interfaces(sections["interfaces"], sections["backend"], sections["takeover"])
        names = sorted({change.owner for change in found} - {_files.SHARED})
        aside = set().union(*[_stanzas.set_aside_names(change.before) ^ _stanzas.set_aside_names(change.after) for change in found])
        lost = [UNSAID % (name, change.path, line) for change in found for name, line in _stanzas.unsaid(change.before, change.after)]
        changes = changes + found
    intents, policy_files, outcome = None, {}, _policy_routing.NOTHING
    if sections["policy_routing"] is not None:
        policy_files = _policy_routing.files(sections["policy_routing"])
        intents = _policy_routing.parse(policy_files)
        found = _files.changes(policy_files, _policy_routing.present())
        changes = changes + found
        # where the intents are those that the service works by, it may be about to do just this
        outcome = _policy_routing.reconcile(intents, dry_run=True) if found else _policy_routing.difference(intents)
    service = bool(policy_files) and not _policy_routing.is_running()
    return Plan(changes, live, variant, names, aside, intents, outcome.lines, service, lost + outcome.problems)


def plan_sysctl(sections):
    """Return the file Changes and live Settings of the sysctl section, by the subnets that are known now."""
    return _sysctl.plan(_sysctl.resolve(sections["sysctl"], subnets(sections)))


def subnets(sections):
    """Return ``{name: IPv4 networks}`` of the links that are there, and of the static addresses that interfaces are going to have."""
    found = {}
    for name, addresses in _managers.addresses4().items():
        found.setdefault(name, []).extend(_sysctl.networks(addresses))
    for entry in (sections["interfaces"] or {"interfaces": []})["interfaces"]:
        found.setdefault(entry["name"], []).extend(_sysctl.networks(entry["addresses"]))
    return found


def plan_interfaces(section, backend, takeover):
    """Return the variant of the files that this host takes, and the Changes of the interfaces section.

    :raises Failure: another network manager holds an interface, and we are not told to take it over.
    """
    present = _files.ours(_managers.FOLDERS)
    known = {entry["name"] for entry in section["interfaces"]}
    former = [{"name": name, "mac": "", "primary": False} for name in sorted(set(present.values()) - known - {_files.SHARED})]
    entries = section["interfaces"] + former
    links = _others.attached(entries)
    held = _others.holders(entries, links)
    variant = _managers.detect(backend, _others.running_manager(entries, held))
    manager = _managers.name(variant)
    files = {**section["files"][variant], **section["files"].get(_managers.besides(variant), {})}
    # an interface's first file is the one that names it to its manager
    paths = {file["interface"]: path for path, file in reversed(list(files.items())) if file["interface"]}
    found = _others.conflicts(manager, held, paths)
    refused = {name: holder for name, holder in found.items() if not (takeover and _others.can_be_taken(holder, manager))}
    # what others say of an interface that the agent configures is theirs
    ours = {entry["name"] for entry in section["interfaces"] if not entry["agent"]}
    sentences = _others.refusals(manager, refused, paths) + (
        _others.stacked(held, paths) if manager != _others.IFUPDOWN else _stanzas.mapped(ours))
    if sentences:
        raise Failure("\n".join(sentences))
    files = dict(files, **_others.unmanaged(section["unmanaged"], manager, found, present))
    wanted = {path: (file["content"].encode(), int(file.get("mode", "0644"), 8), file["interface"] or _files.SHARED)
              for path, file in files.items()}
    if known:
        wanted.update(_others.cloud_init(manager))
    aside = _others.aside(manager, ours, found)
    aliases = _stanzas.aliases({entry["name"]: entry["addresses"] for entry in section["interfaces"] if entry["name"] in aside})
    wanted.update(_stanzas.adopted(aside, aliases))
    return variant, _files.changes(wanted, present)


def execute(plan, sections):
    """Make the changes of a plan, journal first; undo them if anything fails.

    Return what a new connection confirms them by, or "" if they stand already. With ``background`` it returns when everything needed to
    undo them is there, and before the first of them is made.
    """
    # the connection that brought us may break by what we do: that must not end us half-way
    signal.signal(signal.SIGHUP, signal.SIG_IGN)
    identity, patience = uuid.uuid4().hex, sections["confirm_timeout"]
    try:
        if patience:
            _safety_net.prepare()
        # the subnets that DHCP brings may change more of the sysctls
        more_changes, more_live = _sysctl.undecided(sections["sysctl"] or {}, plan.changes, plan.live)
        _transaction.begin(identity, plan.changes + more_changes, plan.live + more_live, plan.aside)
        _transaction.reached("journal")
        if patience:
            _safety_net.arm(identity, patience)
        _transaction.reached("armed")
        if sections["background"]:
            _background.detach(lambda: make_unseen(plan, sections, identity))
        else:
            make(plan, sections)
    except (Failure, OSError) as error:
        raise Failure(put_back(sentence(error))) from error
    if patience:
        return identity
    _transaction.finish()
    return ""


def make_unseen(plan, sections, identity):
    """Make the changes of a plan; what becomes of them is told to whoever confirms them."""
    try:
        make(plan, sections)
    except (Failure, OSError) as error:
        journal = _transaction.unfinished()
        put_back(sentence(error))
        if journal and journal["id"] == identity:
            _transaction.report(journal, "it failed: %s" % sentence(error))


def put_back(reason):
    """Undo the change that failed by ``reason``; return what to say about it."""
    try:
        journal = _transaction.unfinished()
        if journal:
            _apply.undo(journal)
        _safety_net.disarm()
    except (Failure, OSError) as second:
        return "%s. Undoing it failed too (%s); it will be tried again" % (reason, sentence(second))
    return "%s. The previous configuration is back" % reason


def make(plan, sections):
    """Make the changes of a plan.

    :raises Failure: one could not be made, or has not led to what it was for.
    """
    def write():
        _transaction.write_files(plan.changes)
        _transaction.reached("written")
        _sysctl.write({setting.path: setting.after for setting in plan.live})

    families = _managers.default_families()
    _apply.around_files(plan.changes, plan.aside, write, taken_over(plan, sections))
    _transaction.reached("applied")
    renew = any(change.path.startswith("/etc/dhcp/") for change in plan.changes)
    for owner, name in _managers.real_names({entry["name"]: entry["mac"] for entry in agents(sections)}).items():
        _managers.leave_to_agent(name, renew, start=owner in plan.names)
    if plan.names:
        settle_interfaces(plan.names, sections, families)
        if sections["sysctl"] is not None:
            changes, live = plan_sysctl(sections)
            _transaction.write_files(changes)
            _sysctl.write({setting.path: setting.after for setting in live})
    if plan.intents is not None:
        problems = [problem for problem in _policy_routing.reconcile(plan.intents, dry_run=False).problems if problem not in plan.warnings]
        if problems:
            raise Failure("; ".join(problems))
    _transaction.reached("reconciled")
    _transaction.made()


def taken_over(plan, sections):
    """Return the secondary interfaces that get their first file of ours: somebody else's address must not pass for a lease, nor an
    advertisement that the kernel took before it was told not to stay in main."""
    present = {change.owner for change in plan.changes if change.before is not None}
    entries = sections["interfaces"]["interfaces"] if plan.names else ()
    macs = {entry["name"]: entry["mac"] for entry in entries
            if entry["name"] in plan.names and not entry["primary"] and entry["name"] not in present}
    return sorted(_managers.real_names(macs).values())


def agents(sections):
    """Return the entries that the agent configures."""
    return [entry for entry in (sections["interfaces"] or {"interfaces": []})["interfaces"] if entry["agent"]]


def confirm(identity):
    """Let the change ``identity`` stand.

    :raises Failure: it was undone in the meantime, with the reason.
    """
    with _transaction.alone(wait=True):
        journal = _transaction.unfinished()
        if journal is None or journal["id"] != identity:
            raise Failure(undone(identity))
        if _transaction.made_at() is None:
            raise Failure(put_back("the change was not made to its end: the process that made it is gone"))
        _transaction.finish()
        _safety_net.disarm()


def undone(identity):
    """Return the sentence about a change that is not there any more."""
    report = _transaction.last_report()
    if report is None or report["id"] != identity:
        return "there is no change %s to confirm, and no report of its being undone" % identity
    return "the change was undone at %s, because %s; the host has what it had before: %s" % (
        report["at"], report["reason"], ", ".join(report["files"]))


def settle_interfaces(names, sections, families):
    """Return when each attached interface in ``names`` has its addresses, and a default route is there if there was one before.

    :arg families: the address families that had a default route in main.
    :raises Failure: after ``timeout`` seconds, naming what is missing.
    """
    waited_for = [entry for entry in sections["interfaces"]["interfaces"]
                  if entry["name"] in names and not (entry["optional"] or entry["agent"])]
    wait_until_none(lambda: _managers.missing_addresses(waited_for), sections["timeout"])
    wait_until_none(lambda: _managers.missing_default(families), sections["timeout"])


def wait_until_none(missing, timeout):
    """Return when ``missing()`` is an empty list of sentences.

    :raises Failure: after ``timeout`` seconds, with the sentences.
    """
    deadline = time.monotonic() + timeout
    while True:
        sentences = missing()
        if not sentences:
            return
        if time.monotonic() > deadline:
            raise Failure("after %d s: %s" % (timeout, "; ".join(sentences)))
        time.sleep(0.05)


def repair():
    """Undo a change that an earlier run began and did not finish; return a sentence about it, or None."""
    journal = _transaction.unfinished()
    if journal is None:
        return None
    if _safety_net.is_armed():
        raise Failure("another run has changed the network of this host, and waits for its confirmation; expected to be alone")
    _apply.undo(journal)
    _safety_net.clear()
    return "an earlier run was interrupted: what it had changed was undone before this one began"


def describe(plan):
    """Return the diff of a plan as Ansible shows it: files, live values, then rules and routes as ip(8) would say them."""
    diffs = _files.diffs(plan.changes)
    if plan.live:
        diffs.append({"before_header": "sysctl", "after_header": "sysctl",
                      "before": "".join("%s = %s\n" % (setting.path, setting.before) for setting in plan.live),
                      "after": "".join("%s = %s\n" % (setting.path, setting.after) for setting in plan.live)})
    if plan.routing:
        diffs.append({"before_header": "rules and routes", "after_header": "rules and routes",
                      "before": "".join(line[2:] + "\n" for line in plan.routing if line.startswith("-")),
                      "after": "".join(line[2:] + "\n" for line in plan.routing if line.startswith("+"))})
    return diffs
