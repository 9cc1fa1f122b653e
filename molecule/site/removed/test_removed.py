# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""After remove.yml nothing of ours is left, and the machine is what it was."""

import json

import pytest

PLACES = ("/etc/gandi-hosting", "/usr/local/lib/gandi-hosting", "/var/lib/gandi-hosting", "/usr/local/sbin/gandi-policy-routing",
          "/etc/systemd/system/gandi-policy-routing.service", "/etc/sysctl.d/99-z-gandi-hosting.conf")


def test_no_file_of_ours_is_left(host):
    assert [path for path in PLACES if host.file(path).exists] == []
    # the agent and where it comes from stay: the package, whose settings name it, may be the image's own
    assert host.run("grep -rlE 'gandi[.-]hosting' /etc | grep -vE '^/etc/(apt/|default/gandi$)'").stdout == ""


def test_the_agents_settings_are_the_packages_again(host):
    """Or it would leave alone what nobody else configures any more. (dpkg tells of each file that differs from the package's.)"""
    assert host.run("dpkg --verify gandi-hosting-vm").stdout == ""


def test_the_secondaries_are_forgotten(host):
    links = json.loads(host.check_output("ip -json address show scope global"))
    assert {link["ifname"] for link in links if link.get("addr_info")} == {"eth0"}


@pytest.mark.parametrize("command", ["ip rule", "ip -6 rule", "ip route show table all", "ip -6 route show table all", "ip link"])
def test_no_rule_or_route_of_ours_is_left(host, command):
    said = host.check_output(command)
    assert "proto 171" not in said and "gandi" not in said and "26519" not in said


def test_the_service_is_gone(host):
    assert host.run("systemctl is-active gandi-policy-routing").stdout.strip() == "inactive"


def test_the_primary_still_answers(lab, machine):
    assert [trip for trip in lab.trace("client", machine) if trip.interface == "eth0" and not trip.ok] == []


def test_the_sysctls_have_their_values_from_before(host, lab, machine):
    """Debian 13 ships rp_filter 2 for every interface, Debian 12 nothing, which is the kernel's 0."""
    expected = "2" if lab.state.machine(machine).flavour == "debian13" else "0"
    assert host.check_output("cat /proc/sys/net/ipv4/conf/eth0/rp_filter") == expected
    assert host.check_output("cat /proc/sys/net/ipv4/conf/all/arp_announce") == "0"


def test_the_administrators_file_is_back(host):
    assert "#gandi.hosting" not in host.file("/etc/network/interfaces").content_string
