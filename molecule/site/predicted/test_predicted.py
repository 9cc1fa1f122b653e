# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What check mode says, against the run itself."""

import os
import re
import subprocess
from pathlib import Path


def the_change(output):
    """What the task that changes the network has printed; a run goes on with its confirmation, over a new connection."""
    return output.split("TASK [gandi.hosting.network : Make the network what it is said to be]")[1].split("\nTASK [")[0].split("\nPLAY RECAP")[0]


def test_check_mode_and_diff_say_what_the_run_does(inventory, lab):
    """Word for word: the same differences shown, the same number of tasks changed, on hosts that have nothing yet."""
    playbook = Path(__file__).parents[2] / "shared" / "network.yml"
    command = ["ansible-playbook", "--inventory", inventory, "--diff", "--forks", "1", str(playbook)]
    environment = dict(os.environ, ANSIBLE_CALLBACK_RESULT_FORMAT="yaml")
    check, run, again = (subprocess.run(command + options, env=environment, stdout=subprocess.PIPE, text=True, check=False)
                         for options in (["--check"], [], ["--check"]))
    assert [process.returncode for process in (check, run, again)] == [0, 0, 0]
    assert the_change(check.stdout) == the_change(run.stdout)
    for output in (check.stdout, run.stdout):
        assert re.findall(r"changed=(\d+)", output) == ["1"] * len(lab.state.machines)
    assert re.findall(r"changed=(\d+)", again.stdout) == ["0"] * len(lab.state.machines)
