# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Our tables have names; whoever has our numbers, names, priorities or tables is named."""

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _iproute_names, _policy_routing
from ansible_collections.gandi.hosting.plugins.module_utils._commands import Failure
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import apply, netlink
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler.intents import Intent

ENTRIES = [{"name": "eth1", "mac": "", "table": 26521}, {"name": "eth2", "mac": "", "table": 100}]


def test_a_table_is_named_after_its_interface_and_the_protocol_after_us():
    found = _iproute_names.files(ENTRIES)
    assert found[_iproute_names.TABLES_PATH][0].decode().splitlines()[1:] == [
        "100\tgandi-eth2", "26518\tgandi-nowhere", "26519\tgandi-leases", "26521\tgandi-eth1"]
    assert found[_iproute_names.PROTOCOLS_PATH][0].decode().splitlines()[1:] == ["171\tgandi-hosting"]


def test_a_file_of_names_is_read_as_iproute2_reads_it():
    """Decimal or hexadecimal, any white space, comments at either end, and lines that are none of it."""
    content = "# reserved\n255\tlocal\n  0x64 isp2 # the second\nnonsense\n7\n\n8 eight\n"
    assert list(_iproute_names.parse(content)) == [(255, "local"), (100, "isp2"), (8, "eight")]


@pytest.fixture
def host(ip):
    for number in (1, 2):
        ip("link add eth%d type veth peer name peer%d" % (number, number))
        ip("link set eth%d up" % number)
        ip("address add 198.18.%d.10/24 dev eth%d" % (number, number))
    return ip


def sentences(names=None, protocols=None, entries=tuple(ENTRIES)):
    with netlink.Netlink() as connection:
        rules, routes, links = _iproute_names.used_by_others(connection, entries)
    return _iproute_names.collisions(entries, names or {}, protocols or {}, rules, routes, links)


@pytest.mark.parametrize("names, protocols, sentence", [
    ({100: ("isp2", "/f")}, {}, "table 100, of eth2, is named isp2 in /f; expected a table of its own"),
    ({7: ("gandi-eth1", "/f")}, {}, "gandi-eth1 is the name of table 7 in /f; expected it to be free for our own"),
    ({}, {171: ("bird", "/f")}, "routing protocol 171, by which ours is known, is named bird in /f; expected it to be free"),
])
def test_somebody_elses_name_is_told(host, names, protocols, sentence):
    assert sentences(names, protocols) == [sentence]


@pytest.mark.parametrize("command, sentence", [
    ("rule add from 203.0.113.1 lookup 7 priority 27000 protocol static", "somebody else's rule is among the priorities 26520 to 30603, which "
     "are ours: ip -4 rule 27000: from 203.0.113.1 lookup 7 (proto static); expected it elsewhere"),
    ("-6 rule add fwmark 5 lookup 7 priority 26520 protocol 99", "somebody else's rule is among the priorities 26520 to 30603, which "
     "are ours: ip -6 rule 26520: from all fwmark 0x5 lookup 7 (proto 99); expected it elsewhere"),
    ("route add default via 198.18.1.1 table 100", "table 100, of eth2, has a route of somebody else's: "
     "ip -4 route default via 198.18.1.1 dev eth1 table 100 (proto boot); expected a table of its own"),
    ("route add unreachable 10.0.0.0/8 table 26521 proto static", "table 26521, of eth1, has a route of somebody else's: "
     "ip -4 route unreachable 10.0.0.0/8 table 26521 (proto static); expected a table of its own"),
])
def test_somebody_elses_rule_or_route_in_our_place_is_told(host, command, sentence):
    assert sentences() == []
    host(command)
    assert sentences() == [sentence]


@pytest.mark.parametrize("command", [
    "route add 10.0.0.0/8 via 198.18.2.1 dev eth2 table 100 proto static", "rule add from 203.0.113.1 lookup 100 priority 1000",
    "rule add from 203.0.113.1 lookup 7 priority 32000", "route add default via 198.18.1.1 dev eth1 table 26519 proto dhcp",
])
def test_what_is_beside_ours_or_the_users_own_is_no_collision(host, command):
    host(command)
    assert sentences() == []


def test_our_own_is_no_collision_in_a_second_run(host):
    with netlink.Netlink() as connection:
        apply.reconcile(connection, [Intent(entry["name"], "", entry["table"], (), (), True, True) for entry in ENTRIES])
    assert "26521" in host("rule")
    assert sentences() == []
    assert sentences({number: (name, "/f") for number, name in ((100, "gandi-eth2"), (26521, "gandi-eth1"))}) == []


def test_the_section_fails_before_anything_is_written(host, monkeypatch, tmp_path):
    monkeypatch.setattr(_policy_routing.intents.read, "__defaults__", (str(tmp_path),))
    host("route add 10.0.0.0/8 via 198.18.1.1 table 26520")
    section = {"interfaces": [dict(ENTRIES[0], table=0), ENTRIES[1]]}
    assert [entry["table"] for entry in _policy_routing.plan_tables(section)] == [26521, 100]
    host("route add 10.0.0.0/8 via 198.18.1.1 table 100")
    with pytest.raises(Failure, match="policy_routing: table 100, of eth2, has a route of somebody else's"):
        _policy_routing.plan_tables(section)
