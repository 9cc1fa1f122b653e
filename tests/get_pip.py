# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Stands in for pip's bootstrap script, which ansible-test would fetch: ensurepip, then the wanted pip from the package index."""

import ensurepip
import subprocess
import sys

ensurepip.bootstrap(default_pip=True)
wanted = [argument for argument in sys.argv[1:] if not argument.startswith("--no-")]
sys.exit(subprocess.call([sys.executable, "-m", "pip", "install", *wanted]))
