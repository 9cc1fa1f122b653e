# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The program of the dead man's switch is complete: it needs nothing but what is in it and Python's standard library."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _safety_net
from ansible_collections.gandi.hosting.plugins.module_utils._commands import Failure

FOLDER = Path(_safety_net.__file__).parent


def test_it_loads_alone(tmp_path):
    (tmp_path / "undo.pyz").write_bytes(_safety_net.program())
    done = subprocess.run([sys.executable, "-ISB", tmp_path / "undo.pyz", "nothing"], stderr=subprocess.PIPE, text=True, check=False)
    assert (done.returncode, done.stderr) == (2, "")


def test_it_has_every_part_that_a_part_imports():
    for name in _safety_net.PARTS:
        tree = ast.parse((FOLDER / name).read_text())
        imported = {alias.name for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 1 and not node.module
                    for alias in node.names}
        assert {part + ".py" for part in imported - {"reconciler"}} <= set(_safety_net.PARTS)


def test_without_systemd_nothing_is_armed(tmp_path, monkeypatch):
    monkeypatch.setattr(_safety_net, "SYSTEMD", str(tmp_path / "none"))
    with pytest.raises(Failure, match="expected systemd as PID 1, or confirm_timeout 0 to change the network without a net"):
        _safety_net.prepare()
