# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Going on after the module has returned: for a change that ends the connection over which its result would go."""

from __future__ import annotations

import os
import time

# How long the result has to reach the controller, in seconds, before the network changes under it.
HEAD_START = 1.0


def detach(work):
    """Return at once; a process of its own calls ``work`` when this one has ended and its result has had the time to arrive.

    What this process holds open, such as a lock, the other one holds too (flock(2): the lock is the open file's).
    """
    parent = os.getpid()
    if os.fork():
        return
    try:
        os.setsid()
        null = os.open(os.devnull, os.O_RDWR)
        for descriptor in range(3):
            # sshd waits for all who could still write to the controller
            os.dup2(null, descriptor)
        while os.getppid() == parent:
            time.sleep(0.05)
        time.sleep(HEAD_START)
        work()
    finally:
        # whatever happened: nobody is there to be told, and what ends a module must not run twice; the dead man's switch is armed
        os._exit(0)
