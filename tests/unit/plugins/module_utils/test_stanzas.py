# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Adopting an administrator's stanzas: set aside, never lost, and back byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gandi.hosting.plugins.module_utils import _stanzas

INTERFACES = """\
# The loopback network interface
auto lo
iface lo inet loopback

auto eth0 eth1
iface eth0 inet dhcp
    # a comment stays
    up ip route add 203.0.113.0/24 \\
        via 198.18.0.9

iface eth0 inet6 auto
iface eth1 inet static
    address 198.18.1.10/24
source /etc/network/interfaces.d/*
"""


def test_the_stanzas_of_an_interface_are_set_aside_and_nothing_else():
    assert _stanzas.set_aside(INTERFACES, {"eth0"}) == INTERFACES.replace(
        "iface eth0 inet dhcp\n", "#gandi.hosting eth0#iface eth0 inet dhcp\n").replace(
        "    up ip route", "#gandi.hosting eth0#    up ip route").replace(
        "        via", "#gandi.hosting eth0#        via").replace(
        "iface eth0 inet6", "#gandi.hosting eth0#iface eth0 inet6")


@pytest.mark.parametrize("names", [{"eth0"}, {"eth1"}, {"eth0", "eth1"}, {"lo"}, set(), {"eth"}])
def test_what_is_set_aside_comes_back_byte_for_byte(names):
    assert _stanzas.restore(_stanzas.set_aside(INTERFACES, names)) == INTERFACES


lines = st.sampled_from(["auto eth0", "iface eth0 inet dhcp", "iface eth1 inet dhcp", "  up true", "  up a \\", "# note", "", "mapping eth0",
                         "source x", "\tiface eth0 inet6 auto", "iface eth0", "iface "])


@given(st.lists(lines).map("\n".join), st.sets(st.sampled_from(["eth0", "eth1"])))
def test_any_file_comes_back_and_setting_aside_twice_is_once(text, names):
    aside = _stanzas.set_aside(text, names)
    assert _stanzas.restore(aside) == text
    assert _stanzas.set_aside(_stanzas.restore(aside), names) == aside
    # a backslash joins a line with the next (interfaces(5)): what looks like a stanza there is none
    read = aside.replace("\\\n", "").splitlines()
    assert not [line for line in read if line.split()[:1] == ["iface"] and names.intersection(line.split()[1:2])]


@pytest.fixture
def root(tmp_path, monkeypatch):
    """An /etc/network of its own; a function that writes files into it."""
    monkeypatch.setattr(_stanzas, "INTERFACES", str(tmp_path / "interfaces"))
    monkeypatch.setattr(_stanzas, "OWN_FOLDER", str(tmp_path / "interfaces.d"))
    monkeypatch.setattr(_stanzas, "SOURCE", "# ours\nsource %s/gandi-*\n" % (tmp_path / "interfaces.d"))

    def write(contents):
        for name, content in contents.items():
            path = tmp_path / name
            path.parent.mkdir(exist_ok=True)
            path.write_text(content)
        return tmp_path
    return write


READ = [
    ("source interfaces.d/*", True),
    ("source {}/interfaces.d/*", True),
    ("source {}/interfaces.d/*.cfg", False),
    ("source-directory interfaces.d", True),
    ("source-directory {}/interfaces.d", True),
    ("source-directory elsewhere", False),
    ("#source interfaces.d/*", False),
    ("", False),
]


@pytest.mark.parametrize("line, read", READ)
def test_a_file_that_would_not_have_ours_read_is_told_to(root, line, read):
    folder = root({})
    text = line.format(folder) + "\nauto lo"
    (folder / "interfaces").write_text(text)
    contents = _stanzas.adopted({"eth1"})
    assert (contents == {}) == read
    if not read:
        content = contents[str(folder / "interfaces")][0].decode()
        assert content == _stanzas.SOURCE + text and _stanzas.restore(content) == text


def test_a_name_that_source_directory_passes_over_needs_a_line_of_ours(root):
    """It takes letters, digits, _ and - only (interfaces(5)): not the dot of a VLAN."""
    root({"interfaces": "source-directory interfaces.d\n"})
    assert _stanzas.adopted({"eth1"}) == {} and _stanzas.adopted({"eth1.100"}) != {}


def test_every_file_that_ifup_reads_is_looked_at_and_no_other(root):
    root({
        "interfaces": "source more/*.cfg\nsource-directory interfaces.d\niface eth9 inet dhcp\n",
        "more/a.cfg": "source ../deep\niface eth0 inet dhcp\n",
        "more/unread": "iface eth2 inet dhcp\n",
        "deep": "iface eth1 inet dhcp\nsource interfaces\n",
        "interfaces.d/50-cloud-init": "auto eth3\niface eth3 inet dhcp\n",
        "interfaces.d/gandi-eth3": "# gandi.hosting: eth3: written by Ansible, changes are overwritten\niface eth3 inet dhcp\n",
    })
    names = {"eth0", "eth1", "eth2", "eth3"}
    assert {path.rpartition("/")[2] for path in _stanzas.adopted(names)} >= {"a.cfg", "deep", "50-cloud-init"}
    assert "unread" not in str(_stanzas.files()) and "gandi-eth3" not in str(_stanzas.files())


def test_lines_are_those_that_ifup_reads(root):
    """A backslash joins one with the next, save in a comment, and nothing but \\n ends one."""
    root({
        "interfaces": "# the first \\\nauto \\\n  eth0\n# a comment\f\x85iface eth1 inet dhcp\nsource \\\n more/*\niface eth0 inet dhcp\n",
        "more/a": "iface eth2 inet dhcp\n",
    })
    assert [len(paths) for paths, _classes in map(_stanzas.holders, ("eth0", "eth1", "eth2"))] == [1, 0, 1]
    assert _stanzas.holders("eth0")[1] == {"auto"}


def test_a_comment_does_not_hide_the_line_after_it():
    text = "iface eth0 inet dhcp\n# note \\\nauto eth1\n"
    assert _stanzas.set_aside(text, {"eth0"}) == text.replace("iface", "#gandi.hosting eth0#iface")


def test_a_file_that_is_a_link_to_one_elsewhere_is_edited_there(root):
    folder = root({"there": "iface eth1 inet dhcp\n"})
    (folder / "interfaces").symlink_to(folder / "there")
    assert set(_stanzas.adopted({"eth1"})) == {str(folder / "there")}


def test_who_holds_an_interface_and_what_brings_it_up(root):
    folder = root({"interfaces": "auto lo eth0\nallow-hotplug eth1\niface eth0 inet dhcp\niface eth1 inet dhcp\niface eth2 inet dhcp\n"})
    path = str(folder / "interfaces")
    assert [_stanzas.holders(name) for name in ("eth0", "eth1", "eth2", "eth3")] == [
        ([path], {"auto"}), ([path], {"allow-hotplug"}), ([path], set()), ([], set())]


def test_the_names_that_are_set_aside_are_known(root):
    folder = root({"interfaces": "iface eth0 inet dhcp\niface eth1 inet dhcp\n"})
    content = _stanzas.adopted({"eth1"})[str(folder / "interfaces")][0]
    (folder / "interfaces").write_bytes(content)
    assert _stanzas.already_aside() == {"eth1"} == _stanzas.set_aside_names(content)
    assert _stanzas.set_aside_names(None) == set()


def test_what_is_set_aside_and_not_said_elsewhere_is_told_once():
    """An address has a word in the list, a command has none; what was set aside before is no news."""
    before = INTERFACES.encode()
    after = _stanzas.set_aside(INTERFACES, {"eth0", "eth1"}).encode()
    assert [name for name, _line in _stanzas.unsaid(before, after)] == ["eth0", "eth0"]
    assert _stanzas.unsaid(before, after)[0][1].startswith("up ip route add 203.0.113.0/24")
    assert _stanzas.unsaid(after, after) == _stanzas.unsaid(after, before) == _stanzas.unsaid(None, None) == []


def test_an_empty_line_that_a_backslash_joins_is_nothing_unsaid():
    before = "iface eth0 inet dhcp\n  up true \\\n\n"
    assert _stanzas.unsaid(before.encode(), _stanzas.set_aside(before, {"eth0"}).encode()) == [("eth0", "up true \\")]


def test_an_alias_whose_address_the_interface_is_to_have_itself_is_set_aside_with_it(root):
    """It would be assigned twice, which ifup takes for a failure. Other aliases stay."""
    folder = root({"interfaces": "source interfaces.d/*\niface eth0:0 inet static\n  address 198.18.0.9/24\niface eth0:1 inet static\n"
                   "  address 198.18.0.10\n  netmask 255.255.255.0\niface eth1:0 inet static\n  address 198.18.0.9/24\n"})
    for _again in range(2):
        assert _stanzas.aliases({"eth0": ["198.18.0.9/24"], "eth1": []}) == {"eth0:0"}
        content = _stanzas.adopted({"eth0"}, {"eth0:0"}).get(str(folder / "interfaces"), [(folder / "interfaces").read_bytes()])[0].decode()
        assert content.count("#gandi.hosting eth0:0#") == 2 and content.count("#gandi.hosting") == 2
        (folder / "interfaces").write_text(content)


@pytest.mark.parametrize("line, names", [
    ("mapping eth0", ["eth0"]),
    ("mapping wlan0 eth* \\\n  lo", ["eth0", "eth1"]),
    ("mapping eth0.5", []),
    ("#mapping eth0", []),
])
def test_a_mapping_of_somebody_else_is_refused_for_an_interface_of_ours(root, line, names):
    """With it ifup takes other stanzas, though it has read ours."""
    folder = root({"interfaces": line + "\n  script /bin/true\n", "interfaces.d/gandi--mapping": "# gandi.hosting: *: written by Ansible\nmapping eth*\n"})
    sentences = _stanzas.mapped({"eth0", "eth1"})
    assert [sentence.partition(":")[0] for sentence in sentences] == names
    assert not names or "%s says mapping " % (folder / "interfaces") in sentences[0]
