# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""eth0 and eth1 are ours, eth2 is the agent's and came after the run."""

import time

import pytest


@pytest.fixture(autouse=True)
def settled(host, lab, machine):
    """dhcpcd and dhclient take some seconds after a hot-plug or a boot."""
    address = lab.state.machine(machine).nic("eth2").ipv4
    for _second in range(30):
        if address in host.check_output("ip -4 address show dev eth2") and "26540" in host.check_output("ip rule show from %s" % address):
            return
        time.sleep(1)
    said = host.run("ip address; ip rule; systemctl status gandi-dhclient@eth2; journalctl -b --no-pager | tail -n 40").stdout
    pytest.fail("eth2 has no address of its own, or no rules:\n" + said)


def test_the_agent_configures_its_interface(host):
    assert host.run("systemctl is-active gandi-dhclient@eth2").stdout.strip() == "active"


def test_the_administrators_hook_runs_for_what_is_the_agents(host, machine):
    """It is kept, and there is none of ours."""
    if machine == "d13n":
        assert not host.file("/etc/gandi/hooks").exists
    else:
        assert host.file("/run/hook").content_string.split() == ["eth2"]


def test_the_agent_does_by_itself_what_needs_no_repair(host, machine):
    found = host.run("ls /etc/udev/rules.d/87-gandi-hosting-agent.rules /etc/systemd/system/gandi-dhclient@.service.d 2>/dev/null").stdout
    assert bool(found) == (machine == "d13n")


@pytest.mark.parametrize("interface", ["eth0", "eth1"])
def test_the_agent_leaves_ours_alone(host, interface):
    assert host.run("systemctl is-active gandi-dhclient@%s" % interface).stdout.strip() in ("inactive", "unknown")
    assert host.run("journalctl -b -t gandi --grep 'Setup of %s' --no-pager -q" % interface).stdout.strip() == ""


def test_every_address_answers_through_its_own_interface(lab, machine):
    trips = {(trip.interface, trip.address): trip for trip in lab.trace("client", machine) if trip.interface in ("eth0", "eth1", "eth2")}
    assert {interface for interface, _address in trips} == {"eth0", "eth1", "eth2"}
    assert [(key, trip.as_dict()) for key, trip in trips.items() if not trip.ok or trip.reply_out != key[0]] == []


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_main_has_the_primarys_default_route_and_no_other(lab, machine, family):
    assert lab.default_interfaces(machine, family) == {"eth0"}


def test_dns_comes_from_the_primary(host):
    said = host.run("cat /etc/resolv.conf /run/systemd/netif/state").stdout
    assert "198.18.0.1" in said and "198.18.2.1" not in said and "c.lab.example" not in said


@pytest.mark.parametrize("interface", ["eth0", "eth1", "eth2"])
@pytest.mark.parametrize("key, expected", [("rp_filter", "0"), ("arp_announce", "2")])
def test_our_sysctls_are_in_effect(host, interface, key, expected):
    """The agent's own, which it would load after ours at boot, have rp_filter 2."""
    values = host.check_output("cat /proc/sys/net/ipv4/conf/all/%s /proc/sys/net/ipv4/conf/%s/%s" % (key, interface, key)).split()
    assert max(values) == expected


def test_the_settings_divide_the_labour(host):
    said = host.check_output("grep -E '^CONFIG_(NODHCP|NETWORK|SYSCTL)=' /etc/default/gandi").splitlines()
    assert sorted(said) == ["CONFIG_NETWORK=0", 'CONFIG_NODHCP="eth0 eth1"', "CONFIG_SYSCTL=0"]
