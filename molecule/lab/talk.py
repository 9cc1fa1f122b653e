"""Questions over TCP and UDP, and who answers them: run in a namespace with `ip netns exec`, as a program of its own.

    talk.py serve               answer until killed; prints `ready`
    talk.py ask '[{...}, ...]'  ask all at once; prints a JSON list of what became of each

A question is `?` and a cookie, its answer `!`, the cookie and the address that asked, as the server saw it: the sniffer knows both
by them, whatever NAT did to addresses and ports on the way.
"""

from __future__ import annotations

import contextlib
import errno
import json
import os
import socket
import struct
import sys
import threading

PORT, OTHER_PORT = 7007, 7008
QUESTION, ANSWER = b"?", b"!"
COOKIE = 8

_IP_PKTINFO = 8  # not in Python's socket module
_FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
_KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}


def version(address: str) -> int:
    """4 or 6."""
    return 6 if ":" in address else 4


# --- the server ----------------------------------------------------------------------------------


def answer(data: bytes, peer: str) -> bytes:
    """The answer to a question; nothing to all else."""
    if not data.startswith(QUESTION) or len(data) <= COOKIE:
        return b""
    return ANSWER + data[1 : 1 + COOKIE] + peer.encode()


def serve() -> None:
    """Answer on every address until killed; a second server in a namespace leaves the first alone."""
    try:
        listeners = [
            _listen(family, kind, port)
            for family in _FAMILIES.values()
            for kind in _KINDS.values()
            for port in (PORT, OTHER_PORT)
        ]
    except OSError as error:
        if error.errno != errno.EADDRINUSE:
            raise
        listeners = []
    for listener in listeners:
        target = _stream if listener.type == socket.SOCK_STREAM else _datagrams
        threading.Thread(target=target, args=(listener,)).start()
    print("ready", flush=True)


def _listen(family: socket.AddressFamily, kind: socket.SocketKind, port: int) -> socket.socket:
    listener = socket.socket(family, kind)
    if family == socket.AF_INET6:
        listener.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
    if kind == socket.SOCK_STREAM:
        listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    listener.bind(("", port))
    if kind == socket.SOCK_STREAM:
        listener.listen(64)
    return listener


def _stream(listener: socket.socket) -> None:
    while True:
        connection, peer = listener.accept()
        threading.Thread(target=_connection, args=(connection, peer[0]), daemon=True).start()


def _connection(connection: socket.socket, peer: str) -> None:
    with connection, contextlib.suppress(OSError):
        connection.settimeout(5)
        connection.sendall(answer(connection.recv(64), peer))


def _datagrams(listener: socket.socket) -> None:
    """Answer from the address that was asked, as a name server on several addresses does (ip(7), IP_PKTINFO)."""
    ipv6 = listener.family == socket.AF_INET6
    level, wanted, given = (
        (socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, socket.IPV6_PKTINFO)
        if ipv6
        else (socket.IPPROTO_IP, _IP_PKTINFO, _IP_PKTINFO)
    )
    listener.setsockopt(level, wanted, 1)
    while True:
        data, ancillary, _flags, peer = listener.recvmsg(64, 256)
        info = next((value for where, kind, value in ancillary if (where, kind) == (level, given)), b"")
        # the address alone: a server that names the interface as well asks for it, and proves nothing
        own = info[:16] + bytes(4) if ipv6 else bytes(4) + info[4:8] + bytes(4)
        with contextlib.suppress(OSError):
            listener.sendmsg([answer(data, peer[0])], [(level, given, own)], 0, peer)


# --- those who ask ---------------------------------------------------------------------------------


def ask(questions: list[dict]) -> list[dict]:
    """What became of each: whether it was answered, by which address the server saw it asked, and the error."""
    results: list[dict] = [{"answered": False, "seen_as": "", "error": ""} for _ in questions]
    threads = []
    for question, result in zip(questions, results, strict=True):
        try:
            asker = _open(question)  # one after the other: the user of a socket is that of the process
        except OSError as error:
            result["error"] = os.strerror(error.errno or 0)
            continue
        threads.append(threading.Thread(target=_ask, args=(asker, question, result)))
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results


def _open(question: dict) -> socket.socket:
    """A socket of a user, with a mark, bound to a device, to an address and to a port: each only if it is said."""
    os.seteuid(question.get("uid", 0))
    try:
        asker = socket.socket(_FAMILIES[version(question["address"])], _KINDS[question["protocol"]])
    finally:
        os.seteuid(0)
    asker.settimeout(question.get("timeout", 1.0))
    if question.get("mark"):
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_MARK, question["mark"])
    if question.get("tos"):
        ipv6 = asker.family == socket.AF_INET6
        asker.setsockopt(
            socket.IPPROTO_IPV6 if ipv6 else socket.IPPROTO_IP,
            socket.IPV6_TCLASS if ipv6 else socket.IP_TOS,
            question["tos"],
        )
    if question.get("device"):
        asker.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, question["device"].encode() + b"\0")
    if question.get("source") or question.get("source_port"):
        if question["protocol"] == "tcp":
            asker.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        asker.bind((question.get("source", ""), question.get("source_port", 0)))
    return asker


def _ask(asker: socket.socket, question: dict, result: dict) -> None:
    cookie = bytes.fromhex(question["cookie"])
    with asker:
        try:
            server = question["address"], question.get("port", PORT)
            if question["protocol"] == "tcp":
                asker.connect(server)
                asker.sendall(QUESTION + cookie)
                said = asker.recv(256)
            else:
                said = _ask_by_datagram(asker, QUESTION + cookie, server)
        except TimeoutError:
            result["error"] = "no answer"
        except OSError as error:
            result["error"] = os.strerror(error.errno or 0)
        else:
            result["answered"] = said.startswith(ANSWER + cookie)
            result["seen_as"] = said[1 + COOKIE :].decode(errors="replace")
            if question["protocol"] == "tcp":
                # no TIME_WAIT: a fixed port can be used again at once
                asker.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


def _ask_by_datagram(asker: socket.socket, text: bytes, server: tuple[str, int]) -> bytes:
    """Asked twice, as a resolver would: a busy machine loses a datagram now and then. Not connected: connect() looks for a route
    twice, the second time from the address that it has found."""
    asker.sendto(text, server)
    try:
        return asker.recv(256)
    except TimeoutError:
        asker.sendto(text, server)
        return asker.recv(256)


if __name__ == "__main__":
    if sys.argv[1] == "serve":
        serve()
    else:
        print(json.dumps(ask(json.loads(sys.argv[2]))))
