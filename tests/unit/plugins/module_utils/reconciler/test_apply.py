# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading and writing a real kernel: what is written is what ip(8) shows, what is foreign stays, a second pass does nothing."""

import subprocess

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import apply, kernel, leases, netlink, service
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler.intents import Intent

INTENTS = [Intent("eth0", "", 26520, ()), Intent("eth1", "02:00:00:00:00:01", 26521, ()),
           Intent("eth2", "", 26522, (kernel.pack("198.18.2.1"), kernel.pack("fe80::1")))]


@pytest.fixture
def host(ip):
    """Three interfaces; eth0's gateway is in main, eth1's where a DHCP client leaves it, eth2's is configured."""
    for number in range(3):
        ip("link add eth%d address 02:00:00:00:00:0%d type veth peer name peer%d" % (number, number, number))
        ip("link set peer%d up" % number)
        ip("link set eth%d up" % number)
        ip("address add 198.18.%d.10/24 dev eth%d" % (number, number))
        ip("address add 2001:db8:1%d::10/64 dev eth%d nodad" % (number, number))
    ip("route add default via 198.18.0.1")
    ip("route add default via 198.18.1.1 dev eth1 table 26519 metric 77")
    ip("-6 route add default via fe80::1 dev eth0")
    return ip


def reconcile(intents=tuple(INTENTS), **options):
    with netlink.Netlink() as connection:
        return apply.reconcile(connection, list(intents), **options)


def routed(ip, source, destination):
    """Return the interface that ip(8) says a packet leaves by."""
    words = ip("route get %s from %s" % (destination, source)).split()
    return words[words.index("dev") + 1]


@pytest.mark.parametrize("source, far", [
    ("198.18.0.10", "192.0.2.1"), ("198.18.1.10", "192.0.2.1"), ("198.18.2.10", "192.0.2.1"),
    ("2001:db8:10::10", "2001:db8:ff::1"), ("2001:db8:12::10", "2001:db8:ff::1"),
])
def test_replies_leave_through_the_interface_of_their_address(host, source, far):
    outcome = reconcile()
    assert outcome.problems == []
    expected = "eth%s" % (source.split(".")[2] if "." in source else source.split(":")[2][1])
    assert routed(host, source, far) == expected


def test_a_neighbour_of_another_interface_is_reached_through_the_own_gateway(host):
    reconcile()
    assert "via 198.18.2.1" in host("route get 198.18.1.77 from 198.18.2.10")


def test_the_own_link_is_reached_directly(host):
    reconcile()
    assert "via" not in host("route get 198.18.2.77 from 198.18.2.10")


def test_a_link_that_only_the_gateways_table_knows_is_reached_directly(host):
    """systemd 247 puts all routes of a router advertisement there, and the address makes none of its own."""
    host("address del 2001:db8:11::10/64 dev eth1")
    host("address add 2001:db8:11::10/64 dev eth1 noprefixroute nodad")
    host("-6 route add 2001:db8:11::/64 dev eth1 table 26519")
    host("-6 route add default via fe80::1 dev eth1 table 26519")
    reconcile()
    assert "via" not in host("route get 2001:db8:11::77 from 2001:db8:11::10")
    assert "via fe80::1 dev eth2" in host("route get 2001:db8:11::77 from 2001:db8:12::10")


def test_a_gateway_that_only_networkds_lease_knows_is_used(host, tmp_path, monkeypatch):
    monkeypatch.setattr(leases, "FOLDER", str(tmp_path))
    host("route flush table 26519")
    with netlink.Netlink() as connection:
        index = next(link.index for link in kernel.read_links(connection).values() if link.name == "eth1")
    (tmp_path / str(index)).write_text("# This is private data. Do not parse.\nADDRESS=198.18.1.10\nROUTER=198.18.1.9 198.18.1.8\n")
    reconcile()
    assert "via 198.18.1.9" in host("route get 192.0.2.1 from 198.18.1.10")


def test_a_router_that_the_kernel_forgets_as_a_neighbour_stays_the_gateway(host):
    """It keeps 128 of them in all network namespaces together."""
    host("-6 neigh add fe80::9 lladdr 02:00:00:00:00:99 dev eth1 router nud stale")
    reconcile()
    assert "via fe80::9" in host("route get 2001:db8:ff::1 from 2001:db8:11::10")
    host("-6 neigh del fe80::9 dev eth1")
    assert reconcile().lines == []
    host("-6 neigh add fe80::7 lladdr 02:00:00:00:00:77 dev eth1 router nud stale")
    reconcile()
    assert "via fe80::7" in host("route get 2001:db8:ff::1 from 2001:db8:11::10")


def test_what_main_knows_more_precisely_than_a_default_goes_there(host):
    host("link add docker0 type bridge")
    host("address add 198.19.255.1/24 dev docker0")
    host("link set docker0 up")
    reconcile()
    assert routed(host, "198.18.1.10", "198.19.255.9") == "docker0"


def test_a_second_pass_changes_nothing(host):
    assert reconcile().lines
    assert reconcile() == apply.Outcome([], [])


def test_a_dry_run_says_what_a_run_does_and_changes_nothing(host):
    said = reconcile(dry_run=True).lines
    assert "26540" not in host("rule")
    assert reconcile().lines == said


def test_nothing_foreign_is_touched(host):
    for command in ("rule add from 198.18.1.10 lookup 100 priority 26540", "rule add fwmark 7 lookup 101 priority 26525",
                    "route add blackhole 203.0.113.0/24", "route add 203.0.113.0/25 via 198.18.1.1 table 26521"):
        host(command)
    before = host("rule"), host("route show table all")
    reconcile()
    reconcile([])
    assert (host("rule"), host("route show table all")) == before


def test_without_intents_all_that_was_ours_goes(host):
    reconcile()
    outcome = reconcile([])
    assert {line[0] for line in outcome.lines} == {"-"}
    assert "proto 171" not in host("rule") + host("-6 rule") + host("route show table all") + host("-6 route show table all")


def test_an_address_that_goes_takes_its_rules_along_and_comes_back_with_them(host):
    reconcile()
    host("address del 198.18.1.10/24 dev eth1")
    reconcile()
    assert "198.18.1.10" not in host("rule")
    host("address add 198.18.1.10/24 dev eth1")
    host("route add default via 198.18.1.1 dev eth1 table 26519 metric 77")
    reconcile()
    assert routed(host, "198.18.1.10", "192.0.2.1") == "eth1"


def test_a_rule_of_ours_with_something_added_is_not_the_one_that_we_want(host):
    host("rule add from 198.18.1.10 lookup 26521 priority 26540 iif lo protocol 171")
    reconcile()
    assert "iif lo" not in host("rule")
    assert reconcile().lines == []


def test_the_mac_tells_the_interface_whatever_its_name(host):
    host("link set eth1 down")
    host("link set eth1 name other")
    host("link set other up")
    reconcile()
    assert "lookup 26521" in host("rule")


def test_a_vlan_does_not_pass_for_the_interface_whose_mac_it_has(host):
    host("link del eth1")
    host("link add link eth0 name borrower address 02:00:00:00:00:01 type macvlan")
    assert reconcile(dry_run=True).problems == []
    assert not [line for line in reconcile(dry_run=True).lines if "26521" in line]


def test_hundreds_of_addresses_in_one_pass(host):
    batch = "".join("address add 198.18.%d.%d/24 dev eth1\n" % (3 + number // 200, 1 + number % 200) for number in range(600))
    subprocess.run(["ip", "-batch", "-"], input=batch, check=True, text=True)
    assert reconcile().problems == []
    assert reconcile().lines == []
    assert host("rule").count("lookup 26521") == 2 * 601


def test_strict_reverse_path_filtering_is_seen_as_the_kernel_does_it(host):
    with netlink.Netlink() as connection:
        links = {link.name: link.index for link in kernel.read_links(connection).values()}
        far, own = kernel.pack("192.0.2.1"), kernel.pack("198.18.1.10")
        subprocess.run(["sysctl", "-qw", "net.ipv4.conf.all.rp_filter=1"], check=True)
        assert not kernel.accepts(connection, far, own, links["eth1"])
        reconcile()
        assert kernel.accepts(connection, far, own, links["eth1"])


def test_the_service_passes_over_its_own_changes_and_hears_of_others(host):
    with netlink.Netlink() as connection, service.listen() as events:
        apply.reconcile(connection, INTENTS)
        assert not service.drain(events, connection.port)
        host("rule del priority 26540 from 198.18.1.10")
        assert service.drain(events, connection.port)


@pytest.mark.parametrize("command, matters", [
    ("route add 203.0.113.0/24 via 198.18.0.1 proto bird", False),
    ("route add 203.0.113.0/24 via 198.18.0.1 table 100", False),
    ("route add 203.0.113.0/24 dev eth1", True),
    ("route replace default via 198.18.0.254", True),
    ("route add default via 198.18.1.2 dev eth1 table 26519 metric 5", True),
    ("address add 198.18.9.9/24 dev eth1", True),
    ("link set eth2 down", True),
])
def test_the_service_looks_only_when_it_may_matter(host, command, matters):
    with service.listen() as events:
        host(command)
        assert service.drain(events, -1) is matters
