# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wanted: one JSON file an interface. A file that cannot be understood is reported and takes nothing down."""

import json
import os
import typing

from . import INTENTS_DIR
from .kernel import pack

# Devices that borrow the MAC of the interface below them: a MAC means the hardware, not these.
BORROWERS = frozenset(("vlan", "macvlan", "macvtap", "ipvlan", "bridge", "bond", "team", "vrf"))


class Intent(typing.NamedTuple):
    """An interface to be policy routed. ``gateways``: ``{family: packed}``, configured ones only; ``mac`` may be empty."""

    name: str
    mac: str
    table: int
    gateways: tuple


class Malformed(ValueError):
    """A file that is not an intent; the message names the file, the field and what was expected."""


def parse(content, path):
    """Return the Intent in a file's content.

    :raises Malformed: with a sentence.
    """
    try:
        data = json.loads(content)
    except ValueError as error:
        raise Malformed("%s: not JSON: %s" % (path, error))
    if not isinstance(data, dict):
        raise Malformed("%s: expected an object" % path)
    name, mac, table = data.get("name"), data.get("mac", ""), data.get("table")
    if not isinstance(name, str) or not name:
        raise Malformed("%s: name: %r is not the name of an interface" % (path, name))
    if not isinstance(mac, str):
        raise Malformed("%s: mac: %r is not a MAC address" % (path, mac))
    if isinstance(table, bool) or not isinstance(table, int) or not 0 < table < 1 << 32 or 253 <= table <= 255:
        raise Malformed("%s: table: %r is not the number of a table of one's own" % (path, table))
    return Intent(name, mac.lower(), table, tuple(_gateways(data, path)))


def _gateways(data, path):
    for field, size in (("gateway4", 4), ("gateway6", 16)):
        value = data.get(field)
        if not value:
            continue
        try:
            address = pack(value)
        except (OSError, TypeError):
            address = b""
        if len(address) != size:
            raise Malformed("%s: %s: %r is not an IPv%d address" % (path, field, value, 4 if size == 4 else 6))
        yield address


def read(directory=INTENTS_DIR):
    """Return ``([Intent], [sentence])``: what is wanted, and what could not be understood."""
    intents, problems = [], []
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".json"))
    except FileNotFoundError:
        names = []
    for name in names:
        path = os.path.join(directory, name)
        try:
            with open(path, encoding="utf-8") as file:
                intents.append(parse(file.read(), path))
        except Malformed as error:
            problems.append(str(error))
        except (OSError, UnicodeDecodeError) as error:
            problems.append("%s: cannot be read: %s" % (path, error))
    return intents, problems


def match(intents, links):
    """Return ``{index: Intent}`` for the interfaces that are attached: by MAC where one is said, else by name."""
    managed = {}
    for intent in intents:
        if intent.mac:
            found = [link for link in links.values() if link.mac == intent.mac and link.kind not in BORROWERS]
        else:
            found = [link for link in links.values() if link.name == intent.name]
        # two hardware interfaces with one MAC: the name decides, if it can
        found.sort(key=lambda link: (link.name != intent.name, link.index))
        if found:
            managed.setdefault(found[0].index, intent)
    return managed
