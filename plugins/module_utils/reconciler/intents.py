# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is wanted: one JSON file an interface. A file that cannot be understood is reported and takes nothing down."""

import fnmatch
import json
import os
import pwd
import re
import stat
import typing
import zlib

from . import GATEWAYS_TABLE, HOTPLUG_TABLES, INTENTS_DIR, LAST_PORT, NOWHERE_TABLE, connmark
from .kernel import ALL_BITS, Match, Prefix, pack
from .planner import families

# Devices that borrow the MAC of the interface below them: a MAC means the hardware, not these.
BORROWERS = frozenset(("vlan", "macvlan", "macvtap", "ipvlan", "bridge", "bond", "team", "vrf"))
# Hundreds of selectors fit; what is larger was not written by us.
LARGEST_FILE = 1 << 18


class Intent(typing.NamedTuple):
    """An interface to be policy routed. ``gateways``: packed, configured ones only; ``mac`` may be empty.

    ``selectors``: Matches, whose ``uid`` may still be the name of a user. ``table`` 0: the file could not be understood.

    With ``patterns`` it is all hardware interfaces of such names that ``named``, names and MAC addresses, does not have, and that no other
    Intent is of; each has a table by its MAC address.
    """

    name: str
    mac: str
    table: int
    gateways: tuple
    selectors: tuple = ()
    default: bool = False
    strict: bool = False
    connmark: int = 0       # the number in its marks, 0 for none
    patterns: tuple = ()
    named: tuple = ()


class Malformed(ValueError):
    """A file that is not an intent; the message names the file, the field and what was expected."""


def parse(content, path):
    """Return the Intent in a file's content.

    :raises Malformed: with a sentence.
    """
    try:
        data = json.loads(content, object_pairs_hook=_without_duplicates, parse_constant=_no_number)
    except (ValueError, RecursionError) as error:
        raise Malformed("%s: not JSON: %s" % (path, error))
    if not isinstance(data, dict):
        raise Malformed("%s: expected an object" % path)
    mac, table, selectors = data.get("mac", ""), data.get("table"), data.get("selectors", [])
    if not _is_name(data.get("name")):
        raise Malformed("%s: name: %s is not the name of an interface" % (path, _short(data.get("name"))))
    if not isinstance(mac, str) or not re.fullmatch("([0-9A-Fa-f]{2}(:[0-9A-Fa-f]{2})*)?", mac):
        raise Malformed("%s: mac: %s is not a MAC address" % (path, _short(mac)))
    if not _is_number(table, 1, ALL_BITS) or 253 <= table <= 255 or table in (GATEWAYS_TABLE, NOWHERE_TABLE):
        raise Malformed("%s: table: %s is not the number of a table of one's own" % (path, _short(table)))
    for field in ("default", "strict"):
        if not isinstance(data.get(field, False), bool):
            raise Malformed("%s: %s: %s is neither true nor false" % (path, field, _short(data[field])))
    number = data.get("connmark", 0)
    if "connmark" in data and not _is_number(number, connmark.NUMBERS[0], connmark.NUMBERS[-1]):
        raise Malformed("%s: connmark: %s is not a number from 1 to 254" % (path, _short(number)))
    for field in ("patterns", "named"):
        words = data.get(field, [])
        if not isinstance(words, list) or not all(isinstance(word, str) for word in words):
            raise Malformed("%s: %s: %s is not a list of strings" % (path, field, _short(words)))
    if not isinstance(selectors, list):
        raise Malformed("%s: selectors: %s is not a list" % (path, _short(selectors)))
    matches = [_selector(value, "%s: selectors[%d]" % (path, number)) for number, value in enumerate(selectors)]
    return Intent(data["name"], mac.lower(), table, tuple(_gateways(data, path)), tuple(matches),
                  data.get("default", False), data.get("strict", False), number,
                  tuple(data.get("patterns", ())), tuple(data.get("named", ())))


def _without_duplicates(pairs):
    found = dict(pairs)
    if len(found) != len(pairs):
        raise ValueError("a key is there twice")
    return found


def _no_number(word):
    raise ValueError("%s is not a number" % word)


def _short(value):
    text = ascii(value)
    return text if len(text) <= 64 else text[:61] + "..."


def _is_name(value):
    return isinstance(value, str) and value.isprintable() and 0 < len(value.encode()) < 16 and not re.search(r"[\s/]", value)


def _is_number(value, lowest, highest):
    return isinstance(value, int) and not isinstance(value, bool) and lowest <= value <= highest


def _gateways(data, path):
    for field, size in (("gateway4", 4), ("gateway6", 16)):
        value = data.get(field)
        if value is None or value == "":
            continue
        address = _address(value)
        if len(address) != size:
            raise Malformed("%s: %s: %s is not an IPv%d address" % (path, field, _short(value), 4 if size == 4 else 6))
        yield address


def _address(value):
    """Return an address packed, or nothing for what is none."""
    try:
        return pack(value)
    except (OSError, TypeError, ValueError):
        return b""


# ---- selectors ----


def _prefix(value):
    address, _slash, length = value.partition("/")
    packed = _address(address)
    bits = int(length) if re.fullmatch("[0-9]{1,3}", length) else 0
    if not packed or not 0 < bits <= 8 * len(packed) or Prefix(packed, bits).network().address != packed:
        raise ValueError
    return Prefix(packed, bits)


def _range(highest):
    def parse_range(value):
        words = re.fullmatch("([0-9]{1,10})(?:-([0-9]{1,10}))?", value)
        first, last = int(words.group(1)), int(words.group(2) or words.group(1))
        if not first <= last <= highest:
            raise ValueError
        return first, last

    return parse_range


def _uid(value):
    """Return a range, or the name of a user."""
    if re.fullmatch("[0-9-]+", value):
        return _range(ALL_BITS - 1)(value)
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.@\\-]{0,255}[$]?", value):
        raise ValueError
    return value


def _mark(value):
    mark, mask = (int(word, 16) for word in re.fullmatch("0x([0-9a-f]{1,8})/0x([0-9a-f]{1,8})", value).groups())
    if not mark or mark & ~mask:
        raise ValueError
    return mark, mask


def _device(value):
    if not _is_name(value):
        raise ValueError
    return value


def _number(highest, step=1):
    def parse_number(value):
        number = int(re.fullmatch("[0-9]{1,3}", value).group())
        if not 0 < number <= highest or number % step:
            raise ValueError
        return number

    return parse_number


def _port(value):
    first, last = _range(LAST_PORT)(value)
    if not first:
        raise ValueError
    return first, last


# For each key: the field of a Match, the reader of its string, and what is expected.
SELECTOR = {
    "from": ("source", _prefix, "a prefix such as 198.51.100.0/24"),
    "to": ("destination", _prefix, "a prefix such as 198.51.100.0/24"),
    "tos": ("tos", _number(252, 4), "a multiple of 4 up to 252"),
    "fwmark": ("fwmark", _mark, "a mark and a mask such as 0x2/0xffffffff"),
    "iif": ("iif", _device, "the name of an interface"),
    "oif": ("oif", _device, "the name of an interface"),
    "uid": ("uid", _uid, "a number, a range or the name of a user"),
    "ipproto": ("ipproto", _number(255), "a number from 1 to 255"),
    "sport": ("sport", _port, "a port or a range of ports"),
    "dport": ("dport", _port, "a port or a range of ports"),
}


def _selector(value, place):
    if not isinstance(value, dict) or not value:
        raise Malformed("%s: %s is not an object with keys such as to and uid" % (place, _short(value)))
    fields = {}
    for key, word in value.items():
        if key not in SELECTOR:
            raise Malformed("%s: %s is not one of %s" % (place, _short(key), ", ".join(SELECTOR)))
        field, read_word, expected = SELECTOR[key]
        try:
            fields[field] = read_word(word)
        except (ValueError, TypeError, AttributeError):
            raise Malformed("%s: %s: %s is not %s" % (place, key, _short(word), expected))
    match = Match(**fields)
    if not families(match):
        raise Malformed("%s: no packet is both IPv4 and IPv6" % place)
    return match


def resolve(intents):
    """Return ``([Intent], [sentence])`` with the numbers of users for their names; a selector whose user is unknown is left out."""
    resolved, problems = [], []
    for intent in intents:
        matches = []
        for match in intent.selectors:
            if isinstance(match.uid, str):
                number = user_number(match.uid)
                if number is None:
                    problems.append("%s: selectors: uid: there is no user %s on this host" % (intent.name, match.uid))
                    continue
                match = match._replace(uid=(number, number))
            matches.append(match)
        resolved.append(intent._replace(selectors=tuple(matches)))
    return resolved, problems


def user_number(name):
    """Return the number of a user of this host, or None."""
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


# ---- files ----


def read(directory=INTENTS_DIR):
    """Return ``([Intent], [sentence])``: what is wanted, and what could not be understood.

    For each of the latter there is an Intent without a table, by the file's name: the other interfaces must still know of it.
    """
    intents, unclear, problems = [], [], []
    try:
        names = sorted(name for name in os.listdir(directory) if name.endswith(".json"))
    except FileNotFoundError:
        names = []
    except OSError as error:
        return [Intent("", "", 0, ())], ["%s: cannot be read: %s" % (directory, error.strerror)]
    for name in names:
        path = os.path.join(directory, name)
        try:
            intent = parse(_content(path), path)
            _check_alone(intent, intents, path)
            intents.append(intent)
        except (Malformed, OSError, UnicodeDecodeError) as error:
            unclear.append(Intent(name[:-len(".json")], "", 0, ()))
            problems.append(str(error) if isinstance(error, Malformed) else
                            "%s: cannot be read: %s" % (path, getattr(error, "strerror", None) or error))
    return intents + unclear, problems


def _content(path):
    """Return what is in a regular file; nothing else must keep us waiting or fill the memory."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC)
    with open(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Malformed("%s: not a regular file" % path)
        content = file.read(LARGEST_FILE + 1)
    if len(content) > LARGEST_FILE:
        raise Malformed("%s: larger than %d bytes" % (path, LARGEST_FILE))
    return content.decode("utf-8")


def _check_alone(intent, others, path):
    """:raises Malformed: another file has the same interface or table, or is the default too."""
    for other in others:
        if intent.name == other.name or (intent.mac and intent.mac == other.mac):
            raise Malformed("%s: is for the same interface as that of %s" % (path, other.name))
        if intent.table == other.table:
            raise Malformed("%s: table: %d is that of %s" % (path, intent.table, other.name))
        if intent.connmark and intent.connmark == other.connmark:
            raise Malformed("%s: connmark: %d is that of %s" % (path, intent.connmark, other.name))
        if intent.default and other.default:
            raise Malformed("%s: default: %s is the default already" % (path, other.name))


def match(intents, links):
    """Return ``{index: Intent}`` for the interfaces that are attached: by MAC where one is said, else by name.

    A MAC wins: an interface that has the name of one entry and the MAC of another is the other's.
    """
    managed = {}
    for intent in sorted((intent for intent in intents if not intent.patterns), key=lambda intent: not intent.mac):
        if intent.mac:
            found = [link for link in links.values() if link.mac == intent.mac and link.kind not in BORROWERS]
        else:
            found = [link for link in links.values() if link.name == intent.name]
        # two hardware interfaces with one MAC: the name decides, if it can
        found.sort(key=lambda link: (link.name != intent.name, link.index))
        if found:
            managed.setdefault(found[0].index, intent)
    managed.update(_unnamed(intents, links, managed))
    return managed


def _unnamed(intents, links, managed):
    """Return ``{index: Intent}`` of interfaces that nobody has named. The table hangs on the MAC address; where two want the same, the
    larger address takes the next one that is free, so that the order in which they came does not matter."""
    taken, found = {intent.table for intent in intents if not intent.patterns}, {}
    for intent in intents:
        unnamed = [link for link in links.values() if link.index not in managed and link.kind not in BORROWERS and len(link.mac) == 17
                   and not {link.name, link.mac} & set(intent.named)
                   and any(fnmatch.fnmatchcase(link.name, pattern) for pattern in intent.patterns)]
        for link in sorted(unnamed, key=lambda link: (link.mac, link.name)):
            first = zlib.crc32(link.mac.encode())
            numbers = [HOTPLUG_TABLES[(first + step) % len(HOTPLUG_TABLES)] for step in range(len(HOTPLUG_TABLES))]
            table = next((number for number in numbers if number not in taken), None)
            if table is not None:
                taken.add(table)
                found[link.index] = intent._replace(name=link.name, mac=link.mac, table=table, patterns=(), named=())
    return found
