# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The one writer of files: whole or not at all, and only what is ours is ever removed."""

import os
import re

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _files
from ansible_collections.gandi.hosting.plugins.module_utils._commands import Failure, sentence

HEADER = b"# gandi.hosting: eth1: written by Ansible, changes are overwritten\n"


def test_a_file_is_written_with_its_folders_and_mode(tmp_path):
    path = tmp_path / "a" / "b" / "file"
    _files.write(str(path), b"content", 0o755)
    assert (path.read_bytes(), path.stat().st_mode & 0o7777, os.listdir(path.parent)) == (b"content", 0o755, ["file"])


def test_a_file_that_is_written_anew_keeps_its_owner(tmp_path, monkeypatch):
    """Whoever runs the tests need not be root."""
    path, owners = tmp_path / "file", []
    path.touch()
    monkeypatch.setattr(_files.os, "fchown", lambda _descriptor, user, group: owners.append((user, group)))
    _files.write(str(path), b"content")
    assert owners == [(path.stat().st_uid, path.stat().st_gid)]


def test_a_folder_is_for_everybody_to_read_whatever_the_umask(tmp_path):
    """systemd-networkd and apt read as users of their own."""
    before = os.umask(0o077)
    try:
        _files.write(str(tmp_path / "a/b/file"), b"")
    finally:
        os.umask(before)
    assert [(tmp_path / name).stat().st_mode & 0o777 for name in ("a", "a/b", "a/b/file")] == [0o755, 0o755, 0o644]


def test_a_file_of_ours_that_is_damaged_is_named(tmp_path):
    path = tmp_path / "state.json"
    assert _files.read_json(str(path)) is None
    path.write_text('{"a": 1}')
    assert _files.read_json(str(path)) == {"a": 1}
    path.write_text('{"a"')
    with pytest.raises(Failure, match="state.json is damaged .*; expected it as it was written"):
        _files.read_json(str(path))


@pytest.mark.parametrize("call", ["write", "fchmod", "fsync", "rename"])
def test_a_write_that_fails_anywhere_leaves_the_old_content_and_nothing_else(tmp_path, monkeypatch, call):
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def fail(*_arguments):
        raise OSError(28, "No space left on device")

    if call == "write":
        monkeypatch.setattr(_files.os, "fdopen", fail)
    else:
        monkeypatch.setattr(_files.os, call, fail)
    with pytest.raises(OSError):
        _files.write(str(path), b"new")
    assert (path.read_bytes(), os.listdir(tmp_path)) == (b"old", ["file"])


def test_ours_are_those_with_our_header_also_behind_an_interpreter_line(tmp_path):
    (tmp_path / "stanza").write_bytes(HEADER + b"auto eth1\n")
    (tmp_path / "hook").write_bytes(b"#!/bin/sh\n" + HEADER.replace(b"eth1", b"*"))
    (tmp_path / "foreign").write_bytes(b"auto eth1\n" + HEADER)
    (tmp_path / "link").symlink_to(tmp_path / "stanza")
    (tmp_path / "folder").mkdir()
    assert _files.ours([str(tmp_path), str(tmp_path / "none")]) == {str(tmp_path / "stanza"): "eth1", str(tmp_path / "hook"): "*"}


def test_changes_are_what_differs_in_content_or_mode_and_what_is_no_longer_wanted(tmp_path):
    paths = {name: str(tmp_path / name) for name in ("same", "other", "mode", "new", "gone")}
    for name in ("same", "other", "mode", "gone"):
        _files.write(paths[name], b"content")
    wanted = {paths["same"]: (b"content", 0o644, "*"), paths["other"]: (b"changed", 0o644, "eth1"),
              paths["mode"]: (b"content", 0o755, "*"), paths["new"]: (b"new", 0o644, "eth1")}
    found = _files.changes(wanted, dict.fromkeys(paths.values(), "eth1"))
    assert {(os.path.basename(change.path), change.before, change.after) for change in found} == {
        ("other", b"content", b"changed"), ("mode", b"content", b"content"), ("new", None, b"new"), ("gone", b"content", None)}


def test_the_last_file_takes_folders_of_ours_along_and_no_others(tmp_path, monkeypatch):
    monkeypatch.setattr(_files, "ROOTS", (str(tmp_path / "ours"),))
    assert _files.DROP_INS.match("/etc/systemd/system/ifup@.service.d") and not _files.DROP_INS.match("/etc/systemd/system")
    monkeypatch.setattr(_files, "DROP_INS", re.compile(r".*/others/.+\.d\Z"))
    for folder in ("ours/deep", "others/unit.d", "others"):
        _files.write(str(tmp_path / folder / "file"), b"")
        _files.remove(str(tmp_path / folder / "file"))
    assert os.listdir(tmp_path) == ["others"]


def test_a_file_that_cannot_be_replaced_is_what_the_sentence_names(tmp_path):
    (tmp_path / "interfaces").mkdir()
    with pytest.raises(OSError) as error:
        _files.write(str(tmp_path / "interfaces"), b"")
    assert sentence(error.value) == "%s: Is a directory" % (tmp_path / "interfaces")
