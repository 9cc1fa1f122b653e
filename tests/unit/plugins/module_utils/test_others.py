# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Who holds an interface, whether that is in our way, and what becomes of it."""

import socket

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _others
from ansible_collections.gandi.hosting.plugins.module_utils._others import IFUPDOWN, NETPLAN, NETWORK_MANAGER, NETWORKD, Holder

OWN = {NETWORKD: "/etc/systemd/network/05-gandi-eth1.network", IFUPDOWN: "/etc/network/interfaces.d/gandi-eth1",
       NETPLAN: "/etc/netplan/90-gandi-eth1.yaml"}
STANZA = Holder(IFUPDOWN, "/etc/network/interfaces", False)
LATER = Holder(NETWORKD, "/etc/systemd/network/10-eth1.network", False)
AFTER_NETPLAN = Holder(NETWORKD, "/etc/systemd/network/50-eth1.network", False)
EARLIER = Holder(NETWORKD, "/etc/systemd/network/00-eth1.network", False)
GENERATED = Holder(NETPLAN, "/run/systemd/network/10-netplan-eth1.network", False)
DESKTOP = Holder(NETWORK_MANAGER, "connection 7", False)
OURS = {manager: Holder(manager, path, True) for manager, path in OWN.items()}


@pytest.mark.parametrize("manager, holders, other", [
    (NETWORKD, [], None),
    (NETWORKD, [OURS[NETWORKD]], None),
    (NETWORKD, [LATER], None),
    (NETWORKD, [GENERATED], None),
    (NETWORKD, [EARLIER], EARLIER),
    (NETWORKD, [OURS[NETWORKD], STANZA], STANZA),
    (NETWORKD, [OURS[IFUPDOWN]], None),
    (NETWORKD, [DESKTOP], DESKTOP),
    (NETPLAN, [GENERATED], None),
    (NETPLAN, [AFTER_NETPLAN], None),
    (NETPLAN, [LATER], LATER),
    (NETPLAN, [STANZA], STANZA),
    (IFUPDOWN, [STANZA], None),
    (IFUPDOWN, [LATER], LATER),
    (IFUPDOWN, [STANZA, GENERATED], GENERATED),
    (IFUPDOWN, [OURS[NETWORKD]], None),
])
def test_what_another_manager_holds_is_in_our_way(manager, holders, other):
    """A file of the same manager is not, unless that manager prefers it to ours."""
    found = _others.conflicts(manager, {"eth1": holders}, {"eth1": OWN[manager]})
    assert found == ({"eth1": other} if other else {})


def test_what_netplan_made_of_a_file_of_ours_is_ours(tmp_path, monkeypatch):
    """It has no header."""
    monkeypatch.setattr(_others, "NETWORKD_LINKS", str(tmp_path))
    for name, ours in (("10-netplan-00-gandi-eth1.network", True), ("10-netplan-eth1.network", False)):
        path = "/run/systemd/network/" + name
        (tmp_path / "3").write_text("ADMIN_STATE=configured\nNETWORK_FILE=%s\n" % path)
        assert list(_others._networkd(_others.kernel.Link(3, "eth1", "", True, ""))) == [Holder(NETPLAN, path, ours)]


def test_what_others_put_beside_what_netplan_makes_is_networkds(tmp_path, monkeypatch):
    """amazon-ec2-net-utils."""
    monkeypatch.setattr(_others, "NETWORKD_LINKS", str(tmp_path))
    path = "/run/systemd/network/70-eth1.network"
    (tmp_path / "3").write_text("ADMIN_STATE=configured\nNETWORK_FILE=%s\n" % path)
    assert list(_others._networkd(_others.kernel.Link(3, "eth1", "", True, ""))) == [Holder(NETWORKD, path, False)]


def test_the_sentence_names_both_files_and_what_to_do():
    assert _others.refusals(NETWORKD, {"eth1": STANZA}, {"eth1": OWN[NETWORKD]}) == [
        "eth1: ifupdown holds it (/etc/network/interfaces), and systemd-networkd would by /etc/systemd/network/05-gandi-eth1.network: two network "
        "managers on one interface; expected one: network_takeover: true gives it to systemd-networkd"]


@pytest.mark.parametrize("holder", [EARLIER, DESKTOP], ids=lambda holder: holder.manager)
def test_what_is_not_ours_to_take_is_left_to_the_administrator(holder):
    assert not _others.can_be_taken(holder, NETWORKD)
    assert _others.refusals(NETWORKD, {"eth1": holder}, {"eth1": OWN[NETWORKD]})[0].endswith("expected %s to leave it alone" % holder.manager)


def test_the_primarys_manager_is_the_hosts():
    """Where nobody runs the primary, the first one that somebody runs decides."""
    entries = [{"name": "eth1", "primary": False}, {"name": "eth0", "primary": True}]
    assert _others.running_manager(entries, {"eth0": [LATER], "eth1": [STANZA]}) == NETWORKD
    assert _others.running_manager(entries, {"eth0": [], "eth1": [STANZA]}) == IFUPDOWN
    assert _others.running_manager(entries, {"eth0": [DESKTOP], "eth1": []}) is None


FILES = {path: {"interface": name} for name, path in (("eth0", "/0"), ("eth1", "/1"))}


def test_networkd_is_told_to_leave_what_is_taken_now_and_what_was_before():
    """Once it leaves an interface alone it holds it no more, and the file must stay all the same."""
    assert list(_others.unmanaged(FILES, IFUPDOWN, {"eth1": LATER}, {})) == ["/1"]
    assert list(_others.unmanaged(FILES, IFUPDOWN, {}, {"/1": "eth1"})) == ["/1"]
    assert _others.unmanaged(FILES, NETWORKD, {"eth1": STANZA}, {"/1": "eth1"}) == {}


def test_stanzas_are_set_aside_where_ours_take_their_place_or_the_interface_is_taken_over(monkeypatch):
    monkeypatch.setattr(_others._stanzas, "already_aside", lambda: {"eth2", "gone"})
    names = ["eth0", "eth1", "eth2"]
    assert _others.aside(IFUPDOWN, names, {}) == set(names)
    assert _others.aside(NETWORKD, names, {"eth1": STANZA, "eth0": EARLIER}) == {"eth1", "eth2"}


def test_a_note_of_a_daemon_is_read_by_the_links_index(tmp_path, monkeypatch):
    monkeypatch.setattr(_others, "NETWORKD_LINKS", str(tmp_path))
    link = _others.kernel.Link(3, "eth1", "", True, "")
    assert list(_others._networkd(link)) == list(_others._networkd(None)) == []
    (tmp_path / "3").write_text("# This is private data. Do not parse.\nADMIN_STATE=configured\nNETWORK_FILE=/etc/x.network\n")
    assert list(_others._networkd(link)) == [Holder(NETWORKD, "/etc/x.network", False)]
    (tmp_path / "3").write_text("ADMIN_STATE=unmanaged\nNETWORK_FILE=/etc/x.network\n")
    assert list(_others._networkd(link)) == []


@pytest.mark.parametrize("note, has", [
    ("ADMIN_STATE=unmanaged\nNETWORK_FILE=/gone.network\n", False),
    ("ADMIN_STATE=configured\nNETWORK_FILE=%s\n" % __file__, True),
    ("ADMIN_STATE=configured\nNETWORK_FILE=/gone.network\n", None),
    ("ADMIN_STATE=pending\n", None),
    ("", None),
], ids=["it has not", "it has", "said before the file went", "not looked yet", "nothing said"])
def test_networkd_has_what_it_says_now_and_not_what_it_said_before(tmp_path, monkeypatch, note, has):
    """A networkd that starts anew leaves its former word there for a moment; with that an interface was not forgotten."""
    monkeypatch.setattr(_others, "NETWORKD_LINKS", str(tmp_path))
    (tmp_path / str(socket.if_nametoindex("lo"))).write_text(note)
    assert _others.networkd_has("lo") is has
    assert _others.networkd_has("nosuch") is False


def test_cloud_init_is_told_to_leave_files_alone_that_would_say_the_same_twice(tmp_path, monkeypatch):
    """Only where it is installed, and never for networkd, which takes the first file that matches, netplan's too."""
    monkeypatch.setattr(_others, "CLOUD_INIT", str(tmp_path / "none"))
    assert _others.cloud_init(IFUPDOWN) == {}
    monkeypatch.setattr(_others, "CLOUD_INIT", str(tmp_path))
    assert _others.cloud_init(NETWORKD) == _others.cloud_init(NETPLAN) == {}
    ((path, (content, _mode, _owner)),) = _others.cloud_init(IFUPDOWN).items()
    assert path == str(tmp_path / "99-gandi-hosting.cfg") and content.endswith(b"\nnetwork: {config: disabled}\n")


def test_what_networkds_file_stacks_on_an_interface_is_not_lost_unsaid(tmp_path):
    """Ours would be in effect in its place."""
    path = tmp_path / "10-eth1.network"
    path.write_text("[Match]\nName=eth1\n\n[Network]\nDHCP=yes\n VLAN = eth1.100\n#Bridge=br0\n")
    held = {"eth1": [Holder(NETWORKD, str(path), False)]}
    assert _others.stacked(held, OWN_PATHS) == [
        "eth1: %s says VLAN = eth1.100, which gandi_interfaces cannot; expected it in a drop-in of ours, "
        "/etc/systemd/network/05-gandi-eth1.network.d/*.conf" % path]
    path.write_text("[Network]\nDHCP=yes\n")
    assert _others.stacked(held, OWN_PATHS) == []


OWN_PATHS = {"eth1": OWN[NETWORKD]}
