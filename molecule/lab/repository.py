"""A signed apt repository with stand-ins for the agent's packages, made anew with each lab.

The packages have the real ones' names, versions, relations, configuration files and behaviour where it
matters to interfaces (agent_package/), and none of their code: the real agent's udev rules act on memory
and processors, and in a privileged container those are the real machine's.
"""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import dataclass
from pathlib import Path

from . import state
from .process import run

KEY_ARMORED = state.DIRECTORY / "repository.asc"
KEY_BINARY = state.DIRECTORY / "repository.gpg"

# suite -> (package, version); `unsigned`, `wrongkey` and `broken` are what a role must refuse.
SUITES = {
    "old": ("gandi-hosting-vm", "2651"),
    "current": ("gandi-hosting-vm", "2652"),
    "newer": ("gandi-hosting-vm", "2653"),
    "successor": ("gandi-hosting-vm2", "2.43"),
    "unsigned": ("gandi-hosting-vm", "2652"),
    "wrongkey": ("gandi-hosting-vm", "2652"),
    "broken": ("gandi-hosting-vm", "2652"),
}
# It depends on what no repository has.
_BROKEN = "broken"
# A package that machines have, in a version that apt would prefer to Debian's: nobody wants it from here.
FOREIGN = ("iputils-ping", "99:1")
_TREE = Path(__file__).with_name("agent_package")


@dataclass(frozen=True)
class _Signer:
    home: Path
    key: str


def create(root: Path) -> None:
    """Build packages, indexes and signatures below root; the keys are thrown away but for the public one."""
    architecture = run("dpkg", "--print-architecture").strip()
    with tempfile.TemporaryDirectory(prefix="gandi-lab-gpg-") as folder:
        right, wrong = _new_signer(Path(folder, "right")), _new_signer(Path(folder, "wrong"))
        try:
            for suite, (package, version) in SUITES.items():
                pool = root / "pool" / suite
                pool.mkdir(parents=True, exist_ok=True)
                _build_package(pool, package, version, "not-there" if suite == _BROKEN else "udev")
                _build_package(pool, *FOREIGN)
                _write_suite(root, suite, architecture)
                if suite != "unsigned":
                    _sign(root / "dists" / suite, wrong if suite == "wrongkey" else right)
            KEY_ARMORED.write_text(_gpg(right, "--armor", "--export", right.key), encoding="utf-8")
            _gpg(right, "--yes", "--output", str(KEY_BINARY), "--export", right.key)
            shutil.copy(KEY_ARMORED, root / "key.asc")
            shutil.copy(KEY_BINARY, root / "key.gpg")
        finally:
            for signer in (right, wrong):
                run("gpgconf", "--homedir", str(signer.home), "--kill", "all", check=False)


def control(package: str, version: str, depends: str) -> str:
    """The control file, with the relations that the real package has."""
    lines = [
        f"Package: {package}",
        f"Version: {version}",
        "Architecture: all",
        "Maintainer: gandi.hosting lab <lab@lab.example>",
        f"Depends: {depends}",
        "Section: admin",
        "Priority: optional",
        "Description: stand-in of the lab",
    ]
    if package == "gandi-hosting-vm2":
        lines[3:3] = [f"{relation}: gandi-hosting-vm" for relation in ("Provides", "Replaces", "Conflicts")]
    return "\n".join(lines) + "\n"


def _build_package(pool: Path, package: str, version: str, depends: str = "dpkg") -> None:
    with tempfile.TemporaryDirectory(prefix="gandi-lab-deb-") as folder:
        tree = Path(folder, "tree")
        if package.startswith("gandi-"):
            shutil.copytree(_TREE, tree)
            # a newer package has newer defaults: dpkg would ask what to do with a file that was edited
            settings = tree / "etc/default/gandi"
            settings.write_text(f"# {package} {version}\n" + settings.read_text(encoding="utf-8"), encoding="utf-8")
            # what lies in /etc are configuration files, as debhelper has it
            conffiles = [f"/{path.relative_to(tree)}\n" for path in sorted((tree / "etc").rglob("*")) if path.is_file()]
            (tree / "DEBIAN/conffiles").write_text("".join(conffiles), encoding="utf-8")
        else:
            (tree / "DEBIAN").mkdir(parents=True)
        (tree / "DEBIAN/control").write_text(control(package, version, depends), encoding="utf-8")
        run("dpkg-deb", "--root-owner-group", "-Znone", "--build", str(tree), str(pool))


def _write_suite(root: Path, suite: str, architecture: str) -> None:
    """Packages and Release, as apt wants them, for one suite with one component."""
    index = root / "dists" / suite / "main" / f"binary-{architecture}"
    index.mkdir(parents=True, exist_ok=True)
    here = f"cd {root} && apt-ftparchive"
    (index / "Packages").write_text(run("sh", "-c", f"{here} packages pool/{suite}"), encoding="utf-8")
    settings = {
        "Origin": "gandi.hosting lab",
        "Suite": suite,
        "Codename": suite,
        "Components": "main",
        "Architectures": architecture,
    }
    options = [f"-oAPT::FTPArchive::Release::{key}={value}" for key, value in settings.items()]
    release = run("apt-ftparchive", *options, "release", str(root / "dists" / suite))
    (root / "dists" / suite / "Release").write_text(release, encoding="utf-8")


def _new_signer(home: Path) -> _Signer:
    home.mkdir(mode=0o700)
    user = f"gandi.hosting lab ({home.name} key) <lab@lab.example>"
    signer = _Signer(home, user)
    # ed25519: made at once on any machine, and verified by apt's gpgv and by Debian 13's sqv.
    _gpg(signer, "--passphrase", "", "--quick-gen-key", user, "ed25519", "sign", "never")
    return signer


def _gpg(signer: _Signer, *arguments: str) -> str:
    return run("gpg", "--homedir", str(signer.home), "--batch", "--no-tty", "--quiet", *arguments)


def _sign(suite: Path, signer: _Signer) -> None:
    release = str(suite / "Release")
    _gpg(signer, "--yes", "--clear-sign", "--output", str(suite / "InRelease"), release)
    _gpg(signer, "--yes", "--armor", "--detach-sign", "--output", f"{release}.gpg", release)
