# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the scenarios' tests share: the lab, each of its machines, and testinfra's view of one, out of band."""

import os
import re
import sys
from pathlib import Path

import pytest
import testinfra

sys.path.insert(0, str(Path(__file__).parent))

from lab import Lab  # noqa: E402  # after the path is set


def pytest_generate_tests(metafunc):
    """Run each test that asks for a machine once for each."""
    if "machine" in metafunc.fixturenames:
        metafunc.parametrize("machine", sorted(Lab.load().state.machines), scope="session")


def pytest_xdist_make_scheduler(config, log):
    """Run the tests of one machine in one process, in their order, and those of other machines beside them."""
    from xdist.scheduler import LoadScopeScheduling  # only there is a scheduler asked for where xdist is

    class ByMachine(LoadScopeScheduling):
        def _split_scope(self, nodeid):
            words = re.split(r"[][-]", nodeid.rpartition("::")[2])
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


@pytest.fixture(scope="session")
def inventory():
    """The folder of the inventory that Molecule runs with."""
    return os.path.dirname(os.environ["MOLECULE_INVENTORY_FILE"])
