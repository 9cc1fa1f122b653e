# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What is on the machine: one fact a test."""

import time

import pytest

PATIENCE = 10   # seconds for what a reboot or a hot-plug has set going: what is wrong after them stays wrong


@pytest.fixture(scope="module", autouse=True)
def _settled(host):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and host.run("gandi-policy-routing apply --dry-run").stdout:
        time.sleep(0.5)


@pytest.mark.parametrize("family", ["-4", "-6"])
def test_main_has_the_primarys_default_route_and_no_other(lab, machine, family):
    """A secondary brings its address only."""
    assert lab.default_interfaces(machine, family) == {"eth0"}


def test_dns_comes_from_the_primary(host):
    """The lab gives a name server and a domain on each segment; b to d are the secondaries'."""
    said = host.run("cat /etc/resolv.conf /run/systemd/netif/state").stdout
    assert "198.18.0.1" in said
    assert [word for word in ("198.18.1.1", "198.18.2.1", "b.lab.example", "c.lab.example") if word in said] == []


def test_the_host_name_stays(host, machine):
    assert host.check_output("hostname") == machine


@pytest.mark.parametrize("interface", ["eth0", "eth1", "eth2", "eth3"])
def test_reverse_path_filtering_is_off_in_effect(host, interface):
    """The larger of the interface's value and that of all, also for what was plugged in after the run."""
    values = host.check_output("cat /proc/sys/net/ipv4/conf/all/rp_filter /proc/sys/net/ipv4/conf/%s/rp_filter" % interface)
    assert values.split() == ["0", "0"]


@pytest.mark.parametrize("interface", ["eth0", "eth1", "eth2", "eth3"])
def test_arp_asks_with_the_interfaces_own_address(host, interface):
    values = host.check_output("cat /proc/sys/net/ipv4/conf/all/arp_announce /proc/sys/net/ipv4/conf/%s/arp_announce" % interface)
    assert max(values.split()) == "2"


def test_an_interface_that_nobody_named_gets_the_values_too(lab, machine, host):
    """Whatever the distribution's files and udev's own run of systemd-sysctl say (Debian 13: rp_filter 2 for every interface)."""
    lab.attach(machine, "eth9", "d")
    try:
        host.check_output("udevadm settle")
        assert host.check_output("cat /proc/sys/net/ipv4/conf/eth9/rp_filter") == "0"
    finally:
        lab.detach(machine, "eth9")


def test_the_service_runs(host):
    service = host.service("gandi-policy-routing")
    assert service.is_running and service.is_enabled


def test_nothing_differs_from_what_is_wanted(host):
    assert host.check_output("gandi-policy-routing apply --dry-run") == ""


def test_no_unit_has_failed(host):
    assert host.check_output("systemctl --failed --no-legend --plain") == ""


def test_the_agent_is_recent_enough(host):
    assert host.package("gandi-hosting-vm").version == "2652"
