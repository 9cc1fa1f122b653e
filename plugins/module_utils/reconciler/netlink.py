# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The rtnetlink wire format, as far as this program needs it: requests, dumps, acknowledgements (netlink(7), rtnetlink(7)).

Numbers are those of linux/netlink.h, linux/rtnetlink.h, linux/if_link.h, linux/if_addr.h, linux/neighbour.h and
linux/fib_rules.h. One socket can carry hundreds of changes in a few system calls, which is why this is here and not a
process of ip(8) for each.
"""

import errno
import os
import socket
import struct

NLMSG_ERROR, NLMSG_DONE = 2, 3
NLM_F_REQUEST, NLM_F_ACK, NLM_F_DUMP = 0x1, 0x4, 0x300
NLM_F_DUMP_INTR = 0x10
NLM_F_REPLACE, NLM_F_EXCL, NLM_F_CREATE = 0x100, 0x200, 0x400

RTM_NEWLINK, RTM_DELLINK, RTM_GETLINK = 16, 17, 18
RTM_NEWADDR, RTM_GETADDR = 20, 22
RTM_NEWROUTE, RTM_DELROUTE, RTM_GETROUTE = 24, 25, 26
RTM_GETNEIGH = 30
RTM_NEWRULE, RTM_DELRULE, RTM_GETRULE = 32, 33, 34
RTM_SETNEIGHTBL = 67

SOL_NETLINK, NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK = 270, 10, 12

MESSAGE = struct.Struct("=LHHLL")     # struct nlmsghdr
ATTRIBUTE = struct.Struct("=HH")      # struct nlattr
U32 = struct.Struct("=L")
U8 = struct.Struct("=B")

# A dump that the kernel flags as interrupted mixes two states; reading again is the documented answer (netlink/intro,
# "NLM_F_DUMP_INTR"). Ten times in a row means a table that never rests: then the last reading is as good as any.
DUMP_TRIES = 10
# Acknowledgements of one batch wait in the socket's receive buffer; 64 of them fit any default buffer.
BATCH = 64


def attribute(kind, value):
    """Return one attribute, padded to four bytes. ``kind`` is its number, ``value`` its bytes."""
    size = ATTRIBUTE.size + len(value)
    return ATTRIBUTE.pack(size, kind) + value + b"\0" * (-size % 4)


def attributes(data):
    """Return ``{number: bytes}`` of the attributes in ``data``; the flag bits of the number are dropped."""
    found = {}
    offset = 0
    while offset + ATTRIBUTE.size <= len(data):
        size, kind = ATTRIBUTE.unpack_from(data, offset)
        if size < ATTRIBUTE.size:
            break
        found[kind & 0x3FFF] = data[offset + ATTRIBUTE.size:offset + size]
        offset += size + (-size % 4)
    return found


def messages(data):
    """Yield ``(type, flags, sequence, port, payload)`` for each message in a datagram."""
    offset = 0
    while offset + MESSAGE.size <= len(data):
        size, kind, flags, sequence, port = MESSAGE.unpack_from(data, offset)
        if size < MESSAGE.size:
            break
        yield kind, flags, sequence, port, data[offset + MESSAGE.size:offset + size]
        offset += size + (-size % 4)


class Netlink:
    """A NETLINK_ROUTE socket for requests. Use it as a context manager.

    :ivar port: the socket's address: the kernel names it in the notifications of what this socket changed.
    """

    def __init__(self):
        self._socket = socket.socket(socket.AF_NETLINK, socket.SOCK_RAW | socket.SOCK_CLOEXEC, socket.NETLINK_ROUTE)
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 20)
        for option in (NETLINK_CAP_ACK, NETLINK_GET_STRICT_CHK):
            self._socket.setsockopt(SOL_NETLINK, option, 1)
        self._socket.bind((0, 0))
        self.port = self._socket.getsockname()[0]
        self._sequence = 0

    def __enter__(self):
        return self

    def __exit__(self, *_exception):
        self._socket.close()

    def dump(self, kind, payload):
        """Return the payloads of a consistent dump. ``kind`` is an RTM_GET number, ``payload`` its header and attributes.

        :raises OSError: what the kernel answered; a table or family that does not exist is an empty dump.
        """
        result = []
        for _attempt in range(DUMP_TRIES):
            result, interrupted = self._dump_once(kind, payload)
            if not interrupted:
                break
        return result

    def _dump_once(self, kind, payload):
        sequence = self._send([(kind, NLM_F_DUMP, payload)])
        result, interrupted = [], False
        while True:
            for answer, flags, number, _port, body in messages(self._socket.recv(1 << 18)):
                if number != sequence:
                    continue
                interrupted = interrupted or bool(flags & NLM_F_DUMP_INTR)
                if answer not in (NLMSG_DONE, NLMSG_ERROR):
                    # of a family that it does not have (ipv6.disable=1), the kernel tells everybody's (rtnetlink_rcv_msg)
                    if not payload[0] or body[:1] == payload[:1]:
                        result.append(body)
                    continue
                code = -struct.unpack_from("=l", body)[0] if len(body) >= 4 else 0
                # strict checking answers ENOENT for a table that has never had a route
                if code in (errno.ENOENT, errno.EAFNOSUPPORT, errno.EOPNOTSUPP):
                    return [], False
                if code > 0:
                    raise OSError(code, os.strerror(code))
                return result, interrupted

    def get(self, kind, payload):
        """Return the payload of the single answer to a request.

        :raises OSError: what the kernel answered.
        """
        sequence = self._send([(kind, 0, payload)])
        while True:
            for answer, _flags, number, _port, body in messages(self._socket.recv(1 << 16)):
                if number != sequence:
                    continue
                if answer == NLMSG_ERROR:
                    code = -struct.unpack_from("=l", body)[0]
                    raise OSError(code, os.strerror(code))
                return body

    def change(self, requests):
        """Send changes in order; return for each 0 or the errno that the kernel answered.

        :arg requests: ``[(kind, flags, payload)]``. A failed one does not stop those after it.
        """
        answers = []
        for start in range(0, len(requests), BATCH):
            batch = requests[start:start + BATCH]
            # what is refused is answered in any case, what is done only if asked (netlink_rcv_skb in net/netlink/af_netlink.c)
            kind, flags, payload = batch[-1]
            last = self._send([*batch[:-1], (kind, flags | NLM_F_ACK, payload)])
            codes = {}
            while last not in codes:
                for answer, _flags, number, _port, body in messages(self._socket.recv(1 << 18)):
                    if answer == NLMSG_ERROR:
                        codes[number] = -struct.unpack_from("=l", body)[0]
            answers += [codes.get(number, 0) for number in range(last - len(batch) + 1, last + 1)]
        return answers

    def _send(self, requests):
        """Send requests in one datagram; return the sequence number of the last."""
        data = []
        for kind, flags, payload in requests:
            self._sequence += 1
            data.append(MESSAGE.pack(MESSAGE.size + len(payload), kind, flags | NLM_F_REQUEST, self._sequence, self.port))
            data.append(payload + b"\0" * (-len(payload) % 4))
        self._socket.send(b"".join(data))
        return self._sequence
