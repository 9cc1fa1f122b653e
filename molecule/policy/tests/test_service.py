# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service itself: small, quiet, and not to be shaken."""

import json
import re
import subprocess
import time

from conftest import kernel, wait_until

SERVICE = "gandi-policy-routing"
STORM = 1000


def property_of(host, name):
    return host.check_output("systemctl show --property=%s --value %s" % (name, SERVICE))


def memory(host):
    """Resident memory in megabytes."""
    return int(re.search(r"VmRSS:\s+(\d+)", host.file("/proc/%s/status" % property_of(host, "MainPID")).content_string).group(1)) / 1024


def busy(host):
    """Milliseconds of processor time that the service has used."""
    return int(host.file("/proc/%s/schedstat" % property_of(host, "MainPID")).content_string.split()[0]) / 1e6


def changes(host):
    """The moments at which the service changed something, from the journal."""
    said = host.check_output("journalctl --unit %s --output json --no-pager _SYSTEMD_INVOCATION_ID=%s"
                             % (SERVICE, property_of(host, "InvocationID")))
    return [entry for entry in map(json.loads, said.splitlines()) if str(entry.get("MESSAGE", ""))[:2] in ("+ ", "- ")]


def test_it_is_small(settled, host, measured):
    """Under 20 MB."""
    measured("the service has %.1f MB", memory(host))
    assert memory(host) < 20


def test_the_command_starts_from_byte_code(host):
    """Python says what it has compiled and what it has read."""
    said = host.run("python3 -ISBv /usr/local/sbin/%s status", SERVICE).stderr
    assert re.findall(r"code object from '?(/usr/local/lib/gandi-hosting/\S+/planner\.\S+\.pyc)", said)
    assert not re.findall(r"code object from '?(/usr/local/lib/gandi-hosting/\S+\.py)\b", said)


def test_its_own_changes_do_not_wake_it(settled, lab, machine, host):
    """All rules of ours are taken away at once: they are put back once, and after that nothing is done."""
    before = len(changes(host))
    host.check_output("ip rule flush protocol 171; ip -6 rule flush protocol 171")
    wait_until(lambda: set(settled[0]) ^ set(kernel(lab, machine)[0]))
    said = [entry["MESSAGE"] for entry in changes(host)[before:]]
    assert sorted(set(said)) == sorted(said)
    assert {line[0] for line in said} == {"+"}


def test_a_storm_of_events_ends_in_the_right_state_with_few_runs(settled, lab, machine, host, measured):
    """An address that comes and goes a thousand times, in one batch; a run is counted as what one event costs."""
    nic = lab.state.machine(machine).nic("eth1")
    address = "%s/24 dev eth1" % nic.where.ipv4(nic.host + 90)

    def storm(events):
        used = busy(host)
        batch = "address add %s\naddress delete %s\n" % (address, address)
        subprocess.run(["ip", "-n", lab.state.machine(machine).netns, "-batch", "-"], input=batch * (events // 2), text=True, check=True)
        time.sleep(0.3)     # longer than the service waits for quiet
        wait_until(lambda: set(settled[0]) ^ set(kernel(lab, machine)[0]))
        return busy(host) - used

    one, many = storm(2), storm(STORM)
    measured("a storm of %d events costs %.0f ms of processor time, one address that comes and goes %.1f ms", STORM, many, one)
    assert many < STORM / 20 * one
