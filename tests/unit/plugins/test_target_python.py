# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What runs on a host is Python 3.9 and its standard library, whatever runs the tests."""

import ast
import sys
from pathlib import Path

import pytest

PLUGINS = Path(__file__).resolve().parents[3] / "plugins"
TARGET = sorted([*PLUGINS.glob("module_utils/**/*.py"), *PLUGINS.glob("modules/*.py")])
OURS = ("ansible_collections.gandi.hosting.plugins.module_utils", "ansible.module_utils.basic", "ansible.module_utils.urls")


@pytest.mark.parametrize("path", TARGET, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_it_parses_as_python_3_9(path):
    ast.parse(path.read_text(), feature_version=(3, 9))


@pytest.mark.parametrize("path", TARGET, ids=lambda path: str(path.relative_to(PLUGINS)))
def test_it_imports_the_standard_library_only(path):
    tree = ast.parse(path.read_text())
    names = [alias.name for node in ast.walk(tree) if isinstance(node, ast.Import) for alias in node.names]
    names += [node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
    assert [name for name in names if name.split(".")[0] not in sys.stdlib_module_names and not name.startswith(OURS)] == []


def test_the_program_on_the_host_imports_nothing_of_ansible():
    assert [path.name for path in PLUGINS.glob("module_utils/reconciler/*.py") if "ansible" in
            "".join(line for line in path.read_text().splitlines() if line.startswith(("import", "from")))] == []
