"""Machines: containers with a real systemd, on a namespace of the lab's, seen by udev as real hardware.

podman's default runtime, crun, refuses a machine with both cgroup versions ("cgroups in hybrid mode not
supported"), so it is runc. The container's namespace is made by the lab (`--network ns:`): with podman's
own, interfaces could not be there before systemd starts, and would die with the container.
"""

from __future__ import annotations

import contextlib
import json
import shutil
import socket
import subprocess
import time
from pathlib import Path

from . import images, provider, state
from .layout import PROVIDER
from .process import LabError, in_netns, run, say, succeeds
from .state import Machine, State

_LABEL = "gandi-hosting-lab"
_KEYS = state.DIRECTORY / "ssh"
KEY = _KEYS / "id_ed25519"
KNOWN_HOSTS = _KEYS / "known_hosts"
SSH_OPTIONS = (
    "-F", "/dev/null", "-o", f"UserKnownHostsFile={KNOWN_HOSTS}", "-o", "StrictHostKeyChecking=yes",
    "-o", "IdentitiesOnly=yes", "-o", "LogLevel=ERROR",
)  # fmt: skip

# A new network namespace takes IPv4's `all` and `default` from the machine's first one (kernel
# Documentation/admin-guide/sysctl/net.rst, devconf_inherit_init_net), so a contributor's laptop would decide what
# rp_filter a machine of the lab boots with. These are the kernel's own (net/ipv4/devinet.c).
_KERNEL_DEFAULTS = {
    "rp_filter": 0,
    "arp_announce": 0,
    "arp_filter": 0,
    "arp_ignore": 0,
    "arp_notify": 0,
    "arp_accept": 0,
    "accept_local": 0,
    "src_valid_mark": 0,
    "log_martians": 0,
    "accept_redirects": 1,
    "secure_redirects": 1,
    "send_redirects": 1,
    "shared_media": 1,
}
_NETNS_SYSCTLS = (
    "net.ipv4.ip_forward=0",
    *(f"net.ipv4.conf.{which}.{k}={v}" for which in ("all", "default") for k, v in _KERNEL_DEFAULTS.items()),
    "net.ipv4.conf.all.accept_source_route=0",
    "net.ipv4.conf.default.accept_source_route=1",
)

# Each container's systemd takes some twenty inotify instances of its one user, root.
_INOTIFY = "fs.inotify.max_user_instances"
_INOTIFY_WANTED = 8192

_INTERFACES_LO = """\
# The loopback network interface
auto lo
iface lo inet loopback

source /etc/network/interfaces.d/*
"""
_INTERFACES_ETH0 = """
# The primary network interface
auto eth0
iface eth0 inet dhcp
"""
_NETWORK_ETH0 = """\
[Match]
Name=eth0

[Network]
DHCP=yes
"""
# As cloud-init writes it, but for its match by MAC address: netplan makes that PermanentMACAddress=, and a veth has none.
_NETPLAN_ETH0 = """\
# This file is generated from information provided by the datasource.  Changes
# to it will not persist across an instance reboot.
network:
    ethernets:
        eth0:
            dhcp4: true
    version: 2
"""


def prepare(lab: State) -> None:
    """Make the lab's SSH key and raise the machine's limit of inotify instances."""
    _KEYS.mkdir(mode=0o700, exist_ok=True)
    if not KEY.exists():
        run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "gandi-hosting-lab", "-f", str(KEY))
    KNOWN_HOSTS.touch()
    path = Path("/proc/sys", _INOTIFY.replace(".", "/"))
    before = path.read_text().strip()
    if int(before) < _INOTIFY_WANTED:
        lab.sysctls.setdefault(_INOTIFY, before)
        lab.save()
        path.write_text(str(_INOTIFY_WANTED))


def create(machine: Machine) -> None:
    """Make the container and its file system; it is not started."""
    run("ip", "netns", "add", machine.netns)  # podman wants to see it; `start` makes it anew
    run(
        "podman", "--runtime", "runc", "create", "--replace", "--name", machine.container,
        "--label", f"{_LABEL}={machine.name}", "--systemd=always", "--privileged",
        "--network", f"ns:/run/netns/{machine.netns}", "--hostname", machine.name,
        "--ulimit", "nofile=1024:4096", "--ulimit", "nproc=1000:1000",
        images.name(machine.flavour), "/usr/local/sbin/lab-init",
    )  # fmt: skip
    root = Path(run("podman", "mount", machine.container).strip())
    try:
        _write_identity(root, machine)
        _write_network(root, machine)
    finally:
        run("podman", "unmount", machine.container)


def _write_identity(root: Path, machine: Machine) -> None:
    """Host name, and SSH keys both ways: the controller checks the machine's key as a user's would."""
    _write(root / "etc/hostname", f"{machine.name}\n")
    _write(root / "etc/hosts", f"127.0.0.1 localhost\n127.0.1.1 {machine.name}\n::1 localhost ip6-localhost\n")
    _write(root / "etc/resolv.conf", "")  # mmdebstrap leaves its host's in the image
    _write(root / "root/.ssh/authorized_keys", KEY.with_suffix(".pub").read_text(), 0o600)
    (root / "root/.ssh").chmod(0o700)
    host_key = root / "etc/ssh/ssh_host_ed25519_key"
    run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", machine.name, "-f", str(host_key))
    public = " ".join(host_key.with_suffix(".pub").read_text().split()[:2])
    known = [k for k in KNOWN_HOSTS.read_text().splitlines() if k.split()[0] != machine.address]
    _write(KNOWN_HOSTS, "\n".join([*known, f"{machine.address} {public}"]) + "\n")


def _write_network(root: Path, machine: Machine) -> None:
    """Let one manager hold eth0, as a cloud image does; the other one is there and idle."""
    ifupdown = machine.backend == "ifupdown"
    _write(root / "etc/network/interfaces", _INTERFACES_LO + (_INTERFACES_ETH0 if ifupdown else ""))
    if machine.backend == "networkd":
        _write(root / "etc/systemd/network/10-eth0.network", _NETWORK_ETH0)
    if machine.backend == "netplan":
        _write(root / "etc/netplan/50-cloud-init.yaml", _NETPLAN_ETH0, 0o600)
    on, off = "systemd-networkd.service", "networking.service"
    if ifupdown:
        on, off = off, on
    run("systemctl", f"--root={root}", "--quiet", "disable", off)
    run("systemctl", f"--root={root}", "--quiet", "enable", on)
    dhcpcd = root / "etc/dhcpcd.conf"
    if dhcpcd.exists():
        # On the platform an IPv6 address is the MAC's (EUI-64); dhcpcd alone would make up another one.
        _write(dhcpcd, dhcpcd.read_text().replace("\nslaac private\n", "\nslaac hwaddr\n"))


def _write(path: Path, text: str, mode: int = 0o644) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    path.chmod(mode)


def start(machine: Machine) -> None:
    """Boot with a new namespace and all interfaces present, eth0 first."""
    if machine.netns in provider.namespaces():
        provider.delete_namespace(machine.netns)
    run("ip", "netns", "add", machine.netns)
    run(*in_netns(machine.netns, "sysctl", "-qw", *_NETNS_SYSCTLS))
    for nic in machine.nics:
        provider.unplug(machine, nic.name)
        provider.plug(machine, nic)
    run("podman", "--runtime", "runc", "start", machine.container)


def stop(machine: Machine, hard: bool = False) -> None:
    """Reboot from inside until the container ends; or cut the power."""
    if not running(machine):
        return
    if not hard:
        succeeds("podman", "exec", machine.container, "systemctl", "--no-block", "reboot")
        deadline = time.monotonic() + 60
        while running(machine):
            if time.monotonic() > deadline:
                raise LabError(f"{machine.name} did not shut down in 60 s; bin/lab reboot --hard cuts its power")
            time.sleep(0.1)
        return
    run("podman", "kill", "--signal=KILL", machine.container)
    run("podman", "wait", machine.container)


def running(machine: Machine) -> bool:
    """Whether the container runs."""
    shown = run("podman", "inspect", "--format", "{{.State.Running}}", machine.container, check=False)
    return shown.strip() == "true"


def wait(machine: Machine, timeout: float = 60) -> None:
    """Wait until the machine has booted and SSH answers on eth0, as its neighbours in the segment see it.

    Not as the controller sees it: a machine whose secondary took the default route, which is what this
    project is about, is up and yet silent to the controller. That is said, and is no error.
    """
    deadline = time.monotonic() + timeout
    while not _listens(machine):
        if time.monotonic() > deadline:
            shown = run("podman", "exec", machine.container, "ip", "-br", "address", check=False)
            raise LabError(f"{machine.name}: no SSH on {machine.address} after {timeout:.0f} s; it has:\n{shown}")
        time.sleep(0.05)
    while (reached := _boot_state(machine)) not in ("running", "degraded"):
        if time.monotonic() > deadline:
            raise LabError(f"{machine.name}: systemd is {reached!r} after {timeout:.0f} s")
        time.sleep(0.1)
    if not _answers_controller(machine):
        say(f"{machine.name} is up but does not answer the controller: look with bin/lab exec {machine.name}")


def _listens(machine: Machine) -> bool:
    """Asked from the router, which is in eth0's segment: no default route takes part."""
    argv = in_netns(PROVIDER, "ssh-keyscan", "-T", "1", "-t", "ed25519", machine.address)
    return bool(run(*argv, check=False).strip())


def _boot_state(machine: Machine) -> str:
    return run("podman", "exec", machine.container, "systemctl", "is-system-running", "--wait", check=False).strip()


def _answers_controller(machine: Machine, patience: float = 2) -> bool:
    deadline = time.monotonic() + patience
    while time.monotonic() < deadline:
        try:
            with socket.create_connection((machine.address, 22), timeout=0.5) as connection:
                return connection.recv(4) == b"SSH-"
        except OSError:
            time.sleep(0.05)
    return False


def failed_units(machine: Machine) -> list[str]:
    """The units that failed: none on a machine as it was made."""
    shown = run(
        "podman", "exec", machine.container,
        "systemctl", "list-units", "--failed", "--plain", "--no-legend", check=False,
    )  # fmt: skip
    return [line.split()[0] for line in shown.splitlines() if line.strip()]


def addresses(machine: Machine, patience: float = 3) -> list[tuple[str, str]]:
    """The global addresses of the attached interfaces, as the kernel has them now.

    An IPv6 address is silent for its first second, while the kernel looks for a duplicate (RFC 4862,
    5.4): that is waited for, or every trace right after an attach would show a loss that is none.
    """
    deadline = time.monotonic() + patience
    while True:
        links = json.loads(run("ip", "-json", "-n", machine.netns, "address", "show") or "[]")
        found = [
            (link["ifname"], entry)
            for link in sorted(links, key=lambda link: link.get("ifname", ""))
            if link.get("ifname") in [nic.name for nic in machine.nics]
            for entry in link["addr_info"]
            if entry.get("scope") == "global" and "local" in entry
        ]
        if time.monotonic() > deadline or not any(entry.get("tentative") for _name, entry in found):
            return [(name, entry["local"]) for name, entry in found]
        time.sleep(0.05)


def ssh_command(machine: Machine, *command: str) -> list[str]:
    """The ssh command line to a machine, as a user of the controller would type it."""
    return ["ssh", *SSH_OPTIONS, "-i", str(KEY), f"root@{machine.address}", *command]


def exec_command(machine: Machine, *command: str, terminal: bool = False) -> list[str]:
    """The podman command line: out of band, whatever happened to the machine's network."""
    return ["podman", "exec", *(["-it"] if terminal else []), machine.container, *command]


def renew(machine: Machine, interface: str, anew: bool = False) -> None:
    """Let the DHCP client of an interface ask again for its lease, whichever client it is; `anew`: it must not keep what it has.

    networkd does not hear a refusal while it renews (systemd 252 and 257: it is broadcast, and the socket bound to the address), so it
    is told to begin anew. dhclient cannot be told to: it is ended and started again with the same arguments.
    """
    script = """
        if networkctl status "$1" 2>/dev/null | grep -q 'State:.*configured'; then exec networkctl "$2" "$1"; fi
        for file in /run/dhcpcd/$1-4.pid /run/dhcpcd/$1.pid; do
            if [ -e $file ]; then exec kill -HUP $(cat $file); fi  # dhcpcd --rebind
        done
        for pid in $(pgrep -x dhclient); do
            mapfile -d '' -t line </proc/$pid/cmdline
            [ "${line[-1]}" = "$1" ] || continue
            kill $pid
            while kill -0 $pid 2>/dev/null; do sleep 0.02; done
            exec "${line[@]}"
        done
        echo "no DHCP client of $1" >&2
        exit 1
    """
    verb = "reconfigure" if anew else "renew"
    run("podman", "exec", machine.container, "bash", "-c", script, "renew", interface, verb)


def remove(machine: Machine) -> None:
    """Remove one machine: container, interfaces, namespace, what is behind it."""
    for name in provider.namespaces():
        if name.startswith(f"gandi-box-{machine.name}-"):
            provider.delete_namespace(name)
    run("podman", "rm", "--force", "--ignore", "--time", "0", machine.container)
    for nic in machine.nics:
        provider.unplug(machine, nic.name)
    if machine.netns in provider.namespaces():
        provider.delete_namespace(machine.netns)


def destroy() -> None:
    """Remove every container of the lab, running or not."""
    ids = run("podman", "ps", "--all", "--quiet", "--filter", f"label={_LABEL}").split()
    if ids:
        run("podman", "rm", "--force", "--time", "0", *ids)
    if _KEYS.exists():
        _close_connections()
    # ssh removes its sockets itself, while we do
    while _KEYS.exists():
        with contextlib.suppress(FileNotFoundError):
            shutil.rmtree(_KEYS)


def _close_connections() -> None:
    """End ssh's shared connections that Ansible left in the background."""
    for path in _KEYS.iterdir():
        if path.is_socket():
            subprocess.run(
                ["ssh", "-F", "/dev/null", "-o", f"ControlPath={path}", "-O", "exit", "lab"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                check=False,
            )


def restore_sysctls(values: dict[str, str]) -> None:
    """Put the machine's own values back."""
    for key, value in values.items():
        Path("/proc/sys", key.replace(".", "/")).write_text(value)
