# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The role against a real apt, a signed repository and real packages. Each test starts on a machine without any of it."""

import re
import subprocess
from pathlib import Path

import pytest

PLAYBOOK = Path(__file__).parents[2] / "shared" / "agent.yml"
OLD_ENOUGH = "gandi-hosting-vm 2651 is the newest that the configured repositories offer; expected 2652 or newer, or gandi-hosting-vm2"
NONE = "no configured repository offers gandi-hosting-vm or gandi-hosting-vm2; expected one that does"


@pytest.fixture
def run(inventory, machine, lab):
    """Return a function that runs the role on one machine, which has neither agent nor repository before."""
    lab.exec(machine, "sh", "-c", "apt-get -qy purge 'gandi-hosting-vm*'; rm -rf /etc/apt/keyrings/gandi* /etc/apt/sources.list.d/gandi*"
             " /var/lib/apt/lists/*.*")

    def play(*options, **variables):
        command = ["ansible-playbook", "--inventory", inventory, "--limit", machine, str(PLAYBOOK)]
        command += ["--extra-vars=%s=%s" % pair for pair in variables.items()] + list(options)
        done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        # Ansible folds long messages
        said = re.sub(r"\s+", " ", done.stdout)
        return done.returncode, int(re.search(r"changed=(\d+)", said).group(1)), said

    return play


def installed(host):
    return host.check_output("dpkg-query -W -f '${Package} ${Version} ${db:Status-Status}\\n' 'gandi-hosting-vm*' 2>/dev/null || true").strip()


@pytest.mark.parametrize("variables, sentence", [
    ({"agent_repository_url": ""}, NONE),
    ({"agent_repository_suites": "old"}, OLD_ENOUGH),
    ({"agent_repository_suites": "unsigned"}, "is not signed"),
    ({"agent_repository_suites": "wrongkey"}, "is not signed"),
], ids=["no repository", "too old", "unsigned", "wrong key"])
def test_what_is_not_good_enough_is_refused_with_a_sentence_and_not_installed(run, host, variables, sentence):
    status, _changed, said = run(**variables)
    assert status != 0 and sentence in said
    assert "installed" not in installed(host)


def test_the_package_is_installed_and_a_second_run_changes_nothing(run, host):
    assert run()[0] == 0
    assert installed(host) == "gandi-hosting-vm 2652 installed"
    assert run()[:2] == (0, 0)


def test_check_mode_predicts_and_changes_nothing(run, host):
    status, changed, _said = run("--check")
    assert (status, changed > 0, installed(host)) == (0, True, "")


def test_one_that_is_too_old_is_upgraded(run, host):
    run(agent_repository_suites="old")
    host.check_output("apt-get install -qy gandi-hosting-vm=2651")
    assert run()[0] == 0
    assert installed(host) == "gandi-hosting-vm 2652 installed"


def test_the_successor_is_good_enough_in_any_version(run, host):
    assert run(agent_repository_suites="successor")[0] == 0
    assert "gandi-hosting-vm2 2.43 installed" in installed(host)
    assert run(agent_repository_suites="successor")[:2] == (0, 0)


def test_absent_takes_package_and_repository_away(run, host):
    run()
    assert run(agent_state="absent")[0] == 0
    assert "installed" not in installed(host)
    assert host.run("ls /etc/apt/keyrings /etc/apt/sources.list.d").stdout.count("gandi") == 0
    assert run(agent_state="absent")[:2] == (0, 0)
