# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The journal: whatever has been done when the process dies, it says how to put everything back."""

import os
import signal

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils import _files, _transaction
from ansible_collections.gandi.hosting.plugins.module_utils._commands import Failure


@pytest.fixture
def host(tmp_path, monkeypatch):
    """Files of three kinds that are about to change, and the Changes."""
    monkeypatch.setattr(_transaction, "FOLDER", str(tmp_path / "journal"))
    monkeypatch.setattr(_transaction, "JOURNAL", str(tmp_path / "journal/journal.json"))
    monkeypatch.setattr(_transaction, "LOCK", str(tmp_path / "run/lock"))
    monkeypatch.setattr(_transaction, "REPORT", str(tmp_path / "report.json"))
    folder = tmp_path / "etc"
    _files.write(str(folder / "changed"), b"old", 0o755)
    _files.write(str(folder / "removed"), b"\xff\x00", 0o600)
    changes = [_files.Change(str(folder / "changed"), b"old", b"new", 0o644, "eth1"),
               _files.Change(str(folder / "removed"), b"\xff\x00", None, 0, "eth1"),
               _files.Change(str(folder / "deep/created"), None, b"new", 0o644, "*")]
    return folder, changes


def content(folder):
    return {path.name: (path.read_bytes(), path.stat().st_mode & 0o7777) for path in sorted(folder.rglob("*"))
            if path.is_file() and not path.name.startswith(".")}


BEFORE = {"changed": (b"old", 0o755), "removed": (b"\xff\x00", 0o600)}


@pytest.mark.parametrize("done", range(4))
def test_after_any_number_of_writes_everything_can_be_put_back(host, done):
    folder, changes = host
    _transaction.begin("id", changes, [], ())
    _transaction.write_files(changes[:done])
    for _again in range(2):     # also if putting back is itself interrupted, and done again
        _transaction.restore_files(_transaction.unfinished())
        assert content(folder) == BEFORE


def test_a_full_disk_does_not_prevent_putting_back(host, monkeypatch):
    folder, changes = host
    _transaction.begin("id", changes, [], ())
    _transaction.write_files(changes)

    def fail(*_arguments, **_options):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(_files.tempfile, "mkstemp", fail)
    _transaction.restore_files(_transaction.unfinished())
    assert content(folder) == BEFORE


def test_what_is_put_back_is_the_file_itself(host):
    """With its owner and attributes, and with no space needed for it, also where the journal is on another file system."""
    folder, changes = host
    inode = (folder / "changed").stat().st_ino
    _transaction.begin("id", changes, [], ())
    _transaction.write_files(changes)
    assert (folder / "changed").stat().st_ino != inode
    _transaction.restore_files(_transaction.unfinished())
    assert (folder / "changed").stat().st_ino == inode


def test_a_file_that_cannot_be_put_back_does_not_keep_the_others_from_it(host, monkeypatch):
    """And it is told. (chattr +i, for example, on one that the change has written.)"""
    folder, changes = host
    _transaction.begin("id", changes, [], ())
    _transaction.write_files(changes)
    put_back = _files.put_back

    def fail(copy, path, mode):
        if path.endswith("changed"):
            raise OSError(1, "Operation not permitted", path)
        put_back(copy, path, mode)

    monkeypatch.setattr(_files, "put_back", fail)
    with pytest.raises(OSError, match="not permitted"):
        _transaction.restore_files(_transaction.unfinished())
    assert content(folder) == dict(BEFORE, changed=(b"new", 0o644))


def test_a_file_that_is_as_it_was_is_left_alone(host, monkeypatch):
    """It may be one that cannot be changed, which is why the change has failed."""
    folder, changes = host
    _transaction.begin("id", changes, [], ())
    monkeypatch.setattr(_files, "put_back", None)
    _transaction.restore_files(_transaction.unfinished())
    assert content(folder) == BEFORE


def test_where_there_are_no_hard_links_the_copy_is_put_back(host, monkeypatch):
    folder, changes = host
    monkeypatch.setattr(_files, "keep", lambda _path, _number: "")
    _transaction.begin("id", changes, [], ())
    _transaction.write_files(changes)
    _transaction.restore_files(_transaction.unfinished())
    assert content(folder) == BEFORE


def test_what_a_killed_process_has_left_is_swept_up_by_the_next_change(host):
    folder, changes = host
    (folder / ".gandi-hosting-abc~").write_bytes(b"half")
    _transaction.begin("id", changes, [], ())
    assert not (folder / ".gandi-hosting-abc~").exists()


@pytest.mark.parametrize("step", ["file 0", "file 1", "file 2"])
def test_a_process_that_kills_itself_on_request_leaves_the_journal(host, monkeypatch, step):
    folder, changes = host
    monkeypatch.setenv(_transaction.FAULT, step)
    child = os.fork()
    if not child:
        _transaction.begin("id", changes, [], ())
        _transaction.write_files(changes)
        os._exit(0)
    assert os.WTERMSIG(os.waitpid(child, 0)[1]) == signal.SIGKILL
    _transaction.restore_files(_transaction.unfinished())
    assert content(folder) == BEFORE


def test_a_finished_change_leaves_nothing(host, tmp_path):
    _folder, changes = host
    _transaction.begin("id", changes, [], ())
    _transaction.finish()
    assert _transaction.unfinished() is None and os.listdir(tmp_path / "journal") == []
    assert [path.name for path in (tmp_path / "etc").rglob(".*")] == []


def test_a_second_run_is_refused(host):
    with _transaction.alone(), pytest.raises(Failure, match="another run is changing the network of this host; expected to be alone"):
        with _transaction.alone():
            pass


def test_the_report_says_what_was_undone_and_why(host):
    _folder, changes = host
    _transaction.begin("id", changes, [], ())
    _transaction.report(_transaction.unfinished(), "of a test")
    assert {key: _transaction.last_report()[key] for key in ("id", "reason", "files")} == {
        "id": "id", "reason": "of a test", "files": [change.path for change in changes]}
