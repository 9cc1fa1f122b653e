# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What was there before us: never doubled, never lost, and back byte for byte."""

import pytest
from conftest import TIMEOUT, succeeds

INTERFACES = [{"name": "eth0", "primary": True}, {"name": "eth1", "policy_routing": True}]
FILES = ("find /etc/network /etc/systemd/network /etc/netplan /etc/cloud /usr/local /var/lib/gandi-hosting -type f ! -path '*/__pycache__/*' "
         "-exec sha256sum {} + 2>/dev/null | sort -k2; stat -c '%a %u %g %n' /etc/network/interfaces")


@pytest.fixture(autouse=True)
def removed(machine, run, lab):
    """After each test everything of ours is taken away, and the machine answers on eth0 as before."""
    yield
    succeeds(run([]))
    assert lab.ping("client", machine + ":eth0").ok


@pytest.fixture
def kept(host):
    """Return a function that notes what is on the machine, and one that says whether it is that again."""
    noted = []
    return lambda: noted.append(host.run(FILES).stdout), lambda: host.run(FILES).stdout == noted[0]


def write(host, path, content, append=False):
    host.check_output("mkdir -p $(dirname %s) && printf %%s %s " + (">>" if append else ">") + " %s", path, content, path)


def wait_for_networkd(host, name):
    """Until it says that it configures eth1 by this file, and the link has an address."""
    host.check_output("timeout 30 sh -c 'until grep -q %s$ /run/systemd/netif/links/$(cat /sys/class/net/eth1/ifindex) && "
                      "ip -4 address show eth1 | grep -q inet; do sleep 0.1; done'", name)


def answers(lab, machine):
    trips = lab.trace("client", machine)
    return {trip.interface for trip in trips if trip.ok and trip.interface == trip.reply_out} == {"eth0", "eth1"} and all(trip.ok for trip in trips)


@pytest.fixture
def other_manager(machine, host, lab):
    """Have another network manager hold eth1 really; return its file, its name, and our manager's."""
    address = lab.state.machine(machine).nic("eth1").ipv4
    original = host.file("/etc/network/interfaces").content_string
    if machine == "d12n":
        write(host, "/etc/network/interfaces", "\nallow-hotplug eth1\niface eth1 inet static\n    address %s/24\n" % address, append=True)
        host.check_output("systemctl start ifup@eth1")
        yield "/etc/network/interfaces", "ifupdown", "systemd-networkd"
        host.check_output("systemctl stop ifup@eth1")
    else:
        write(host, "/etc/systemd/network/20-eth1.network", "[Match]\nName=eth1\n\n[Network]\nAddress=%s/24\n" % address)
        host.check_output("systemctl enable systemd-networkd && systemctl restart systemd-networkd")
        wait_for_networkd(host, "20-eth1.network")
        yield "/etc/systemd/network/20-eth1.network", "systemd-networkd", "ifupdown"
        host.check_output("systemctl disable --now systemd-networkd.service systemd-networkd.socket && rm /etc/systemd/network/20-eth1.network && ip link set eth1 down "
                          "&& ip address flush dev eth1")
    write(host, "/etc/network/interfaces", original)


def test_two_managers_on_one_interface_are_refused_with_both_files(run, other_manager, kept):
    path, other, own = other_manager
    note, same = kept
    note()
    status, said = run(INTERFACES)
    assert status != 0 and same()
    assert "eth1: %s holds it (%s), and %s would by /etc/" % (other, path, own) in said
    assert "two network managers on one interface; expected one: network_takeover: true gives it to " + own in said


def test_an_interface_is_taken_over_and_given_back(run, other_manager, kept, lab, machine, host):
    """The second run has nothing to do, with or without being told once more; and the other manager has it again in the end."""
    note, same = kept
    note()
    addresses = host.check_output("ip -4 -o address show eth1 | awk '{print $4}'")
    succeeds(run(INTERFACES, network_takeover=True))
    assert answers(lab, machine)
    for takeover in (True, False):
        succeeds(run(INTERFACES, network_takeover=takeover), changed=0)
    succeeds(run([]))
    assert same() and host.check_output("ip -4 -o address show eth1 | awk '{print $4}'") == addresses


def test_a_takeover_that_nobody_confirms_is_undone(attempt, other_manager, kept, host):
    """The controller is sent to an address at which nobody is."""
    _path, other, _own = other_manager
    note, same = kept
    note()
    status, said = attempt(INTERFACES, network_takeover=True, network_confirm_host="198.18.0.66")
    assert status != 0 and "nobody confirmed it over a new connection within %d s" % TIMEOUT in said
    assert host.check_output("ip -4 -o address show eth1 | wc -l") == "1"
    said = host.check_output("cat /run/network/ifstate; networkctl --no-pager --no-legend list eth1 || true")
    assert ("eth1=eth1" in said) is (other == "ifupdown") and ("unmanaged" in said) is (other == "ifupdown")
    host.check_output("rm /var/lib/gandi-hosting/undone.json; rmdir --ignore-fail-on-non-empty /var/lib/gandi-hosting")
    assert same()


HAND_WRITTEN = """\
# by hand, without an end of line at its end
auto lo eth0
iface lo inet loopback

iface eth0 inet dhcp
    # the backup server
    up ip route add 203.0.113.0/24 \\
        via 198.18.0.1 || true
\tdown true
iface eth0 inet6 auto

source /etc/network/more/*.cfg
iface eth7 inet manual"""


def test_a_hand_written_file_is_adopted_and_given_back(run, kept, lab, machine, host):
    """Several stanzas, a file that it sources, none of ours read by it; cloud-init's beside it, and one for an interface that is not ours."""
    if machine == "d12n":
        pytest.skip("not ifupdown's machine")
    original = host.file("/etc/network/interfaces").content_string
    write(host, "/etc/network/interfaces", HAND_WRITTEN)
    write(host, "/etc/network/more/eth1.cfg", "allow-hotplug eth1\niface eth1 inet dhcp\n")
    host.check_output("mkdir -p /etc/cloud/cloud.cfg.d && chmod 640 /etc/network/interfaces")
    note, same = kept
    note()
    try:
        succeeds(run(INTERFACES))
        assert answers(lab, machine)
        assert host.check_output("ifquery eth0 | grep -c backup || true") == "0"
        assert host.file("/etc/cloud/cloud.cfg.d/99-gandi-hosting.cfg").contains("config: disabled")
        lab.reboot([machine])
        succeeds(run(INTERFACES), changed=0)
        assert answers(lab, machine)
        succeeds(run([]))
        assert same()
    finally:
        host.check_output("rm -r /etc/network/more /etc/cloud; chmod 644 /etc/network/interfaces")
        write(host, "/etc/network/interfaces", original)


def test_a_file_that_networkd_prefers_to_ours_is_refused(run, host, machine):
    if machine == "d13i":
        pytest.skip("not networkd's machine")
    write(host, "/etc/systemd/network/00-first.network", "[Match]\nName=eth1\n\n[Network]\nDHCP=yes\n")
    host.check_output("networkctl reload")
    wait_for_networkd(host, "00-first.network")
    status, said = run(INTERFACES, network_takeover=True)
    host.check_output("rm /etc/systemd/network/00-first.network && networkctl reload && ip link set eth1 down && ip address flush dev eth1")
    assert status != 0
    assert "eth1: systemd-networkd holds it (/etc/systemd/network/00-first.network), and systemd-networkd would by " \
        "/etc/systemd/network/05-gandi-eth1.network, which would not be in effect; expected systemd-networkd to leave it alone" in said


def test_a_file_that_cannot_be_changed_takes_no_interface_down(run, host, machine, kept, lab):
    """As after `chattr +i /etc/network/interfaces`: here something is mounted there, so it cannot be replaced (EBUSY)."""
    if machine == "d12n":
        pytest.skip("not ifupdown's machine")
    note, same = kept
    note()
    host.check_output("printf '\\niface eth1 inet dhcp\\n' > /run/there && cat /etc/network/interfaces /run/there > /run/interfaces "
                      "&& mount --bind /run/interfaces /etc/network/interfaces")
    try:
        status, said = run(INTERFACES)
        assert status != 0 and "/etc/network/interfaces: Device or resource busy. The previous configuration is back" in said
        assert lab.ping("client", machine + ":eth0").ok
    finally:
        host.check_output("umount /etc/network/interfaces && rm /run/interfaces /run/there")
    assert same()


def test_an_alias_of_an_interface_keeps_its_address(run, host, machine, lab):
    """Not ours, and it goes with the interface's own address when that goes down; said in the list too, it is there once."""
    if machine == "d12n":
        pytest.skip("not ifupdown's machine")
    original = host.file("/etc/network/interfaces").content_string
    alias = lab.state.machine(machine).nic("eth1").ipv4.rpartition(".")[0] + ".250/24"
    write(host, "/etc/network/interfaces", "\nauto eth1:0\niface eth1:0 inet static\n    address %s\n" % alias, append=True)
    own = lab.state.machine(machine).nic("eth1").ipv4 + "/24"
    try:
        host.check_output("ip link set eth1 up && ifup eth1:0")
        for entry in ({"name": "eth1"}, {"name": "eth1", "mtu": 1400}, {"name": "eth1", "addresses": [own, alias]}):
            succeeds(run([INTERFACES[0], entry]))
            assert host.check_output("ip -4 -o address show eth1").count(" %s " % alias) == 1
            succeeds(run([INTERFACES[0], entry]), changed=0)
        succeeds(run([]))
        assert host.file("/etc/network/interfaces").content_string.startswith(original) and alias in host.check_output("ip -4 -o address show eth1")
    finally:
        write(host, "/etc/network/interfaces", original)
        host.run("ifdown eth1:0; ip address flush dev eth1")


def test_a_default_route_that_the_kernel_heard_of_before_ifup_goes(run, host, machine):
    """Somebody has set the link up before: the agent, or an ifup of what had the name a moment ago. The kernel's would be there for
    half an hour."""
    if machine == "d12n":
        pytest.skip("not ifupdown's machine")
    succeeds(run(INTERFACES))
    heard = "ip -6 route show default dev eth1 table main"
    host.check_output("systemctl stop ifup@eth1; cd /proc/sys/net/ipv6/conf/eth1 && echo 1 >accept_ra && echo 1 >accept_ra_defrtr "
                      "&& ip link set eth1 up && timeout 30 sh -c 'until %s | grep -q ra; do sleep 0.1; done'" % heard)
    host.check_output("systemctl start ifup@eth1")
    assert host.check_output(heard) == ""
