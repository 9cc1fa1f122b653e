# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: sysctl
short_description: The kernel settings that make all interfaces of gandi_interfaces answer
version_added: 0.1.0
author: The gandi.hosting authors (@gandi-hosting)
description:
  - Checks the list, and returns what to set so that the values are in effect on the interfaces that exist and on those that are
    attached later.
  - The kernel uses the larger of C(conf.all) and an interface's own value, so each is set for all, for default, for the glob that
    vendors set, and for each interface that is named.
positional: rp_filter, arp_announce, arp_ignore
requirements:
  - netaddr on the controller
seealso:
  - plugin: gandi.hosting.interfaces
    plugin_type: filter
    description: Has the keys of an entry of the list.
options:
  _input:
    description: The interfaces, as P(gandi.hosting.interfaces#filter) takes them.
    type: list
    elements: dict
    required: true
  rp_filter:
    description: Reverse path filtering, V(0) off, V(1) strict, V(2) loose.
    type: int
    choices: [0, 1, 2]
    default: 0
  arp_announce:
    description: Which source address ARP requests have, V(0) any, V(1) one of the target's subnet if possible, V(2) the best local one.
    type: int
    choices: [0, 1, 2]
    default: 2
  arp_ignore:
    description:
      - Which ARP requests an interface answers, V(0) those for any local address, V(1) those for its own, V(2) and V(3) less than that.
      - V(auto) is V(1) on an interface that shares an IPv4 subnet with another one, which the module finds out on the host, and nothing
        elsewhere. It takes policy routing to be of use there.
    type: str
    choices: ['auto', '0', '1', '2', '3']
    default: auto
"""

EXAMPLES = r"""
- name: Show the settings
  ansible.builtin.debug:
    msg: "{{ gandi_interfaces | gandi.hosting.sysctl(rp_filter=2) }}"
  vars:
    gandi_interfaces:
      - name: eth0
        primary: true
# => {"net/ipv4/conf/all/rp_filter": 2, "net/ipv4/conf/default/rp_filter": 2, "net/ipv4/conf/*/rp_filter": 2,
#     "net/ipv4/conf/eth0/rp_filter": 2, "net/ipv4/conf/all/arp_announce": 2, ..., "net/ipv4/conf/eth0/arp_ignore": "auto"}
"""

RETURN = r"""
_value:
  description:
    - What the module P(gandi.hosting.network#module) takes as O(gandi.hosting.network#module:sysctl).
    - The parts of a key have C(/) between them, so that a dot in an interface's name stays what it is.
  type: dict
"""

from typing import Any

from ansible.errors import AnsibleFilterError

from ansible_collections.gandi.hosting.plugins.plugin_utils import _fields, _sections
from ansible_collections.gandi.hosting.plugins.plugin_utils._filter_input import validated


def sysctl(gandi_interfaces: Any, rp_filter: Any = 0, arp_announce: Any = 2, arp_ignore: Any = "auto") -> dict[str, int | str]:
    errors: list[str] = []
    values = {
        name: value if value == default else _fields.number(0, highest)(value, _fields.Place(f"gandi.hosting.sysctl: {name}", errors))
        for name, value, highest, default in (
            ("rp_filter", rp_filter, 2, 0), ("arp_announce", arp_announce, 2, 2), ("arp_ignore", arp_ignore, 3, "auto"))
    }
    if errors:
        raise AnsibleFilterError("\n".join(errors))
    return _sections.sysctl(validated(gandi_interfaces), **values)


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"sysctl": sysctl}
