# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""How the role network confirms a change."""

import re
from pathlib import Path

import jinja2

TASKS = Path(__file__).parents[3] / "roles" / "network" / "tasks" / "confirm.yml"


def timeouts(value):
    """The timeouts of the tasks, in their order, as Ansible would template them."""
    found = re.findall(r'^ +timeout: "(.*)"$', TASKS.read_text(encoding="utf-8"), re.M)
    return [jinja2.Template(template).render(network_confirm_timeout=value) for template in found]


def test_the_time_may_come_from_the_command_line():
    """Where --extra-vars network_confirm_timeout=60 is text, whatever the argument spec says of it."""
    assert timeouts("60") == timeouts(60) == ["55", "70", "120"]


def test_there_is_some_time_to_connect_however_short_it_is():
    assert timeouts(2)[0] == "5"
