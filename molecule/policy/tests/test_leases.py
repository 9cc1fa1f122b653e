# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""DHCP gives an interface another address. No Ansible run mends it."""

import time

import pytest
from conftest import kernel, milliseconds, stays_right, wait_until, wrong

from lab import Lab


@pytest.fixture
def plugged_anew(settled, machine):
    yield
    Lab.load().detach(machine, "eth1")
    Lab.load().attach(machine, "eth1")


def test_another_address_at_renewal(settled, plugged_anew, lab, machine, measured):
    """The old one leaves nothing behind."""
    nic = lab.state.machine(machine).nic("eth1")
    after = lab.renumber(machine, "eth1", nic.host + 60).ipv4
    try:
        with lab.monitoring(machine) as log:
            start = time.time()
            lab.renew(machine, "eth1", anew=True)
            wait_until(lambda: wrong(lab, machine))
            wait_until(lambda: [line for line in kernel(lab, machine)[0] if nic.ipv4 + " " in line], 5)
        measured("another address at renewal: rules %s after it", milliseconds(log, start, ["inet " + after], ["from " + after, "26540:"]))
    finally:
        Lab.load().renumber(machine, "eth1", nic.host)


def test_a_lease_that_expires_leaves_nothing(settled, plugged_anew, lab, machine):
    """The kernel takes an address away when its lifetime ends, also from a client that could not renew it."""
    address = lab.state.machine(machine).nic("eth1").ipv4
    lab.run_in(machine, "ip", "address", "change", address + "/24", "dev", "eth1", "valid_lft", "2", "preferred_lft", "2")
    time.sleep(4)

    def differs():
        rules = [line for line in kernel(lab, machine)[0] if "from %s " % address in line]
        return bool(rules) != (("eth1", address) in lab.addresses(machine))

    # dhcpcd gives it back at once, and then its rules must be there
    wait_until(differs, 5)
    stays_right(lambda: [trip for trip in lab.trace("client", machine, count=1) if trip.interface != "eth1" and not trip.right])
