"""Images of Debian with systemd as PID 1, made from Debian's own packages, named by what is in them.

The name carries a hash of the recipe, so a changed recipe is another image and an unchanged one is never
built twice. The mirror is the one that this machine's apt uses: it changes where packages come from, not
what they are, so it is no part of the hash.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from . import layout
from .process import LabError, run, say, succeeds

_REPOSITORY = "localhost/gandi-hosting-lab"
_CUSTOMISE = Path(__file__).with_name("customise.sh")

_SUITES = {"debian11": "bullseye", "debian12": "bookworm", "debian13": "trixie"}

# What Debian's cloud images have and the collection or the lab touches. python3-apt is in them by way of
# unattended-upgrades, and ansible's apt module wants it.
_PACKAGES = (
    "ca-certificates", "dbus", "ifupdown", "iproute2", "iputils-ping", "kmod", "netplan.io", "nftables",
    "openssh-server", "procps", "python3", "python3-apt", "systemd", "systemd-sysv", "udev",
)  # fmt: skip
# The DHCP client that ifupdown recommends in each release; and on 13 the sysctl defaults that systemd
# only recommends but every real machine has (rp_filter=2 for every interface).
_PACKAGES_OF = {
    "debian11": ("isc-dhcp-client",),
    "debian12": ("isc-dhcp-client",),
    "debian13": ("dhcpcd-base", "linux-sysctl-defaults"),
}
_LEAVE_OUT = ("/usr/share/doc/*", "/usr/share/man/*", "/usr/share/locale/*", "/usr/share/info/*")

_CHANGES = ('CMD ["/usr/local/sbin/lab-init"]', "STOPSIGNAL SIGRTMIN+3")


def packages(flavour: str) -> list[str]:
    """The packages of a flavour."""
    return sorted([*_PACKAGES, *_PACKAGES_OF[flavour]])


def base_setting(flavour: str) -> str | None:
    """The image of a registry to start from, when the user names one."""
    return os.environ.get(f"GANDI_HOSTING_LAB_IMAGE_{flavour.upper()}")


def name(flavour: str) -> str:
    """The image's name: the flavour, and a hash of everything that decides its content."""
    recipe = [_SUITES[flavour], base_setting(flavour) or "", *packages(flavour), *_LEAVE_OUT]
    text = "\n".join(recipe) + _CUSTOMISE.read_text(encoding="utf-8")
    return f"{_REPOSITORY}:{flavour}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def mirror() -> str:
    """The Debian archive that this machine's apt is configured with."""
    if setting := os.environ.get("GANDI_HOSTING_LAB_MIRROR"):
        return setting
    # Label and origin come from the Release file, so they are empty before the first `apt-get update`.
    listed = run("apt-get", "indextargets", "--format", "$(LABEL)|$(REPO_URI)").splitlines()
    targets = [line.split("|", 1) for line in listed]
    for label, uri in targets:
        if label == "Debian":
            return uri
    for _label, uri in targets:
        if uri.rstrip("/").endswith("/debian"):
            return uri
    raise LabError("this machine's apt has no Debian archive configured: set GANDI_HOSTING_LAB_MIRROR to its URI")


def ensure(flavours: list[str], force: bool = False) -> None:
    """Build the images that are missing, two at a time: they wait for the network in turn."""
    for flavour in flavours:
        if flavour not in _SUITES:
            raise LabError(f"flavour {flavour!r}: expected one of {', '.join(layout.FLAVOURS)}")
    missing = [f for f in flavours if force or not succeeds("podman", "image", "exists", name(f))]
    with ThreadPoolExecutor(max_workers=2) as pool:
        list(pool.map(_build, missing))


def _build(flavour: str) -> None:
    base = base_setting(flavour)
    say(f"{flavour}: building the image {'on ' + base if base else 'from ' + mirror()}")
    if base:
        _build_on(base, flavour)
    else:
        _bootstrap(flavour)
    for old in run("podman", "images", "--format", "{{.Repository}}:{{.Tag}}", _REPOSITORY).split():
        # An image that a container still uses stays: podman refuses, and that is right.
        if old.startswith(f"{_REPOSITORY}:{flavour}-") and old != name(flavour):
            succeeds("podman", "rmi", old)
    say(f"{flavour}: {name(flavour)} is ready")


def _bootstrap(flavour: str) -> None:
    """Install into an empty folder with mmdebstrap, and give podman the archive of it."""
    with tempfile.TemporaryDirectory(prefix="gandi-hosting-image-") as folder:
        archive = f"{folder}/root.tar"
        _follow(
            flavour,
            "mmdebstrap",
            "--variant=minbase",
            f"--include={','.join(packages(flavour))}",
            *(f"--dpkgopt=path-exclude={pattern}" for pattern in _LEAVE_OUT),
            f'--customize-hook=chroot "$1" sh -s <{_CUSTOMISE}',
            _SUITES[flavour],
            archive,
            mirror(),
        )
        run("podman", "import", *(f"--change={change}" for change in _CHANGES), archive, name(flavour))


def _build_on(base: str, flavour: str) -> None:
    """Install on an image of a registry, for a contributor who has one."""
    script = (
        "set -e; export DEBIAN_FRONTEND=noninteractive; apt-get update -q; "
        f"apt-get install -qy --no-install-recommends {' '.join(packages(flavour))}; apt-get clean\n"
    )
    container = f"gandi-lab-image-{flavour}"
    run("podman", "rm", "--force", "--ignore", container)
    try:
        _follow(
            flavour, "podman", "--runtime", "runc", "run", "--interactive", "--network=host",
            "--ulimit=nofile=1024:4096", "--ulimit=nproc=1000:1000", f"--name={container}",
            base, "sh", "-s",
            stdin=script + _CUSTOMISE.read_text(encoding="utf-8"),
        )  # fmt: skip
        run("podman", "commit", *(f"--change={change}" for change in _CHANGES), container, name(flavour))
    finally:
        run("podman", "rm", "--force", "--ignore", container)


def _follow(flavour: str, *argv: str, stdin: str = "") -> None:
    """Run a long program and show its steps as they come."""
    tail: list[str] = []
    with subprocess.Popen(
        argv, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
        text=True, errors="replace",
    ) as process:  # fmt: skip
        assert process.stdin and process.stdout
        process.stdin.write(stdin)
        process.stdin.close()
        for line in process.stdout:
            tail = [*tail[-30:], line.rstrip()]
            if line.startswith(("I: ", "STEP", "Setting up")):
                say(f"{flavour}: {line.rstrip().removeprefix('I: ')}")
    if process.returncode:
        raise LabError(f"{flavour}: {argv[0]} failed:\n" + "\n".join(tail))
