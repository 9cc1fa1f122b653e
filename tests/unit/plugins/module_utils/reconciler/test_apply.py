# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Reading and writing a real kernel: what is written is what ip(8) shows, what is foreign stays, a second pass does nothing."""

import errno
import socket
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
    monkeypatch.setattr(leases, "NETWORKD", str(tmp_path))
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
    assert reconcile().lines == []


def test_what_main_knows_more_precisely_than_a_default_goes_there(host):
    host("link add docker0 type bridge")
    host("address add 198.19.255.1/24 dev docker0")
    host("link set docker0 up")
    reconcile()
    assert routed(host, "198.18.1.10", "198.19.255.9") == "docker0"


def test_a_multicast_route_of_another_interface_leads_no_multicast_to_a_gateway(host):
    host("route add 224.0.0.0/4 dev eth0")
    reconcile()
    assert "via" not in host("route get 239.1.1.1 from 198.18.1.10 oif eth1")


def test_what_ipv4_reaches_through_an_ipv6_gateway_is_not_on_the_link(host):
    """RFC 5549, BGP unnumbered."""
    host("route add 203.0.113.0/24 via inet6 fe80::5 dev eth1")
    host("route add default via inet6 fe80::5 dev eth1 metric 5")
    assert reconcile().problems == []
    assert "via inet6 fe80::5 dev eth1" in host("route get 203.0.113.9 from 198.18.1.10")
    assert "via 198.18.1.1 dev eth1" in host("route get 192.0.2.1 from 198.18.1.10")


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


def test_a_foreign_route_in_the_place_of_ours_stays_and_is_named(host):
    host("route add default via 198.18.1.99 dev eth1 table 26521")
    outcome = reconcile()
    assert not [line for line in outcome.lines if "route default via 198.18.1.1" in line]
    assert outcome.problems == ["+ ip -4 route default via 198.18.1.1 dev eth1 table 26521: table 26521 has a route of somebody else's to there"]
    assert "via 198.18.1.99" in host("route show table 26521")
    assert routed(host, "198.18.2.10", "192.0.2.1") == "eth2"


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


def test_what_a_later_kernel_says_of_each_rule_does_not_make_ours_foreign(host, monkeypatch):
    reconcile()
    dump = netlink.Netlink.dump
    monkeypatch.setattr(netlink.Netlink, "dump", lambda self, kind, payload: [
        body + (netlink.attribute(77, b"new") if kind == netlink.RTM_GETRULE else b"") for body in dump(self, kind, payload)])
    assert reconcile() == apply.Outcome([], [])


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
    assert host("rule").count("lookup 26521") == 2 * 601 + 1


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


# ---- selectors, default, strict ----

PREFIX4, PREFIX6 = kernel.Prefix(kernel.pack("203.0.113.0"), 24), kernel.Prefix(kernel.pack("2001:db8:f::"), 48)
MATCHES = [
    kernel.Match(source=PREFIX4), kernel.Match(source=PREFIX6), kernel.Match(destination=PREFIX4), kernel.Match(destination=PREFIX6),
    kernel.Match(tos=0x10), kernel.Match(fwmark=(2, 0xFFFFFFFF)), kernel.Match(fwmark=(0x200, 0xFF00)), kernel.Match(iif="docker0"),
    kernel.Match(oif="nowhere"), kernel.Match(uid=(1000, 1999)), kernel.Match(uid=(0, 0)), kernel.Match(ipproto=6), kernel.Match(ipproto=1),
    kernel.Match(ipproto=58), kernel.Match(ipproto=200), kernel.Match(sport=(25, 25)), kernel.Match(dport=(1, 65534)),
    kernel.Match(PREFIX4, PREFIX4, 8, (1, 1), "eth0", "eth1", (1, 2), 17, (53, 54), (80, 80)),
]


def selecting(*selectors, **options):
    """eth2's Intent with these selectors, beside the other two."""
    return (*INTENTS[:2], INTENTS[2]._replace(selectors=selectors, **options))


def rules_shown(ip):
    """What ip(8) shows of our rules, as the lines of an Outcome."""
    lines = ["+ ip -%s rule %s" % (family, line) for family in "46" for line in ip("-%s rule" % family).splitlines() if "proto 171" in line]
    return sorted(line.replace("\t", " ").replace("proto 171", "").replace(" [detached]", "").replace("tos lowdelay", "tos 0x10")
                  .replace("tos throughput", "tos 0x08").strip() for line in lines)


@pytest.mark.parametrize("match", MATCHES, ids=str)
def test_a_selector_is_shown_as_we_say_it_and_read_back_as_we_wrote_it(host, match):
    outcome = reconcile(selecting(match, strict=True))
    assert outcome.problems == []
    assert rules_shown(host) == sorted(line for line in outcome.lines if " rule " in line)
    assert reconcile(selecting(match, strict=True)) == apply.Outcome([], [])
    reconcile([])
    assert rules_shown(host) == []


@pytest.mark.parametrize("match, words", [
    (kernel.Match(destination=kernel.Prefix(kernel.pack("192.0.2.0"), 24)), "192.0.2.1"), (kernel.Match(fwmark=(2, 0xFF)), "192.0.2.1 mark 0x302"),
    (kernel.Match(uid=(4000, 5000)), "192.0.2.1 uid 4321"), (kernel.Match(ipproto=6, dport=(20, 30)), "192.0.2.1 ipproto tcp dport 25"),
    (kernel.Match(sport=(25, 25)), "192.0.2.1 ipproto udp sport 25"), (kernel.Match(tos=0x10), "192.0.2.1 tos 0x10"),
    (kernel.Match(uid=(4000, 5000)), "2001:db8:ff::1 uid 4321"),
], ids=str)
def test_selected_traffic_leaves_through_the_interface_and_other_does_not(host, match, words):
    reconcile(selecting(match))
    assert "dev eth2" in host("route get " + words)
    assert "dev eth0" in host("route get " + words.split()[0].replace("192.0.2", "192.0.3") + " uid 1")
    # a reply keeps its way: what has an address of ours already is not selected
    source = "2001:db8:10::10" if ":" in words else "198.18.1.10"
    interface = "eth0" if ":" in words else "eth1"
    assert "dev " + interface in host("route get %s from %s" % (words.replace(" ", " from %s " % source, 1).split(" from ")[0], source)
                                      + " " + " ".join(words.split()[1:]))


def test_selected_traffic_honours_what_main_knows_more_precisely(host):
    host("link add docker0 type bridge")
    host("address add 198.19.255.1/24 dev docker0")
    host("link set docker0 up")
    reconcile(selecting(kernel.Match(uid=(7, 7)), default=True, strict=True))
    assert "dev docker0" in host("route get 198.19.255.9 uid 7")
    assert "dev docker0" in host("route get 198.19.255.9 uid 8")


def test_a_socket_bound_to_a_device_reaches_far_destinations_by_its_gateway(host):
    assert "via" not in host("route get 192.0.2.1 oif eth1")
    reconcile()
    assert "via 198.18.1.1 dev eth1" in host("route get 192.0.2.1 oif eth1")
    assert "via" not in host("route get 198.18.1.77 oif eth1")
    assert "via" not in host("route get fe80::77 oif eth2")


def test_the_default_interface_takes_what_has_no_source_and_replies_stay(host):
    reconcile(selecting(default=True))
    assert "dev eth2" in host("route get 192.0.2.1")
    assert "dev eth2" in host("route get 2001:db8:ff::1")
    assert "dev eth0" in host("route get 192.0.2.1 oif eth0")
    assert [routed(host, "198.18.%d.10" % number, "192.0.2.1") for number in range(3)] == ["eth0", "eth1", "eth2"]
    assert "dev eth1" in host("route get 198.18.1.77")


def unreachable(ip, words):
    with pytest.raises(subprocess.CalledProcessError):
        ip("route get " + words)
    return True


@pytest.mark.parametrize("event", ["route del default via 198.18.1.1 dev eth1 table 26519", "link set eth1 down", "link del eth1"])
def test_strict_is_unreachable_rather_than_another_way_out(host, event):
    """Without a gateway, with the link down, detached: the selected traffic, and whatever has the interface's address, leaves nowhere."""
    strict = (INTENTS[0], INTENTS[1]._replace(strict=True, selectors=(kernel.Match(uid=(7, 7)),)), INTENTS[2])
    reconcile(strict)
    assert "dev eth1" in host("route get 192.0.2.1 uid 7")
    host(event)
    assert reconcile(strict).problems == []
    assert unreachable(host, "192.0.2.1 uid 7") and "dev gandi-nowhere" in host("route get 2001:db8:ff::1 uid 7")
    assert "dev eth0" in host("route get 192.0.2.1 uid 8")
    if "link del" not in event:
        assert unreachable(host, "192.0.2.1 from 198.18.1.10")
        assert unreachable(host, "198.18.2.77 from 198.18.1.10")
    assert reconcile(strict) == apply.Outcome([], [])


def strictly_by_eth1(*selectors, **options):
    return (INTENTS[0], INTENTS[1]._replace(strict=True, selectors=selectors, **options), INTENTS[2])


@pytest.mark.parametrize("wish", [strictly_by_eth1(default=True), strictly_by_eth1(kernel.Match(iif="lo")), strictly_by_eth1(kernel.Match(uid=(0, 0)))])
def test_an_ipv6_socket_without_an_address_gets_none_that_would_let_it_out(host, wish):
    """Refused, it would get one of eth0 or eth2, from which there is a way. It hears at once that there is none."""
    assert reconcile(wish).problems == []
    with socket.socket(socket.AF_INET6, socket.SOCK_STREAM) as tcp, socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
        tcp.settimeout(10)
        with pytest.raises(OSError, match="No route to host"):
            tcp.connect(("2001:db8:ff::1", 9))
        udp.connect(("2001:db8:ff::1", 9))
        assert udp.getsockname()[0] == "100::1"
    assert "dev eth2" in host("route get 2001:db8:ff::1 from 2001:db8:12::10")
    assert "dev eth2" in host("route get 2001:db8:12::77")
    host("-6 route add default via fe80::1 dev eth1 table 26519")
    reconcile(wish)
    assert "dev eth1" in host("route get 2001:db8:ff::1 uid 0")


def test_the_link_that_nobody_is_on_comes_when_needed_and_is_mended_and_goes(host):
    wish = strictly_by_eth1(default=True)
    assert "gandi-nowhere" not in str(reconcile(strictly_by_eth1()).lines)
    said = reconcile(wish, dry_run=True).lines
    assert "+ ip link gandi-nowhere type bridge" in said and "gandi-nowhere" not in host("link")
    assert reconcile(wish).lines == said
    assert reconcile(wish) == apply.Outcome([], [])
    assert "fe80::" not in host("address show dev gandi-nowhere")
    for harm in ("link del gandi-nowhere", "link set gandi-nowhere down", "address del 100::1/128 dev gandi-nowhere",
                 "-6 route del default table 26518"):
        host(harm)
        assert reconcile(wish).problems == []
        assert "src 100::1" in host("route get 2001:db8:ff::1")
        assert reconcile(wish) == apply.Outcome([], [])
    for number in (0, 1, 2):
        host("-6 address flush dev eth%d scope global" % number)
    assert "- ip link gandi-nowhere type bridge" in reconcile(wish).lines and "gandi-nowhere" not in host("link")


def test_somebody_elses_link_of_that_name_stays_and_is_named(host):
    host("link add gandi-nowhere type veth peer name other")
    problem = "strict: there is an interface gandi-nowhere which is not ours; expected the name to be free"
    assert reconcile(strictly_by_eth1(default=True)).problems == [problem]
    reconcile([])
    assert "gandi-nowhere" in host("link")


def test_a_detached_interface_that_is_not_strict_leaves_nothing(host):
    reconcile(selecting(kernel.Match(uid=(7, 7)), default=True))
    host("link del eth2")
    reconcile(selecting(kernel.Match(uid=(7, 7)), default=True))
    assert "26522" not in host("rule") + host("-6 rule") + host("route show table all")


def test_an_unknown_user_is_a_problem_of_that_selector_alone(host):
    outcome = reconcile(selecting(kernel.Match(uid="no-such-user"), kernel.Match(uid="root", dport=(9, 9))))
    assert outcome.problems == ["eth2: selectors: uid: there is no user no-such-user on this host"]
    assert "uidrange 0-0 dport 9" in host("rule") and "uidrange" in host("-6 rule")


def test_an_interface_whose_file_cannot_be_understood_keeps_everything_and_so_do_the_others(host):
    wanted = selecting(kernel.Match(uid=(7, 7)), default=True, strict=True)
    reconcile(wanted)
    unclear = Intent("eth2", "", 0, ())
    assert reconcile((*INTENTS[:2], unclear)) == apply.Outcome([], [])
    host("address add 198.18.1.11/24 dev eth1")
    host("address del 198.18.0.10/24 dev eth0")
    lines = reconcile((*INTENTS[:2], unclear)).lines
    assert [line for line in lines if "198.18.1.11" in line] and [line for line in lines if "- ip -4 rule" in line]
    assert not [line for line in lines if "26522" in line]


def test_a_selector_goes_whole_also_while_another_file_cannot_be_understood(host):
    """Its rule that leads to main belongs to its interface as well as the one that leads to the table."""
    selector = INTENTS[1]._replace(selectors=(kernel.Match(uid=(7, 7)),), strict=True)
    reconcile((INTENTS[0], selector, INTENTS[2]))
    reconcile((INTENTS[0], INTENTS[1], Intent("eth2", "", 0, ())))
    assert "uidrange" not in host("rule") and "lookup 26522" in host("rule")


@pytest.mark.parametrize("neighbour, source", [("198.18.1.77", "198.18.2.10"), ("2001:db8:11::77", "2001:db8:12::10")])
def test_strict_has_no_way_round_by_another_interface_and_comes_back_with_the_gateway(host, neighbour, source):
    """Main knows the other interfaces' subnets as connected: a table without a gateway must say that they are unreachable."""
    with_gateway, without = selecting(strict=True), (*INTENTS[:2], INTENTS[2]._replace(gateways=(), strict=True))
    for _round in range(2):
        reconcile(with_gateway)
        assert "dev eth2" in host("route get %s from %s" % (neighbour, source))
        assert reconcile(without).problems == []
        assert unreachable(host, "%s from %s" % (neighbour, source))
        assert reconcile(without) == apply.Outcome([], [])
    reconcile([])
    assert "proto 171" not in host("route show table all") + host("-6 route show table all")


def test_a_kernel_without_ipv6_is_no_error(host, monkeypatch):
    """With ipv6.disable=1 it answers as for any family that it does not have: a dump tells everybody's, a change is refused."""
    send_any, nobodys = netlink.Netlink._send, b"\x09"     # X.25
    host("-6 address flush scope global")

    def send(self, requests):
        return send_any(self, [(kind, flags, nobodys + payload[1:] if payload[0] == socket.AF_INET6 else payload)
                               for kind, flags, payload in requests])

    monkeypatch.setattr(netlink.Netlink, "_send", send)
    wanted = (INTENTS[0], INTENTS[1]._replace(default=True, strict=True), INTENTS[2])
    outcome = reconcile(wanted)
    assert outcome.problems == [] and not any("-6" in line for line in outcome.lines)
    assert routed(host, "198.18.2.10", "192.0.2.1") == "eth2"
    assert reconcile(wanted) == apply.Outcome([], [])


@pytest.mark.parametrize("packet", ["192.0.2.1 from 198.19.255.9", "2001:db8:ff::1 from 2001:db8:f::9"])
def test_what_is_forwarded_is_not_selected_with_root(host, packet):
    """The kernel takes the user of such a packet for 0."""
    host("link add docker0 type bridge")
    host("link set docker0 up")
    host("address add 198.19.255.1/24 dev docker0")
    host("address add 2001:db8:f::1/64 dev docker0 nodad")
    subprocess.run(["sysctl", "-qw", "net.ipv4.ip_forward=1", "net.ipv6.conf.all.forwarding=1"], check=True)
    reconcile(selecting(kernel.Match(uid=(0, 9))))
    assert "dev eth2" in host("route get %s uid 0" % packet.split()[0])
    assert "dev eth0" in host("route get %s iif docker0 uid 0" % packet)


# ---- routers that are only heard of ----

HEARD = [Intent("eth0", "", 26520, ()), Intent("eth2", "", 26522, (kernel.pack("198.18.2.1"),))]


def gateway6(ip):
    """Return the gateway of eth2's IPv6 default route in its table, or None."""
    words = ip("-6 route show table 26522 default").split()
    return words[words.index("via") + 1] if words else None


@pytest.fixture
def advertised(host):
    """eth2 has heard of a router: as the kernel does it, a neighbour with the router flag."""
    host("neigh replace fe80::9 lladdr 02:00:00:00:00:99 dev eth2 nud stale router")
    reconcile(tuple(HEARD))
    assert gateway6(host) == "fe80::9"
    return host


@pytest.mark.parametrize("event, gateway", [
    ("neigh del fe80::9 dev eth2", "fe80::9"),
    ("neigh replace fe80::9 lladdr 02:00:00:00:00:99 dev eth2 nud failed router", "fe80::9"),
    ("neigh replace fe80::9 lladdr 02:00:00:00:00:99 dev eth2 nud stale", "fe80::9"),
    ("neigh replace fe80::a lladdr 02:00:00:00:00:9a dev eth2 nud stale router", "fe80::9"),
    ("neigh replace fe80::8 lladdr 02:00:00:00:00:98 dev eth2 nud reachable router", "fe80::9"),
    ("neigh del fe80::9 dev eth2; neigh replace fe80::8 lladdr 02:00:00:00:00:98 dev eth2 nud reachable router", "fe80::9"),
    ("-6 address flush dev eth2; neigh del fe80::9 dev eth2", None),
    ("link set eth2 down", None),
    ("route add default via fe80::7 dev eth2 table 26519 metric 7", "fe80::7"),
], ids=["forgotten by the kernel", "silent", "made anew by its own solicitation", "a second one",
        "a neighbour with containers", "the same, when it is forgotten", "address gone", "link down", "told by a DHCP client"])
def test_a_router_that_was_heard_is_remembered_until_something_else_is_known(advertised, event, gateway):
    for command in event.split(";"):
        advertised(command)
    for _pass in range(2):
        reconcile(tuple(HEARD))
        assert gateway6(advertised) == gateway


@pytest.mark.parametrize("flag", ["", " router"])
def test_another_router_takes_the_place_of_one_that_is_silent(advertised, flag):
    """Also where the kernel had forgotten that it is one: what is asked in vain has no flag."""
    advertised("neigh replace fe80::9 lladdr 02:00:00:00:00:99 dev eth2 nud failed" + flag)
    advertised("neigh replace fe80::a lladdr 02:00:00:00:00:9a dev eth2 nud stale router")
    reconcile(tuple(HEARD))
    assert gateway6(advertised) == "fe80::a"
    assert reconcile(tuple(HEARD)) == apply.Outcome([], [])


def test_a_configured_router_is_not_remembered(host):
    configured = (HEARD[0], HEARD[1]._replace(gateways=(kernel.pack("fe80::9"),)))
    reconcile(configured)
    assert gateway6(host) == "fe80::9"
    reconcile(tuple(HEARD))
    assert gateway6(host) is None


def test_each_change_has_its_own_answer(host):
    """Also in a long row, wherever in a datagram the refused ones are; what comes after them is done."""
    rules = [kernel.Rule(socket.AF_INET, 26520, kernel.Match(oif="eth%d" % number), 26520) for number in range(2 * netlink.BATCH + 3)]
    requests = [(netlink.RTM_NEWRULE, netlink.NLM_F_CREATE | netlink.NLM_F_EXCL, kernel.encode_rule(rule)) for rule in rules]
    there = [0, 5, netlink.BATCH - 1, netlink.BATCH, len(rules) - 1]
    with netlink.Netlink() as connection:
        assert connection.change([requests[number] for number in there]) == [0] * len(there)
        assert connection.change(requests) == [errno.EEXIST if number in there else 0 for number in range(len(rules))]
    assert host("rule show priority 26520").count("oif") == len(rules)
