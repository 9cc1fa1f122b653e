# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The problem, seen; and what check mode says of its solution, against the run itself."""

import os
import re
import subprocess
from pathlib import Path

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


def test_check_mode_and_diff_say_what_the_run_does(inventory):
    """Word for word: the same tasks changed, the same differences shown, on hosts that have nothing yet."""
    playbook = Path(__file__).parents[2] / "shared" / "network.yml"
    command = ["ansible-playbook", "--inventory", inventory, "--diff", "--forks", "1", str(playbook)]
    environment = dict(os.environ, ANSIBLE_CALLBACK_RESULT_FORMAT="yaml")
    check, run, again = (subprocess.run(command + options, env=environment, stdout=subprocess.PIPE, text=True, check=False)
                         for options in (["--check"], [], ["--check"]))
    assert [process.returncode for process in (check, run, again)] == [0, 0, 0]
    assert check.stdout == run.stdout
    assert re.findall(r"changed=(\d+)", check.stdout) == ["1"] * 4
    assert re.findall(r"changed=(\d+)", again.stdout) == ["0"] * 4
