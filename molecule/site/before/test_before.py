# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The problem, seen."""

import pytest


@pytest.fixture
def addresses(lab, machine):
    """Give eth1 and eth2 the addresses that the platform means for them, and nothing more, as an agent would."""
    interfaces = {nic.name: nic for nic in lab.state.machine(machine).nics}
    for name in ("eth1", "eth2"):
        lab.exec(machine, "ip", "link", "set", name, "up")
        lab.exec(machine, "ip", "address", "add", interfaces[name].ipv4 + "/24", "dev", name)
    return [interfaces[name].ipv4 for name in ("eth1", "eth2")]


def test_a_secondary_with_an_address_does_not_answer(lab, machine, addresses):
    """The request comes in on the secondary, the reply leaves through eth0, and the provider drops it as spoofed."""
    trips = [lab.ping("client", address) for address in addresses]
    assert [trip.received for trip in trips] == [0, 0]
