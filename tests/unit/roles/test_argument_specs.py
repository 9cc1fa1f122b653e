# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""What a role takes is said four times, and the same each time: defaults, argument specs, README, and what its tasks use."""

import re
from pathlib import Path

import pytest
import yaml

ROLES = Path(__file__).resolve().parents[3] / "roles"
NAMES = sorted(path.name for path in ROLES.iterdir())


def options(role):
    return yaml.safe_load((ROLES / role / "meta/argument_specs.yml").read_text())["argument_specs"]["main"]["options"]


def defaults(role):
    path = ROLES / role / "defaults/main.yml"
    return yaml.safe_load(path.read_text()) if path.exists() else {}


@pytest.mark.parametrize("role", NAMES)
def test_every_default_is_specified_with_the_same_value(role):
    plain = {name: value for name, value in defaults(role).items() if "{{" not in str(value)}
    assert {name: options(role)[name]["default"] for name in plain} == plain


@pytest.mark.parametrize("role", NAMES)
def test_every_option_has_a_default_or_is_required(role):
    """One that another role owns may be left out, and has no default here: it would be one for the other role too."""
    own = {name: option for name, option in options(role).items() if name.startswith(role)}
    assert [name for name, option in own.items() if name not in defaults(role) and not option.get("required")] == []


@pytest.mark.parametrize("role", NAMES)
def test_every_option_is_in_the_readme_and_used(role):
    readme = (ROLES / role / "README.md").read_text()
    tasks = "".join(path.read_text() for path in (ROLES / role).rglob("*") if path.suffix in (".yml", ".j2"))
    own = [name for name in options(role) if name.startswith(role)]
    assert [name for name in own if f"`{name}`" not in readme or len(re.findall(rf"\b{name}\b", tasks)) < 3] == []
