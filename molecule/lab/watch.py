"""Watch while something happens: pings without a pause, and what the kernel of a machine says of its links, addresses, rules and routes."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import subprocess
import tempfile
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path

from . import layout
from .process import in_netns

_REPLY = re.compile(r"^\[(\d+\.\d+)\] .*icmp_seq=(\d+) ttl=", re.MULTILINE)
_SENT = re.compile(r"(\d+) packets transmitted")
_STAMP = re.compile(r"^\[(\S+)\] (.*)")
_ANSI = {"LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"}


@dataclass
class Pings:
    """The pings to one address: how many were sent, and when each was answered (seconds since the epoch, by number)."""

    address: str
    sent: int = 0
    replies: dict[int, float] = field(default_factory=dict)

    @property
    def lost(self) -> int:
        """Those without an answer; the last one may have been on its way when the watch ended."""
        return sum(1 for number in range(1, self.sent) if number not in self.replies)

    def first_reply(self, after: float) -> float | None:
        """The time of the first answer after a moment."""
        return min((when for when in self.replies.values() if when > after), default=None)


@dataclass
class Log:
    """What `ip monitor` said: (seconds since the epoch, line)."""

    lines: list[tuple[float, str]] = field(default_factory=list)

    def first(self, after: float, *words: str) -> float | None:
        """The time of the first line after a moment that has all the words; what goes away, or is not usable yet, does not count."""
        lines = ((when, line) for when, line in self.lines if when > after)
        return min(
            (
                when
                for when, line in lines
                if all(word in line for word in words) and "Deleted" not in line and "tentative" not in line
            ),
            default=None,
        )

    @property
    def deaf(self) -> bool:
        """Whether the kernel had more to say than was heard."""
        return any("netlink receive error" in line for _when, line in self.lines)

    def default_routes(self, but: str) -> list[str]:
        """The lines about default routes in main, come or gone, that lead out by any interface but one.

        ip(8) names each table but main, and each interface of a route with several.
        """
        return [
            line
            for _when, line in self.lines
            if (words := line.removeprefix("Deleted ").split())[:1] == ["default"]
            and "table" not in words
            and {word for dev, word in zip(words, words[1:]) if dev == "dev"} != {but}
        ]


def parse_pings(address: str, said: str) -> Pings:
    """What `ping -D` printed until it was interrupted."""
    replies = {int(number): float(when) for when, number in _REPLY.findall(said)}
    found = _SENT.search(said)
    return Pings(address, int(found[1]) if found else max(replies, default=0), replies)


def parse_log(said: str) -> Log:
    """What `ip -ts monitor` printed; continued lines belong to the one before them."""
    log = Log()
    for line in said.splitlines():
        if found := _STAMP.match(line):
            log.lines.append((datetime.fromisoformat(found[1]).timestamp(), found[2]))
        elif log.lines:
            when, before = log.lines[-1]
            log.lines[-1] = when, before + line
    return log


@contextlib.contextmanager
def pinging(source: str, addresses: list[str], interval: float = 0.02) -> Iterator[dict[str, Pings]]:
    """Ping addresses all the time; what is yielded is filled in at the end."""
    results = {address: Pings(address) for address in addresses}
    with contextlib.ExitStack() as stack:
        started = []
        for address in addresses:
            output = stack.enter_context(tempfile.TemporaryFile("w+"))
            command = in_netns(layout.netns(source), "ping", "-n", "-D", "-i", str(interval), address)
            started.append((address, output, _start(command, output)))
        try:
            _wait_output([output for _address, output, _process in started], 1)
            yield results
        finally:
            for _address, _output, process in started:
                process.send_signal(signal.SIGINT)
            for address, output, process in started:
                process.wait()
                output.seek(0)
                done = parse_pings(address, output.read())
                results[address].sent, results[address].replies = done.sent, done.replies


@contextlib.contextmanager
def monitoring(namespace: str) -> Iterator[Log]:
    """Write down what a machine's kernel says of links, addresses, routes and rules; what is yielded is filled in at the end.

    Through a reboot too: the namespace that is made anew is listened to before its machine starts.
    """
    log = Log()
    with tempfile.TemporaryFile("w+") as output:
        ended = threading.Event()
        listener = threading.Thread(target=_listen, args=(namespace, output, ended))
        listener.start()
        try:
            yield log
        finally:
            ended.wait(0.05)
            ended.set()
            listener.join()
            output.seek(0)
            log.lines = parse_log(output.read()).lines


def _listen(namespace: str, output, ended: threading.Event) -> None:
    """Let `ip monitor` write to a file; a reboot ends it together with its namespace, and it is started in the next of that name."""
    command = ["ip", "-ts", "-n", namespace, "monitor", "link", "address", "route", "rule"]
    path = Path("/run/netns", namespace)
    while not ended.is_set():
        try:
            here = path.open("rb")  # as long as it is open, no other namespace gets its number
        except OSError:
            ended.wait(0.01)
            continue
        with here:
            process = _start(command, output)
            while not ended.wait(0.01) and (process.poll() is None or _is(path, here)):
                pass
            process.terminate()
            process.wait()


def _is(path: Path, file) -> bool:
    """Whether a path still leads to what was opened there."""
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except OSError:
        return False


def _start(command: list[str], output) -> subprocess.Popen[str]:
    return subprocess.Popen(
        command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT, env=_ANSI, text=True
    )  # fmt: skip


def _wait_output(outputs: list, seconds: float) -> None:
    """Wait until each has begun to speak, or does not for a while."""
    deadline = time.monotonic() + seconds
    for output in outputs:
        while time.monotonic() < deadline and output.seek(0, 2) == 0:
            time.sleep(0.01)
