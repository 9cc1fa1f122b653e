# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Which manager the files are for, where systemd-networkd may have its configuration from netplan; and which interfaces a change concerns."""

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _files, _managers, _others
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import kernel


DETECTED = [
    # asked for, what runs the interfaces, netplan is installed, its files for networkd, the variant
    ("auto", _others.NETPLAN, True, [], "netplan"),
    ("auto", _others.NETWORKD, True, ["10-netplan-eth9.network"], "networkd"),
    ("auto", None, True, ["10-netplan-eth0.network"], "netplan"),
    ("auto", None, True, ["10-eth0.network", "10-netplan-eth0.link"], "networkd"),
    ("auto", None, True, [], "networkd"),
    ("auto", None, False, ["10-netplan-eth0.network"], "networkd"),
    ("networkd", _others.NETPLAN, True, ["10-netplan-eth0.network"], "networkd"),
    ("netplan", None, True, [], "netplan"),
]


@pytest.mark.parametrize(("requested", "running", "installed", "made", "variant"), DETECTED)
def test_netplan_is_detected_where_it_makes_the_configuration_of_networkd(tmp_path, monkeypatch, requested, running, installed, made, variant):
    """A host that has the package and no YAML is not netplan's."""
    for name in made:
        (tmp_path / name).touch()
    monkeypatch.setattr(_managers, "is_active", lambda _unit: True)
    monkeypatch.setattr(_managers._netplan, "generator", lambda: "/generate" if installed else None)
    monkeypatch.setattr(_managers._netplan, "MADE", str(tmp_path))
    monkeypatch.setattr(_managers._netplan, "SOURCES", ())
    assert _managers.detect(requested, running) == variant


@pytest.mark.parametrize(("definitions", "variant"), [(["eth0"], "netplan"), ([], "networkd")])
def test_yaml_that_nothing_was_made_of_yet_counts_if_it_defines_something(tmp_path, monkeypatch, definitions, variant):
    """A file that only names the renderer is no configuration."""
    (tmp_path / "50-cloud-init.yaml").touch()
    monkeypatch.setattr(_managers, "is_active", lambda _unit: True)
    monkeypatch.setattr(_managers._netplan, "generator", lambda: "/generate")
    monkeypatch.setattr(_managers._netplan, "MADE", str(tmp_path / "none"))
    monkeypatch.setattr(_managers._netplan, "SOURCES", (str(tmp_path),))
    monkeypatch.setattr(_managers._netplan, "netplan_definitions", lambda _path: definitions)
    assert _managers.detect("auto", None) == variant


@pytest.mark.parametrize(("library", "variant", "besides"), [
    ("247", "networkd-247", None), ("249", "networkd-247", None), ("250", "networkd", None), ("255", "networkd", None),
    ("256", "networkd", "networkd-256"), ("257.9-1~deb13u1", "networkd", "networkd-256")])
def test_a_networkd_that_lacks_words_gets_files_without(tmp_path, monkeypatch, library, variant, besides):
    """The version is in a file's name: asking it would cost a process."""
    (tmp_path / ("libsystemd-shared-%s.so" % library)).touch()
    monkeypatch.setattr(_managers, "SYSTEMD", [str(tmp_path / pattern.rpartition("/")[2]) for pattern in _managers.SYSTEMD])
    monkeypatch.setattr(_managers, "is_active", lambda _unit: True)
    assert _managers.detect("networkd", None) == variant
    assert _managers.besides(variant) == besides
    assert _managers.name(variant) == _others.NETWORKD


@pytest.mark.parametrize(("installed", "sentence"), [
    (False, "backend: netplan: netplan is not installed on this host; expected netplan.io"),
    (True, "backend: netplan: systemd-networkd does not run on this host; expected it to be active"),
])
def test_netplan_that_is_asked_for_and_could_not_work_is_a_failure(monkeypatch, installed, sentence):
    monkeypatch.setattr(_managers, "is_active", lambda _unit: False)
    monkeypatch.setattr(_managers._netplan, "generator", lambda: "/generate" if installed else None)
    with pytest.raises(_managers.Failure, match=sentence):
        _managers.detect("netplan", None)


MAC, OTHER = "02:00:00:00:00:02", "02:00:00:00:00:03"


def change(path, before=None, after=None, owner="eth2"):
    texts = [None if mac is None else ("# gandi.hosting: %s: %swritten by Ansible, changes are overwritten\n" % (owner, mac)).encode()
             for mac in (before, after)]
    return _files.Change(path, texts[0], texts[1], 0o644, owner)


@pytest.mark.parametrize("changes, expected", [
    ([change("a", None, "")], ({}, {"eth2": "eth2"})),
    ([change("a", "MAC %s: " % MAC, "MAC %s: " % MAC)], ({"eth2": "eth5"}, {"eth2": "eth5"})),
    ([change("a", "", "MAC %s: " % MAC)], ({"eth2": "eth2"}, {"eth2": "eth5"})),
    ([change("a", "MAC %s: " % MAC, None)], ({"eth2": "eth5"}, {})),
    ([change("a", None, "MAC %s: " % OTHER)], ({}, {})),
    ([change("a", None, "", "*"), change("b", None, "MAC %s: " % MAC)], ({}, {"eth2": "eth5"})),
], ids=["by name", "by MAC", "from name to MAC", "gone", "not attached", "a shared file"])
def test_the_interfaces_of_a_change_are_those_that_its_files_say(changes, expected, monkeypatch):
    """By MAC under whichever name it has, in what is there before and in what comes: also when a change is undone."""
    monkeypatch.setattr(kernel, "read_links", lambda _connection: {
        2: kernel.Link(2, "eth2", "02:00:00:00:00:09", True, ""), 5: kernel.Link(5, "eth5", MAC, True, "")})
    assert _managers.holders(changes) == expected


@pytest.mark.parametrize(("names", "others", "on_top"), [
    (["eth0"], ["eth0", "eth0:1", "eth0.100", "eth1", "eth1.5", "lo"], ["eth0.100", "eth0:1"]),
    (["eth0", "eth0.100"], ["eth0.100", "eth0.100:1"], ["eth0.100:1"]),
    (["eth1"], ["eth10", "eth10.5"], []),
])
def test_what_is_on_top_of_an_interface_goes_down_and_up_with_it(names, others, on_top):
    assert _managers._on_top(names, others) == on_top
