# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading what netplan's generator writes. The texts are those of netplan 0.106 (Debian 12) and 1.1.2 (Debian 13)."""

import os

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _netplan

NETWORKD = "run/systemd/network/10-netplan-"
MANAGER = "run/NetworkManager/system-connections/netplan-"

CASES = {
    "cloud-init's eth0": (
        {NETWORKD + "eth0.link": "[Match]\nPermanentMACAddress=02:00:00:00:00:0A\n\n[Link]\nName=eth0\nWakeOnLan=off\n",
         NETWORKD + "eth0.network": "[Match]\nPermanentMACAddress=02:00:00:00:00:0A\nName=eth0\n\n[Network]\nDHCP=ipv4\n"},
        [("eth0", "", "02:00:00:00:00:0a", "eth0")]),
    "an id alone": ({NETWORKD + "eth1.network": "[Match]\nName=eth1\n\n[Address]\nAddress=198.51.100.10/24\nLabel=x=y\n"}, [("eth1", "eth1", "", "")]),
    "a glob": ({NETWORKD + "any.network": "[Match]\nName=en*\n"}, [("any", "en*", "", "")]),
    "everything": ({NETWORKD + "any.network": "[Match]\nName=*\n"}, [("any", "*", "", "")]),
    "a driver": ({NETWORKD + "any.network": "[Match]\nDriver=virtio_net\n"}, [("any", "*", "", "")]),
    "a name and a MAC": (
        {NETWORKD + "a.link": "[Match]\nPermanentMACAddress=02:00:00:00:00:0b\nOriginalName=ens4\n\n[Link]\nName=eth1\n",
         NETWORKD + "a.network": "[Match]\nPermanentMACAddress=02:00:00:00:00:0b\nName=eth1\n"},
        [("a", "ens4", "02:00:00:00:00:0b", "eth1")]),
    "a bridge of two": (
        {NETWORKD + "br0.netdev": "[NetDev]\nName=br0\nKind=bridge\n", NETWORKD + "br0.network": "[Match]\nName=br0\n",
         NETWORKD + "eth1.network": "[Match]\nName=eth1\n"},
        [("br0", "br0", "", ""), ("eth1", "eth1", "", "")]),
    "NetworkManager's": (
        {MANAGER + "eth0.nmconnection": "[connection]\nid=netplan-eth0\n\n[ethernet]\nmac-address=02:00:00:00:00:0A\n",
         MANAGER + "eth1.nmconnection": "[connection]\nid=netplan-eth1\n\n[match]\ninterface-name=en*;\n",
         MANAGER + "eth2.nmconnection": "[connection]\nid=netplan-eth2\ninterface-name=eth2\n"},
        [("eth0", "", "02:00:00:00:00:0a", ""), ("eth1", "en*", "", ""), ("eth2", "eth2", "", "")]),
    "an id with a dot, and one that is escaped": (
        {NETWORKD + "eth0.100.network": "[Match]\nName=eth0.100\n", NETWORKD + "a%2Fb.network": "[Match]\nName=a/b\n"},
        [("a/b", "a/b", "", ""), ("eth0.100", "eth0.100", "", "")]),
    "others' files": ({"run/systemd/network/70-mine.network": "[Match]\nName=eth5\n"}, []),
    "nothing": ({}, []),
}


@pytest.mark.parametrize("case", CASES)
def test_what_netplan_wrote_says_what_it_read(tmp_path, case):
    files, expected = CASES[case]
    for name, text in files.items():
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    assert [tuple(found) for found in _netplan.read_generated(str(tmp_path))] == expected


class Made:
    """A folder of networkd's files that netplan writes anew, each with what ``contents`` says."""

    def __init__(self, folder):
        self.folder = folder
        self.contents = {"10-netplan-a.network": "a", "10-netplan-b.network": "b"}
        folder.mkdir()
        self.write_anew()

    def write_anew(self, *_command):
        """As netplan does: new files, which take the places of the old ones."""
        for name, text in self.contents.items():
            (self.folder / "new").write_text(text)
            (self.folder / "new").rename(self.folder / name)
        for path in self.folder.iterdir():
            if path.name not in self.contents:
                path.unlink()

    def inodes(self):
        return {path.name: os.stat(path).st_ino for path in self.folder.iterdir()}


@pytest.fixture
def made(tmp_path, monkeypatch):
    found = Made(tmp_path / "made")
    monkeypatch.setattr(_netplan, "MADE", str(found.folder))
    monkeypatch.setattr(_netplan, "NETWORKD_HAS", str(tmp_path / "networkd-has"))
    monkeypatch.setattr(_netplan, "run", found.write_anew)
    return found


def test_files_that_come_out_as_they_were_stay_the_same_files(made):
    before = made.inodes()
    made.contents["10-netplan-b.network"] = "changed"
    _netplan.generate()
    after = made.inodes()
    assert [name for name in before if before[name] == after[name]] == ["10-netplan-a.network"]
    assert (made.folder / "10-netplan-b.network").read_text() == "changed"


def test_files_that_networkd_has_come_back_although_they_were_written_anew_since(made):
    """A daemon-reload does that."""
    before = made.inodes()
    _netplan.networkd_has_them()
    made.write_anew()
    assert made.inodes() != before
    _netplan.generate()
    assert made.inodes() == before


def test_a_file_that_netplan_makes_no_more_stays_away(made):
    _netplan.networkd_has_them()
    del made.contents["10-netplan-b.network"]
    _netplan.generate()
    assert list(made.inodes()) == ["10-netplan-a.network"]
