# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Asks a segment for an address, and prints the MAC addresses that answer, one a line: arp.py INTERFACE ADDRESS."""

import socket
import sys
import time

name, address = sys.argv[1:]
with socket.socket(socket.AF_PACKET, socket.SOCK_RAW, socket.htons(0x0806)) as wire:
    wire.bind((name, 0x0806))
    own = wire.getsockname()[4]
    # an ARP probe: sent from no address, so that nobody learns of it
    request = b"\xff" * 6 + own + bytes.fromhex("0806 0001 0800 06 04 0001") + own + b"\0" * 10 + socket.inet_aton(address)
    wire.settimeout(0.2)
    found, end = set(), time.monotonic() + 1
    wire.send(request)
    while time.monotonic() < end:
        try:
            frame = wire.recv(2048)
        except TimeoutError:
            continue
        if frame[20:22] == b"\0\2" and frame[28:32] == socket.inet_aton(address):
            found.add(frame[22:28].hex(":"))
print("\n".join(sorted(found)))
