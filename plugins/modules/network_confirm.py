#!/usr/bin/python
# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
module: network_confirm
short_description: Let a change of the network stand
version_added: 0.1.0
description:
  - Confirms what M(gandi.hosting.network) has changed with O(gandi.hosting.network#module:confirm_timeout). It must come over a new
    connection, because an old one may still work where a new one would not.
  - Waits for a change that is still being made (O(gandi.hosting.network#module:background)).
  - Fails with a sentence if the host has undone the change in the meantime.
options:
  confirm:
    description: What M(gandi.hosting.network) has returned as RV(gandi.hosting.network#module:confirm).
    type: str
    required: true
extends_documentation_fragment:
  - gandi.hosting.attributes
attributes:
  check_mode:
    support: full
    details: There is nothing to confirm in check mode; nothing is done.
  diff_mode:
    support: none
    details: It ends a change whose difference was shown before.
  idempotent:
    support: none
    details: A change can be confirmed once.
author:
  - The gandi.hosting authors (@gandi-hosting)
"""

EXAMPLES = r"""
- name: Change the network
  gandi.hosting.network:
    interfaces: "{{ interfaces | gandi.hosting.interfaces }}"
    confirm_timeout: 60
  register: change

- name: Connect anew
  when: change.confirm | length > 0
  ansible.builtin.wait_for_connection:
    timeout: 50

- name: Let the change stand
  when: change.confirm | length > 0
  gandi.hosting.network_confirm:
    confirm: "{{ change.confirm }}"
"""

RETURN = r"""#"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gandi.hosting.plugins.module_utils._commands import Failure, sentence
from ansible_collections.gandi.hosting.plugins.module_utils._network import confirm


def main():
    module = AnsibleModule(argument_spec={"confirm": {"type": "str", "required": True}}, supports_check_mode=True)
    if not module.check_mode:
        try:
            confirm(module.params["confirm"])
        except (Failure, OSError) as failure:
            module.fail_json(msg=sentence(failure))
    module.exit_json(changed=False)


if __name__ == "__main__":
    main()
