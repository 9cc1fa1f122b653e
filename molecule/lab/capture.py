"""Ping from a place in the lab, and see on which interfaces requests and replies really travelled."""

from __future__ import annotations

import json
import re
import secrets
import subprocess
import tempfile
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import layout
from .process import LabError, in_netns, run
from .state import Machine, State

_SNIFFER = Path(__file__).with_name("sniffer.py")
_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received")


@dataclass
class Trip:
    """What became of the pings to one address."""

    source: str
    interface: str
    address: str
    sent: int
    received: int
    request_in: str = ""
    """The machine's interface that the requests entered, comma separated if several; '' if none came."""
    reply_out: str = ""
    """The machine's interface that the replies left by, whether or not the provider let them pass."""

    @property
    def ok(self) -> bool:
        """Every ping was answered."""
        return self.sent > 0 and self.received == self.sent

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "ok": self.ok}


@dataclass
class _Seen:
    """Interfaces by cookie, in the order in which they were first seen."""

    requests: dict[str, list[str]] = field(default_factory=dict)
    replies: dict[str, list[str]] = field(default_factory=dict)


def ping(
    source: str, address: str, count: int = 3, interval: float = 0.2, cookie: str | None = None
) -> tuple[int, int]:
    """(sent, received) of pings from a source; a second's patience for the last one."""
    arguments = ["-n", "-q", "-c", str(count), "-i", str(interval), "-W", "1"]
    if cookie:
        arguments += ["-p", cookie]
    shown = run(*in_netns(layout.netns(source), "ping", *arguments, address), check=False)
    if not (found := _SUMMARY.search(shown)):
        return count, 0  # "Network is unreachable": ping gives up without a summary
    return int(found[1]), int(found[2])


def trace(lab: State, source: str, targets: list[tuple[str, str]], count: int = 3, interval: float = 0.2) -> list[Trip]:
    """Ping several (interface, address) at once and watch all ports of the machines meanwhile."""
    if not targets:
        return []
    cookies = [secrets.token_hex(8) for _ in targets]
    with tempfile.TemporaryFile("w+") as output:
        sniffer = _start_sniffer(cookies, output.fileno())
        try:
            _wait_ready(output, sniffer)
            with ThreadPoolExecutor(max_workers=len(targets)) as pool:
                results = list(
                    pool.map(
                        lambda target, cookie: ping(source, target[1], count, interval, cookie),
                        targets,
                        cookies,
                    )
                )
            time.sleep(0.05)
        finally:
            sniffer.kill()
            sniffer.wait()
        output.seek(0)
        seen = _collect(lab, output.read().splitlines()[1:])
    return [
        Trip(
            source, interface, address, sent, received,
            ",".join(seen.requests.get(cookie, [])), ",".join(seen.replies.get(cookie, [])),
        )
        for (interface, address), cookie, (sent, received) in zip(targets, cookies, results, strict=True)
    ]  # fmt: skip


def _start_sniffer(cookies: list[str], output: int) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        in_netns(layout.PROVIDER, "/usr/bin/python3", "-I", str(_SNIFFER), *cookies),
        stdin=subprocess.DEVNULL,
        stdout=output,
    )


def _wait_ready(output, sniffer: subprocess.Popen[bytes]) -> None:
    deadline = time.monotonic() + 10
    while True:
        output.seek(0)
        if output.read().startswith("ready"):
            return
        if sniffer.poll() is not None or time.monotonic() > deadline:
            raise LabError("the sniffer did not start; is the lab there? bin/lab status")
        time.sleep(0.01)


def _collect(lab: State, lines: list[str]) -> _Seen:
    """Which interface saw which cookie.

    A request counts where it is addressed to the interface's MAC: a bridge that does not know a MAC yet
    floods the frame to every port.
    """
    ports: dict[str, tuple[str, str]] = {}
    for machine in lab.machines.values():
        for nic in machine.nics:
            ports[machine.port(nic.name)] = (nic.name, nic.mac)
    seen = _Seen()
    for line in lines:
        if not line.endswith("}"):
            continue  # cut off when the sniffer was ended
        entry = json.loads(line)
        interface, mac = ports.get(entry["port"], ("", ""))
        if entry["kind"] == "request" and entry["to_machine"] and entry["destination"] == mac:
            where = seen.requests
        elif entry["kind"] == "reply" and not entry["to_machine"] and interface:
            where = seen.replies
        else:
            continue
        names = where.setdefault(entry["cookie"], [])
        if interface not in names:
            names.append(interface)
    return seen


def tcpdump_command(machine: Machine, interface: str, *expression: str) -> list[str]:
    """Watch an interface from the provider's side, before anti-spoofing."""
    return in_netns(
        layout.PROVIDER, "tcpdump", "-l", "-n", "-e", "-i", machine.port(machine.nic(interface).name), *expression
    )  # fmt: skip
