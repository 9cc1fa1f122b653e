"""Traffic from a place in the lab, and on which interfaces of the machines it really travelled."""

from __future__ import annotations

import contextlib
import json
import re
import secrets
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import layout, talk
from .process import LabError, in_netns, run
from .state import Machine, State

_SNIFFER = Path(__file__).with_name("sniffer.py")
_TALK = Path(__file__).with_name("talk.py")
_SUMMARY = re.compile(r"(\d+) packets transmitted, (\d+) received")


@dataclass
class Trip:
    """What became of the pings to one address, or of a question over TCP or UDP."""

    source: str
    interface: str
    address: str
    sent: int
    received: int
    request_in: str = ""
    """The machine's interface that the requests entered, comma separated if several; '' if none came."""
    reply_out: str = ""
    """The machine's interface that the replies left by, whether or not the provider let them pass."""
    protocol: str = "icmp"

    @property
    def ok(self) -> bool:
        """Every ping was answered."""
        return self.sent > 0 and self.received == self.sent

    @property
    def right(self) -> bool:
        """Every ping was answered, and came and went through the interface that has the address, and no other."""
        return self.ok and self.interface == self.request_in == self.reply_out

    def as_dict(self) -> dict[str, object]:
        """For JSON."""
        return {**asdict(self), "ok": self.ok}


@dataclass(frozen=True)
class Question:
    """What a socket is asked to do; what is not said is left to the kernel."""

    address: str
    protocol: str = "tcp"
    port: int = talk.PORT
    source: str = ""
    source_port: int = 0
    device: str = ""
    uid: int = 0
    mark: int = 0
    tos: int = 0
    timeout: float = 2.0
    """Seconds; TCP asks again after one (RFC 6298)."""


@dataclass
class Answer:
    """What became of a question."""

    question: Question
    answered: bool
    seen_as: str
    """The address that the server saw it asked from."""
    error: str
    left_by: str = ""
    """The machine's interface by which it left, comma separated if several; '' if it did not leave by any."""
    back_by: str = ""
    """The machine's interface by which the answer came."""


@dataclass
class Seen:
    """Interfaces by cookie, kind ('request', 'reply') and direction ('in', 'out'), in the order in which they were first seen."""

    by: dict[tuple[str, str, str], list[str]] = field(default_factory=dict)

    def interfaces(self, cookie: str, kind: str, direction: str) -> str:
        """Comma separated; '' if it was not seen."""
        return ",".join(self.by.get((cookie, kind, direction), []))


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


def trace(
    lab: State,
    source: str,
    targets: list[tuple[str, str]],
    count: int = 3,
    interval: float = 0.2,
    protocols: Sequence[str] = ("icmp",),
) -> list[Trip]:
    """Talk to several (interface, address) at once and watch all ports of the machines meanwhile."""
    wanted = [(protocol, interface, address) for protocol in protocols for interface, address in targets]
    if not wanted:
        return []
    cookies = [secrets.token_hex(talk.COOKIE) for _ in wanted]
    pings = [(cookie, address) for cookie, (protocol, _name, address) in zip(cookies, wanted, strict=True) if protocol == "icmp"]
    asked = [
        (cookie, Question(address, protocol))
        for cookie, (protocol, _name, address) in zip(cookies, wanted, strict=True)
        if protocol != "icmp"
    ]
    with watching(lab, cookies) as seen, ThreadPoolExecutor(max_workers=len(wanted) + 1) as pool:
        talked = pool.submit(_ask, layout.netns(source), asked)
        pinged = pool.map(lambda one: (one[0], ping(source, one[1], count, interval, one[0])), pings)
        results = dict(pinged)
        results.update({cookie: (1, int(said["answered"])) for cookie, said in talked.result().items()})
    return [
        Trip(
            source, interface, address, *results[cookie],
            seen.interfaces(cookie, "request", "in"), seen.interfaces(cookie, "reply", "out"), protocol,
        )
        for cookie, (protocol, interface, address) in zip(cookies, wanted, strict=True)
    ]  # fmt: skip


def ask(lab: State, namespace: str | None, questions: list[Question]) -> list[Answer]:
    """Ask several at once, from a machine or a host behind one, and see by which interface each left and its answer came."""
    if not questions:
        return []
    cookies = [secrets.token_hex(talk.COOKIE) for _ in questions]
    with watching(lab, cookies) as seen:
        said = _ask(namespace, list(zip(cookies, questions, strict=True)))
    return [
        Answer(
            question, said[cookie]["answered"], said[cookie]["seen_as"], said[cookie]["error"],
            seen.interfaces(cookie, "request", "out"), seen.interfaces(cookie, "reply", "in"),
        )
        for cookie, question in zip(cookies, questions, strict=True)
    ]  # fmt: skip


def _ask(namespace: str | None, questions: list[tuple[str, Question]]) -> dict[str, dict]:
    """What became of each question, by its cookie."""
    if not questions:
        return {}
    asked = json.dumps([{**asdict(question), "cookie": cookie} for cookie, question in questions])
    answers = json.loads(run(*in_netns(namespace, "/usr/bin/python3", "-I", str(_TALK), "ask", asked)))
    return {cookie: said for (cookie, _question), said in zip(questions, answers, strict=True)}


def serve(namespace: str | None) -> None:
    """See to it that questions are answered in a namespace; the server ends with the namespace."""
    server = subprocess.Popen(  # pylint: disable=consider-using-with  # it outlives this command
        in_netns(namespace, "/usr/bin/python3", "-I", str(_TALK), "serve"),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        start_new_session=True,
        cwd="/",
    )
    assert server.stdout
    with server.stdout as said:
        if said.readline() != b"ready\n":
            raise LabError(f"nobody answers questions in {namespace}: the server did not start")


@contextlib.contextmanager
def watching(lab: State, cookies: list[str]) -> Iterator[Seen]:
    """Watch all ports of the machines; what is yielded is filled in at the end."""
    seen = Seen()
    with tempfile.TemporaryFile("w+") as output:
        sniffer = _start_sniffer(cookies, output.fileno())
        try:
            _wait_ready(output, sniffer)
            yield seen
            time.sleep(0.05)
        finally:
            sniffer.kill()
            sniffer.wait()
        output.seek(0)
        _collect(lab, output.read().splitlines()[1:], seen)


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


def _collect(lab: State, lines: list[str], seen: Seen) -> None:
    """Which interface saw which cookie.

    What goes to a machine counts where it is addressed to the interface's MAC: a bridge that does not know a
    MAC yet floods the frame to every port.
    """
    ports: dict[str, tuple[str, str]] = {}
    for machine in lab.machines.values():
        for nic in machine.nics:
            ports[machine.port(nic.name)] = (nic.name, nic.mac)
    for line in lines:
        if not line.endswith("}"):
            continue  # cut off when the sniffer was ended
        entry = json.loads(line)
        interface, mac = ports.get(entry["port"], ("", ""))
        if not interface or (entry["to_machine"] and entry["destination"] != mac):
            continue
        direction = "in" if entry["to_machine"] else "out"
        names = seen.by.setdefault((entry["cookie"], entry["kind"], direction), [])
        if interface not in names:
            names.append(interface)


def tcpdump_command(machine: Machine, interface: str, *expression: str) -> list[str]:
    """Watch an interface from the provider's side, before anti-spoofing."""
    return in_netns(
        layout.PROVIDER, "tcpdump", "-l", "-n", "-e", "-i", machine.port(machine.nic(interface).name), *expression
    )  # fmt: skip
