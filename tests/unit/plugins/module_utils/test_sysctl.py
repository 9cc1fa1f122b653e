# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The sysctl section against a folder that looks like /proc/sys."""

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _files, _sysctl
from ansible_collections.gandi.hosting.plugins.module_utils._commands import Failure

SETTINGS = {"net/ipv4/conf/all/rp_filter": 0, "net/ipv4/conf/*/rp_filter": 0, "net/ipv4/conf/eth0.100/rp_filter": 2}


@pytest.fixture
def root(tmp_path, monkeypatch):
    """Three interfaces with rp_filter 1, one of them a VLAN with a dot in its name."""
    monkeypatch.setattr(_sysctl, "ROOT", str(tmp_path / "proc") + "/")
    monkeypatch.setattr(_sysctl, "PATH", str(tmp_path / "sysctl.conf"))
    monkeypatch.setattr(_sysctl, "BEFORE", str(tmp_path / "before.json"))
    monkeypatch.setattr(_sysctl, "LINKS", str(tmp_path / "links") + "/")
    monkeypatch.setattr(_sysctl, "FOLDERS", tuple(str(tmp_path / name) for name in ("etc", "run", "usr")))
    monkeypatch.setattr(_sysctl, "LATER", ((str(tmp_path / "agent.conf"), str(tmp_path / "default"), "CONFIG_SYSCTL", "1"),))
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


@pytest.mark.parametrize("device, value, sentence", [
    ("/dev/null", "0", "after it was set to 0"), ("/dev/full", "7", "rp_filter: the kernel refused the value 7: ")], ids=["not kept", "refused"])
def test_a_value_that_the_kernel_does_not_take_is_told(root, device, value, sentence):
    """Some settings are clamped, or belong to another: what was set is read again."""
    path = root / "proc/net/ipv4/conf/eth0/rp_filter"
    path.unlink()
    path.symlink_to(device)
    with pytest.raises(Failure, match=sentence):
        _sysctl.write({str(path): value})


@pytest.mark.parametrize("key", ["rp_filter", "net/../../etc/passwd", "net/ipv4/a = 1\nb", "/net/ipv4/ip_forward"])
def test_what_is_no_key_is_refused(key):
    with pytest.raises(Failure, match="is not a key; expected one such as net/ipv4/conf/eth0/rp_filter"):
        _sysctl.resolve({key: 1}, {})


def shared(**addresses):
    keys = {"net/ipv4/conf/%s/arp_ignore" % name: "auto" for name in ("eth0", "eth1", "eth0.100")}
    subnets = {name.replace("_", "."): _sysctl.networks(found) for name, found in addresses.items()}
    return [key.split("/")[3] for key in _sysctl.resolve(keys, subnets)]


@pytest.mark.parametrize("addresses, expected", [
    ({}, []),
    ({"eth0": ["192.0.2.1/24"], "eth1": ["198.51.100.1/24"]}, []),
    ({"eth0": ["192.0.2.1/24"], "eth1": ["192.0.2.2/24"]}, ["eth0", "eth1"]),
    ({"eth0": ["192.0.2.1/24"], "eth1": ["192.0.2.130/25", "198.51.100.1/24"]}, ["eth0", "eth1"]),
    ({"eth0": ["192.0.2.1/24", "192.0.2.2/24"]}, []),
    ({"eth0": ["192.0.2.1/32"], "eth1": ["192.0.2.1/32"]}, []),
    ({"eth0": ["2001:db8::1/64"], "eth1": ["2001:db8::2/64"]}, []),
    ({"eth0": ["192.0.2.1/24"], "bridge": ["192.0.2.2/24"]}, ["eth0"]),
    ({"eth0": ["192.0.2.1/24"], "eth0_100": ["192.0.2.2/24"]}, ["eth0", "eth0.100"]),
])
def test_interfaces_that_share_a_subnet_are_found(addresses, expected):
    """Only IPv4 has ARP, and only neighbours ask."""
    assert shared(**addresses) == expected


def test_what_is_not_decided_yet_is_in_the_journal(root):
    """Values that may change when DHCP has brought a subnet, with what they are now."""
    _files.write(str(root / "proc/net/ipv4/conf/eth0/arp_ignore"), b"0\n")
    changes, live = _sysctl.undecided({"net/ipv4/conf/eth0/arp_ignore": "auto", "net/ipv4/conf/eth9/arp_ignore": "auto"}, [], [])
    assert [(setting.path[-15:], setting.before, setting.after) for setting in live] == [("eth0/arp_ignore", "0", "0")]
    assert [change.before for change in changes] == [None, None]
    assert _sysctl.undecided({"net/ipv4/conf/all/rp_filter": 0}, [], []) == ([], [])


# ---- another file wins --------------------------------------------------------------------------------------------------------

@pytest.mark.parametrize("line, expected", [
    ("net.ipv4.conf.all.rp_filter = 2", ("net/ipv4/conf/all/rp_filter", "2")),
    ("net.ipv4.conf.eth0/100.rp_filter=1", ("net/ipv4/conf/eth0.100/rp_filter", "1")),
    ("net/ipv4/conf/eth0.100/rp_filter = 1", ("net/ipv4/conf/eth0.100/rp_filter", "1")),
    ("-net.ipv4.conf.*.rp_filter = 2", ("net/ipv4/conf/*/rp_filter", "2")),
    ("-net.ipv4.conf.all.rp_filter", ("net/ipv4/conf/all/rp_filter", None)),
    ("net.ipv4.conf.all.rp_filter = 2 # needed", ("net/ipv4/conf/all/rp_filter", "2")),
])
def test_a_line_is_read_as_systemd_does(line, expected):
    assert _sysctl.lines("# comment\n; comment\n\n" + line + "\nnothing\n") == {4: expected}


def wins(root, files):
    for name, text in files.items():
        _files.write(str(root / name), text.encode())
    # ours sorts as it does on a host
    _sysctl.PATH = str(root / "etc/99-z-gandi-hosting.conf")
    return [sentence.replace(str(root) + "/", "") for sentence in _sysctl.overridden(SETTINGS)]


@pytest.mark.parametrize("files, where", [
    ({"usr/50-default.conf": "net.ipv4.conf.*.rp_filter = 2\n-net.ipv4.conf.all.rp_filter\n"}, []),
    ({"etc/99-sysctl.conf": "net.ipv4.conf.all.rp_filter = 1\n"}, []),
    ({"etc/zz.conf": "net.ipv4.conf.all.rp_filter = 0\n"}, []),
    ({"etc/zz.conf": "# mine\nnet.ipv4.conf.all.rp_filter = 1\n"}, [("all", "etc/zz.conf:2", "1", "0")]),
    ({"usr/zz.conf": "net.ipv4.conf.*.rp_filter = 1\n"}, [("*", "usr/zz.conf:1", "1", "0")]),
    ({"usr/zz.conf": "net.ipv4.conf.*.rp_filter = 1\n", "etc/zz.conf": ""}, []),
    ({"run/zz.conf": "net.ipv4.conf.eth0/100.rp_filter=1\n"}, [("eth0.100", "run/zz.conf:1", "1", "2")]),
    ({"agent.conf": "net.ipv4.conf.all.rp_filter = 2 # x\n", "default": "CONFIG_SYSCTL=1\n"}, [("all", "agent.conf:1", "2", "0")]),
    ({"agent.conf": "net.ipv4.conf.all.rp_filter = 2\n", "default": "CONFIG_SYSCTL=0\n"}, []),
    ({"agent.conf": "net.ipv4.conf.all.rp_filter = 2\n", "default": "CONFIG_SYSCTL=1\nCONFIG_SYSCTL=0\n"}, []),
    ({"agent.conf": "net.ipv4.conf.all.rp_filter = 2\n", "default": "export CONFIG_SYSCTL='1'\n"}, [("all", "agent.conf:1", "2", "0")]),
    ({"etc/10-old.conf": "net.ipv4.conf.eth7.rp_filter = 1\n"}, [("eth7", "etc/10-old.conf:1", "1", "0")]),
    ({"etc/10-old.conf": "net.ipv4.conf.eth*.rp_filter = 1\n"}, []),
    ({"etc/zz.conf": "net.ipv4.conf.eth*.rp_filter = 1\n"}, [("eth*", "etc/zz.conf:1", "1", "0")]),
    ({"etc/zz.conf": "net.ipv4.conf.*.log_martians = 1\nkernel.sysrq = 1\n"}, []),
])
def test_the_file_that_wins_is_named_with_its_line(root, files, where):
    """Per key the last file in the order of names, an earlier folder hiding a later one's; a full key wins over any glob."""
    assert wins(root, files) == [
        "net/ipv4/conf/%s/rp_filter: %s says %s, and wins over etc/99-z-gandi-hosting.conf at boot; expected %s" % one for one in where]


def test_a_key_that_the_kernel_has_not_is_told(root):
    """IPv6 may be off. The settings of an interface that is not attached are nothing to tell."""
    (root / "links/eth0").mkdir(parents=True)
    said = _sysctl.missing({"net/ipv6/conf/eth0/accept_ra_defrtr": 0, "net/ipv6/conf/eth1/accept_ra_defrtr": 0,
                            "net/ipv4/conf/eth7/rp_filter": 0, "net/ipv4/conf/all/none": 1})
    assert [sentence.split(" in ")[0] for sentence in said] == [
        "IPv6 is off: the settings of net/ipv6", "net/ipv4/conf/all/none cannot be set: this kernel does not have it; it is"]


def test_the_effective_value_is_the_larger_one(root):
    """all, or the interface's own; planned ones taken for made."""
    _files.write(str(root / "proc/net/ipv4/conf/eth0/rp_filter"), b"2\n")
    assert _sysctl.report()["eth0"] == {"rp_filter": 2}
    planned = [_sysctl.Setting(str(root / "proc/net/ipv4/conf/eth0/rp_filter"), "2", "0")]
    assert _sysctl.report(planned)["eth0"] == {"rp_filter": 1}
