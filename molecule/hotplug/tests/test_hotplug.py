# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What comes up under which name, after the run and without another one. Each test leaves the machine as it was."""

import contextlib
import json
import time

import pytest

PATIENCE = 15       # seconds until an interface that was just plugged in has its addresses
# The unit in which the agent runs dhclient, as its package has it.
AGENT_UNIT = "[Service]\\nExecStart=/sbin/dhclient -d -pf /run/dhclient.%i.pid -lf /var/lib/dhcp/dhclient.%i.leases %i\\n"


@pytest.fixture(autouse=True)
def nothing_is_wrong(no_second_default_route, host, settled):
    """After each test: no unit has failed, nothing differs from what is wanted, and all that comes to a secondary is an address."""
    yield
    assert settled({"eth0", "eth1", "eth2"}) == []
    assert host.check_output("systemctl --failed --no-legend --plain") == ""
    assert others_nameservers(host) == []
    # the service may be just at it
    host.run("timeout 5 sh -c 'while gandi-policy-routing apply --dry-run | grep -q .; do sleep 0.1; done'")
    assert host.check_output("gandi-policy-routing apply --dry-run") == ""


@pytest.fixture
def settled(lab, machine):
    """Return a function that waits until each of these interfaces has an address of each family, and all addresses of the machine answer
    through their own interface; and returns what is still not so."""
    def wrong(names):
        trips = lab.trace("client", machine, count=1)
        have = {(trip.interface, ":" in trip.address) for trip in trips}
        return sorted({(name, ipv6) for name in names for ipv6 in (False, True)} ^ have) + [
            trip for trip in trips if not trip.ok or not trip.interface == trip.request_in == trip.reply_out]

    def wait(names):
        deadline = time.monotonic() + PATIENCE
        while wrong(names) and time.monotonic() < deadline:
            time.sleep(0.3)
        return wrong(names)

    return wait


@pytest.fixture
def plugged(lab, machine):
    """Return a context in which an interface is attached."""
    @contextlib.contextmanager
    def attached(name, segment, mac=None):
        lab.attach(machine, name, segment, mac)
        try:
            yield
        finally:
            lab.detach(machine, name)
    return attached


@pytest.fixture
def without(lab, machine):
    """Return a context in which interfaces that are there are not; they come back as they were."""
    @contextlib.contextmanager
    def detached(*names):
        nics = [nic for nic in lab.state.machine(machine).nics if nic.name in names]
        for nic in nics:
            lab.detach(machine, nic.name)
        try:
            yield {nic.name: nic for nic in nics}
        finally:
            for nic in nics:
                lab.attach(machine, nic.name, nic.segment, nic.mac)
    return detached


def defaults(host):
    said = host.check_output("ip route show default; ip -6 route show default")
    return {line.split("dev ")[1].split()[0] for line in said.splitlines() if "dev " in line}


def of(host, name):
    """What the kernel has about an interface: its global addresses, and routes of any table that name it."""
    links = json.loads(host.check_output("ip -json address show dev %s" % name))
    routes = host.check_output("ip route show table all dev %s; ip -6 route show table all dev %s" % (name, name))
    return [address["local"] for link in links for address in link["addr_info"] if address["scope"] == "global"], [
        line for line in routes.splitlines() if "fe80::" not in line.split()[0] and "multicast" not in line]


def others_nameservers(host):
    """What the host has of the name servers and domains that the segments of the secondaries give."""
    said = host.run("cat /etc/resolv.conf /run/systemd/netif/state").stdout
    return [word for word in ("198.18.1.1", "198.18.2.1", "b.lab.example", "c.lab.example") if word in said]


def test_two_that_have_exchanged_their_names_keep_what_is_theirs(lab, machine, host, without, plugged, settled):
    """Plugged in in another order, and after a reboot: the address, and with it the segment, is that of the MAC."""
    with without("eth1", "eth2") as nics:
        with plugged("eth1", nics["eth2"].segment, nics["eth2"].mac), plugged("eth2", nics["eth1"].segment, nics["eth1"].mac):
            assert settled({"eth0", "eth1", "eth2"}) == []
            assert nics["eth2"].ipv4 in of(host, "eth1")[0] and nics["eth1"].ipv4 in of(host, "eth2")[0]
            lab.reboot([machine])
            assert settled({"eth0", "eth1", "eth2"}) == []
            assert nics["eth2"].ipv4 in of(host, "eth1")[0] and defaults(host) == {"eth0"}


def test_one_under_a_name_that_nobody_expects(host, without, plugged, settled):
    with without("eth2") as nics, plugged("eth7", nics["eth2"].segment, nics["eth2"].mac):
        assert settled({"eth0", "eth1", "eth7"}) == []
        assert nics["eth2"].ipv4 in of(host, "eth7")[0]


def test_one_that_comes_and_goes_often_is_there_in_the_end(lab, host, without):
    """systemd gives up what is started more than five times in ten seconds. The end is what every test here ends with."""
    for _time in range(8):
        with without("eth2"):
            pass
        host.check_output("udevadm settle")


@pytest.mark.parametrize("name", ["eth2", "eth3"])
def test_a_name_of_the_list_without_its_mac_and_an_absent_one_get_nothing(lab, machine, host, without, plugged, settled, name):
    """Not what that entry says, and not what interfaces get that nobody named. eth0 and eth1 are what they were."""
    with without("eth2"), plugged(name, "c", "02:00:00:00:99:%02x" % lab.state.machine(machine).number):
        host.check_output("udevadm settle")
        assert settled({"eth0", "eth1"}) == []
        assert of(host, name) == ([], [])


def test_those_that_nobody_has_named_get_an_address_and_are_routed(host, plugged, settled):
    """Two at once, whose leases have different gateways. No DNS, no default route in main; nothing is left when they are gone."""
    with plugged("eth5", "b"), plugged("eth6", "c"):
        assert settled({"eth0", "eth1", "eth2", "eth5", "eth6"}) == []
        assert defaults(host) == {"eth0"}
        assert others_nameservers(host) == []
        addresses = of(host, "eth5")[0] + of(host, "eth6")[0]
    rules = host.check_output("ip rule; ip -6 rule")
    deadline = time.monotonic() + 5
    while any(address in rules for address in addresses) and time.monotonic() < deadline:
        rules = host.check_output("ip rule; ip -6 rule")
    assert [address for address in addresses if "from %s " % address in rules] == []


def test_a_bridge_with_the_mac_of_an_interface_is_not_that_interface(host, settled):
    host.check_output("ip link add br9 type bridge && ip link set br9 address $(cat /sys/class/net/eth1/address) up")
    try:
        host.check_output("udevadm settle")
        assert settled({"eth0", "eth1", "eth2"}) == []
        assert host.check_output("systemctl --failed --no-legend --plain") == ""
    finally:
        host.check_output("ip link delete br9")


def test_an_administrators_stanza_is_somebodys_word(lab, machine, host, plugged, settled):
    """What nobody named is what gandi_interfaces does not name, and nobody else."""
    if lab.state.machine(machine).backend != "ifupdown":
        pytest.skip("stanzas are ifupdown's")
    # What the kernel makes of router advertisements there is the administrator's as well: here it makes nothing.
    host.check_output("printf 'iface eth7 inet static\\n    address 198.18.2.77/24\\n"
                      "    pre-up echo 0 >/proc/sys/net/ipv6/conf/eth7/accept_ra\\n' >/etc/network/interfaces.d/own")
    try:
        with plugged("eth7", "c"):
            deadline = time.monotonic() + PATIENCE
            while "198.18.2.77" not in of(host, "eth7")[0] and time.monotonic() < deadline:
                time.sleep(0.2)
            assert [address for address in of(host, "eth7")[0] if "." in address] == ["198.18.2.77"]
    finally:
        host.check_output("rm /etc/network/interfaces.d/own")


def test_what_the_agent_configures_brings_an_address_only_and_is_routed(host, plugged, settled):
    """Its dhclient, run as its package runs it, on a machine that has one. The gateway is known, and DNS is the primary's."""
    if not host.file("/sbin/dhclient").exists:
        pytest.skip("the agent needs dhclient")
    host.check_output("printf '%s' >/etc/systemd/system/gandi-dhclient@.service && systemctl daemon-reload" % AGENT_UNIT.replace("%i", "%%i"))
    with plugged("eth4", "c"):
        host.check_output("udevadm settle && ip link set eth4 up && systemctl start gandi-dhclient@eth4")
        try:
            assert settled({"eth0", "eth1", "eth2", "eth4"}) == []
            assert defaults(host) == {"eth0"} and others_nameservers(host) == []
        finally:
            host.check_output("systemctl stop gandi-dhclient@eth4; rm /etc/systemd/system/gandi-dhclient@.service; systemctl daemon-reload")
