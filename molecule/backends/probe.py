# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Runs on a machine of the lab: gives files to the real programs there, and says what they made of them.

Each question has a network namespace of its own with the interfaces that it names (their other ends are plugged in nowhere else), and
a mount namespace in which the files are where they belong and the machine's own are not. So hundreds of configurations can be tried on
one machine, live, and none of them touches it.

A question is a line of JSON, {"program", "files": {path: content}, "links": {name: MAC}, "up"}, and so is its answer. "up" are the
links that need no server: networkd is done with them, or ifup is run for them.
"""

from __future__ import annotations

import ctypes
import glob
import json
import os
import shutil
import signal
import subprocess
import sys
import time
import traceback

NETWORKD = "/lib/systemd/systemd-networkd"
GENERATORS = ("/usr/libexec/netplan/generate", "/lib/netplan/generate")
PATIENCE, QUIET = 10, 0.3   # seconds
NEW_MOUNTS, NEW_NETWORK = 0x00020000, 0x40000000    # unshare(2); Python has it from 3.12 on
PRIVATE, READ_ONLY = 0x44000, 1                     # mount(2): MS_REC | MS_PRIVATE, MS_RDONLY
MODES = {"/etc/netplan": "600", "/usr/local/lib/gandi-hosting": "755"}
LIBC = ctypes.CDLL(None, use_errno=True)


def call(function, *arguments):
    if function(*(value.encode() if isinstance(value, str) else value for value in arguments)):
        raise OSError(ctypes.get_errno(), "%s%r" % (function.__name__, arguments))


def run(*argv, **options):
    return subprocess.run(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=PATIENCE, **options)


def own_world(links):
    """Namespaces of its own. Without /run/udev and with a read-only /sys networkd does not wait for udev, as in a container."""
    call(LIBC.unshare, NEW_MOUNTS | NEW_NETWORK)
    call(LIBC.mount, "none", "/", None, PRIVATE, None)
    call(LIBC.mount, "sysfs", "/sys", "sysfs", READ_ONLY, None)
    call(LIBC.mount, "tmpfs", "/run", "tmpfs", 0, None)
    for folder in ("/etc", "/usr/local"):
        upper, work = ("/run/probe%s/%s" % (folder, part) for part in ("upper", "work"))
        os.makedirs(upper)
        os.makedirs(work)
        call(LIBC.mount, "overlay", folder, "overlay", 0, "lowerdir=%s,upperdir=%s,workdir=%s" % (folder, upper, work))
    for folder in ("/etc/systemd/network", "/etc/netplan", "/etc/network/interfaces.d"):
        shutil.rmtree(folder, ignore_errors=True)
    for folder in ("/etc/netplan", "/run/systemd/network", "/run/network"):
        os.makedirs(folder)
    for folder in ("", "/links", "/leases", "/lldp"):
        os.makedirs("/run/systemd/netif" + folder, exist_ok=True)
        shutil.chown("/run/systemd/netif" + folder, "systemd-network", "systemd-network")
    with open("/etc/network/interfaces", "w") as file:
        file.write("source /etc/network/interfaces.d/*\n")
    with open("/proc/sys/net/ipv6/conf/default/accept_dad", "w") as file:
        file.write("0")
    commands = ["link set lo up"]
    for number, (name, mac) in enumerate(sorted(links.items())):
        commands += ["link add %s address %s type veth peer name peer%d" % (name, mac, number), "link set peer%d up" % number]
    subprocess.run(["ip", "-batch", "-"], input="\n".join(commands), text=True, check=True)


def write(files):
    for path, content in files.items():
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "w") as file:
            file.write(content)
        os.chmod(path, int(MODES.get(os.path.dirname(path), "644"), 8))


def networkd(links, settling):
    """Return what networkd says, from notices on, and what is there when it has done with every link."""
    environment = dict(os.environ, SYSTEMD_LOG_TARGET="console", SYSTEMD_LOG_LEVEL="notice", SYSTEMD_LOG_COLOR="0")
    with open("/run/said", "w") as said, subprocess.Popen([NETWORKD], env=environment, stdout=said, stderr=said) as process:
        deadline, since, shown = time.monotonic() + PATIENCE, 0.0, None
        while process.poll() is None and time.monotonic() < deadline:
            states = {name: state(name) for name in links}
            if all(states[name] in ("configured", "failed", "unmanaged") for name in links if name not in settling):
                # with DHCP or router advertisements a link stays at `configuring`, because nobody answers here
                now = live(links)
                since = since if now == shown else time.monotonic()
                shown = now
                if "pending" not in states.values() and (not settling or time.monotonic() > since + QUIET):
                    break
            time.sleep(0.01)
        process.send_signal(signal.SIGKILL)
    with open("/run/said") as said:
        return said.read().splitlines(), shown or live(links)


def state(name):
    """Return what networkd says of a link."""
    with open("/sys/class/net/%s/ifindex" % name) as file:
        path = "/run/systemd/netif/links/" + file.read().strip()
    try:
        with open(path) as file:
            return next(line.strip().partition("=")[2] for line in file if line.startswith("ADMIN_STATE="))
    except OSError:
        return "pending"


def live(links):
    """Return for each link what the kernel has: MTU, addresses, routes with a gateway."""
    found = {name: {"routes": []} for name in links}
    for link in json.loads(run("ip", "-json", "address").stdout):
        if link["ifname"] in found:
            addresses = ["%s/%d" % (entry["local"], entry["prefixlen"]) for entry in link["addr_info"] if entry["scope"] == "global"]
            found[link["ifname"]].update(mtu=link["mtu"], up="UP" in link["flags"], addresses=addresses)
    for family in ("-4", "-6"):
        for route in json.loads(run("ip", "-json", "-N", family, "route", "show", "table", "all").stdout or "[]"):
            if "gateway" in route and route["dev"] in found:
                found[route["dev"]]["routes"].append(route)
    return found


def ask_networkd(files, links, up):
    write(files)
    said, shown = networkd(links, set(links) - set(up))
    return {"said": said, "links": shown}


def ask_netplan(files, links, up):
    """What netplan's generator writes for networkd, and what networkd makes of that."""
    write(files)
    generator = next(path for path in GENERATORS if os.path.exists(path))
    made = run(generator)
    if made.returncode:
        return {"said": made.stdout.splitlines() + ["netplan: exit status %d" % made.returncode], "made": {}, "links": {}}
    texts = {}
    for path in glob.glob("/run/systemd/network/*") + glob.glob("/run/systemd/system/*.d/*"):
        with open(path) as file:
            texts[path] = file.read()
        # its modes (0640) are for the user of a networkd that systemd has started
        os.chmod(path, 0o644)
    said, shown = networkd(links, set(links) - set(up))
    return {"said": made.stdout.splitlines() + said, "made": texts, "links": shown}


def ask_ifupdown(files, links, up):
    write(files)
    said = parsed(files)
    listed = [run("ifquery", "--list", *options).stdout.split() for options in (("--allow=auto",), ("--allow=hotplug",))]
    plans = {}
    for name in links:
        plan = run("ifup", "--no-act", "--verbose", "--force", name)
        plans[name] = plan.stdout.splitlines()
        if plan.returncode:
            said += plans[name] + ["ifup --no-act %s: exit status %d" % (name, plan.returncode)]
    for name in up:
        result = run("ifup", name)
        said += result.stdout.splitlines() + (["ifup %s: exit status %d" % (name, result.returncode)] if result.returncode else [])
    return {"said": said, "listed": listed, "plans": plans, "links": live(links)}


def parsed(files):
    """Return what a shell says of each hook, and dhcpcd of each configuration, which it reads also to show a lease."""
    said = []
    for path in files:
        name = os.path.basename(path)
        if path.startswith(("/etc/dhcp/", "/usr/local/")):
            said += run("sh", "-n", path).stdout.splitlines()
        if name.startswith("dhcpcd") and name.endswith(".conf"):
            said += run("dhcpcd", "-6" if name.startswith("dhcpcd6") else "-4", "-f", path, "-U", "eth9").stdout.splitlines()
    return said


def ask_machine(links, **_nothing):
    """The machine itself, as it is."""
    return {"said": [], "links": live(links)}


ASK = {"machine": ask_machine, "networkd": ask_networkd, "netplan": ask_netplan, "ifupdown": ask_ifupdown}


def answer(question):
    program = question.pop("program")
    if program != "machine":
        own_world(question["links"])
    return ASK[program](**question)


def main():
    for line in sys.stdin:
        # the namespaces end with the child
        child = os.fork()
        if child == 0:
            try:
                found = answer(json.loads(line))
            except BaseException:
                found = {"said": traceback.format_exc().splitlines(), "links": {}}
            sys.stdout.write(json.dumps(found) + "\n")
            sys.stdout.flush()
            os._exit(0)
        os.waitpid(child, 0)


if __name__ == "__main__":
    main()
