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
VARIANTS = ["networkd", "ifupdown-dhclient", "ifupdown-dhcpcd"]


def rendered(case, variant):
    return files(parse(yaml.safe_load((case / "input.yml").read_text(encoding="utf-8"))))[variant]


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
    """First line, or second after #!: it is how the module knows what is ours."""
    for file in rendered(case, variant).values():
        first, second, *_rest = file["content"].splitlines()
        mark = f"# gandi.hosting: {file['interface'] or '*'}: written by Ansible, changes are overwritten"
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
