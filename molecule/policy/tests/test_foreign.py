# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What others have set up on the machine stays, and works: containers, a VPN, the administrator's rules and routes."""

import pytest
from conftest import CLIENT4, CLIENT6, first, kernel, wait_until, wrong

from lab import Lab, Question

NAT = """
table ip dockerlike {
  chain out { type nat hook postrouting priority 100; ip saddr 198.19.200.0/24 oifname != "docker0" masquerade; }
  chain in { type nat hook prerouting priority -100; fib daddr type local meta l4proto { tcp, udp } th dport 8080 dnat ip to 198.19.200.2:7007; }
}
"""


@pytest.fixture
def container(settled, lab, machine, host):
    """A container with a published port, as docker makes it."""
    box = lab.add_box(machine, "docker0")
    lab.serve(box)
    host.check_output("sysctl -qw net.ipv4.ip_forward=1; nft '%s'" % NAT)
    yield box
    host.check_output("nft delete table ip dockerlike; sysctl -qw net.ipv4.ip_forward=0")
    lab.remove_box(machine, "docker0")


@pytest.fixture
def tunnel(settled, lab, machine):
    """Return a function that makes a tunnel, with a far end that has these addresses and answers."""
    def make(interface, network4, network6, *addresses):
        box = lab.add_box(machine, interface, network4, network6)
        for address in addresses:
            lab.run(box, "ip", "address", "add", address, "dev", "lo")
        lab.run(box, "ip", "link", "set", "lo", "up")
        lab.serve(box)
        made.append(interface)
    made = []
    yield make
    for interface in made:
        lab.remove_box(machine, interface)


@pytest.fixture
def ip(settled, host):
    """Return a function that adds what ip(8) is told, and takes it away after the test."""
    def add(command):
        host.check_output("ip " + command)
        added.append(command)
    added = []
    yield add
    for command in reversed(added):
        host.run("ip " + command.replace(" add ", " delete ", 1))


def test_a_container_reaches_the_internet_through_the_primary(container, lab, machine, ask):
    """By masquerade."""
    answers = ask([Question(CLIENT4, protocol) for protocol in ("tcp", "udp")], container)
    assert [(answer.answered, answer.seen_as, answer.left_by) for answer in answers] == [(True, first(lab, machine, "eth0"), "eth0")] * 2


def test_a_published_port_answers_whoever_asks_and_on_whichever_interface(container, lab, machine):
    """Also on the primary, where rules for its addresses break this if they do not honour main (amazon-ec2-net-utils issue 97). The
    reply has the container's address while it is routed: the connection is marked."""
    asked = [Question(first(lab, machine, interface), protocol, port=8080) for interface in ("eth0", "eth1") for protocol in ("tcp", "udp")]
    answers = [(source, answer) for source in ("client", "neighbour-a", "neighbour-b", "neighbour-c") for answer in lab.ask(source, asked)]
    assert [(source, answer.question, answer.error) for source, answer in answers if not answer.answered] == []


def test_a_tunnel_known_to_main_is_taken_from_every_address(tunnel, ip, lab, machine, ask):
    """None of it is seen outside."""
    tunnel("vpn0", "198.19.201.0/24", "2001:db8:f1::/64", "198.51.100.1/32", "2001:db8:f8::1/128")
    ip("route add 198.51.100.0/24 via 198.19.201.2 dev vpn0")
    ip("-6 route add 2001:db8:f8::/48 via 2001:db8:f1::2 dev vpn0")
    answers = ask([Question("2001:db8:f8::1" if ":" in address else "198.51.100.1", protocol, source=address)
                   for _interface, address in lab.addresses(machine) for protocol in ("tcp", "udp") if not address.startswith("198.19.201")])
    assert len(answers) == 18
    assert [answer for answer in answers if not answer.answered or answer.left_by or answer.seen_as != answer.question.source] == []


def test_what_the_administrator_sends_nowhere_goes_nowhere(ip, lab, machine, ask):
    """A blackhole in main, from every address."""
    ip("route add blackhole 203.0.113.0/24")
    ip("-6 route add blackhole 2001:db8:f9::/48")
    answers = ask([Question("2001:db8:f9::1" if ":" in address else "203.0.113.1", source=address)
                   for _interface, address in lab.addresses(machine)])
    assert len(answers) == 9
    assert [answer for answer in answers if answer.error != "Invalid argument" or answer.left_by] == []


def test_a_rule_before_ours_wins_and_one_after_ours_does_not(tunnel, ip, lab, machine, ask):
    """The order of priorities is the administrator's to choose."""
    tunnel("vpn0", "198.19.201.0/24", "2001:db8:f1::/64", CLIENT4 + "/32")
    ip("route add default via 198.19.201.2 dev vpn0 table 100")
    ip("rule add from %s to %s lookup 100 priority 1000" % (first(lab, machine, "eth1"), CLIENT4))
    ip("rule add from %s to %s lookup 100 priority 30000" % (first(lab, machine, "eth2"), CLIENT4))
    answers = ask([Question(CLIENT4, source=first(lab, machine, interface)) for interface in ("eth1", "eth2")])
    assert [(answer.answered, answer.left_by) for answer in answers] == [(True, ""), (True, "eth2")]


def test_a_full_tunnel_takes_what_the_machine_sends_and_not_what_it_replies(tunnel, ip, lab, machine, ask):
    """The two rules of wg-quick: who reached us directly is answered directly."""
    tunnel("wg0", "198.19.202.0/24", "2001:db8:f2::/64", CLIENT4 + "/32", CLIENT6 + "/128")
    for family, gateway in (("-4", "198.19.202.2"), ("-6", "2001:db8:f2::2")):
        ip("%s route add default via %s dev wg0 table 51820" % (family, gateway))
        ip("%s rule add not fwmark 51820 lookup 51820 priority 32765" % family)
        ip("%s rule add lookup main suppress_prefixlength 0 priority 32764" % family)
    answers = ask([Question(to, protocol) for to in (CLIENT4, CLIENT6) for protocol in ("tcp", "udp")])
    assert [(answer.answered, answer.left_by) for answer in answers] == [(True, "")] * 4
    assert wrong(lab, machine, protocols=("icmp", "tcp", "udp")) == []


def test_rules_and_routes_of_others_stay_whatever_happens(ip, lab, machine, host):
    """Below, between and above ours, of the very same priority, and in a table of ours; the service restarts, an interface goes and comes."""
    for command in ("rule add from 192.0.2.1 lookup 100 priority 100", "rule add from 192.0.2.2 lookup 100 priority 26520",
                    "rule add from 192.0.2.3 lookup 100 priority 26540", "rule add fwmark 7 lookup 100 priority 26535",
                    "rule add from 192.0.2.4 lookup 100 priority 32000 protocol 99",
                    "-6 rule add from 2001:db8:ff::1 lookup 100 priority 26540", "route add default via 198.18.0.5 dev eth0 table 100",
                    "route add 203.0.113.0/24 via 198.18.0.5 dev eth0 table 26520", "route add blackhole 203.0.113.0/25",
                    "-6 route add blackhole 2001:db8:f9::/48"):
        ip(command)
    before = kernel(lab, machine)[1]
    host.check_output("systemctl restart gandi-policy-routing; gandi-policy-routing apply")
    assert kernel(lab, machine)[1] == before
    lab.detach(machine, "eth2")
    wait_until(lambda: [line for line in kernel(lab, machine)[0] if "eth2" in line])
    lab.attach(machine, "eth2")
    wait_until(lambda: wrong(Lab.load(), machine))
    wait_until(lambda: set(before) ^ set(kernel(lab, machine)[1]), 5)
