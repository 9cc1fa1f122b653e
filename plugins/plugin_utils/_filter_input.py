# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What the filters have in common: the list is validated first, and what is wrong with it becomes Ansible's error."""

from __future__ import annotations

from typing import Any

from ansible.errors import AnsibleFilterError

from ._fields import show
from ._model import HOTPLUG_DEFAULTS, Interface, InterfacesError, MissingLibrary, parse


def validated(interfaces: Any, hotplug_default: Any = "none") -> list[Interface]:
    if hotplug_default not in HOTPLUG_DEFAULTS:
        raise AnsibleFilterError(f"hotplug_default: {show(hotplug_default)}: expected one of {', '.join(HOTPLUG_DEFAULTS)}")
    try:
        return parse(interfaces, hotplug_default)
    except (InterfacesError, MissingLibrary) as error:
        raise AnsibleFilterError(str(error)) from error
