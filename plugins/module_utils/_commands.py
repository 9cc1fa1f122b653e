# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Running the host's own programs: never through a shell, always with a limit."""

from __future__ import annotations

import os
import subprocess

TIMEOUT = 120
# There where systemd is PID 1 (sd_booted(3)).
SYSTEMD = "/run/systemd/system"
ENVIRONMENT = {"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C", "DEBIAN_FRONTEND": "noninteractive"}
# What a play's `environment` may say of the way out, and apt goes by.
PROXIES = ("http_proxy", "https_proxy", "no_proxy", "all_proxy")


class Failure(Exception):
    """Something on the host did not work; the message is a sentence for the user."""


def sentence(error):
    """Return an error as a sentence; the system's own name the file."""
    if isinstance(error, OSError) and error.strerror and error.filename:
        # of two names the second is the one that was to be: the first may be a temporary file's
        return "%s: %s" % (error.filename2 or error.filename, error.strerror)
    return str(error)


def run(*arguments, check=True, timeout=TIMEOUT):
    """Run a program, with the usual umask; return its exit status and output. Nothing ever asks a question.

    :raises Failure: with ``check``, if it cannot be started, takes too long, or exits non-zero.
    """
    proxies = {name: os.environ[name] for name in PROXIES if name in os.environ}
    try:
        done = subprocess.run(arguments, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              timeout=timeout, check=False, env=dict(ENVIRONMENT, **proxies), umask=0o022)
    except (OSError, subprocess.TimeoutExpired) as error:
        if check:
            raise Failure("%s: %s" % (" ".join(arguments), error)) from error
        return 127, ""
    output = done.stdout.decode("utf-8", "replace").strip()
    if check and done.returncode:
        raise Failure("%s: exit status %d: %s" % (" ".join(arguments), done.returncode, output or "no output"))
    return done.returncode, output


def run_apart(*arguments):
    """Run a program in a unit of its own, where what it leaves running belongs neither to a session nor to our own service.

    :raises Failure: as ``run``.
    """
    apart = ("systemd-run", "--quiet", "--collect", "--wait", "--pipe", "--property=KillMode=process")
    return run(*(apart if os.path.isdir(SYSTEMD) else ()), *arguments)


def is_active(unit):
    """Return whether systemd says that a unit is active."""
    return run("systemctl", "is-active", "--quiet", unit, check=False)[0] == 0


def is_enabled(unit):
    """Return whether systemd says that a unit is started at boot."""
    return run("systemctl", "is-enabled", "--quiet", unit, check=False)[0] == 0
