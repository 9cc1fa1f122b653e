"""Watch the ports of a namespace for the lab's own traffic; prints a JSON line for each packet of it seen.

A program of its own because Python can enter a namespace itself only from 3.12 on: it is started with
`ip netns exec`. A packet socket is given frames before the bridge takes them (net/core/dev.c,
__netif_receive_skb_core: taps come before rx_handler), so a reply that anti-spoofing drops is seen
all the same. Our traffic is known by a cookie in its payload, so several may run at once, and NAT hides nothing.
"""

from __future__ import annotations

import json
import socket
import struct
import sys

_ETH_P_ALL = 0x0003
_SO_RCVBUFFORCE = 33
_ECHO = {(4, 8): "request", (4, 0): "reply", (6, 128): "request", (6, 129): "reply"}
_TALK = {b"?": "request", b"!": "reply"}  # talk.py


def message(frame: bytes) -> tuple[str, bytes] | None:
    """('request' or 'reply', payload) of an Ethernet frame with an ICMP echo, or TCP or UDP data of talk.py; None for all else."""
    (ethertype,) = struct.unpack_from("!H", frame, 12)
    packet = frame[14:]
    if ethertype == 0x0800 and len(packet) >= 20:
        version, protocol, body = 4, packet[9], packet[(packet[0] & 15) * 4 :]
    elif ethertype == 0x86DD and len(packet) >= 40:
        version, protocol, body = 6, packet[6], packet[40:]
    else:
        return None
    if protocol in (socket.IPPROTO_ICMP, socket.IPPROTO_ICMPV6):
        kind = _ECHO.get((version, body[0])) if len(body) >= 8 else None
        return (kind, body[8:]) if kind else None
    if protocol == socket.IPPROTO_UDP:
        data = body[8:]
    elif protocol == socket.IPPROTO_TCP and len(body) >= 20:
        data = body[(body[12] >> 4) * 4 :]
    else:
        return None
    kind = _TALK.get(data[:1])
    return (kind, data[1:]) if kind else None


def watch(cookies: list[bytes]) -> None:
    """Print what passes until killed. `to_machine` is the direction as the port sees it."""
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(_ETH_P_ALL)) as tap:
        # beyond what the machine allows to everybody: on a busy one this program gets its turn late (socket(7))
        tap.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, 32 << 20)
        print("ready", flush=True)
        while True:
            frame, (port, _protocol, kind, *_rest) = tap.recvfrom(65535)
            found = message(frame) if len(frame) >= 14 else None
            if not found:
                continue
            cookie = next((c for c in cookies if c in found[1]), None)
            if cookie is None:
                continue
            seen = {
                "port": port,
                "cookie": cookie.hex(),
                "kind": found[0],
                "to_machine": kind == socket.PACKET_OUTGOING,
                "destination": frame[0:6].hex(":"),
            }
            print(json.dumps(seen), flush=True)


if __name__ == "__main__":
    try:
        watch([bytes.fromhex(argument) for argument in sys.argv[1:]])
    except KeyboardInterrupt:
        pass
