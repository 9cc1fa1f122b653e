# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command on the host, ``gandi-policy-routing``. What one subcommand alone needs is imported by it: starting is most of its time."""

import argparse
import sys


def main(arguments=None):
    """Run the command; return its exit status: 0, or 1 if something could not be done or is not right, with a sentence for each."""
    chosen = _parser().parse_args(arguments)
    # an interface's name may be any bytes
    for stream in (sys.stdout, sys.stderr):
        stream.reconfigure(errors="backslashreplace")
    try:
        return chosen.call(chosen)
    except (OSError, ValueError) as error:
        sys.stderr.write("gandi-policy-routing: %s\n" % error)
        return 1


def _parser():
    parser = argparse.ArgumentParser(prog="gandi-policy-routing", description="Policy routing of several network interfaces.")
    commands = parser.add_subparsers(required=True, metavar="COMMAND")
    status = commands.add_parser("status", help="what is wanted and what is there, for each interface")
    status.add_argument("--json", action="store_true", help="for programs")
    status.set_defaults(call=_status)
    apply = commands.add_parser("apply", help="make the kernel have what is wanted, once")
    apply.add_argument("--dry-run", action="store_true", help="print what would change, change nothing")
    apply.set_defaults(call=_apply)
    explain = commands.add_parser("explain", help="which way a packet goes, by which rule, and why",
                                  description="Which way a packet goes, by which rule, and why. No packet is sent.")
    explain.add_argument("--from", dest="source", metavar="ADDRESS", help="source; without: what is bound to no address")
    explain.add_argument("--to", dest="destination", metavar="ADDRESS", required=True)
    explain.add_argument("--iif", metavar="NAME", default="", help="the interface that it came in by; without: this host sends it")
    explain.add_argument("--oif", metavar="NAME", default="", help="the interface that the socket is bound to")
    explain.add_argument("--uid", metavar="USER", help="name or number of the user who sends it; without: you")
    for word in ("mark", "ipproto", "sport", "dport", "tos"):
        explain.add_argument("--" + word, metavar="VALUE")
    explain.set_defaults(call=_explain)
    service = commands.add_parser("service", help="stay, and apply whenever something changes")
    service.set_defaults(call=_service)
    return parser


def _status(chosen):
    from . import netlink, status

    with netlink.Netlink() as connection:
        found = status.collect(connection)
    if chosen.json:
        import json

        sys.stdout.write(json.dumps(found, indent=1) + "\n")
    else:
        sys.stdout.writelines(line + "\n" for line in status.lines(found))
        sys.stderr.writelines(problem + "\n" for problem in found["problems"])
    return 0 if status.is_right(found) else 1


def _apply(chosen):
    from . import apply, netlink

    with netlink.Netlink() as connection:
        outcome = apply.reconcile_host(connection, dry_run=chosen.dry_run)
    sys.stdout.writelines(line + "\n" for line in outcome.lines)
    sys.stderr.writelines(problem + "\n" for problem in outcome.problems)
    return 1 if outcome.problems else 0


def _explain(chosen):
    from . import explain, netlink

    flow = explain.flow_of(chosen)
    with netlink.Netlink() as connection:
        sys.stdout.writelines(line + "\n" for line in explain.report(connection, flow))
    return 0


def _service(_chosen):
    from . import service

    service.run()
