"""How long the policy routing engine takes for many rules, beside ip(8) for the same: each in a namespace that has none."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from .process import in_netns, ip, run

_NAMESPACE = "gandi-bench"
_PARTS = Path(__file__).resolve().parents[2] / "plugins/module_utils/reconciler"
_TABLE = 26520
# as it is started on a host
_PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from reconciler import apply, intents, netlink
with netlink.Netlink() as connection:
    outcome = apply.reconcile(connection, [intents.Intent("eth1", "", %d, (bytes((198, 18, 1, 1)),))])
sys.exit(bool(outcome.problems))
""" % _TABLE


class Times(NamedTuple):
    """Seconds, each from the start of a process to its end."""

    few: float
    many: float
    batch: float


def times() -> Times:
    """Measure once: the engine for one address (3 rules, a route or two) and for 170 (510), and `ip -batch` for the latter."""
    with tempfile.TemporaryDirectory() as folder:
        # as it is installed on a host
        shutil.copytree(_PARTS, Path(folder, "reconciler"), ignore=shutil.ignore_patterns("__pycache__"))
        run("/usr/bin/python3", "-Im", "compileall", "-q", "--invalidation-mode", "checked-hash", folder)
        engine = ["/usr/bin/python3", "-ISB", "-c", _PROGRAM, folder]
        return Times(_measure(1, engine), _measure(170, engine), _measure(170, ["ip", "-batch", "-"], _batch(170)))


def _measure(addresses: int, command: list[str], stdin: str = "") -> float:
    run("ip", "netns", "add", _NAMESPACE)
    try:
        ip(_NAMESPACE, "link add eth1 type veth peer name far", "link set far up", "link set eth1 up",
           *(f"address add {address}/24 dev eth1" for address in _addresses(addresses)))  # fmt: skip
        start = time.monotonic()
        subprocess.run(in_netns(_NAMESPACE, *command), input=stdin, text=True, check=True)
        return time.monotonic() - start
    finally:
        run("ip", "netns", "delete", _NAMESPACE)


def _addresses(count: int) -> list[str]:
    return [f"198.18.1.{number}" for number in range(10, 10 + count)]


def _batch(count: int) -> str:
    lines = [f"route add 198.18.1.0/24 dev eth1 table {_TABLE} protocol 171",
             f"route add default via 198.18.1.1 dev eth1 table {_TABLE} protocol 171"]  # fmt: skip
    for address in _addresses(count):
        lines += [f"rule add from {address} lookup {where} priority {priority} protocol 171"
                  for priority, where in ((26520, f"{_TABLE} suppress_prefixlength 0"), (26530, "main suppress_prefixlength 0"), (26540, _TABLE))]  # fmt: skip
    return "\n".join(lines) + "\n"
