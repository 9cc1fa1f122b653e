"""The lab as a static Ansible inventory. YAML is written as nested JSON scalars: a subset of it."""

from __future__ import annotations

import json

from . import images, machine, provider, repository, state
from .state import Machine, Nic, State


def inventory(lab: State) -> dict[str, object]:
    """Hosts over SSH to eth0, what tests need to know of them, and the repository for all of them."""
    groups: dict[str, dict[str, object]] = {}
    for one in lab.machines.values():
        for group in (one.flavour, one.backend):
            groups.setdefault(group, {"hosts": {}})["hosts"][one.name] = {}  # type: ignore[index]
    return {
        "all": {
            "vars": _shared(),
            "hosts": {one.name: _host(one) for one in lab.machines.values()},
            "children": {name: groups[name] for name in sorted(groups)},
        }
    }


def _shared() -> dict[str, object]:
    return {
        "ansible_user": "root",
        "ansible_python_interpreter": "/usr/bin/python3",
        "ansible_ssh_private_key_file": str(machine.KEY),
        "ansible_ssh_common_args": " ".join(machine.SSH_OPTIONS),
        # A shared connection must not outlive the lab: its sockets lie in the lab's own folder.
        "ansible_control_path_dir": str(machine.KEY.parent),
        "lab_repository_url": provider.REPOSITORY_URL,
        "lab_repository_suites": {suite: " ".join(package) for suite, package in repository.SUITES.items()},
        "lab_repository_component": "main",
        "lab_repository_key": str(repository.KEY_ARMORED),
        "lab_repository_keyring": str(repository.KEY_BINARY),
    }


def _host(one: Machine) -> dict[str, object]:
    return {
        "ansible_host": one.address,
        "lab_flavour": one.flavour,
        "lab_backend": one.backend,
        "lab_image": images.name(one.flavour),
        "lab_container": one.container,
        "lab_netns": one.netns,
        "lab_macs": {nic.name: nic.mac for nic in one.nics},
        "lab_interfaces": {nic.name: _interface(nic) for nic in one.nics},
    }


def _interface(nic: Nic) -> dict[str, object]:
    where = nic.where
    return {
        "mac": nic.mac,
        "segment": nic.segment,
        "dhcp": where.served,
        "address4": f"{nic.ipv4}/24",
        "address6": f"{nic.ipv6}/64",
        "gateway4": where.ipv4(1),
        "gateway6": where.ipv6(1),
    }


def as_yaml(value: object, indent: int = 0) -> str:
    """A mapping of mappings and scalars as block YAML; strings are quoted as in JSON."""
    if not isinstance(value, dict):
        return f" {json.dumps(value)}\n"
    if not value:
        return " {}\n"
    lines = [f"{'  ' * indent}{json.dumps(k) if ':' in k else k}:{as_yaml(v, indent + 1)}" for k, v in value.items()]
    return ("\n" if indent else "") + "".join(lines)


def text(lab: State) -> str:
    """The inventory file."""
    return f"# Made by bin/lab inventory; the lab's state is in {state.DIRECTORY}.\n---\n" + as_yaml(inventory(lab))
