#!/usr/bin/python
# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
module: network_info
short_description: Where the packets of each address of a host go, and what is wrong with that
version_added: 0.1.0
description:
  - For each address of each interface asks the kernel which way a reply to somewhere far away takes, and whether reverse-path
    filtering lets the request in.
  - Names what is wrong, a sentence each, and with O(verify) fails if anything is.
  - Changes nothing and sends no packet.
options:
  interfaces:
    description: The interfaces, as the C(interfaces) list in the result of P(gandi.hosting.interfaces#filter).
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
        description: Whether it is the one that the default route in table main goes through.
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
        description: Whether it may be without its addresses.
        type: bool
        default: false
      agent:
        description: Whether the Gandi agent configures it.
        type: bool
        default: false
  policy_routing:
    description: The policy routed interfaces, as the C(interfaces) list in the result of P(gandi.hosting.policy_routing#filter).
    type: list
    elements: dict
    default: []
  rp_filter:
    description: The effective value that each interface is expected to have; any, if not said.
    type: int
    choices: [0, 1, 2]
  verify:
    description: Whether to fail if anything is wrong.
    type: bool
    default: false
extends_documentation_fragment:
  - gandi.hosting.attributes
attributes:
  check_mode:
    support: full
  diff_mode:
    support: none
    details: Nothing is changed.
  idempotent:
    support: full
author:
  - The gandi.hosting authors (@gandi-hosting)
"""

EXAMPLES = r"""
- name: Every address answers through its own interface
  gandi.hosting.network_info:
    interfaces: "{{ (gandi_interfaces | gandi.hosting.interfaces).interfaces }}"
    policy_routing: "{{ (gandi_interfaces | gandi.hosting.policy_routing).interfaces }}"
    rp_filter: 0
    verify: true
"""

RETURN = r"""
interfaces:
  description: What is attached, with the way that replies from each address take.
  type: list
  elements: dict
  returned: success
  sample:
    - name: eth1
      mac: 02:00:00:00:01:0a
      up: true
      configured_by:
        - manager: systemd-networkd
          file: /etc/systemd/network/05-gandi-eth1.network
      rp_filter: 0
      arp_announce: 2
      addresses:
        - address: 198.51.100.10
          reply_interface: eth1
          reply_gateway: 198.51.100.1
          table: 26521
          accepted: true
problems:
  description: What is wrong, a sentence each.
  type: list
  elements: str
  returned: always
  sample: ["eth1: replies from 198.51.100.10 leave through eth0; expected eth1"]
remarks:
  description: What is as it was asked for and may still surprise.
  type: list
  elements: str
  returned: always
  sample: ["eth2: not attached"]
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gandi.hosting.plugins.module_utils._verify import inspect

ARGUMENTS = {
    "interfaces": {"type": "list", "elements": "dict", "required": True, "options": {
        "name": {"type": "str", "required": True},
        "mac": {"type": "str", "default": ""},
        "primary": {"type": "bool", "default": False},
        "addresses": {"type": "list", "elements": "str", "default": []},
        "dhcp4": {"type": "bool", "default": False},
        "optional": {"type": "bool", "default": False},
        "agent": {"type": "bool", "default": False},
    }},
    "policy_routing": {"type": "list", "elements": "dict", "default": []},
    "rp_filter": {"type": "int", "choices": [0, 1, 2]},
    "verify": {"type": "bool", "default": False},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    parameters = module.params
    interfaces, problems, remarks = inspect(parameters["interfaces"], parameters["policy_routing"], parameters["rp_filter"])
    result = {"interfaces": interfaces, "problems": problems, "remarks": remarks}
    if parameters["verify"] and problems:
        module.fail_json(msg="\n".join(problems), **result)
    module.exit_json(changed=False, **result)


if __name__ == "__main__":
    main()
