# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Intents: what cannot be understood is said with file, field and value, and takes nothing else down."""

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import intents, kernel

GOOD = '{"name": "eth1", "mac": "02:00:00:00:00:01", "table": 26521, "gateway4": "198.18.1.1", "gateway6": "fe80::1"}'


def test_a_good_file_is_an_intent():
    assert intents.parse(GOOD, "p") == intents.Intent(
        "eth1", "02:00:00:00:00:01", 26521, (kernel.pack("198.18.1.1"), kernel.pack("fe80::1")))


@pytest.mark.parametrize("content, sentence", [
    ("{", "p: not JSON: Expecting property name enclosed in double quotes: line 1 column 2 (char 1)"),
    ("[]", "p: expected an object"),
    ('{"table": 26521}', "p: name: None is not the name of an interface"),
    ('{"name": "eth1", "mac": 7, "table": 26521}', "p: mac: 7 is not a MAC address"),
    ('{"name": "eth1"}', "p: table: None is not the number of a table of one's own"),
    ('{"name": "eth1", "table": 254}', "p: table: 254 is not the number of a table of one's own"),
    ('{"name": "eth1", "table": true}', "p: table: True is not the number of a table of one's own"),
    ('{"name": "eth1", "table": 4294967296}', "p: table: 4294967296 is not the number of a table of one's own"),
    ('{"name": "eth1", "table": 9, "gateway4": "fe80::1"}', "p: gateway4: 'fe80::1' is not an IPv4 address"),
    ('{"name": "eth1", "table": 9, "gateway6": "x"}', "p: gateway6: 'x' is not an IPv6 address"),
    ('{"name": "eth1", "table": 9, "gateway6": 5}', "p: gateway6: 5 is not an IPv6 address"),
])
def test_a_malformed_file_is_named(content, sentence):
    with pytest.raises(intents.Malformed) as error:
        intents.parse(content, "p")
    assert str(error.value) == sentence


def test_a_malformed_file_leaves_the_others_alone(tmp_path):
    (tmp_path / "eth1.json").write_text(GOOD)
    (tmp_path / "eth2.json").write_text("nonsense")
    (tmp_path / "eth3.json").write_bytes(b"\xff")
    (tmp_path / "README").write_text("not an intent")
    found, problems = intents.read(str(tmp_path))
    assert [intent.name for intent in found] == ["eth1"]
    assert [problem.split(":")[0] for problem in problems] == [str(tmp_path / "eth2.json"), str(tmp_path / "eth3.json")]


def test_no_folder_is_no_intent(tmp_path):
    assert intents.read(str(tmp_path / "none")) == ([], [])
