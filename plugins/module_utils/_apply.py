# Copyright: (c) 2026, the gandi.hosting authors
# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Files change with everybody concerned told before and after; and the same backwards, from a journal."""

from __future__ import annotations

import os

from . import _managers, _policy_routing, _sysctl, _transaction


def around_files(changes, aside, change, taken_over=()):
    """Call ``change``, which writes files and live values, with network managers and the service told before and after.

    :arg changes: the Changes that it makes.
    :arg aside: interfaces whose stanzas in files of others it sets aside, or gives back.
    :arg taken_over: interfaces that had no file of ours and must not keep what was on them.
    """
    paths = [made.path for made in changes]
    managers = _managers.concerned(changes, aside)
    for manager, names, _gone in managers:
        manager.before(names)
    for name in taken_over:
        _managers.clear(name)
    _policy_routing.before_files([made.path for made in changes if made.after is None])
    change()
    for manager, names, gone in managers:
        manager.after(names, gone)
    _policy_routing.after_files(paths)


def undo(journal):
    """Put back what a journal says: files, live values, and the interfaces concerned.

    Those come up again also where a file cannot be put back.
    """
    errors = []

    def restore():
        try:
            _transaction.restore_files(journal)
        except OSError as error:
            errors.append(error)
        _sysctl.write({path: value for path, value in journal["sysctl"].items() if os.path.exists(path)})

    around_files(_transaction.changes_back(journal), journal["aside"], restore)
    if errors:
        raise errors[0]
    _policy_routing.reconcile(_policy_routing.intents.read()[0], dry_run=False)
    _transaction.finish()
