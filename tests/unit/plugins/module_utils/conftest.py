# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""A kernel of one's own to ask: each test that wants one gets a fresh network namespace."""

import ctypes
import os
import subprocess

import pytest

CLONE_NEWNET = 0x40000000


@pytest.fixture
def ip():
    """Enter a new network namespace, return a function that runs ip(8) in it, and leave it after the test."""
    if os.geteuid():
        pytest.skip("a network namespace of one's own needs root")
    libc = ctypes.CDLL(None, use_errno=True)
    before = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
    if libc.unshare(CLONE_NEWNET):
        os.close(before)
        pytest.skip("no new network namespace: %s" % os.strerror(ctypes.get_errno()))

    def run(command):
        return subprocess.run(["ip"] + command.split(), check=True, stdout=subprocess.PIPE, text=True).stdout

    # nothing shall happen by itself, and later: no duplicate address detection, no solicitations
    for setting in ("accept_dad", "dad_transmits", "router_solicitations"):
        with open("/proc/sys/net/ipv6/conf/default/" + setting, "w", encoding="ascii") as file:
            file.write("0")
    run("link set lo up")
    try:
        yield run
    finally:
        libc.setns(before, CLONE_NEWNET)
        os.close(before)
