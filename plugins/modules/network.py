#!/usr/bin/python
# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
module: network
short_description: Several network interfaces, their sysctls and their policy routing, as one transaction
version_added: 0.1.0
description:
  - Makes the sysctls, the network manager's files and the policy routing of a host what they are said to be, in one call.
  - Works out the difference first. If there is none, nothing is written, restarted or sent.
  - Otherwise everything needed to undo the change is written first, then every file, and only the interfaces whose own files
    changed are configured again. If that fails, or an interface does not get its addresses, what was there before is put back.
  - The sections come from the filters of the same names, which also check O(interfaces) on the controller, before
    anything is sent. A section that is not given is not touched.
requirements:
  - Python 3.9 or newer, iproute2 and systemd on the host
  - systemd-networkd, with or without netplan, or ifupdown with isc-dhcp-client or dhcpcd-base, on the host
options:
  sysctl:
    description:
      - The result of P(gandi.hosting.sysctl#filter). Keys are written with C(/), values are integers; a key may be a glob.
      - V(auto) as the value of an interface's C(arp_ignore) is V(1) where it shares an IPv4 subnet with another interface, also one
        that DHCP has brought, and no setting elsewhere.
      - Where another file wins over ours at boot, or a key does not exist, a warning says which, with the file and its line.
      - An empty mapping removes our file and gives every value back that was there before.
    type: dict
  interfaces:
    description:
      - The result of P(gandi.hosting.interfaces#filter).
      - Files of ours that are not in it are removed.
    type: dict
    suboptions:
      files:
        description: For each variant of a network manager, the content of each file.
        type: dict
        required: true
      unmanaged:
        description: Files by which systemd-networkd leaves an interface alone, where O(takeover) gives it to ifupdown.
        type: dict
        default: {}
      interfaces:
        description: What an interface that changed must have before the change counts as made.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: The interface's name.
            type: str
            required: true
          mac:
            description: Its MAC address, if that is what it is known by.
            type: str
            default: ''
          primary:
            description: Whether the default route in table main goes through it.
            type: bool
            default: false
          addresses:
            description: Its static addresses with prefix length.
            type: list
            elements: str
            default: []
          dhcp4:
            description: Whether it gets an IPv4 address by DHCP.
            type: bool
            default: false
          optional:
            description: Whether nothing waits for its addresses.
            type: bool
            default: false
          agent:
            description: Whether the Gandi agent configures it, so that nothing waits for its addresses.
            type: bool
            default: false
  policy_routing:
    description:
      - The result of P(gandi.hosting.policy_routing#filter).
      - An empty list of interfaces removes the service, and every rule and route of ours.
    type: dict
    suboptions:
      interfaces:
        description: The interfaces whose own traffic leaves through them.
        type: list
        elements: dict
        required: true
        suboptions:
          name:
            description: The interface's name.
            type: str
            required: true
          mac:
            description: Its MAC address, if that is what it is known by.
            type: str
            default: ''
          table:
            description: The number of its routing table; V(0) for a free one, which it keeps.
            type: int
            default: 0
          gateway4:
            description: Its IPv4 gateway, where it is not to be learned from DHCP.
            type: str
            default: ''
          gateway6:
            description: Its IPv6 gateway, where it is not to be learned from router advertisements.
            type: str
            default: ''
          selectors:
            description: More traffic that leaves through it; of one selector, everything that it says must hold.
            type: list
            elements: dict
            default: []
            suboptions:
              from:
                description: The prefix of the source.
                type: str
              to:
                description: The prefix of the destination.
                type: str
              tos:
                description: The type of service, decimal.
                type: str
              fwmark:
                description: A mark and its mask.
                type: str
              iif:
                description: The interface that the packet came in by; V(lo) for what the host sends itself.
                type: str
              oif:
                description: The interface that the socket is bound to.
                type: str
              uid:
                description: The number, a range of numbers, or the name of the user who sends.
                type: str
              ipproto:
                description: The number of the protocol.
                type: str
              sport:
                description: The source port, or a range of ports.
                type: str
              dport:
                description: The destination port, or a range of ports.
                type: str
          default:
            description: Whether what is bound to no address, and not selected for another interface, leaves through it.
            type: bool
            default: false
          strict:
            description: Whether what should leave through it is unreachable, rather than sent another way, when it cannot.
            type: bool
            default: false
          connmark:
            description: Whether replies of forwarded connections that came in by it leave through it; needs nftables on the host.
            type: bool
            default: false
      hotplug:
        description:
          - Policy routing of the interfaces that nobody named, by C(patterns) of their names; those C(named), by name or MAC address, are
            left out.
        type: dict
        default: {}
  backend:
    description:
      - The network manager that the files are for.
      - V(auto) is the one that really runs the interfaces now, the primary's first; where none does, systemd-networkd if it is active
        (or netplan, where it makes the configuration of that), else ifupdown.
    type: str
    choices: [auto, networkd, netplan, ifupdown]
    default: auto
  takeover:
    description:
      - Whether to take an interface from another network manager that holds it. Without it that is an error that names both files.
      - A stanza of ifupdown is set aside in its place, systemd-networkd gets a file that tells it to leave the interface alone.
        What was there comes back, byte for byte, when the interface leaves the list.
    type: bool
    default: false
  timeout:
    description: How many seconds an interface that changed may take to get its addresses.
    type: int
    default: 30
  confirm_timeout:
    description:
      - After how many seconds the host undoes the change by itself, unless M(gandi.hosting.network_confirm) confirms it over a new
        connection. It also does so if it is restarted, or loses power, before that.
      - V(0) lets a change stand that has led to the addresses it was for.
    type: int
    default: 0
  background:
    description:
      - Return before the change is made, and make it in the background. For a change of the address that the controller is connected to,
        because a result could not come back over that connection.
      - M(gandi.hosting.network_confirm), over the new address, waits until the change is made, and fails with the reason if it was not.
      - Needs O(confirm_timeout).
    type: bool
    default: false
extends_documentation_fragment:
  - gandi.hosting.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: full
    details: Rules and routes, and V(auto) in O(sysctl), are those that follow from the addresses that are there when the module starts.
  idempotent:
    support: full
author:
  - The gandi.hosting authors (@gandi-hosting)
"""

EXAMPLES = r"""
- name: Two interfaces, each answering through itself
  gandi.hosting.network:
    sysctl: "{{ interfaces | gandi.hosting.sysctl }}"
    interfaces: "{{ interfaces | gandi.hosting.interfaces }}"
    policy_routing: "{{ interfaces | gandi.hosting.policy_routing }}"
  vars:
    interfaces:
      - name: eth0
        primary: true
      - name: eth1
        policy_routing: true

- name: Take everything of ours away again
  gandi.hosting.network:
    sysctl: {}
    interfaces: "{{ [] | gandi.hosting.interfaces }}"
    policy_routing: {interfaces: []}
"""

RETURN = r"""
backend:
  description: The variant of the network manager's files that the host took; empty without the section.
  type: str
  returned: success
  sample: ifupdown-dhcpcd
confirm:
  description: What M(gandi.hosting.network_confirm) takes to let the change stand; empty if there is nothing to confirm.
  type: str
  returned: success
  sample: 1b4e28ba2fa111d2883f0016d3cca427
interfaces_changed:
  description: The interfaces that were configured again.
  type: list
  elements: str
  returned: success
  sample: [eth1]
routing:
  description: The rules and routes that were added (C(+)) and deleted (C(-)).
  type: list
  elements: str
  returned: success
  sample: ["+ ip -4 rule 26540: from 198.51.100.10 lookup 26521"]
sysctl:
  description:
    - For each interface of the host the values in effect, which are the larger of C(all) and its own; in check mode those that would be.
    - Empty without the section.
  type: dict
  returned: success
  sample: {eth1: {rp_filter: 0, arp_announce: 2, arp_ignore: 0}}
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gandi.hosting.plugins.module_utils._commands import Failure, sentence
from ansible_collections.gandi.hosting.plugins.module_utils._network import run
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler.intents import SELECTOR

IDENTITY = {"name": {"type": "str", "required": True}, "mac": {"type": "str", "default": ""}}
ARGUMENTS = {
    "sysctl": {"type": "dict"},
    "interfaces": {"type": "dict", "options": {
        "files": {"type": "dict", "required": True},
        "unmanaged": {"type": "dict", "default": {}},
        "interfaces": {"type": "list", "elements": "dict", "required": True, "options": dict(
            IDENTITY, primary={"type": "bool", "default": False}, addresses={"type": "list", "elements": "str", "default": []},
            dhcp4={"type": "bool", "default": False}, optional={"type": "bool", "default": False},
            agent={"type": "bool", "default": False})},
    }},
    "policy_routing": {"type": "dict", "options": {
        "interfaces": {"type": "list", "elements": "dict", "required": True, "options": dict(
            IDENTITY, table={"type": "int", "default": 0},
            gateway4={"type": "str", "default": ""}, gateway6={"type": "str", "default": ""},
            selectors={"type": "list", "elements": "dict", "default": [], "options": {word: {"type": "str"} for word in SELECTOR}},
            default={"type": "bool", "default": False}, strict={"type": "bool", "default": False},
            connmark={"type": "bool", "default": False})},
        "hotplug": {"type": "dict", "default": {}},
    }},
    "backend": {"type": "str", "choices": ["auto", "networkd", "netplan", "ifupdown"], "default": "auto"},
    "takeover": {"type": "bool", "default": False},
    "timeout": {"type": "int", "default": 30},
    "confirm_timeout": {"type": "int", "default": 0},
    "background": {"type": "bool", "default": False},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = run(module.params, module.check_mode)
    except (Failure, OSError) as failure:
        module.fail_json(msg=sentence(failure))
    for warning in result.pop("warnings"):
        module.warn(warning)
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
