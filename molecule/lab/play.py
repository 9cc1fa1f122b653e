"""Run playbooks of this checkout on the lab's machines, as a user would."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

from . import inventory, state
from .process import LabError

CHECKOUT = Path(__file__).resolve().parents[2]


class Player:
    """A folder with the collection, an inventory of the lab as it is now, and the variables of all machines."""

    def __init__(self, folder: Path, programs: Path, variables: str) -> None:
        collection = folder / "ansible_collections/gandi/hosting"
        collection.parent.mkdir(parents=True)
        collection.symlink_to(CHECKOUT)
        (folder / "group_vars").mkdir()
        (folder / "group_vars/all.yml").write_text(variables, encoding="utf-8")
        (folder / "hosts.yml").write_text(inventory.text(state.load()), encoding="utf-8")
        self._folder = folder
        self._command = [str(programs / "ansible-playbook"), "--inventory", "hosts.yml"]
        self._environment = dict(
            os.environ, ANSIBLE_COLLECTIONS_PATH=str(folder), ANSIBLE_PIPELINING="1", ANSIBLE_FORCE_COLOR="0"
        )  # fmt: skip

    def play(self, playbook: str | Path, *options: str, show: bool = False) -> str:
        """Return what ansible-playbook says, and show it meanwhile if asked to."""
        process = subprocess.Popen(
            [*self._command, *options, str(playbook)],
            env=self._environment, stdout=subprocess.PIPE, text=True, cwd=self._folder
        )  # fmt: skip
        lines = []
        for line in process.stdout or ():
            if show:
                print("   " + line, end="", flush=True)
            lines.append(line)
        if process.wait():
            raise LabError("ansible-playbook failed" + ("" if show else ":\n" + "".join(lines[-30:])))
        return "".join(lines)
