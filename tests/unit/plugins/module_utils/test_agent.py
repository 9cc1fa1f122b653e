# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the agent's plan is made of, without a host: sentences, settings, repairs, conflicts."""

import subprocess

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _agent, _agent_repairs, _apt
from ansible_collections.gandi.hosting.plugins.module_utils._commands import Failure

REPOSITORY = {"url": "http://mirror.example.org/gandi", "suites": "stable", "components": "main", "key": _apt.ARMOR + "\nx\n",
              "keyring": "", "key_url": "", "pin": ""}


@pytest.mark.parametrize("said, meaning", [
    ("E: The repository 'http://x stable Release' is not signed.", "it is not signed;"),
    ("W: GPG error: http://x stable InRelease: The following signatures couldn't be verified because the public key is not available: "
     "NO_PUBKEY 4F8AF2\nE: The repository 'http://x stable InRelease' is not signed.", "it is not signed by the key that was given;"),
    ("W: OpenPGP signature verification failed: http://x stable InRelease: Sub-process /usr/bin/sqv returned an error code (1), error message "
     "is: Missing key 0A1, which is needed to verify signature.\nE: The repository is not signed.", "it is not signed by the key that was given;"),
    ("E: The repository 'http://x nosuch Release' does not have a Release file.", "there is no such suite;"),
    ("Err:1 http://x stable InRelease\nW: Failed to fetch http://x/InRelease  Could not connect to x:80 (198.18.0.77)", "it cannot be reached;"),
    ("W: Failed to fetch http://x/InRelease  Could not resolve 'x'", "it cannot be reached;"),
    ("E: Release file for http://x/InRelease is expired (invalid since 2d).", "its Release file is not valid at this host's time;"),
    ("W: Failed to fetch http://x/InRelease  500  Internal Server Error", "it cannot be read;"),
])
def test_what_apt_says_becomes_one_sentence(said, meaning):
    sentence = _apt.refusal(said, REPOSITORY)
    assert sentence.startswith("the repository http://mirror.example.org/gandi (stable) is refused: " + meaning)


@pytest.mark.parametrize("said", ["", "Hit:1 http://x stable InRelease\nReading package lists...", "W: Download is performed unsandboxed as root"])
def test_a_repository_that_is_good_is_not_refused(said):
    assert _apt.refusal(said, REPOSITORY) is None


@pytest.mark.parametrize("change, sentence", [
    ({"url": "file:///srv"}, "is not the URL of a repository; expected http:// or https://"),
    ({"key": ""}, "no key is given with agent_repository_url; expected one of"),
    ({"key_url": "https://x/k"}, "agent_repository_key and agent_repository_key_url are given with agent_repository_url; expected one of"),
    ({"key": "x"}, "expected an ASCII-armored public key"),
    ({"suites": ""}, "agent_repository_suites is empty; expected the suites of"),
    ({"suites": "a\nTrusted: yes"}, "a value has several lines"),
    ({"pin": "x\n\nPackage: *"}, "a value has several lines"),
])
def test_what_is_wrong_with_the_variables_is_said(change, sentence):
    with pytest.raises(Failure) as refused:
        _apt.check(dict(REPOSITORY, **change))
    assert sentence in str(refused.value)


def test_the_pin_lets_only_the_agents_packages_in():
    text = _apt.repository_files(REPOSITORY, ("a", "b"), REPOSITORY["key"])[_apt.PREFERENCES].decode()
    stanzas = [dict(line.split(": ") for line in stanza.splitlines() if not line.startswith("#")) for stanza in text.split("\n\n")]
    assert [(stanza["Package"], stanza["Pin"], stanza["Pin-Priority"]) for stanza in stanzas] == [
        ("*", 'origin "mirror.example.org"', "-1"), ("a b", 'origin "mirror.example.org"', "500")]


def test_a_suite_that_is_a_path_has_no_components():
    text = _apt.repository_files(dict(REPOSITORY, suites="debian/"), ("a",), REPOSITORY["key"])[_apt.SOURCES].decode()
    assert "\nSuites: debian/\nComponents: \n" in text


def test_a_key_gets_the_line_ends_that_every_apt_reads():
    key = REPOSITORY["key"].replace("\n", "\r\n")
    assert _apt.repository_files(REPOSITORY, ("a",), key)[_apt.KEYRING] == REPOSITORY["key"].encode()


@pytest.mark.parametrize("name, text, refused", [
    ("debian.list", "deb http://mirror.example.org/debian stable main\n", True),
    ("debian.sources", "URIs: http://mirror.example.org/debian\n", True),
    ("debian.list", "# deb http://mirror.example.org/debian stable main\n", False),
    ("debian.list.save", "deb http://mirror.example.org/debian stable main\n", False),
])
def test_only_what_apt_reads_is_another_source_of_the_same_host(tmp_path, monkeypatch, name, text, refused):
    monkeypatch.setattr(_apt, "SOURCE_FILES", (str(tmp_path / "*.list"), str(tmp_path / "*.sources")))
    (tmp_path / name).write_text(text)
    try:
        _apt.check(REPOSITORY)
        assert not refused
    except Failure as failure:
        assert refused and "%s also has packages from mirror.example.org" % name in str(failure)


def test_what_apt_has_read_is_found_under_the_name_that_apt_gives_it(tmp_path, monkeypatch):
    monkeypatch.setattr(_apt, "LISTS", str(tmp_path))
    for name in ("h:81_a%5fb%7ec_dists_x_InRelease", "h:81_a_dists_x_InRelease"):
        (tmp_path / name).touch()
    _apt.forget({"url": "http://user:secret@h:81/a_b~c/"})
    assert [path.name for path in tmp_path.iterdir()] == ["h:81_a_dists_x_InRelease"]


@pytest.mark.parametrize("offered, sentence", [
    ({}, "no configured repository offers gandi-hosting-vm or gandi-hosting-vm2; expected one that does"),
    ({"gandi-hosting-vm": "2651"}, "gandi-hosting-vm 2651 is the newest that the configured repositories offer; expected 2652 or newer"),
    ({"gandi-hosting-vm": "2652"}, "gandi-hosting-vm 2652 is offered, and kept away by apt_preferences(5) of this host; expected none"),
    ({"gandi-hosting-vm2": "2.43"}, "gandi-hosting-vm2 2.43 is offered, and kept away by apt_preferences(5)"),
])
def test_why_nothing_can_be_installed_is_said(offered, sentence):
    assert sentence in _agent.too_old(offered, {}, "2652")


ENTRIES = [{"name": "eth0", "mac": "", "agent": False}, {"name": "eth1", "mac": "", "agent": True}, {"name": "eth2", "mac": "", "agent": False}]


@pytest.mark.parametrize("given, interfaces, expected", [
    ({}, [], {}),
    ({"motd": False, "cron": None}, [], {"CONFIG_MOTD": "0"}),
    ({}, ENTRIES, {"CONFIG_NODHCP": "eth0 eth2", "CONFIG_NETWORK": "0", "CONFIG_SYSCTL": "0"}),
    ({"nodhcp": ["eth0"], "sysctl": True}, ENTRIES, {"CONFIG_NODHCP": "eth0", "CONFIG_NETWORK": "0", "CONFIG_SYSCTL": "1"}),
    ({"nodhcp": []}, [], {"CONFIG_NODHCP": ""}),
])
def test_the_labour_is_divided_and_everything_can_be_said_otherwise(given, interfaces, expected):
    assert _agent.settings(given, interfaces) == expected


def test_interfaces_that_nobody_named_are_ours_where_we_configure_them():
    assert _agent.settings({}, ENTRIES, unnamed=True)["CONFIG_NODHCP"] == "eth0 eth2 eth3 eth4 eth5 eth6 eth7 eth8 eth9"


HOST = {"dhclient": True, "config": True, "unit": True, "names": {"eth0", "lo"}, "others": {}, "rules": "", "xen": False, "overrides": []}
AGENT = [{"name": "eth1", "mac": "", "agent": True}]


def problems(repairs=(), name="eth1", nodhcp="eth0", **facts):
    return _agent_repairs.problems(dict(HOST, **facts), [{"name": name, "mac": "", "agent": True}], {"CONFIG_NODHCP": nodhcp}, repairs)


@pytest.mark.parametrize("facts, word, repair", [
    ({"nodhcp": "eth0 eth10"}, "is a part of CONFIG_NODHCP=\"eth0 eth10\"", "dhcp"),
    ({"name": "eth10"}, "matches eth? only", "dhcp"),
    ({"config": False}, "there is no /gandi/config", "dhcp"),
    ({"dhclient": False}, "there is no /sbin/dhclient", "dhclient"),
    ({"others": {"eth1": "systemd-networkd (/etc/x.network)"}}, "but systemd-networkd (/etc/x.network) configures it too", None),
])
def test_what_keeps_the_agent_from_configuring_its_interface_is_a_problem_until_repaired(facts, word, repair):
    assert [sentence for sentence in problems(**facts) if word in sentence] == problems(**facts) != []
    assert bool(problems([repair], **facts)) == (repair is None)


def test_an_agent_that_is_older_than_its_unit_cannot_be_repaired():
    """gandi-hosting-vm2 has gandi-dhclient@.service from 2.35 on."""
    assert "is one without gandi-dhclient@.service" in "".join(problems(["dhcp"], unit=False))
    assert problems([], unit=False) == []


def test_an_agent_that_is_to_go_has_no_interface():
    parameters = {"state": "absent", "interfaces": ENTRIES}
    assert _agent.make_plan(parameters).problems == ["eth1: agent: true, but agent_state: absent takes the agent away; expected one of the two"]
    assert _agent.make_plan(dict(parameters, interfaces=None)).problems == []


def test_an_interface_that_it_can_configure_is_no_problem():
    assert problems() == []


def remarks(settings=(), interfaces=(), **facts):
    found = dict({"CONFIG_NODHCP": "eth0", "CONFIG_SYSCTL": "0", "CONFIG_NETWORK": "0"}, **dict(settings))
    return _agent_repairs.remarks(dict(HOST, **facts), interfaces, found)


RULES = 'SUBSYSTEMS=="xen", RUN+="/etc/gandi/manage_iface.sh"\nSUBSYSTEM=="net", RUN+="/etc/gandi/manage_iface.sh"\n'


@pytest.mark.parametrize("case, word", [
    ({"names": {"eth1"}, "others": {"eth1": "ifupdown (/etc/network/interfaces)"}}, "eth1: both the agent and ifupdown (/etc/network/interfaces)"),
    ({"settings": {"CONFIG_SYSCTL": "1"}, "overrides": [("net/ipv4/conf/all/rp_filter", "0", "2", "/etc/gandi/sysctl.conf:4")]},
     "CONFIG_SYSCTL=1: at boot the agent sets net/ipv4/conf/all/rp_filter to 2 (/etc/gandi/sysctl.conf:4), over the 0"),
    ({"settings": {"CONFIG_NETWORK": "1"}, "interfaces": ENTRIES[:1]}, "CONFIG_NETWORK=1: at a stop and start"),
    ({"xen": True, "rules": RULES}, "match each interface twice"),
    ({"settings": {"CONFIG_NODHCP": ""}, "interfaces": ENTRIES[:1]}, "eth0: both the agent and gandi_interfaces configure it"),
])
def test_what_will_surprise_is_a_remark(case, word):
    assert [sentence for sentence in remarks(**case) if word in sentence] == remarks(**case) != []


@pytest.mark.parametrize("case", [
    {}, {"rules": RULES}, {"xen": True, "rules": RULES.replace("\n", ', GOTO="end"\n', 1)}, {"xen": True, "rules": "#" + RULES},
    {"names": {"docker0"}, "others": {"docker0": "x"}}, {"settings": {"CONFIG_SYSCTL": "1"}},
    {"interfaces": AGENT, "others": {"eth1": "x"}},
])
def test_what_works_is_no_remark(case):
    assert remarks(**case) == []


@pytest.mark.parametrize("repairs, dhclient, paths", [
    ([], False, set()),
    (["dhcp"], True, {_agent_repairs.RULE}),
    (["dhclient"], True, set()),
    (["dhclient"], False, {_agent_repairs.UNIT, _agent_repairs.DHCPCD_CONF, _agent_repairs.DHCPCD_HOOK}),
    (["udevd"], True, {_agent_repairs.UDEVD}),
])
def test_a_repair_is_its_files_and_no_other(repairs, dhclient, paths):
    assert set(_agent_repairs.files(repairs, AGENT, dhclient)) == paths
    assert set(_agent_repairs.files(repairs, [], dhclient)) == paths & {_agent_repairs.UDEVD}


def test_the_rule_goes_by_the_mac_where_one_is_said():
    entries = [dict(AGENT[0], mac="02:00:00:00:00:01"), dict(AGENT[0], name="eth10")]
    rules = _agent_repairs.files(["dhcp"], entries, True)[_agent_repairs.RULE][0].decode().splitlines()[1:]
    assert 'ATTR{address}=="02:00:00:00:00:01"' in rules[0] and 'KERNEL=="eth10"' in rules[1]
    assert all(rule.endswith('ENV{SYSTEMD_WANTS}+="gandi-dhclient@$name.service"') for rule in rules)


@pytest.mark.parametrize("reason, routers, interface, said", [
    ("BOUND", "192.0.2.1 192.0.2.2", "eth1", "-4 route replace default via 192.0.2.1 dev eth1 onlink src 192.0.2.9 table 26519"),
    ("BOUND", "", "eth1", ""),
    ("EXPIRE", "192.0.2.1", "eth1", ""),
    ("BOUND", "192.0.2.1", "eth0", ""),
])
def test_the_hook_tells_the_gateway_of_the_agents_interfaces(reason, routers, interface, said):
    """Run by a real shell, with an ip that says what it was called with."""
    hook = _agent_repairs.files(["dhclient"], AGENT, False)[_agent_repairs.DHCPCD_HOOK][0].decode()
    environment = {"PATH": "/usr/bin:/bin", "reason": reason, "interface": interface, "new_routers": routers, "new_ip_address": "192.0.2.9"}
    done = subprocess.run(["sh", "-euc", 'ip() { echo "$*"; }\n' + hook], env=environment, stdout=subprocess.PIPE, text=True, check=True)
    assert done.stdout.partition(" metric ")[0].strip() == said
