# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The command on the host, ``gandi-policy-routing``."""

import argparse
import sys

from . import netlink, service
from .apply import reconcile_host


def main(arguments=None):
    """Run the command; return its exit status: 0, or 1 if something could not be done, with a sentence for each."""
    parser = argparse.ArgumentParser(prog="gandi-policy-routing", description="Policy routing of several network interfaces.")
    commands = parser.add_subparsers(dest="command", required=True)
    apply = commands.add_parser("apply", help="make the kernel have what is wanted, once")
    apply.add_argument("--dry-run", action="store_true", help="print what would change, change nothing")
    commands.add_parser("service", help="stay and do so whenever something changes")
    chosen = parser.parse_args(arguments)
    if chosen.command == "service":
        service.run()
    with netlink.Netlink() as connection:
        outcome = reconcile_host(connection, dry_run=chosen.dry_run)
    sys.stdout.writelines(line + "\n" for line in outcome.lines)
    sys.stderr.writelines(problem + "\n" for problem in outcome.problems)
    return 1 if outcome.problems else 0
