# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The collection's own model and renderer, and the programs of each machine that read what it renders."""

import json
import os
import subprocess
from pathlib import Path

import pytest
from ansible.plugins.loader import init_plugin_loader
from hypothesis import settings
from lab import Lab

# bin/test has put the checkout at a path where Ansible finds it
init_plugin_loader([os.environ["GANDI_HOSTING_COLLECTIONS"]])

# as in tests/unit/conftest.py
settings.register_profile("ci", derandomize=True, database=None)
if os.environ.get("CI"):
    settings.load_profile("ci")

# Each program of each release once, whatever manages the machine itself. Debian 11's netplan makes files for a newer networkd.
READERS = {
    ("debian11", "networkd"): ("networkd", "ifupdown"),
    ("debian12", "networkd"): ("networkd", "netplan"),
    ("debian12", "ifupdown"): ("ifupdown",),
    ("debian13", "netplan"): ("networkd", "netplan"),
    ("debian13", "ifupdown"): ("ifupdown",),
}
PROBE = Path(__file__).parents[1] / "probe.py"


def pytest_collection_modifyitems(items):
    """Leave out programs that another machine of the same release reads with."""
    machines = Lab.load().state.machines
    for item in list(items):
        asked = getattr(item, "callspec", None) and item.callspec.params
        if asked and "program" in asked:
            machine = machines[asked["machine"]]
            if asked["program"] not in READERS[machine.flavour, machine.backend]:
                items.remove(item)


class Probe:
    """What a machine's programs make of files: probe.py in the machine, asked line by line."""

    def __init__(self, machine):
        self.machine = machine
        self._process = subprocess.Popen(["podman", "exec", "--interactive", machine.container, "python3", "-c", PROBE.read_text()],
                                         stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, program, files, links, up):
        self._process.stdin.write(json.dumps({"program": program, "files": files, "links": links, "up": sorted(up)}) + "\n")
        self._process.stdin.flush()
        return json.loads(self._process.stdout.readline())

    def close(self):
        self._process.stdin.close()
        self._process.wait()


@pytest.fixture(scope="session")
def probe(machine):
    started = Probe(Lab.load().state.machines[machine])
    yield started
    started.close()
