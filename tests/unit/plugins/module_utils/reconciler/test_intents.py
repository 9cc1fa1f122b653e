# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Intents: what cannot be understood is said with file, field and value, and takes nothing else down."""

import json
import os

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import intents, kernel

GOOD = '{"name": "eth1", "mac": "02:00:00:00:00:01", "table": 26521, "gateway4": "198.18.1.1", "gateway6": "fe80::1"}'


def test_a_good_file_is_an_intent():
    assert intents.parse(GOOD, "p") == intents.Intent(
        "eth1", "02:00:00:00:00:01", 26521, (kernel.pack("198.18.1.1"), kernel.pack("fe80::1")))


def selectors(text):
    return '{"name": "eth1", "table": 9, "selectors": %s}' % text


def test_selectors_are_matches():
    """Names of users are kept until the host is asked."""
    content = selectors('[{"to": "203.0.113.0/24", "uid": "backup"}, {"fwmark": "0x2/0xff", "dport": "25-26", "ipproto": "6"}, {"uid": "0-9"}]')
    assert intents.parse(content, "p").selectors == (
        kernel.Match(destination=kernel.Prefix(kernel.pack("203.0.113.0"), 24), uid="backup"),
        kernel.Match(fwmark=(2, 255), ipproto=6, dport=(25, 26)), kernel.Match(uid=(0, 9)))


def test_a_user_is_looked_up_and_one_that_is_not_there_costs_only_its_selector():
    known = intents.parse(selectors('[{"uid": "root"}, {"uid": "no-such-user"}, {"dport": "25"}]'), "p")
    resolved, problems = intents.resolve([known])
    assert resolved[0].selectors == (kernel.Match(uid=(0, 0)), kernel.Match(dport=(25, 25)))
    assert problems == ["eth1: selectors: uid: there is no user no-such-user on this host"]


@pytest.mark.parametrize("content, sentence", [
    ("{", "p: not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ("[]", "p: expected an object"),
    ("NaN", "p: not JSON: NaN is not a number"),
    ('{"name": "eth1", "name": "eth2"}', "p: not JSON: a key is there twice"),
    ('{"table": 26521}', "p: name: None is not the name of an interface"),
    ('{"name": "", "table": 26521}', "p: name: '' is not the name of an interface"),
    ('{"name": "a b", "table": 26521}', "p: name: 'a b' is not the name of an interface"),
    ('{"name": "0123456789abcdef", "table": 26521}', "p: name: '0123456789abcdef' is not the name of an interface"),
    ('{"name": "\\ud800", "table": 26521}', "p: name: '\\ud800' is not the name of an interface"),
    ('{"name": "e\\u0000", "table": 26521}', "p: name: 'e\\x00' is not the name of an interface"),
    ('{"name": "eth1", "mac": 7, "table": 26521}', "p: mac: 7 is not a MAC address"),
    ('{"name": "eth1", "mac": "eth1", "table": 26521}', "p: mac: 'eth1' is not a MAC address"),
    ('{"name": "eth1"}', "p: table: None is not the number of a table of one's own"),
    ('{"name": "eth1", "table": 254}', "p: table: 254 is not the number of a table of one's own"),
    ('{"name": "eth1", "table": 26519}', "p: table: 26519 is not the number of a table of one's own"),
    ('{"name": "eth1", "table": true}', "p: table: True is not the number of a table of one's own"),
    ('{"name": "eth1", "table": 1e3}', "p: table: 1000.0 is not the number of a table of one's own"),
    ('{"name": "eth1", "table": 4294967296}', "p: table: 4294967296 is not the number of a table of one's own"),
    ('{"name": "eth1", "table": 9, "gateway4": "fe80::1"}', "p: gateway4: 'fe80::1' is not an IPv4 address"),
    ('{"name": "eth1", "table": 9, "gateway6": "x"}', "p: gateway6: 'x' is not an IPv6 address"),
    ('{"name": "-", "table": 9, "patterns": "eth*"}', "p: patterns: 'eth*' is not a list of strings"),
    ('{"name": "-", "table": 9, "named": [7]}', "p: named: [7] is not a list of strings"),
    ('{"name": "eth1", "table": 9, "gateway6": 5}', "p: gateway6: 5 is not an IPv6 address"),
    ('{"name": "eth1", "table": 9, "gateway4": [":"]}', "p: gateway4: [':'] is not an IPv4 address"),
    ('{"name": "eth1", "table": 9, "gateway4": "1.2.3.4\\u0000"}', "p: gateway4: '1.2.3.4\\x00' is not an IPv4 address"),
    ('{"name": "eth1", "table": 9, "connmark": 255}', "p: connmark: 255 is not a number from 1 to 254"),
    ('{"name": "eth1", "table": 9, "connmark": true}', "p: connmark: True is not a number from 1 to 254"),
    ('{"name": "eth1", "table": 9, "connmark": null}', "p: connmark: None is not a number from 1 to 254"),
    ('{"name": "eth1", "table": 9, "strict": 1}', "p: strict: 1 is neither true nor false"),
    ('{"name": "eth1", "table": 9, "default": "yes"}', "p: default: 'yes' is neither true nor false"),
    (selectors('{"uid": "7"}'), "p: selectors: {'uid': '7'} is not a list"),
    (selectors('["uid"]'), "p: selectors[0]: 'uid' is not an object with keys such as to and uid"),
    (selectors('[{"uid": "7"}, {}]'), "p: selectors[1]: {} is not an object with keys such as to and uid"),
    (selectors('[{"user": "7"}]'), "p: selectors[0]: 'user' is not one of from, to, tos, fwmark, iif, oif, uid, ipproto, sport, dport"),
    (selectors('[{"uid": 7}]'), "p: selectors[0]: uid: 7 is not a number, a range or the name of a user"),
    (selectors('[{"uid": "9-7"}]'), "p: selectors[0]: uid: '9-7' is not a number, a range or the name of a user"),
    (selectors('[{"uid": "a\\nb"}]'), "p: selectors[0]: uid: 'a\\nb' is not a number, a range or the name of a user"),
    (selectors('[{"to": "10.0.0.1/8"}]'), "p: selectors[0]: to: '10.0.0.1/8' is not a prefix such as 198.51.100.0/24"),
    (selectors('[{"from": "::/0"}]'), "p: selectors[0]: from: '::/0' is not a prefix such as 198.51.100.0/24"),
    (selectors('[{"from": {}}]'), "p: selectors[0]: from: {} is not a prefix such as 198.51.100.0/24"),
    (selectors('[{"fwmark": "2"}]'), "p: selectors[0]: fwmark: '2' is not a mark and a mask such as 0x2/0xffffffff"),
    (selectors('[{"tos": "17"}]'), "p: selectors[0]: tos: '17' is not a multiple of 4 up to 252"),
    (selectors('[{"ipproto": "256"}]'), "p: selectors[0]: ipproto: '256' is not a number from 1 to 255"),
    (selectors('[{"dport": "65535"}]'), "p: selectors[0]: dport: '65535' is not a port or a range of ports"),
    (selectors('[{"iif": "a/b"}]'), "p: selectors[0]: iif: 'a/b' is not the name of an interface"),
    (selectors('[{"to": "10.0.0.0/8", "ipproto": "58"}]'), "p: selectors[0]: no packet is both IPv4 and IPv6"),
])
def test_a_malformed_file_is_named(content, sentence):
    with pytest.raises(intents.Malformed) as error:
        intents.parse(content, "p")
    assert str(error.value) == sentence


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from(["eth1", "10.0.0.0/8", "0x2/0xff", "7-9", "root"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from([*intents.SELECTOR, "x"]), inner, max_size=3), max_leaves=8)
FIELDS = ("connmark", "name", "mac", "table", "gateway4", "gateway6", "selectors", "default", "strict", "x")


@settings(max_examples=200, deadline=None)
@given(st.dictionaries(st.sampled_from(FIELDS), JSON) | JSON)
def test_any_json_is_an_intent_or_a_sentence(data):
    """On one line, and what can be printed anywhere."""
    for content in (json.dumps(data), json.dumps(dict({"name": "eth1", "table": 9}, **data) if isinstance(data, dict) else data)):
        try:
            intents.resolve([intents.parse(content, "p")])
        except intents.Malformed as error:
            assert str(error).isprintable() and str(error).isascii()


@pytest.mark.parametrize("content", ["[" * 100000, '{"a":' * 100000, "9" * 100000, '"' + "x" * (1 << 19)], ids=["lists", "objects", "number", "size"])
def test_a_hostile_file_is_a_sentence(tmp_path, content):
    (tmp_path / "eth1.json").write_text(GOOD)
    (tmp_path / "hostile.json").write_text(content)
    found, problems = intents.read(str(tmp_path))
    assert found[0].table == 26521 and len(problems) == 1


def test_what_is_no_regular_file_is_a_sentence_and_keeps_nobody_waiting(tmp_path):
    (tmp_path / "a.json").mkdir()
    os.mkfifo(tmp_path / "b.json")
    (tmp_path / "c.json").symlink_to("nowhere")
    (tmp_path / "d.json").symlink_to("d.json")
    (tmp_path / "e.json").symlink_to("/dev/zero")
    (tmp_path / "eth1.json").write_text(GOOD)
    found, problems = intents.read(str(tmp_path))
    assert found[0].table == 26521
    assert [problem.partition(": ")[2] for problem in problems] == [
        "cannot be read: Is a directory", "not a regular file", "cannot be read: No such file or directory",
        "cannot be read: Too many levels of symbolic links", "not a regular file"]


@pytest.mark.parametrize("other, sentence", [
    ('{"name": "eth2", "table": 26521}', "table: 26521 is that of eth1"),
    ('{"name": "eth1", "table": 26522}', "is for the same interface as that of eth1"),
    ('{"name": "eth2", "table": 26522, "mac": "02:00:00:00:00:01"}', "is for the same interface as that of eth1"),
    ('{"name": "eth2", "table": 26522, "default": true}', "default: eth1 is the default already"),
])
def test_two_files_that_contradict_each_other_are_a_sentence_about_the_second(tmp_path, other, sentence):
    (tmp_path / "a.json").write_text(GOOD.replace("{", '{"default": true, ', 1))
    (tmp_path / "b.json").write_text(other)
    found, problems = intents.read(str(tmp_path))
    assert [intent.table for intent in found] == [26521, 0]
    assert problems == ["%s: %s" % (tmp_path / "b.json", sentence)]


def test_a_malformed_file_leaves_the_others_alone(tmp_path):
    (tmp_path / "eth1.json").write_text(GOOD)
    (tmp_path / "eth2.json").write_text("nonsense")
    (tmp_path / "eth3.json").write_bytes(b"\xff")
    (tmp_path / "README").write_text("not an intent")
    found, problems = intents.read(str(tmp_path))
    assert [(intent.name, intent.table) for intent in found] == [("eth1", 26521), ("eth2", 0), ("eth3", 0)]
    assert [problem.split(":")[0] for problem in problems] == [str(tmp_path / "eth2.json"), str(tmp_path / "eth3.json")]


def test_no_folder_is_no_intent(tmp_path):
    assert intents.read(str(tmp_path / "none")) == ([], [])


MAC = "02:00:00:00:00:02"


@pytest.mark.parametrize("links, expected", [
    ({7: ("eth5", MAC, "")}, {7: "eth2"}),
    ({7: ("eth1", MAC, "")}, {7: "eth2"}),
    ({7: ("eth2", "02:00:00:00:00:09", "")}, {}),
    ({7: ("eth2.100", MAC, "vlan"), 8: ("br0", MAC, "bridge")}, {}),
    ({6: ("eth2", "02:00:00:00:00:01", ""), 7: ("eth1", MAC, "")}, {7: "eth2"}),
    ({6: ("eth1", "02:00:00:00:00:01", ""), 7: ("eth2", MAC, "")}, {6: "eth1", 7: "eth2"}),
], ids=["another name", "the name of another entry", "its name on another", "what lies on top", "exchanged", "as named"])
def test_an_interface_is_known_by_its_mac_before_any_name(links, expected):
    wanted = [intents.Intent("eth1", "", 26521, ()), intents.Intent("eth2", MAC, 26522, ())]
    found = intents.match(wanted, {index: kernel.Link(index, name, mac, True, kind) for index, (name, mac, kind) in links.items()})
    assert {index: intent.name for index, intent in found.items()} == expected


UNNAMED = intents.Intent("-hotplug", "", 26900, (), patterns=("eth*", "en*"), named=("eth0", "eth1", "02:00:00:00:00:03"))


def link(index, name, mac, kind=""):
    return index, kernel.Link(index, name, "02:00:00:00:%s" % mac, True, kind)


def tables(links, *others):
    return {links[index].name: intent.table for index, intent in intents.match([UNNAMED, *others], links).items()}


@pytest.mark.parametrize("name, mac, kind, expected", [
    ("eth5", "00:05", "", True), ("ens4", "00:05", "", True), ("eth5", "00:05", "veth", True),
    ("eth0", "00:05", "", False), ("eth5", "00:03", "", False), ("eth5.7", "00:05", "vlan", False), ("eth5", "00:05", "bridge", False),
    ("docker0", "00:05", "bridge", False), ("veth12ab", "00:05", "veth", False), ("lo", "00:00", "", False),
])
def test_who_is_not_named_is_hardware_by_name_and_in_no_entry(name, mac, kind, expected):
    assert bool(tables(dict([link(5, name, mac, kind)]))) is expected


def test_the_table_of_who_is_not_named_hangs_on_the_mac_alone():
    """Not on index, name, order, or who else is there."""
    first = tables(dict([link(5, "eth5", "00:05"), link(6, "eth6", "00:06")]))
    assert tables(dict([link(9, "eth5", "00:06"), link(12, "eth6", "00:05")])) == {"eth5": first["eth6"], "eth6": first["eth5"]}
    assert tables(dict([link(5, "eth5", "00:05")])) == {"eth5": first["eth5"]}
    assert all(table in intents.HOTPLUG_TABLES for table in first.values())


def test_no_two_of_who_is_not_named_share_a_table():
    """More would not fit: those get none. A table that the list fixes is not given away."""
    links = dict(link(index, "eth%d" % (index + 10), "%02x:%02x" % (index, index)) for index in range(120))
    found = tables(links, intents.Intent("eth1", "", 26950, ()))
    assert len(found) == len(set(found.values())) == 99 and 26950 not in found.values()
    assert tables(dict(reversed(list(links.items()))), intents.Intent("eth1", "", 26950, ())) == found


def test_who_is_named_by_another_intent_is_that_ones():
    links = dict([link(5, "eth5", "00:05")])
    assert tables(links, intents.Intent("x", "02:00:00:00:00:05", 26521, ())) == {"eth5": 26521}
