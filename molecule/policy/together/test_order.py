# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Interfaces are plugged in in any order."""

import random

from conftest import kernel, wait_until, wrong

from lab import Lab

SEED = 20261125
ROUNDS = 5      # on four machines


def test_any_order_of_plugging_ends_in_the_same(machines, lab, figure):
    """All three secondaries at once, in an order by chance, on all machines."""
    before = {name: set(kernel(lab, name)[0]) for name in machines}
    chance = random.Random(SEED)
    for _round in range(ROUNDS):
        orders = {name: [chance.sample(["eth1", "eth2", "eth3"], 3) for _ in range(2)] for name in machines}
        for name, (out, back) in orders.items():
            for interface in out:
                lab.detach(name, interface)
            for interface in back:
                lab.attach(name, interface)
        took = wait_until(lambda: [found for name in machines for found in wrong(Lab.load(), name)])
        wait_until(lambda: [(name, found) for name in machines if (found := before[name] ^ set(kernel(lab, name)[0]))], 5)
        figure("seed %d: unplugged and plugged %s: all right after %.1f s"
                       % (SEED, ", ".join("%s %s %s" % (name, "".join(out), "".join(back)) for name, (out, back) in orders.items()), took))
