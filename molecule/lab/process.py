"""Run programs: one place for errors, so that every failure says which command failed and why."""

from __future__ import annotations

import shlex
import subprocess
import sys


class LabError(Exception):
    """A failure to show to the user as one sentence."""


def run(*argv: str, stdin: str | None = None, check: bool = True) -> str:
    """Run a program and return its standard output; on failure the error carries its last lines."""
    try:
        done = subprocess.run(
            argv,
            input=stdin,
            stdin=subprocess.DEVNULL if stdin is None else None,
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
        )
    except FileNotFoundError as error:
        raise LabError(f"{argv[0]} is not installed; bin/_setup installs what the lab needs") from error
    if check and done.returncode:
        tail = "\n".join((done.stderr or done.stdout).strip().splitlines()[-8:])
        raise LabError(f"`{shlex.join(argv)}` failed with status {done.returncode}: {tail}")
    return done.stdout


def succeeds(*argv: str) -> bool:
    """Whether a program exits with 0."""
    return subprocess.run(argv, stdin=subprocess.DEVNULL, capture_output=True, check=False).returncode == 0


def in_netns(namespace: str | None, *argv: str) -> list[str]:
    """The command that runs argv in a network namespace; None is the machine's own."""
    return ["ip", "netns", "exec", namespace, *argv] if namespace else list(argv)


def ip(namespace: str, *commands: str) -> None:
    """Run several `ip` commands in one namespace with one process; the first that fails stops it."""
    run("ip", "-n", namespace, "-batch", "-", stdin="\n".join(commands) + "\n")


def say(message: str) -> None:
    """Progress, on standard error: standard output is for results."""
    print(message, file=sys.stderr, flush=True)
