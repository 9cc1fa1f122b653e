# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Editing /etc/default/gandi; a real shell says what is in effect."""

import shlex
import subprocess

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _agent_settings

FILE = """\
# set to 0 to disable
CONFIG_MOTD=1

CONFIG_MOUNT_PARAMS="rw,nosuid"   # mine
# ex : CONFIG_NODHCP="eth1 eth2"
CONFIG_NODHCP="eth0"
  export CONFIG_NETWORK=1
GANDI_HOOK_DIR=/etc/gandi/hooks/
"""


def shell(text, name):
    """What a shell that sources the file has."""
    script = "%s\nprintf %%s \"$%s\"" % (text, name)
    return subprocess.run(["sh", "-c", script], stdout=subprocess.PIPE, text=True, check=True).stdout


@pytest.mark.parametrize("text, value", [
    ('CONFIG_NODHCP="eth0"\n', "eth0 eth1"),
    ("CONFIG_NODHCP='eth0'\n", "eth1"),
    ("CONFIG_NODHCP=eth0", "eth1"),
    ("CONFIG_NODHCP=\n", "eth1"),
    ("", "eth1"),
    ("# CONFIG_NODHCP=eth0\n", "eth1"),
    ("CONFIG_NODHCP=eth0\nCONFIG_NODHCP=eth2\n", "eth1"),
    ("CONFIG_NODHCP='eth0\neth2'\nCONFIG_MOTD=1\n", "eth1"),
    ('CONFIG_NODHCP="$OTHER"\n', "eth1"),
    ("CONFIG_NODHCP=eth0\nif true; then CONFIG_NODHCP=eth2; fi\n", "eth1"),
    ("CONFIG_MOTD=1; CONFIG_NODHCP=eth0\n", "eth1"),
    ("\tCONFIG_NODHCP=eth\\ 0 # why\n", "eth1"),
    ('CONFIG_NODHCP="eth0"\n', 'a "quoted" $value with `ticks` and \\'),
    ('CONFIG_NODHCP=""\n', ""),
    ('CONFIG_NODHCP="eth0"\r\n', "eth1"),
])
def test_a_shell_reads_the_value(text, value):
    """Whatever the file was like; and once it does, there is nothing more to edit."""
    after = _agent_settings.edit(text, {"CONFIG_NODHCP": value})
    assert shell(after, "CONFIG_NODHCP") == value
    assert _agent_settings.edit(after, {"CONFIG_NODHCP": value}) == after


def test_only_the_assignment_in_effect_changes():
    """Comments, order, spaces and everything else stay, byte for byte."""
    after = _agent_settings.edit(FILE, {"CONFIG_NETWORK": "0", "CONFIG_MOUNT_PARAMS": "ro", "CONFIG_NODHCP": "eth0 eth1"})
    assert after == (FILE.replace("export CONFIG_NETWORK=1", "export CONFIG_NETWORK=0")
                     .replace('"rw,nosuid"', '"ro"').replace('\nCONFIG_NODHCP="eth0"', '\nCONFIG_NODHCP="eth0 eth1"'))


def test_a_value_that_is_right_stays_as_it_is_written():
    text = "CONFIG_NODHCP=eth0\nCONFIG_MOTD='1'\n"
    assert _agent_settings.edit(text, {"CONFIG_NODHCP": "eth0", "CONFIG_MOTD": "1"}) == text


def test_what_is_missing_comes_to_the_end():
    assert _agent_settings.edit("A=1", {"CONFIG_CRON": "0"}) == "A=1\nCONFIG_CRON=0\n"


def test_parse_agrees_with_the_shell():
    for name, value in _agent_settings.parse(FILE).items():
        assert shell(FILE, name) == value


@pytest.mark.parametrize("value, text", [(True, "1"), (False, "0"), (["eth0", "eth1"], "eth0 eth1"), ("rw", "rw"), ([], "")])
def test_a_typed_value_becomes_the_files(value, text):
    assert _agent_settings.value_text(value) == text
    assert shlex.split(_agent_settings.quoted(text)) == [text]


OURS = {"CONFIG_NODHCP": "eth0 eth1", "CONFIG_NETWORK": "0"}


@pytest.mark.parametrize("text", [
    FILE, FILE.replace('"eth0"', "'eth0'"), FILE.replace('"eth0"', '"$OTHER"'), FILE.replace('"eth0"', '"eth0 eth1"'), "", "\n",
    "CONFIG_NODHCP=eth0\nif true; then CONFIG_NODHCP=eth2; fi\n", "CONFIG_NODHCP=eth0\nCONFIG_NODHCP=eth2 # mine\n",
])
def test_what_the_division_of_labour_replaced_comes_back_as_it_was_written(text):
    """And a second run, before and after, changes nothing."""
    divided, record = _agent_settings.divide(text, OURS, OURS, {})
    assert _agent_settings.divide(divided, OURS, OURS, record) == (divided, record)
    changed, record = _agent_settings.divide(divided, dict(OURS, CONFIG_NODHCP="eth0 eth2"), OURS, record)
    assert _agent_settings.parse(changed)["CONFIG_NODHCP"] == "eth0 eth2"
    assert _agent_settings.divide(changed, {}, [], record) == (text, {})
    assert _agent_settings.divide(text, {}, [], {}) == (text, {})


def test_where_nothing_is_said_of_the_division_it_stays():
    divided, record = _agent_settings.divide(FILE, OURS, OURS, {})
    after, kept = _agent_settings.divide(divided, {"CONFIG_MOTD": "0"}, None, record)
    assert (after, kept) == (divided.replace("CONFIG_MOTD=1", "CONFIG_MOTD=0"), record)


@pytest.mark.parametrize("own", [["CONFIG_NETWORK"], None])
def test_what_somebody_has_asked_for_by_name_does_not_go_back(own):
    divided, record = _agent_settings.divide(FILE, OURS, OURS, {})
    after, record = _agent_settings.divide(divided, OURS, own, record)
    assert (after, set(record)) == (divided, {"CONFIG_NETWORK"} if own else set())
    assert 'CONFIG_NODHCP="eth0 eth1"' in _agent_settings.divide(after, {}, [], record)[0]


def test_what_somebody_has_changed_since_stays():
    divided, record = _agent_settings.divide(FILE, OURS, OURS, {})
    edited = divided.replace('"eth0 eth1"', "eth9")
    assert _agent_settings.divide(edited, {}, [], record) == (FILE.replace('CONFIG_NODHCP="eth0"', "CONFIG_NODHCP=eth9"), {})


def test_what_is_appended_to_a_value_does_not_stay_in_effect():
    """By bash, which the agent's udev program is in."""
    after = _agent_settings.edit('CONFIG_NODHCP="eth0"\nCONFIG_NODHCP+=" eth9"\n', {"CONFIG_NODHCP": "eth1"})
    done = subprocess.run(["bash", "-c", after + "echo $CONFIG_NODHCP"], stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout == "eth1\n"
