#!/usr/bin/python
# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
module: agent_info
short_description: Which package of the Gandi agent a host has and could have
version_added: 0.1.0
description:
  - Tells whether C(gandi-hosting-vm), in a recent enough version, or its successor C(gandi-hosting-vm2), in any, is installed,
    which of them apt could install, and which of the given files differ.
  - One call instead of one for each question. Changes nothing.
options:
  minimum_version:
    description: The oldest version of C(gandi-hosting-vm) that is good enough.
    type: str
    default: '2652'
  files:
    description: The content that each file should have, by its path.
    type: dict
    default: {}
attributes:
  check_mode:
    description: Can run in C(check_mode) and return changed status prediction without modifying target.
    support: full
  diff_mode:
    description: Will return details on what has changed (or possibly needs changing in check_mode), when in diff mode.
    support: none
    details: Nothing is changed.
  idempotent:
    description: When run twice in a row outside check mode, with the same arguments, the second invocation indicates no change.
    support: full
author:
  - The gandi.hosting authors (@gandi-hosting)
"""

EXAMPLES = r"""
- name: See which agent there is
  gandi.hosting.agent_info:
  register: agent
"""

RETURN = r"""
installed:
  description: The version of each of the packages that is installed.
  type: dict
  returned: success
  sample: {gandi-hosting-vm: '2652'}
satisfied_by:
  description: The installed package that is recent enough; empty if none is.
  type: str
  returned: success
  sample: gandi-hosting-vm
installable:
  description:
    - The package, and its version, that apt would install and that is recent enough; empty if none is.
    - Not looked for where RV(satisfied_by) is set.
  type: str
  returned: success
  sample: gandi-hosting-vm=2652
refusal:
  description: Why nothing can be installed; empty if something can.
  type: str
  returned: success
  sample: ''
differing_files:
  description: The paths of O(files) whose content differs or that are not there.
  type: list
  elements: str
  returned: success
  sample: []
present_files:
  description: The paths of O(files) that are there.
  type: list
  elements: str
  returned: success
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gandi.hosting.plugins.module_utils import _agent, _files


def main():
    module = AnsibleModule(
        argument_spec={"minimum_version": {"type": "str", "default": "2652"}, "files": {"type": "dict", "default": {}}},
        supports_check_mode=True)
    minimum = module.params["minimum_version"]
    contents = {path: _files.read(path) for path in module.params["files"]}
    installed = _agent.installed()
    satisfied_by = _agent.recent(installed, minimum)
    # asking apt takes longer than all the rest
    offered = {} if satisfied_by else _agent.candidates()
    name = _agent.recent(offered, minimum)
    module.exit_json(
        changed=False,
        installed=installed,
        satisfied_by=satisfied_by,
        installable="%s=%s" % (name, offered[name]) if name else "",
        refusal="" if name or satisfied_by else _agent.refusal(offered, minimum),
        differing_files=[path for path, content in module.params["files"].items() if contents[path] != content.encode()],
        present_files=[path for path, content in contents.items() if content is not None])


if __name__ == "__main__":
    main()
