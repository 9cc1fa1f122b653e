# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service: whenever the kernel says that something changed, wait for a short quiet and look again.

Events are only a reason to look (level-triggered): their content is not used, save to pass over those that our own changes
caused, which carry our request socket's port, and those that cannot matter (the neighbours' and others' routes).
"""

import contextlib
import errno
import os
import select
import socket
import sys
import time

from . import GATEWAYS_TABLE, MAIN_TABLE, PROTOCOL, connmark
from . import kernel
from . import netlink as nl
from .apply import reconcile_host

# Multicast groups of rtnetlink(7), as bits: links, IPv4 addresses, routes, rules, IPv6 addresses, routes, prefixes, rules.
# The prefix group tells of router advertisements, which may bring a gateway and nothing else that is new.
GROUPS = sum(1 << (number - 1) for number in (1, 5, 7, 8, 9, 11, 18, 19))
QUIET = 0.004           # seconds without an event before we look: one change is several events a few hundred microseconds apart
PATIENCE = 0.1          # and at most this long, however many events come
RETRY = 30              # seconds until we look again where there was a problem: no event tells of a user who was added
BUFFER = 1 << 20


def run():
    """Reconcile for ever. Leaves only by a signal."""
    # subscribed before the first look, so that nothing falls between
    with listen() as events, nl.Netlink() as netlink, connmark.listen() or contextlib.nullcontext() as nftables:
        said = _look(netlink, ())
        notify("READY=1")
        while True:
            _wait(events, nftables, netlink.port, RETRY if said else None)
            said = _look(netlink, said)


def listen():
    """Return a socket on which the kernel tells what changes."""
    events = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
    events.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, BUFFER)
    events.setblocking(False)
    events.bind((0, GROUPS))
    return events


def _look(netlink, said):
    """Reconcile once; say what changed, and each problem once for as long as it lasts."""
    outcome = reconcile_host(netlink)
    sys.stderr.writelines(line + "\n" for line in outcome.lines)
    sys.stderr.writelines(problem + "\n" for problem in outcome.problems if problem not in said)
    sys.stderr.flush()
    return outcome.problems


def _wait(events, nftables, own_port, longest):
    """Return when something has changed that may matter, and the kernel has been quiet since, or after ``longest`` seconds.

    What nft(8) changes for us wakes us once more, by its own port; there is nothing to do then.
    """
    sockets = [(events, matters)] + ([(nftables, lambda _kind, body: connmark.matters(body))] if nftables else [])
    poll = select.poll()
    for waiting, _matters in sockets:
        poll.register(waiting, select.POLLIN)
    end = time.monotonic() + longest if longest else None
    # all of them are read, whatever the first says
    while not sum(drain(waiting, own_port, matter) for waiting, matter in sockets):
        left = None if end is None else (end - time.monotonic()) * 1000
        if left is not None and left <= 0:
            return
        poll.poll(left)
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and poll.poll(QUIET * 1000):
        for waiting, matter in sockets:
            drain(waiting, own_port, matter)


def drain(events, own_port, matter=None):
    """Read all that waits; return whether any of it is a reason to look. ``own_port``: whose changes are no reason."""
    matter = matter or matters
    reason = False
    while True:
        try:
            data = events.recv(1 << 16)
        except BlockingIOError:
            return reason
        except OSError as error:
            # events were lost: all the more reason
            if error.errno != errno.ENOBUFS:
                raise
            reason = True
            continue
        reason = reason or any(matter(kind, body) for kind, _flags, _sequence, port, body in nl.messages(data)
                               if port != own_port)


def matters(kind, body):
    """Return whether an event can change what is wanted or what is there; only routes are told apart."""
    if kind not in (nl.RTM_NEWROUTE, nl.RTM_DELROUTE):
        return True
    header = kernel.RTMSG.unpack_from(body)
    if header[8] & kernel.RTM_F_CLONED:
        return False
    found = nl.attributes(body[kernel.RTMSG.size:])
    table = nl.U32.unpack(found[kernel.RTA_TABLE])[0] if kernel.RTA_TABLE in found else header[4]
    if header[5] == PROTOCOL or table == GATEWAYS_TABLE:
        return True
    # of main, only defaults and what is on a link: a routing daemon's table may change all day
    return table == MAIN_TABLE and (header[1] == 0 or kernel.RTA_GATEWAY not in found)


def notify(message):
    """Tell systemd, if it asked (sd_notify(3))."""
    path = os.environ.get("NOTIFY_SOCKET")
    if not path:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_CLOEXEC) as notify:
        notify.connect("\0" + path[1:] if path.startswith("@") else path)
        notify.sendall(message.encode())
