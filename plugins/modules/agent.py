#!/usr/bin/python
# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)

DOCUMENTATION = r"""
module: agent
short_description: The Gandi agent's package, its settings, and what it needs to work
version_added: 0.2.0
description:
  - Has C(gandi-hosting-vm), in a recent enough version, or its successor C(gandi-hosting-vm2), in any, installed, kept current, or
    removed; sets what is given in C(/etc/default/gandi) and keeps the rest of that file as it is.
  - One call for all of it. Everything is worked out, and the repository is tried in a folder of its own, before anything changes. If
    something cannot be done, that is a sentence, and what had been written is taken back.
  - No question of dpkg's is ever waited for, and a configuration file that somebody has edited stays.
options:
  state:
    description:
      - V(present) installs or upgrades where nothing is installed that is recent enough; V(latest) whenever a repository offers something
        newer. Nothing is ever downgraded, and no hold is overridden.
      - V(kept) leaves package and repository as they are, whatever they are, and sees to settings and repairs.
      - V(absent) purges the package, because its udev rule and the program that this runs are configuration files, and would stay.
        The repository and the repairs go too.
    type: str
    choices: [present, latest, kept, absent]
    default: present
  minimum_version:
    description: The oldest version of C(gandi-hosting-vm) that is good enough. The successor counts from anew and always is.
    type: str
    default: '2652'
  repository:
    description: An apt repository that has the package. Without it, those that the host has are used.
    type: dict
    default: {}
    suboptions:
      url:
        description: Its URL; empty for none.
        type: str
        default: ''
      suites:
        description: Its suites, separated by spaces; or a path that ends with C(/), which has no components.
        type: str
        default: ''
      components:
        description: Its components, separated by spaces.
        type: str
        default: main
      key:
        description: Its public key, ASCII-armored. It is trusted for this repository alone.
        type: str
        default: ''
      keyring:
        description: A keyring that is on the host, instead of O(repository.key).
        type: path
        default: ''
      key_url:
        description: Where the host gets the key, over C(https), instead of O(repository.key). It is fetched once.
        type: str
        default: ''
      pin:
        description:
          - What tells the packages of the repository from others (apt_preferences(5)), V(origin "HOST") by default. Nothing but the
            agent's packages is ever taken from it.
          - To be given where another source has the same host, for example V(release o=Gandi).
        type: str
        default: ''
  settings:
    description: What C(/etc/default/gandi) shall say. What is not given stays as it is, but for what O(interfaces) is about.
    type: dict
    default: {}
    suboptions:
      motd:
        description: CONFIG_MOTD, whether the message of the day is written at boot.
        type: bool
      timezone:
        description: CONFIG_TIMEZONE, whether the time zone is set at boot.
        type: bool
      sysctl:
        description:
          - CONFIG_SYSCTL, whether C(/etc/gandi/sysctl.conf) is loaded at boot, after and over the files in C(sysctl.d).
          - V(false) by default where O(interfaces) has any.
        type: bool
      sshd:
        description: CONFIG_SSHD, whether C(sshd_config) is edited.
        type: bool
      console:
        description: CONFIG_CONSOLE, whether consoles are configured at boot.
        type: bool
      hostname:
        description: CONFIG_HOSTNAME, whether the host name is set.
        type: bool
      nameserver:
        description: CONFIG_NAMESERVER, whether name servers are set.
        type: bool
      allow_mount:
        description: CONFIG_ALLOW_MOUNT, whether data disks are mounted.
        type: bool
      cron:
        description: CONFIG_CRON, whether the times of the system's cron jobs are made random.
        type: bool
      mount_params:
        description: CONFIG_MOUNT_PARAMS, the options that data disks are mounted with.
        type: str
      disk_root:
        description: CONFIG_DISK_ROOT, the folder that data disks are mounted in.
        type: str
      nodhcp:
        description:
          - CONFIG_NODHCP, the interfaces that the agent leaves alone. It tests whether a name is a part of the list, so C(eth10) also
            stands for C(eth1).
          - By default those of O(interfaces) that are not the agent's.
        type: list
        elements: str
      multiqueue:
        description: CONFIG_MULTIQUEUE, whether interfaces get a queue for each processor.
        type: bool
      network:
        description:
          - CONFIG_NETWORK, whether the network is configured anew when the platform has stopped and started the machine.
          - V(false) by default where O(interfaces) has any.
        type: bool
  interfaces:
    description:
      - The C(interfaces) in the result of P(gandi.hosting.interfaces#filter), of which the C(name), C(mac) and C(agent) are used.
      - An interface that is the agent's, and that it could not configure on this host, is an error before anything changes.
      - O(settings.nodhcp), O(settings.network) and O(settings.sysctl), where they follow from this list, replace what was there. They get
        it back when the list is empty, or when they are changed otherwise. Without the list nothing is said of them.
    type: list
    elements: dict
  unnamed:
    description: Whether interfaces that are not in O(interfaces) are configured by the collection too, so that the agent leaves them alone.
    type: bool
    default: false
  repairs:
    description:
      - What keeps the agent from working and is to be mended. Each is a file or two beside the package's, which go when it is no longer
        asked for, and all but V(udevd) are for the interfaces that are the agent's.
      - V(dhcp), a udev rule starts C(gandi-dhclient@) for them. The agent itself does not do it, without a word, for a name that is a part
        of CONFIG_NODHCP, for one that is not C(eth) and a digit, and without C(/gandi/config).
      - V(dhclient), where there is no C(/sbin/dhclient), which the package does not depend on, C(gandi-dhclient@) runs C(dhcpcd), for
        the address alone. C(dhcpcd-base) is installed if it is not there, and stays; Debian 11 has no such package.
      - V(udevd), older agents run the DHCP client in the sandbox of udev, which is then allowed C(AF_PACKET).
    type: list
    elements: str
    choices: [dhcp, dhclient, udevd]
    default: [dhcp, dhclient]
extends_documentation_fragment:
  - gandi.hosting.attributes
attributes:
  check_mode:
    support: full
    details: The repository is tried in check mode too, in a folder that is gone afterwards.
  diff_mode:
    support: full
    details: Where only the package will bring C(/etc/default/gandi), the settings are shown alone.
  idempotent:
    support: full
author:
  - The gandi.hosting authors (@gandi-hosting)
"""

EXAMPLES = r"""
- name: The agent, which configures eth2 and leaves the others alone
  gandi.hosting.agent:
    repository:
      url: https://packages.example.org/gandi
      suites: stable
      key: "{{ lookup('ansible.builtin.file', 'gandi.asc') }}"
    settings:
      motd: false
    interfaces: "{{ (gandi_interfaces | gandi.hosting.interfaces).interfaces }}"
"""

RETURN = r"""
packages:
  description: The agent's packages that the host has, or would have in check mode, with their versions.
  type: list
  elements: str
  returned: success
  sample: ["gandi-hosting-vm 2652"]
remarks:
  description: What works and may surprise, a sentence each. They are also warnings.
  type: list
  elements: str
  returned: success
  sample: []
"""

from ansible.module_utils.basic import AnsibleModule

from ansible_collections.gandi.hosting.plugins.module_utils import _agent, _agent_repairs, _agent_settings
from ansible_collections.gandi.hosting.plugins.module_utils._commands import Failure, sentence

TEXT = {"type": "str", "default": ""}
TYPES = {bool: {"type": "bool"}, str: {"type": "str"}, list: {"type": "list", "elements": "str"}}
ARGUMENTS = {
    "state": {"type": "str", "choices": ["present", "latest", "kept", "absent"], "default": "present"},
    "minimum_version": {"type": "str", "default": "2652"},
    "repository": {"type": "dict", "default": {}, "apply_defaults": True, "options": {
        "url": TEXT, "suites": TEXT, "components": {"type": "str", "default": "main"}, "key": dict(TEXT, no_log=False),
        "keyring": {"type": "path", "default": ""}, "key_url": dict(TEXT, no_log=False), "pin": TEXT,
    }},
    "settings": {"type": "dict", "default": {}, "apply_defaults": True, "options": {
        word: TYPES[kind] for word, kind in _agent_settings.WORDS.items()}},
    "interfaces": {"type": "list", "elements": "dict"},
    "unnamed": {"type": "bool", "default": False},
    "repairs": {"type": "list", "elements": "str", "choices": list(_agent_repairs.REPAIRS), "default": ["dhcp", "dhclient"]},
}


def main():
    module = AnsibleModule(argument_spec=ARGUMENTS, supports_check_mode=True)
    try:
        result = _agent.execute(module.params, module.check_mode)
    except (Failure, OSError) as failure:
        module.fail_json(msg=sentence(failure))
    for remark in result["remarks"]:
        module.warn(remark)
    if not module._diff:
        del result["diff"]
    module.exit_json(**result)


if __name__ == "__main__":
    main()
