# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the scenarios' tests share: the lab, each of its machines, and testinfra's view of one, out of band."""

import contextlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest
import testinfra

sys.path.insert(0, str(Path(__file__).parent))

from lab import Lab  # noqa: E402  # after the path is set


PLAYBOOK = Path(__file__).parent / "shared" / "network.yml"
TIMEOUT = 10    # network_confirm_timeout of a change that is to be undone


def pytest_generate_tests(metafunc):
    """Run each test that asks for a machine once for each."""
    if "machine" in metafunc.fixturenames:
        metafunc.parametrize("machine", sorted(Lab.load().state.machines), scope="session")


def pytest_xdist_make_scheduler(config, log):
    """Run the tests of one machine in one process, in their order, and those of other machines beside them."""
    from xdist.scheduler import LoadScopeScheduling  # only there is a scheduler asked for where xdist is

    class ByMachine(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            # not after the last "::", which may be in an IPv6 address among the parameters
            words = re.split(r"[][-]", nodeid.partition("[")[2])
            return next((word for word in words if word in MACHINES), "")

    MACHINES = Lab.load().state.machines
    return ByMachine(config, log)


@pytest.fixture
def figure(record_property):
    """Return a function that has a measured figure printed at the end of the run."""
    return lambda text: record_property("figure", text)


def pytest_terminal_summary(terminalreporter):
    figures = [value for reports in terminalreporter.stats.values() for report in reports
               for name, value in getattr(report, "user_properties", ()) if name == "figure" and report.when == "call"]
    if figures:
        terminalreporter.section("measured")
        for text in figures:
            terminalreporter.write_line(text)


@pytest.fixture
def lab():
    return Lab.load()


@pytest.fixture(scope="session")
def host(machine):
    """Testinfra's host, through podman: it answers when the network does not."""
    return testinfra.get_host("podman://" + Lab.load().state.machines[machine].container)


@pytest.fixture
def no_second_default_route(request):
    """During the test, no default route in main leads out by another interface than eth0, the primary: not for a moment. What the kernels
    of the test's machine, or of all, say of their routes is written down, through reboots too."""
    lab = Lab.load()
    names = [request.getfixturevalue("machine")] if "machine" in request.fixturenames else sorted(lab.state.machines)
    with contextlib.ExitStack() as stack:
        logs = {name: stack.enter_context(lab.monitoring(name)) for name in names}
        yield
    assert [(name, line) for name, log in logs.items() for line in log.default_routes(but="eth0")] == []
    assert [name for name, log in logs.items() if log.deaf] == []


@pytest.fixture(scope="session")
def inventory():
    """The folder of the inventory that Molecule runs with."""
    return os.path.dirname(os.environ["MOLECULE_INVENTORY_FILE"])


@pytest.fixture
def start(inventory, machine):
    """Return a function that starts the role on one machine, with these interfaces; ``options`` are ansible-playbook's."""
    def play(interfaces, fault="", options=(), **variables):
        variables.update(gandi_interfaces=interfaces)
        command = ["ansible-playbook", "--inventory", inventory, *options, "--limit", machine, str(PLAYBOOK), "--extra-vars", json.dumps(variables)]
        return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, start_new_session=True,
                                env=dict(os.environ, GANDI_HOSTING_TEST_FAULT=fault))
    return play


@pytest.fixture
def run(start):
    """Return a function that runs the role and returns its status and what it said, in one line."""
    def play(interfaces, **options):
        process = start(interfaces, **options)
        said = process.communicate(timeout=180)[0]
        return process.returncode, re.sub(r"\s+", " ", said)
    return play


@pytest.fixture
def attempt(run):
    """Return ``run`` for a change that will not be confirmed: soon undone."""
    return lambda interfaces, **options: run(interfaces, **dict({"network_confirm_timeout": TIMEOUT}, **options))


def succeeds(outcome, changed=None):
    """With what the play said, should it not."""
    status, said = outcome
    assert status == 0, said
    assert changed is None or "changed=%d " % changed in said, said
