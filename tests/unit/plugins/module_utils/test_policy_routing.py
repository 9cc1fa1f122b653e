# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Tables belong to an interface's identity; what is installed is what the module runs."""

import os

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _policy_routing
from ansible_collections.gandi.hosting.plugins.module_utils._commands import Failure
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler.intents import Intent


def entry(name, mac="", table=0):
    return {"name": name, "mac": mac, "table": table, "gateway4": "", "gateway6": ""}


@pytest.mark.parametrize("wanted, present, tables", [
    ([entry("eth0"), entry("eth1")], [], [26520, 26521]),
    ([entry("eth1"), entry("eth0")], [Intent("eth0", "", 26520, ()), Intent("eth1", "", 26521, ())], [26521, 26520]),
    ([entry("eth1")], [Intent("eth0", "", 26520, ()), Intent("eth1", "", 26521, ())], [26521]),
    ([entry("other", "02:00:00:00:00:01")], [Intent("eth1", "02:00:00:00:00:01", 26530, ())], [26530]),
    ([entry("eth1", "02:00:00:00:00:01")], [Intent("eth1", "", 26521, ())], [26521]),
    ([entry("eth0", table=26520), entry("eth1")], [Intent("eth1", "", 26520, ())], [26520, 26521]),
    ([entry("eth1"), entry("eth0", table=26520)], [], [26521, 26520]),
    ([entry("eth1", table=7)], [Intent("eth1", "", 26521, ())], [7]),
    ([entry("eth1"), entry("eth0", table=26520)], [Intent("eth1", "", 26520, ())], [26521, 26520]),
    ([entry("eth1")], [Intent("eth1", "", 0, ())], [26520]),
], ids=["new ones count up", "the order does not matter", "a removal moves nobody", "a MAC under another name", "a MAC that is said later",
        "a fixed table takes it from another", "a fixed table is not given away", "a fixed table wins over the one before",
        "a fixed table takes it from another that stands first", "an intent that could not be understood has no table"])
def test_a_table_belongs_to_an_interface(wanted, present, tables):
    assert [result["table"] for result in _policy_routing.allocate(wanted, present)] == tables


def test_what_nobody_named_is_an_intent_and_no_interfaces_table(monkeypatch):
    monkeypatch.setattr(_policy_routing.intents, "read", lambda: ([], []))
    wanted = _policy_routing.files({"interfaces": [entry("eth0")], "hotplug": {"patterns": ["eth*"], "named": ["eth0"]}})
    found = _policy_routing.parse(wanted)
    assert found == [Intent("eth0", "", 26520, ()), Intent("-hotplug", "", 26900, (), patterns=("eth*",), named=("eth0",))]
    monkeypatch.setattr(_policy_routing.intents, "read", lambda: (found, []))
    assert _policy_routing.parse(_policy_routing.files({"interfaces": [entry("eth1")], "hotplug": {}})) == [Intent("eth1", "", 26521, ())]


def test_more_interfaces_than_tables_is_a_sentence():
    with pytest.raises(Failure, match="no free routing table between 26520 and 26899"):
        _policy_routing.allocate([entry("if%d" % number) for number in range(381)], [])


def test_a_table_that_others_use_is_passed_over_but_not_taken_away():
    """An interface keeps what it has: a second run moves nothing."""
    wanted = [entry("eth0"), entry("eth1")]
    tables = _policy_routing.allocate(wanted, [Intent("eth1", "", 26521, ())], lambda table: table < 26523)
    assert [result["table"] for result in tables] == [26523, 26521]


def test_a_table_fixed_twice_is_a_sentence():
    with pytest.raises(Failure, match="policy_routing: table 7 is fixed for eth0 and for eth1; expected a table of its own for each"):
        _policy_routing.allocate([entry("eth0", table=7), entry("eth1", table=7)], [])


@pytest.mark.parametrize("wanted, present, numbers", [
    (["eth0", "eth1"], [], [1, 2]),
    (["eth1", "eth0"], [Intent("eth1", "", 26521, (), connmark=1)], [1, 2]),
    (["eth1"], [Intent("eth0", "", 26520, (), connmark=1), Intent("eth1", "", 26521, (), connmark=2)], [2]),
], ids=["new ones count up", "one keeps its number", "a removal moves nobody"])
def test_the_number_of_a_mark_belongs_to_an_interface(wanted, present, numbers):
    entries = [dict(entry(name), connmark=True) for name in wanted] + [entry("eth9")]
    assert [result["connmark"] for result in _policy_routing.number_marks(entries, present)] == [*numbers, 0]


def test_more_marks_than_a_byte_has_is_a_sentence():
    with pytest.raises(Failure, match="connmark: more than 254 interfaces"):
        _policy_routing.number_marks([dict(entry("if%d" % number), connmark=True) for number in range(255)], [])


def test_every_part_of_the_program_is_installed():
    folder = os.path.dirname(_policy_routing.reconciler.__file__)
    parts = {name for name in os.listdir(folder) if name.endswith(".py")}
    assert {os.path.basename(part.__file__) for part in _policy_routing.PROGRAM} == parts
