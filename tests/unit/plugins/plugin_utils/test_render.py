# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Golden trees: tests/unit/artifacts/CASE/input.yml, and beside it a folder for each variant that mirrors the target's files.

A new case is a new folder with an input.yml and no code. UPDATE_ARTIFACTS=1 writes what is rendered now; read the difference.
"""

from __future__ import annotations

import os
import re
import shutil
from pathlib import Path

import pytest
import yaml

from ansible_collections.gandi.hosting.plugins.plugin_utils._model import parse
from ansible_collections.gandi.hosting.plugins.plugin_utils._render import files, unmanaged

ARTIFACTS = Path(__file__).parents[2] / "artifacts"
CASES = sorted(path.parent for path in ARTIFACTS.glob("*/input.yml"))
VARIANTS = ["networkd", "networkd-247", "networkd-256", "netplan", "ifupdown-dhclient", "ifupdown-dhcpcd"]


def given(case):
    """A list, or with hotplug_default beside it."""
    found = yaml.safe_load((case / "input.yml").read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {"interfaces": found}


def rendered(case, variant):
    return files(parse(**given(case)))[variant]


def golden(folder):
    return {f"/{path.relative_to(folder)}": path.read_text(encoding="utf-8") for path in folder.rglob("*") if path.is_file()}


def update(folder, contents):
    shutil.rmtree(folder, ignore_errors=True)
    for name, content in contents.items():
        path = folder / name.lstrip("/")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(content, encoding="utf-8")


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_rendered_files_are_the_golden_tree(case, variant):
    """The same files with the same bytes."""
    contents = {name: file["content"] for name, file in rendered(case, variant).items()}
    if os.environ.get("UPDATE_ARTIFACTS"):
        update(case / variant, contents)
    assert contents == golden(case / variant)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_every_file_has_the_mark_of_its_interface(case, variant):
    """First line, or second after #!: it is how the module knows what is ours, and which interface it is of."""
    macs = {entry["name"]: entry.get("mac") for entry in given(case)["interfaces"]}
    for file in rendered(case, variant).values():
        said = f"MAC {macs[file['interface']].lower()}: " if macs.get(file["interface"]) else ""
        first, second, *_rest = file["content"].splitlines()
        mark = f"# gandi.hosting: {file['interface'] or '*'}: {said}written by Ansible, changes are overwritten"
        assert mark == (second if first.startswith("#!") else first)


@pytest.mark.parametrize("variant", VARIANTS)
@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_files_are_tidy(case, variant):
    """No trailing white space, no two empty lines together, one newline at the end."""
    for file in rendered(case, variant).values():
        assert not re.search(r"[ \t]$|\n\n\n|\n\n\Z", file["content"], re.MULTILINE)
        assert file["content"].endswith("\n")


def test_nothing_is_rendered_for_an_empty_list():
    """[] leaves no shared file behind either."""
    assert files([]) == {variant: {} for variant in VARIANTS}
    assert unmanaged([]) == {}


def test_networkd_can_be_told_to_leave_an_interface_alone():
    """By the same match as its own file would have, and in the same place, before anybody else's."""
    present = parse([{"name": "eth1"}, {"name": "eth2", "mac": "02:00:00:aa:bb:cc"}])
    managed = files(present)["networkd"]
    assert list(unmanaged(present)) == list(managed)
    for path, file in unmanaged(present).items():
        match = re.search(r"\[Match\]\n(.+\n)+", file["content"])[0]
        assert match in managed[path]["content"] and file["content"].endswith("\n\n[Link]\nUnmanaged=yes\n")


def test_the_hook_that_is_executed_is_executable():
    """dhcpcd runs its script, it does not source it."""
    hook = files(parse([{"name": "eth1"}]))["ifupdown-dhcpcd"]["/usr/local/lib/gandi-hosting/dhcpcd-hook"]
    assert hook["mode"] == "0755"


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_netplans_files_are_yaml_for_root_alone(case):
    """What they hold is what YAML reads: strings are strings, whatever they look like (on, 1e3, base 60)."""
    for path, file in rendered(case, "netplan").items():
        if path.endswith(".yaml"):
            assert file["mode"] == "0600"
            (definition,) = yaml.safe_load(file["content"])["network"]["ethernets"].values()
            assert set(definition["match"].values()) <= {file["interface"], *re.findall(r"(?:[0-9a-f]{2}:){5}[0-9a-f]{2}", file["content"])}


@pytest.mark.parametrize("name", ["on", "no", "1e3", "0x1f", "12", "1.5", "null", "eth0.100"])
def test_a_name_that_means_something_in_yaml_stays_a_name(name):
    """YAML reads each of these as something else unless it is quoted."""
    content = files(parse([{"name": name}]))["netplan"][f"/etc/netplan/90-gandi-{name}.yaml"]["content"]
    assert yaml.safe_load(content)["network"]["ethernets"][f"00-gandi-{name}"]["match"] == {"name": name}


def test_a_mac_that_means_a_number_in_yaml_stays_a_mac():
    """YAML 1.1 reads it in base 60."""
    content = files(parse([{"name": "eth1", "mac": "52:54:00:12:34:56"}]))["netplan"]["/etc/netplan/90-gandi--eth1.yaml"]["content"]
    assert yaml.safe_load(content)["network"]["ethernets"]["00-gandi--eth1"]["match"] == {"macaddress": "52:54:00:12:34:56"}
