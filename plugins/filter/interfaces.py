# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

from __future__ import annotations

DOCUMENTATION = r"""
name: interfaces
short_description: Turn gandi_interfaces into the configuration files of every network manager
version_added: 0.1.0
author: The gandi.hosting authors (@gandi-hosting)
description:
  - Checks the list, and renders it for systemd-networkd, netplan, and ifupdown with either of Debian's DHCP clients.
  - The module P(gandi.hosting.network#module) picks the files of the manager that the host really runs.
  - The filter touches nothing, and needs no host.
requirements:
  - netaddr on the controller
notes:
  - O(_input[].nameservers) of ifupdown are in effect where resolvconf or openresolv is installed, which is what reads them.
positional: hotplug_default, files
options:
  _input:
    description:
      - The interfaces, all of them in one list, in netplan's words.
      - All errors of the list are reported together, each with the entry, the field, the value and what was expected.
      - Booleans may be written in any way that Ansible understands, numbers also as strings of digits.
    type: list
    elements: dict
    required: true
    suboptions:
      name:
        description: The interface's name.
        type: str
        required: true
      mac:
        description:
          - The interface's MAC address, in quotes. It is the interface's identity where it is given, under whichever name it comes up,
            and an interface that has the name and another address gets nothing of ours.
          - With ifupdown this holds for the names that the kernel and udev give to Ethernet interfaces (C(eth*), C(en*)), and for
            O(_input[].name). With C(primary) too it is C(allow-hotplug), not C(auto).
        type: str
      primary:
        description: DNS, default route and host name come from this interface, and from no other.
        type: bool
        default: false
      state:
        description: V(absent) removes everything that was ours on the interface; only O(_input[].name) and O(_input[].mac) may be beside it.
        type: str
        choices: [present, absent]
        default: present
      dhcp4:
        description: Get an IPv4 address by DHCP. By default it is on when O(_input[].addresses) has no IPv4 address.
        type: bool
      dhcp6:
        description: Get an IPv6 address by DHCPv6.
        type: bool
        default: false
      accept_ra:
        description: Make IPv6 addresses from router advertisements. By default it is on when O(_input[].addresses) has no IPv6 address.
        type: bool
      addresses:
        description: Static addresses of both families, any number, each with its prefix length.
        type: list
        elements: str
      gateway4:
        description:
          - The IPv4 router, inside one of the interface's prefixes. Where all IPv4 addresses are C(/32) it is taken to be on the link.
          - The primary's goes to the main table, a secondary's to the interface's own table only.
        type: str
      gateway6:
        description: The IPv6 router, as O(_input[].gateway4); its link-local address will do.
        type: str
      nameservers:
        description: DNS servers and search domains.
        type: dict
        suboptions:
          addresses:
            description: Addresses of the servers.
            type: list
            elements: str
          search:
            description: Search domains.
            type: list
            elements: str
      mtu:
        description: The MTU, at least 1280 where IPv6 is used, and 604 where DHCP is.
        type: int
      routes:
        description: More routes through this interface.
        type: list
        elements: dict
        suboptions:
          to:
            description: A prefix, an address, or V(default).
            type: str
            required: true
          via:
            description: The router's address.
            type: str
            required: true
          metric:
            description: The route's metric.
            type: int
          table:
            description: The route's table; main when it is not given. The tables 26518 to 26999 are kept for policy routing.
            type: int
          on_link:
            description: Reach the router directly although it is in none of the interface's prefixes.
            type: bool
            default: false
      optional:
        description: Boot does not wait for the interface.
        type: bool
        default: false
      agent:
        description:
          - The Gandi agent configures this interface, by DHCP. It has no file of ours, and nothing waits for its address.
          - Only O(_input[].name), O(_input[].mac), O(_input[].policy_routing), O(_input[].gateway4) and O(_input[].gateway6) may be
            beside it. The agent leaves the primary alone, so it cannot be the primary.
        type: bool
        default: false
      policy_routing:
        description:
          - What is sent from the interface's addresses leaves through the interface.
          - A mapping is V(true) with options. C(table) is the number of a routing table of your choice.
          - C(selectors) is a list of mappings, each of which says which other traffic leaves through the interface, with one or more
            of C(from), C(to) (prefixes), C(fwmark) (V(0x2), or with a mask V(0x200/0xff00)), C(uid) (a number, a range, or a name
            that the host knows), C(iif), C(oif) (interfaces), C(tos), C(ipproto) (a name or number), C(sport), C(dport) (a port or
            a range), all as in ip-rule(8). Everything that a selector says must hold. It is for IPv4 and IPv6, unless it says
            otherwise. What is sent from an address of another interface keeps its way, and what the main table knows more
            precisely than a default is honoured.
          - C(default=true) makes the interface the way out for all that is bound to no address, and not selected for another one;
            replies keep their way (those of forwarded connections where C(connmark) is on for the interface that they came in by).
            At most one interface may have it.
          - C(strict=true) makes what should leave through the interface unreachable, rather than sent another way, for as long as
            its gateway is not known or its link is down; for selectors and C(default) also while it is detached. For IPv6 sockets that
            are bound to no address this needs a link on which nobody is, the bridge C(gandi-nowhere).
          - C(connmark=true) sends the replies of forwarded connections (to containers with published ports) out through the interface
            that they came in by. The host needs nftables; an effective rp_filter of 1 drops such connections on arrival.
          - The primary's default is V(true) as soon as another interface has it, so that replies to the segments of the others leave
            by the primary too.
        type: raw
        default: false
  hotplug_default:
    description:
      - What an Ethernet interface gets (C(eth*), C(en*)) that is in no entry of the list, neither by name nor by MAC address, and that
        no file of somebody else's configures.
      - V(none) is nothing of ours, V(dhcp) DHCP and router advertisements, for an address only, V(policy_routing) the same and policy
        routing. The last two need a primary in the list.
      - An empty list is V(none).
    type: str
    choices: [none, dhcp, policy_routing]
    default: none
  files:
    description: Whether to render. V(false) leaves C(files) and C(unmanaged) out, and is faster where only C(interfaces) is asked for.
    type: bool
    default: true
"""

EXAMPLES = r"""
- name: Show what eth1 gets on a host with systemd-networkd
  ansible.builtin.debug:
    msg: "{{ (gandi_interfaces | gandi.hosting.interfaces).files.networkd['/etc/systemd/network/05-gandi-eth1.network'].content }}"
  vars:
    gandi_interfaces:
      - name: eth0
        primary: true
      - name: eth1
        policy_routing: true
      - name: eth2
        policy_routing:
          selectors:
            - {uid: backup}
            - {ipproto: tcp, dport: 25}
"""

RETURN = r"""
_value:
  description: What the module P(gandi.hosting.network#module) takes as O(gandi.hosting.network#module:interfaces).
  type: dict
  contains:
    files:
      description:
        - For each variant (C(networkd), C(networkd-247), C(netplan), C(ifupdown-dhclient), C(ifupdown-dhcpcd)) the files by their paths;
          C(networkd-256) has what C(networkd) and C(netplan) have besides, from systemd 256 on.
        - Each has C(content), C(interface) (empty where the file is shared), and C(mode) where it is not the usual one.
      type: dict
    unmanaged:
      description: As one of C(files); by these systemd-networkd leaves an interface alone, where it is taken over for ifupdown.
      type: dict
    interfaces:
      description: For each interface its C(name), C(mac), C(primary), C(addresses), C(dhcp4), C(optional) and C(agent).
      type: list
      elements: dict
"""

from typing import Any

from ansible.module_utils.parsing.convert_bool import boolean

from ansible_collections.gandi.hosting.plugins.plugin_utils import _sections
from ansible_collections.gandi.hosting.plugins.plugin_utils._filter_input import validated


def interfaces(gandi_interfaces: Any, hotplug_default: Any = "none", files: Any = True) -> dict[str, Any]:
    return _sections.interfaces(validated(gandi_interfaces, hotplug_default), boolean(files))


class FilterModule:
    def filters(self) -> dict[str, Any]:
        return {"interfaces": interfaces}
