# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What the scenarios' tests share: the lab, each of its machines, and testinfra's view of one, out of band."""

import os
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
