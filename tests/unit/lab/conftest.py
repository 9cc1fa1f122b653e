"""The lab is a package under molecule/, not under the collection's plugins."""

import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "molecule"))
