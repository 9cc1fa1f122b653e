"""`bin/lab`: the lab for people. Results on standard output, progress and errors on standard error."""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Callable

from . import capture, images, inventory, layout, machine, provider, state
from .capture import Trip
from .lab import Lab
from .process import LabError, in_netns

_EPILOG = """\
sources are client, controller, provider and neighbour-a to neighbour-d (a host in that segment).

  bin/lab create vm1=debian12:networkd vm2=debian13:ifupdown
  bin/lab attach vm1 eth1
  bin/lab ssh vm1 ip address
  bin/lab trace client vm1
  bin/lab destroy
"""


def main(argv: list[str] | None = None) -> int:
    """Parse, call, and turn an error into one sentence and exit status 1."""
    arguments = _parser().parse_args(argv)
    if os.geteuid() != 0:
        print("bin/lab: namespaces and containers need root", file=sys.stderr)
        return 1
    try:
        return arguments.call(arguments) or 0
    except LabError as error:
        print(f"bin/lab: {error}", file=sys.stderr)
        return 1
    except BrokenPipeError:  # `bin/lab status | head`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except KeyboardInterrupt:
        return 130


def _images(arguments: argparse.Namespace) -> None:
    flavours = arguments.flavour or list(layout.FLAVOURS)
    images.ensure(flavours, arguments.force)
    for flavour in flavours:
        print(images.name(flavour))


def _create(arguments: argparse.Namespace) -> None:
    lab = Lab.create(arguments.machine, arguments.per_port)
    for name in (spec.partition("=")[0] for spec in arguments.machine):
        one = lab.state.machine(name)
        print(f"{name}: {one.flavour}, {one.backend}, root@{one.address}, eth0 {one.nic('eth0').mac}")
        if failed := machine.failed_units(one):
            print(f"{name}: units failed: {', '.join(failed)}", file=sys.stderr)


def _attach(arguments: argparse.Namespace) -> None:
    nic = Lab.load().attach(arguments.vm, arguments.interface, arguments.segment, arguments.mac)
    how = "by DHCP" if nic.where.served else "static: no DHCP here"
    print(f"{arguments.vm}: {nic.name} is {nic.mac} in segment {nic.segment}, {nic.ipv4} {nic.ipv6} ({how})")


def _detach(arguments: argparse.Namespace) -> None:
    Lab.load().detach(arguments.vm, arguments.interface)


def _reboot(arguments: argparse.Namespace) -> None:
    Lab.load().reboot(arguments.vm, arguments.hard)


def _remove(arguments: argparse.Namespace) -> None:
    Lab.load().remove(arguments.vm)


def _ping(arguments: argparse.Namespace) -> int:
    trip = Lab.load().ping(
        arguments.source, arguments.target, arguments.count, arguments.interval, arguments.ipv6
    )  # fmt: skip
    return _show([trip], arguments.json)


def _trace(arguments: argparse.Namespace) -> int:
    trips = Lab.load().trace(arguments.source, arguments.vm, arguments.count, arguments.interval)
    if not trips:
        raise LabError(f"{arguments.vm} has no global address")
    return _show(trips, arguments.json)


def _show(trips: list[Trip], as_json: bool) -> int:
    if as_json:
        print(json.dumps([trip.as_dict() for trip in trips], indent=1))
    else:
        rows = [("interface", "address", "answered", "request in", "reply out")]
        for trip in trips:
            verdict = f"{trip.received}/{trip.sent}" + ("" if trip.ok else " LOST")
            rows.append((trip.interface, trip.address, verdict, trip.request_in or "-", trip.reply_out or "-"))
        print(table(rows))
    return 0 if all(trip.ok for trip in trips) else 2


def table(rows: list[tuple[str, ...]]) -> str:
    """Columns padded to their widest cell."""
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return "\n".join("  ".join(c.ljust(w) for c, w in zip(row, widths, strict=True)).rstrip() for row in rows)


def _capture(arguments: argparse.Namespace) -> int:
    return _become(capture.tcpdump_command(state.load().machine(arguments.vm), arguments.interface, *arguments.command))


def _ssh(arguments: argparse.Namespace) -> int:
    return _become(machine.ssh_command(state.load().machine(arguments.vm), *arguments.command))


def _exec(arguments: argparse.Namespace) -> int:
    command = arguments.command or ["bash"]
    terminal = sys.stdin.isatty() and sys.stdout.isatty()
    return _become(machine.exec_command(state.load().machine(arguments.vm), *command, terminal=terminal))


def _run(arguments: argparse.Namespace) -> int:
    state.load()
    return _become(in_netns(layout.netns(arguments.source), *(arguments.command or ["bash"])))


def _become(argv: list[str]) -> int:
    """Replace this program: signals, terminal and exit status are then the command's own."""
    sys.stdout.flush()
    os.execvp(argv[0], argv)


def _status(_arguments: argparse.Namespace) -> None:
    if not state.exists():
        remains = provider.namespaces()
        print("no lab" + (f", but remains of one: {' '.join(remains)}; bin/lab destroy" if remains else ""))
        return
    lab = state.load()
    print(f"anti-spoofing per {'port' if lab.per_port else 'segment'}")
    dropped = provider.dropped()
    for segment in layout.SEGMENTS.values():
        print(
            f"segment {segment.name}: {segment.network4} {segment.network6}, {dropped[segment.name]} spoofed packets dropped"
        )
    for one in lab.machines.values():
        up = "running" if machine.running(one) else "stopped"
        print(f"{one.name}: {one.flavour}, {one.backend}, {up}, container {one.container}")
        for nic in one.nics:
            print(f"  {nic.name} {nic.mac} segment {nic.segment} {nic.ipv4} {nic.ipv6}")


def _inventory(_arguments: argparse.Namespace) -> None:
    print(inventory.text(state.load()), end="")


def _destroy(_arguments: argparse.Namespace) -> None:
    Lab.destroy()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bin/lab",
        description="Debian machines with several interfaces behind a provider that drops spoofed packets.",
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    commands = parser.add_subparsers(metavar="COMMAND", required=True)

    def command(name: str, call: Callable[[argparse.Namespace], object], summary: str) -> argparse.ArgumentParser:
        added = commands.add_parser(name, help=summary, description=summary)
        added.set_defaults(call=call)
        return added

    images_ = command("images", _images, "build the images that are missing and print their names")
    images_.add_argument("flavour", nargs="*", help="debian11, debian12, debian13; all of them when none is given")
    images_.add_argument("--force", action="store_true", help="build them even if they exist")

    create = command("create", _create, "make the lab, or add machines to it")
    create.add_argument("machine", nargs="+", metavar="NAME=FLAVOUR:BACKEND", help="e.g. vm1=debian12:networkd; the backends are networkd, ifupdown and netplan")
    create.add_argument("--per-port", action="store_true", help="anti-spoofing for each port: MAC, addresses, ARP")

    attach = command("attach", _attach, "hot-plug an interface")
    attach.add_argument("vm")
    attach.add_argument("interface")
    attach.add_argument("--segment", choices=list(layout.SEGMENTS), help="default: eth0..eth3 in a..d")
    attach.add_argument("--mac", help="default: 02:00:00:00:0N:kk")

    detach = command("detach", _detach, "hot-unplug an interface")
    detach.add_argument("vm")
    detach.add_argument("interface")

    reboot = command("reboot", _reboot, "reboot machines and wait for them; starts those that are off")
    reboot.add_argument("vm", nargs="+")
    reboot.add_argument("--hard", action="store_true", help="cut the power")

    remove = command("remove", _remove, "remove machines and leave the rest of the lab")
    remove.add_argument("vm", nargs="+")

    ping = command("ping", _ping, "ping an address; exit status 2 when an answer is missing")
    ping.add_argument("source")
    ping.add_argument("target", metavar="ADDRESS|VM:IF")
    ping.add_argument("-6", dest="ipv6", action="store_true", help="VM:IF means its IPv6 address")
    trace = command("trace", _trace, "ping all addresses of a machine and show which way packets went")
    trace.add_argument("source")
    trace.add_argument("vm")
    for one in (ping, trace):
        one.add_argument("--count", type=int, default=3)
        one.add_argument("--interval", type=float, default=0.2, metavar="SECONDS")
        one.add_argument("--json", action="store_true")

    watch = command("capture", _capture, "show the packets of an interface with tcpdump, before anti-spoofing")
    watch.add_argument("vm")
    watch.add_argument("interface")
    ssh = command("ssh", _ssh, "log in, or run a command, over SSH to eth0")
    ssh.add_argument("vm")
    exec_ = command("exec", _exec, "run a command in a machine out of band, through podman")
    exec_.add_argument("vm")
    in_ = command("run", _run, "run a command in a source's namespace")
    in_.add_argument("source")
    for one in (watch, ssh, exec_, in_):
        one.add_argument("command", nargs=argparse.REMAINDER, metavar="...")

    command("status", _status, "show what exists")
    command("inventory", _inventory, "print a static Ansible inventory")
    command("destroy", _destroy, "remove everything the lab made; twice is no error")
    return parser
