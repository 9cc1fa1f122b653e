# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""Makes `import ansible_collections.gandi.hosting` work for plain pytest, wherever the checkout lies.

Ansible's own loader finds a collection only at .../ansible_collections/gandi/hosting, so a temporary directory gets such a path as
a symlink to the checkout. ansible-test has put the checkout at such a path already and brings a loader of its own: there is nothing
left to do then.
"""

from __future__ import annotations

import atexit
import os
import sys
import tempfile
from pathlib import Path

from ansible.utils.collection_loader import AnsibleCollectionConfig
from ansible.utils.collection_loader._collection_finder import _AnsibleCollectionFinder
from hypothesis import settings

CHECKOUT = Path(__file__).resolve().parents[2]

if AnsibleCollectionConfig.collection_finder is None and CHECKOUT.parts[-3:] != ("ansible_collections", "gandi", "hosting"):
    _directory = tempfile.TemporaryDirectory(prefix="gandi-hosting-")  # pylint: disable=consider-using-with  # until exit
    atexit.register(_directory.cleanup)
    _collection = Path(_directory.name, "ansible_collections", "gandi", "hosting")
    _collection.parent.mkdir(parents=True)
    _collection.symlink_to(CHECKOUT)
    _AnsibleCollectionFinder(paths=[_directory.name], scan_sys_paths=False)._install()  # pylint: disable=protected-access
    sys.path.insert(0, _directory.name)

# What CI finds must be what the change did, not what chance found: there every run tries the same examples.
settings.register_profile("ci", derandomize=True)
if os.environ.get("CI"):
    settings.load_profile("ci")
