# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: policy_routing
short_description: Turn gandi_interfaces into the intents of the policy routing reconciler
version_added: 0.1.0
author: The gandi.hosting authors (@gandi-hosting)
description:
  - Checks the list, and returns the interfaces whose replies are to leave through themselves.
  - Absent interfaces, and those without C(policy_routing), are not in the result. The primary is in it as soon as another one is,
    unless it says C(policy_routing=false).
  - A gateway is named only where the list has it. One that a lease or a router advertisement brings is found on the host.
requirements:
  - netaddr on the controller
seealso:
  - plugin: gandi.hosting.interfaces
    plugin_type: filter
    description: Has the keys of an entry of the list.
positional: hotplug_default
options:
  _input:
    description: The interfaces, as P(gandi.hosting.interfaces#filter) takes them.
    type: list
    elements: dict
    required: true
  hotplug_default:
    description:
      - What an interface gets that the list does not name, as P(gandi.hosting.interfaces#filter) takes it.
    type: str
    choices: [none, dhcp, policy_routing]
    default: none
"""

EXAMPLES = r"""
- name: Show which interfaces have routing tables of their own
  ansible.builtin.debug:
    msg: "{{ (gandi_interfaces | gandi.hosting.policy_routing).interfaces | map(attribute='name') }}"
  vars:
    gandi_interfaces:
      - name: eth0
        primary: true
      - name: eth1
        policy_routing: true
# => ["eth0", "eth1"]
"""

RETURN = r"""
_value:
  description: What the module P(gandi.hosting.network#module) takes as O(gandi.hosting.network#module:policy_routing).
  type: dict
  contains:
    interfaces:
      description:
        - For each interface its C(name), C(mac), C(table) (0 where the host chooses), C(gateway4) and C(gateway6), C(selectors),
          C(default), C(strict) and C(connmark).
      type: list
      elements: dict
    hotplug:
      description: For the interfaces that nobody named, C(patterns) of their names, and the names and MAC addresses that are C(named);
        nothing unless O(hotplug_default=policy_routing).
      type: dict
"""

from typing import Any

from ansible_collections.gandi.hosting.plugins.plugin_utils import _sections
from ansible_collections.gandi.hosting.plugins.plugin_utils._filter_input import validated


def policy_routing(gandi_interfaces: Any, hotplug_default: Any = "none") -> dict[str, Any]:
    return _sections.policy_routing(validated(gandi_interfaces, hotplug_default))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"policy_routing": policy_routing}
