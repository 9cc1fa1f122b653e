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
from ansible_collections.gandi.hosting.tests.unit.any_interfaces import ENTRY, GOOD, HOSTILE, JUNK, SELECTOR_ENTRY, SELECTORS, SIMPLE, SPOILT, lists

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
    for text in [text for variant, text in texts.items() if variant != "networkd-256"]:  # what others have besides
        for address in wanted:
            assert re.search(rf"^\s*(Address=|address |addresses: .*\"){re.escape(address)}($|\")", text, re.MULTILINE)


@quick
@given(lists())
def test_good_lists_are_not_refused(interfaces):
    """What the scenario `backends` gives to the real programs."""
    assert outcome(interfaces)[1] is None


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
