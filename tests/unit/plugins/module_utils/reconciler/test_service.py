# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The service as a process of its own: it mends what changes, is not woken by itself, and stays small and calm in a storm."""

import contextlib
import json
import shutil
import subprocess
import sys
import time

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _policy_routing
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import apply, intents, netlink

# The service with its folder, its lock and a diary of its looks in a folder of the test's.
PROGRAM = """
import sys
sys.path.insert(0, sys.argv[1])
from reconciler import apply, service
apply.reconcile_host.__defaults__ = (sys.argv[1], False)
apply.alone.__wrapped__.__defaults__ = (sys.argv[1] + "/lock",)
look = service._look
def counted(*arguments):
    result = look(*arguments)
    with open(sys.argv[1] + "/looks", "a") as file:
        file.write("x")
    return result
service._look, service.RETRY = counted, 0.2
service.run()
"""


class Service:
    def __init__(self, folder):
        self.folder = folder
        self.process = None

    @property
    def looks(self):
        with contextlib.suppress(FileNotFoundError):
            return (self.folder / "looks").stat().st_size
        return 0

    @property
    def resident(self):
        with open("/proc/%d/status" % self.process.pid, encoding="ascii") as file:
            return next(int(line.split()[1]) for line in file if line.startswith("VmRSS"))

    @property
    def is_right(self):
        wanted, problems = intents.read(str(self.folder))
        with netlink.Netlink() as connection:
            return apply.reconcile(connection, wanted, problems, dry_run=True).lines == []

    def until(self, condition, seconds=10):
        """Return how many seconds it took until ``condition()`` held."""
        start = time.monotonic()
        while not condition():
            assert time.monotonic() - start < seconds
            time.sleep(0.002)
        return time.monotonic() - start

    def until_calm(self):
        """Return the number of looks when it has not changed for a while."""
        while True:
            before = self.looks
            time.sleep(0.4)
            if self.looks == before:
                return before

    def want(self, **entries):
        for name, entry in entries.items():
            (self.folder / (name + ".json")).write_text(json.dumps(dict({"name": name}, **entry)))


@pytest.fixture
def service(ip, tmp_path):
    folder = tmp_path / "reconciler"
    folder.mkdir()
    for part in _policy_routing.PROGRAM:
        shutil.copy(part.__file__, folder)
    for number in range(2):
        ip("link add eth%d type veth peer name peer%d" % (number, number))
        ip("link set peer%d up" % number)
        ip("link set eth%d up" % number)
        ip("address add 198.18.%d.10/24 dev eth%d" % (number, number))
    one = Service(tmp_path)
    # the kernel tells of a carrier up to a second later
    one.until(lambda: ip("-o link").count("state UP") == 4)
    one.want(eth0={"table": 26520, "gateway4": "198.18.0.1"}, eth1={"table": 26521, "gateway4": "198.18.1.1"})
    one.process = subprocess.Popen([sys.executable, "-ISB", "-c", PROGRAM, str(tmp_path)], stderr=subprocess.DEVNULL)
    try:
        one.until(lambda: one.looks)
        yield one
    finally:
        one.process.kill()
        one.process.wait()


def test_the_first_look_makes_everything_and_wakes_nobody(service):
    assert service.is_right
    assert service.until_calm() == 1


@pytest.mark.parametrize("event", [
    "rule del priority 26540 from 198.18.0.10", "route flush table 26521", "address add 198.18.1.11/24 dev eth1",
    "address del 198.18.1.10/24 dev eth1", "link set eth1 down", "link del eth1", "rule flush",
])
def test_an_event_is_answered_with_few_looks(service, ip, event):
    before = service.until_calm()
    ip(event)
    service.until(lambda: service.looks > before and service.is_right)
    assert service.until_calm() - before <= 3


def test_a_storm_of_a_thousand_events_ends_right_with_few_looks(service, ip):
    before = service.until_calm()
    for _wave in range(5):
        commands = "".join("address add 198.18.1.%d/24 dev eth1\naddress del 198.18.1.%d/24 dev eth1\n" % (20 + number, 20 + number)
                           for number in range(100))
        subprocess.run(["ip", "-batch", "-"], input=commands, check=True, text=True)
    ip("address add 198.18.1.200/24 dev eth1")
    service.until(lambda: service.is_right and "198.18.1.200" in ip("rule"))
    assert service.until_calm() - before <= 25
    assert service.process.poll() is None


def test_it_is_small(service, ip):
    """Also with hundreds of addresses."""
    commands = "".join("address add 198.18.%d.%d/24 dev eth1\n" % (3 + number // 200, 1 + number % 200) for number in range(400))
    subprocess.run(["ip", "-batch", "-"], input=commands, check=True, text=True)
    service.until(lambda: service.is_right)
    assert service.resident < 20000


def test_with_a_problem_it_looks_again_by_itself(service, ip):
    """No event tells of a user who was added, or of a file that was mended."""
    (service.folder / "eth1.json").write_text("{")
    ip("address add 198.18.0.11/24 dev eth0")
    service.until(lambda: "198.18.0.11" in ip("rule"))
    assert "lookup 26521" in ip("rule")
    service.want(eth1={"table": 26521, "gateway4": "198.18.1.1", "selectors": [{"uid": "root"}]})
    service.until(lambda: "uidrange 0-0" in ip("rule"))
    service.until_calm()
    assert service.is_right


def test_killed_it_leaves_what_works_and_started_again_has_nothing_to_do(service, ip):
    service.process.kill()
    service.process.wait()
    assert service.is_right
    rules = ip("rule")
    service.process = subprocess.Popen([sys.executable, "-ISB", "-c", PROGRAM, str(service.folder)], stderr=subprocess.DEVNULL)
    before = service.looks
    service.until(lambda: service.looks > before)
    assert ip("rule") == rules
