# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sysctl section against a folder that looks like /proc/sys."""

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _files, _sysctl

SETTINGS = {"net/ipv4/conf/all/rp_filter": 0, "net/ipv4/conf/*/rp_filter": 0, "net/ipv4/conf/eth0.100/rp_filter": 2}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Three interfaces with rp_filter 1, one of them a VLAN with a dot in its name."""
    monkeypatch.setattr(_sysctl, "ROOT", str(tmp_path / "proc") + "/")
    monkeypatch.setattr(_sysctl, "PATH", str(tmp_path / "sysctl.conf"))
    monkeypatch.setattr(_sysctl, "BEFORE", str(tmp_path / "before.json"))
    for name in ("all", "eth0", "eth0.100"):
        _files.write(str(tmp_path / "proc/net/ipv4/conf" / name / "rp_filter"), b"1\n")
    return tmp_path


def make(settings):
    changes, live = _sysctl.plan(settings)
    for change in changes:
        (_files.remove(change.path) if change.after is None else _files.write(change.path, change.after))
    _sysctl.write({setting.path: setting.after for setting in live})
    return changes, live


def values(root):
    return {path.parent.name: path.read_text().strip() for path in (root / "proc/net/ipv4/conf").glob("*/rp_filter")}


def test_a_full_key_wins_over_a_glob(root):
    make(SETTINGS)
    assert values(root) == {"all": "0", "eth0": "0", "eth0.100": "2"}


def test_the_file_says_each_key_once_under_our_header(root):
    make(SETTINGS)
    assert (root / "sysctl.conf").read_text() == (
        "# gandi.hosting: *: written by Ansible, changes are overwritten\n"
        "net/ipv4/conf/*/rp_filter = 0\nnet/ipv4/conf/all/rp_filter = 0\nnet/ipv4/conf/eth0.100/rp_filter = 2\n")


def test_a_second_run_does_nothing(root):
    make(SETTINGS)
    assert _sysctl.plan(SETTINGS) == ([], [])


def test_an_interface_that_comes_later_is_nothing_to_change_once_it_has_its_value(root):
    make(SETTINGS)
    _files.write(str(root / "proc/net/ipv4/conf/eth1/rp_filter"), b"0\n")
    assert _sysctl.plan(SETTINGS) == ([], [])


def test_an_interface_that_goes_is_nothing_to_change(root):
    make(SETTINGS)
    _files.remove(str(root / "proc/net/ipv4/conf/eth0/rp_filter"))
    assert _sysctl.plan(SETTINGS) == ([], [])


def test_a_value_that_somebody_changed_is_mended_and_its_first_value_kept(root):
    make(SETTINGS)
    _sysctl.write({str(root / "proc/net/ipv4/conf/all/rp_filter"): "2"})
    make(SETTINGS)
    assert values(root)["all"] == "0"
    make({})
    assert values(root)["all"] == "1"


def test_nothing_wanted_gives_everything_back(root):
    make(SETTINGS)
    make({})
    assert values(root) == {"all": "1", "eth0": "1", "eth0.100": "1"}
    assert not (root / "sysctl.conf").exists() and not (root / "before.json").exists()


def test_a_key_that_is_no_longer_wanted_gets_its_value_back(root):
    make(SETTINGS)
    make({"net/ipv4/conf/all/rp_filter": 0})
    assert values(root) == {"all": "0", "eth0": "1", "eth0.100": "1"}
