# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Any list at all: it renders for every variant with everything that was asked for, or it is refused with entry and field."""

from __future__ import annotations

import json
import re

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import intents, planner
from ansible_collections.gandi.hosting.plugins.plugin_utils import _sections
from ansible_collections.gandi.hosting.plugins.plugin_utils._fields import POLICY_ROUTING, SELECTOR
from ansible_collections.gandi.hosting.plugins.plugin_utils._model import INTERFACE, ROUTE, InterfacesError, parse

HOSTILE = st.sampled_from(
    ["eth0 eth1", "eth0\nDNS=192.0.2.66", "'", '"', "$(reboot)", "`id`", "../../etc/passwd", "ethé", "a;b", "x|y", "\\", "#", "%i", "*", "\x00"]
)
NAME = st.sampled_from(["eth0", "eth1", "eth2", "ens3", "eth0.100"])
ADDRESS4 = st.builds("198.51.{}.{}/{}".format, st.integers(100, 103), st.integers(0, 255), st.sampled_from([24, 25, 31, 32]))
ADDRESS6 = st.builds("2001:db8:{:x}::{:x}/{}".format, st.integers(0, 3), st.integers(0, 99), st.sampled_from([64, 127, 128]))
ROUTER = st.builds("198.51.{}.1".format, st.integers(100, 103)) | st.sampled_from(["fe80::1", "2001:db8:1::1"])
FLAG = st.booleans() | st.sampled_from(["yes", "no"])
TABLE = st.sampled_from([100, 254, 255, 26519, 26520, 70000])
JUNK = HOSTILE | st.none() | st.integers() | st.text(max_size=8) | st.lists(HOSTILE, max_size=2)

RANGE = st.sampled_from([1, 25, "25", "25-26", "26-25", 65535, "x"])
SELECTORS = {
    "from": ADDRESS4 | ADDRESS6,
    "to": st.sampled_from(["203.0.113.0/24", "2001:db8:f::/48", "192.0.2.1", "::/0", "default"]),
    "tos": st.sampled_from([16, "0x10", "0xb8", 3]),
    "fwmark": st.sampled_from(["0x2", 2, "0x200/0xff00", "0x2/0x1", 0]),
    "iif": NAME | st.just("lo"),
    "oif": NAME,
    "uid": RANGE | st.sampled_from(["backup", "www-data", 0]),
    "ipproto": st.sampled_from(["tcp", "icmp", "ICMPv6", 132, 256]),
    "sport": RANGE,
    "dport": RANGE,
}
SELECTOR_ENTRY = st.fixed_dictionaries({}, optional=SELECTORS)

GOOD = {
    "name": NAME,
    "mac": st.builds("02:00:00:00:00:{:02x}".format, st.integers(0, 255)),
    "primary": FLAG,
    "state": st.sampled_from(["present", "absent"]),
    "dhcp4": FLAG,
    "dhcp6": FLAG,
    "accept_ra": FLAG,
    "addresses": st.lists(ADDRESS4 | ADDRESS6, max_size=3),
    "gateway4": ROUTER,
    "gateway6": ROUTER,
    "nameservers": st.fixed_dictionaries({}, optional={"addresses": st.lists(ROUTER, max_size=2), "search": st.just(["example.net"])}),
    "mtu": st.sampled_from([68, 1280, 1500, 9000]),
    "routes": st.lists(
        st.fixed_dictionaries(
            {"to": st.sampled_from(["default", "203.0.113.0/24", "2001:db8:f::/48"]), "via": ROUTER},
            optional={"metric": st.integers(0, 9), "table": TABLE, "on_link": FLAG},
        ),
        max_size=2,
    ),
    "optional": FLAG,
    "agent": FLAG,
    "policy_routing": FLAG
    | st.fixed_dictionaries(
        {}, optional={"table": TABLE, "selectors": st.lists(SELECTOR_ENTRY, max_size=2), "default": FLAG, "strict": FLAG, "connmark": FLAG}
    ),
}
ENTRY = st.fixed_dictionaries({"name": NAME}, optional={key: value for key, value in GOOD.items() if key != "name"})
SPOILT = st.fixed_dictionaries({}, optional={key: value | JUNK for key, value in GOOD.items()} | {"nmae": JUNK})
# Mostly plain interfaces: with everything drawn at random, hardly any list would be a good one.
SIMPLE = st.fixed_dictionaries({"name": NAME}, optional={word: GOOD[word] for word in ("addresses", "optional", "dhcp6")})

quick = settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.too_slow])

FIELD = "|".join([*INTERFACE, *ROUTE, "nmae"])


def outcome(interfaces):
    """(all texts by variant, None) or (None, errors)"""
    try:
        present = parse(interfaces)
    except InterfacesError as refused:
        return None, refused.errors
    _sections.policy_routing(present)
    found = _sections.interfaces(present)["files"]
    return {variant: "\n".join(file["content"] for file in tree.values()) for variant, tree in found.items()}, None


def test_the_strategies_know_every_key():
    """A new key of an interface is tried here too."""
    assert set(GOOD) == set(INTERFACE)
    assert set(SELECTORS) == set(SELECTOR) == set(intents.SELECTOR)
    assert set(POLICY_ROUTING) == {"table", "selectors", "default", "strict", "connmark"}


@quick
@given(SELECTOR_ENTRY)
def test_a_selector_that_validates_is_one_that_the_host_reads(selector):
    """The two sides check the same thing twice, and must not disagree."""
    try:
        present = parse([{"name": "eth0", "primary": True}, {"name": "eth1", "policy_routing": {"selectors": [selector]}}])
    except InterfacesError:
        return
    intent = _sections.policy_routing(present)["interfaces"][1]
    read = intents.parse(json.dumps({**intent, "table": 26521, "connmark": 1}), "p")
    assert len(read.selectors) == 1 and planner.families(read.selectors[0])


@quick
@given(st.lists(SIMPLE, max_size=3, unique_by=lambda entry: entry["name"]))
def test_what_validates_renders_with_every_address(interfaces):
    """Each variant has every address that the model has, and the model every one that was asked for."""
    texts, errors = outcome(interfaces)
    if errors:
        return
    wanted = [address for interface in parse(interfaces) for address in interface.addresses]
    assert len(wanted) == sum(len(entry.get("addresses", [])) for entry in interfaces)
    for text in texts.values():
        for address in wanted:
            assert re.search(rf"^\s*(Address=|address |addresses: .*\"){re.escape(address)}($|\")", text, re.MULTILINE)


@quick
@given(st.lists(ENTRY | SPOILT | JUNK, max_size=3) | JUNK)
def test_what_is_refused_names_entry_and_field(interfaces):
    """Anything else than an InterfacesError would fail the test; so would a line that says not where."""
    _texts, errors = outcome(interfaces)
    for error in errors or []:
        assert re.match(rf"gandi_interfaces(: |\[\d+\]: .+ is not a mapping|\[\d+\]( \(.*\))?: ({FIELD})\b)", error), error
        assert error.isprintable()


@quick
@given(st.lists(SPOILT, min_size=1, max_size=3), HOSTILE)
def test_a_hostile_string_never_reaches_a_file(interfaces, hostile):
    """Wherever a string can stand, a hostile one there is refused."""
    for word in ("name", "mac", "gateway4", "gateway6"):
        assert outcome([{**interfaces[0], word: hostile}])[0] is None
    for word in ("addresses", "routes"):
        assert outcome([{**interfaces[0], word: [hostile]}])[0] is None
    for keys in ({"to": hostile, "via": "198.51.100.1"}, {"to": "default", "via": hostile}):
        assert outcome([{**interfaces[0], "routes": [keys]}])[0] is None
    for word in ("addresses", "search"):
        assert outcome([{**interfaces[0], "nameservers": {word: [hostile]}}])[0] is None
