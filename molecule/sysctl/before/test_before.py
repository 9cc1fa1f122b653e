# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The problem, so that what the other tests see is the solution: with the page's own setting, arp_announce=2."""

from pathlib import Path

PROGRAM = str(Path(__file__).parents[1] / "arp.py")


def test_both_interfaces_answer_for_either_address(lab, machine, host):
    one = lab.state.machine(machine)
    host.check_output("ip link set eth1 up; ip address replace %s/24 dev eth1; sysctl -qw net.ipv4.conf.all.arp_announce=2" % one.nic("eth1").ipv4)
    for name in ("eth0", "eth1"):
        said = lab.run("neighbour-a", "/usr/bin/python3", PROGRAM, "eth0", one.nic(name).ipv4)
        assert said.stdout.split() == sorted(nic.mac for nic in one.nics), said.stderr
    host.check_output("sysctl -qw net.ipv4.conf.all.arp_announce=0; ip address flush dev eth1")
