# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The agent's package: what is installed, what could be, and whether that is recent enough.

The page asks for gandi-hosting-vm 2652 or newer, an old revision number. Its successor gandi-hosting-vm2 starts again at 2.x and
provides the old name without a version, so versions of the two cannot be compared: the floor is that of the old name alone.
"""

from __future__ import annotations

from ._commands import run

PACKAGE, SUCCESSOR = "gandi-hosting-vm", "gandi-hosting-vm2"


def installed():
    """Return ``{name: version}`` of the packages that are really installed.

    dpkg-query also succeeds, with an empty version, for a name that another package provides.
    """
    form = "${Package}\t${Version}\t${db:Status-Status}\n"
    _status, output = run("dpkg-query", "-W", "-f", form, PACKAGE, SUCCESSOR, check=False)
    rows = [line.split("\t") for line in output.splitlines() if line.count("\t") == 2]
    return {name: version for name, version, status in rows if status == "installed" and version}


def candidates():
    """Return ``{name: version}`` of what apt would install."""
    _status, output = run("apt-cache", "policy", PACKAGE, SUCCESSOR, check=False)
    found, name = {}, ""
    for line in output.splitlines():
        if line and not line.startswith(" "):
            name = line.rstrip(":")
        elif line.startswith("  Candidate: ") and not line.endswith("(none)"):
            found[name] = line.split(": ", 1)[1]
    return found


def recent(packages, minimum):
    """Return the name among ``{name: version}`` that is recent enough, the successor first, or ``""``."""
    if SUCCESSOR in packages:
        return SUCCESSOR
    if PACKAGE in packages and run("dpkg", "--compare-versions", packages[PACKAGE], "ge", minimum, check=False)[0] == 0:
        return PACKAGE
    return ""


def refusal(offered, minimum):
    """Return the sentence that says why nothing can be installed."""
    if offered:
        return "%s %s is the newest that the configured repositories offer; expected %s or newer, or %s in any version" % (
            PACKAGE, offered[PACKAGE], minimum, SUCCESSOR)
    return ("no configured repository offers %s or %s; expected one that does (agent_repository_url, agent_repository_key), "
            "or agent_state: absent for a host without the agent" % (PACKAGE, SUCCESSOR))
