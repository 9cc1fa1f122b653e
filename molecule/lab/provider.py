"""The provider: router, DHCP, router advertisements and anti-spoofing, in a namespace of its own.

Anti-spoofing is what clouds do, and it is what makes the lab tell the truth: a packet whose source is
not of the segment it comes from is dropped where it enters, so an asymmetric reply is really lost.
It is done in nftables' *bridge* family: there it sees what a machine sends to its neighbour in the
segment as well as what it sends to the router. (br_netfilter, where loaded, would run the inet hooks on
bridged packets too, a second time; it is switched off in the namespace.)
"""

from __future__ import annotations

import contextlib
import json
import os
import signal
import subprocess
import time
from pathlib import Path

from . import layout, state
from .layout import PROVIDER, SEGMENTS, Segment
from .process import LabError, in_netns, ip, run, succeeds
from .state import Machine, Nic, State

REPOSITORY_URL = f"http://{SEGMENTS['a'].ipv4(1)}"
_HOSTS = state.DIRECTORY / "dhcp-hosts"
_OPTIONS = state.DIRECTORY / "dhcp-options"
_LOG = state.DIRECTORY / "dnsmasq.log"
WEB_ROOT = state.DIRECTORY / "www"

_ROUTER_SYSCTLS = (
    "net.ipv4.ip_forward=1",
    "net.ipv6.conf.all.forwarding=1",
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    # a router that is replaced by another address of its own in a segment
    "net.ipv4.conf.all.promote_secondaries=1",
    "net.ipv4.conf.all.send_redirects=0",
    "net.ipv4.conf.default.send_redirects=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.accept_ra=0",
    # No link-local address but fe80::1, which each link is given below: without one the kernel sends no
    # neighbour solicitation at all (net/ipv6/ndisc.c, ndisc_send_ns).
    "net.ipv6.conf.default.addr_gen_mode=1",
)
_BRIDGE_SYSCTLS = tuple(f"net.bridge.bridge-nf-call-{f}=0" for f in ("iptables", "ip6tables", "arptables"))
_HOST_SYSCTLS = (
    "net.ipv4.conf.all.rp_filter=0",
    "net.ipv4.conf.default.rp_filter=0",
    "net.ipv6.conf.default.accept_dad=0",
    "net.ipv6.conf.default.accept_ra=0",
)


def create(lab: State) -> None:
    """Make the provider, the client, the neighbours and the controller's leg."""
    _namespace(PROVIDER, *_ROUTER_SYSCTLS)
    if Path("/proc/sys/net/bridge").exists():
        run(*in_netns(PROVIDER, "sysctl", "-qw", *_BRIDGE_SYSCTLS))
    for segment in SEGMENTS.values():
        _make_segment(segment)
    write_antispoofing(lab)
    _make_client()
    _make_controller_leg()
    write_dhcp(lab)
    _start_dnsmasq()
    _start_web_server()


def _namespace(name: str, *sysctls: str) -> None:
    run("ip", "netns", "add", name)
    run(*in_netns(name, "sysctl", "-qw", *sysctls))
    ip(name, "link set lo up")


def _make_segment(segment: Segment) -> None:
    """A bridge with the router's addresses, and a neighbour on it."""
    bridge, neighbour = segment.bridge, segment.neighbour
    _namespace(neighbour, *_HOST_SYSCTLS)
    ip(
        PROVIDER,
        f"link add {bridge} address 02:00:00:01:{segment.number:02x}:01 type bridge mcast_snooping 0",
        f"link set {bridge} up",
        f"address add {segment.ipv4(1)}/24 dev {bridge}",
        f"address add {segment.ipv6(1)}/64 dev {bridge} nodad",
        f"address add fe80::1/64 dev {bridge} nodad",
        f"link add nb-{segment.name} up master {bridge} type veth peer name eth0"
        f" address 02:00:00:01:{segment.number:02x}:05 netns {neighbour}",
    )
    ip(
        neighbour,
        "link set eth0 up",
        f"address add {segment.ipv4(5)}/24 dev eth0",
        f"address add {segment.ipv6(5)}/64 dev eth0 nodad",
        f"route add default via {segment.ipv4(1)}",
        f"route add default via {segment.ipv6(1)}",
    )


def _make_client() -> None:
    """The remote client: behind the router, on none of the machines' subnets."""
    _namespace(layout.CLIENT, *_HOST_SYSCTLS)
    ip(
        PROVIDER,
        f"link add client up type veth peer name eth0 netns {layout.CLIENT}",
        f"address add {layout.CLIENT_ROUTER_IPV4} dev client",
        f"address add {layout.CLIENT_ROUTER_IPV6} dev client nodad",
        "address add fe80::1/64 dev client nodad",
    )
    ip(
        layout.CLIENT,
        "link set eth0 up",
        f"address add {layout.CLIENT_IPV4} dev eth0",
        f"address add {layout.CLIENT_IPV6} dev eth0 nodad",
        f"route add default via {layout.CLIENT_ROUTER_IPV4.split('/')[0]}",
        f"route add default via {layout.CLIENT_ROUTER_IPV6.split('/')[0]}",
    )


def _make_controller_leg() -> None:
    """The controller is this machine: it gets routes to the lab's prefixes, and nothing else."""
    link = layout.CONTROLLER_LINK
    run("ip", "link", "add", link, "type", "veth", "peer", "name", "controller", "netns", PROVIDER)
    ip(
        PROVIDER,
        "link set controller up",
        f"address add {layout.CONTROLLER_ROUTER_IPV4} dev controller",
        f"address add {layout.CONTROLLER_ROUTER_IPV6} dev controller nodad",
        "address add fe80::1/64 dev controller nodad",
    )
    run("ip", "link", "set", link, "up")
    run("ip", "address", "add", layout.CONTROLLER_IPV4, "dev", link)
    run("ip", "address", "add", layout.CONTROLLER_IPV6, "dev", link, "nodad")
    for prefix in layout.CONTROLLER_ROUTES:
        router = layout.CONTROLLER_ROUTER_IPV6 if ":" in prefix else layout.CONTROLLER_ROUTER_IPV4
        run("ip", "route", "add", prefix, "via", router.split("/")[0], "dev", link)


# --- DHCP and router advertisements ---------------------------------------------------------------


def dnsmasq_configuration() -> str:
    """Every segment gives every option (router, DNS, domain, host name), as a platform does.

    So a secondary interface that takes more than its address is caught by the tests.
    """
    lines = [
        "no-resolv", "no-hosts", "no-ping", "user=root", "bind-dynamic", "except-interface=lo",
        "dhcp-authoritative", "enable-ra", "log-dhcp", "keep-in-foreground",
        f"log-facility={_LOG}", f"dhcp-leasefile={state.DIRECTORY / 'dnsmasq.leases'}",
        f"dhcp-hostsfile={_HOSTS}", f"dhcp-optsfile={_OPTIONS}", f"pid-file={state.DIRECTORY / 'dnsmasq.pid'}",
    ]  # fmt: skip
    for segment in SEGMENTS.values():
        lines.append(f"interface={segment.bridge}")
        if not segment.served:
            lines.append(f"no-dhcp-interface={segment.bridge}")
            continue
        name = segment.name
        lines += [
            f"domain={segment.domain},{segment.network4}",
            f"dhcp-range=set:{name},{segment.ipv4(0)},static,255.255.255.0,1h",
            f"dhcp-option=tag:{name},option:dns-server,{segment.ipv4(1)}",
            f"dhcp-option=tag:{name},option:domain-name,{segment.domain}",
            f"dhcp-range=set:{name}6,::,constructor:{segment.bridge},ra-only,64,1h",
            f"dhcp-option=tag:{name}6,option6:dns-server,[{segment.ipv6(1)}]",
            f"dhcp-option=tag:{name}6,option6:domain-search,{segment.domain}",
            f"ra-param={segment.bridge},60,1800",
        ]
    return "\n".join(lines) + "\n"


def dhcp_hosts(lab: State) -> str:
    """MAC, address and a host name that says on which interface it was learnt (vm1, vm1-eth1, ...)."""
    lines = []
    for machine in lab.machines.values():
        for nic in machine.nics:
            if nic.where.served:
                host = machine.name if nic.name == "eth0" else f"{machine.name}-{nic.name}"
                lines.append(f"{nic.mac},{nic.ipv4},{host}\n")
    return "".join(lines)


def dhcp_options(lab: State) -> str:
    """The router of each segment."""
    served = [segment for segment in SEGMENTS.values() if segment.served]
    return "".join(f"tag:{one.name},option:router,{one.ipv4(lab.routers.get(one.name, 1))}\n" for one in served)


def write_dhcp(lab: State) -> None:
    """Tell dnsmasq who gets which address and which router; it reads the files again on SIGHUP."""
    _HOSTS.write_text(dhcp_hosts(lab), encoding="utf-8")
    _OPTIONS.write_text(dhcp_options(lab), encoding="utf-8")
    with contextlib.suppress(FileNotFoundError, ProcessLookupError):
        os.kill(int((state.DIRECTORY / "dnsmasq.pid").read_text()), signal.SIGHUP)


def _start_dnsmasq() -> None:
    configuration = state.DIRECTORY / "dnsmasq.conf"
    configuration.write_text(dnsmasq_configuration(), encoding="utf-8")
    run(*in_netns(PROVIDER, "dnsmasq", "--test", f"--conf-file={configuration}"))
    _start("dnsmasq", f"--conf-file={configuration}")
    deadline = time.monotonic() + 5
    while not (state.DIRECTORY / "dnsmasq.pid").exists():
        if time.monotonic() > deadline:
            raise LabError(f"dnsmasq did not start: see {_LOG}")
        time.sleep(0.02)


def _restart_dnsmasq() -> None:
    file = state.DIRECTORY / "dnsmasq.pid"
    pid = int(file.read_text())
    os.kill(pid, signal.SIGTERM)
    while Path(f"/proc/{pid}").exists():
        time.sleep(0.02)
    file.unlink(missing_ok=True)
    _start_dnsmasq()


def _start_web_server() -> None:
    """The apt repository: files over HTTP from the router, at its address on every segment."""
    WEB_ROOT.mkdir(exist_ok=True)
    _start("/usr/bin/python3", "-m", "http.server", "--bind", "::", "--directory", str(WEB_ROOT), "80")


def _start(*argv: str) -> None:
    """Start a program that lives as long as the namespace; `destroy` finds it there."""
    with (state.DIRECTORY / "services.log").open("ab") as log:
        subprocess.Popen(  # pylint: disable=consider-using-with  # it outlives this command
            in_netns(PROVIDER, *argv),
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
            start_new_session=True,
            cwd="/",
        )


# --- anti-spoofing ---------------------------------------------------------------------------------


def antispoofing(lab: State) -> str:
    """The nftables rules. Written so that loading them again keeps the counters."""
    lines = [
        "add table bridge antispoofing",
        "add chain bridge antispoofing check { type filter hook prerouting priority -300; policy accept; }",
        "flush chain bridge antispoofing check",
    ]
    ports = [(machine.port(nic.name), nic) for machine in lab.machines.values() for nic in machine.nics]
    for segment in SEGMENTS.values():
        lines.append(f"add counter bridge antispoofing dropped_{segment.name}")
        here = ", ".join(f'"{port}"' for port, nic in ports if nic.segment == segment.name)
        if here:
            matches = _segment_matches(segment, segment.name in lab.renumbered)
            lines += _rules(f"iifname {{ {here} }}", segment, matches)
    if lab.per_port:
        for port, nic in ports:
            lines += _rules(f'iifname "{port}"', nic.where, _port_matches(nic))
    return "\n".join(lines) + "\n"


def _rules(where: str, segment: Segment, matches: tuple[str, ...]) -> list[str]:
    verdict = f"counter name dropped_{segment.name} drop"
    return [f"add rule bridge antispoofing check {where} {match} {verdict}" for match in matches]


def _segment_matches(segment: Segment, renumbered: bool) -> tuple[str, ...]:
    """A machine sends from its segment's addresses only. (By port: not every kernel has ibrname.)"""
    network6 = segment.network6 + (f", {segment.next_network6}" if renumbered else "")
    return (
        f"ip saddr != {{ {segment.network4}, 0.0.0.0 }}",
        f"ip6 saddr != {{ {network6}, fe80::/10, :: }}",
    )


def _port_matches(nic: Nic) -> tuple[str, ...]:
    """A port sends from its own MAC and addresses only, in ARP as well."""
    ipv4 = f"{{ {nic.ipv4}, 0.0.0.0 }}"
    ipv6 = f"{{ {nic.where.slaac(nic.mac)}, {nic.where.ipv6(nic.host)}, fe80::/10, :: }}"
    return (
        f"ether saddr != {nic.mac}",
        f"arp saddr ether != {nic.mac}",
        f"arp saddr ip != {ipv4}",
        f"ip saddr != {ipv4}",
        f"ip6 saddr != {ipv6}",
    )


def write_antispoofing(lab: State) -> None:
    """Load the rules in one transaction of the kernel: there is no moment without them."""
    run(*in_netns(PROVIDER, "nft", "-f", "-"), stdin=antispoofing(lab))


def dropped() -> dict[str, int]:
    """How many spoofed packets each segment has dropped."""
    listed = run(*in_netns(PROVIDER, "nft", "--json", "list", "counters", "table", "bridge", "antispoofing"))
    counters = [entry["counter"] for entry in json.loads(listed)["nftables"] if "counter" in entry]
    return {counter["name"].removeprefix("dropped_"): counter["packets"] for counter in counters}


def refresh(lab: State) -> None:
    """Bring DHCP and anti-spoofing up to date with the interfaces that exist."""
    write_dhcp(lab)
    write_antispoofing(lab)


# --- changes of the provider's ------------------------------------------------------------------------


def add_router(segment: Segment, host: int) -> None:
    """Another IPv4 address of the router's in a segment."""
    run("ip", "-n", PROVIDER, "address", "replace", f"{segment.ipv4(host)}/24", "dev", segment.bridge)


def remove_router(segment: Segment, host: int) -> None:
    """The router answers to an address no more."""
    run("ip", "-n", PROVIDER, "address", "delete", f"{segment.ipv4(host)}/24", "dev", segment.bridge)


def advertise(segment: Segment, after: bool) -> None:
    """Advertise the next IPv6 prefix, or the first again; dnsmasq tells at once, and that the other is deprecated.

    What is sent to the deprecated one still arrives: RFC 4192 renumbers without a flag day.
    """
    new, old = (segment.next_network6, segment.network6) if after else (segment.network6, segment.next_network6)
    router = "::1/64"
    ip(
        PROVIDER,
        f"address replace {new.replace('::/64', router)} dev {segment.bridge} nodad",
        f"address delete {old.replace('::/64', router)} dev {segment.bridge}",
        f"route replace {old} dev {segment.bridge}",
    )
    if not after:
        # dnsmasq would tell for hours of the one that was there for a moment
        _restart_dnsmasq()


# --- behind a machine ------------------------------------------------------------------------------------


def add_box(machine: Machine, interface: str, network4: str, network6: str) -> None:
    """A bridge on a machine and a host on it, as docker makes them: .1 and ::1 are the machine's, .2 and ::2 the host's."""
    box = layout.netns(layout.box(machine.name, interface))
    assert box
    _namespace(box, *_HOST_SYSCTLS)
    four, six = network4.rsplit(".", 1)[0], network6.split("/")[0]
    # with a MAC of its own: udev would give it another one a moment later (systemd.link(5), MACAddressPolicy)
    ip(machine.netns, f"link add {interface} address 02:00:00:02:00:01 type bridge")
    # usable at once: a tentative link-local address sends no neighbour solicitation
    run(*in_netns(machine.netns, "sysctl", "-qw", f"net.ipv6.conf.{interface}.accept_dad=0"))
    ip(
        machine.netns,
        f"link set {interface} up",
        f"address add {four}.1/24 dev {interface}",
        f"address add {six}1/64 dev {interface} nodad",
        f"link add {interface}p up master {interface} type veth peer name eth0 netns {box}",
    )
    ip(
        box,
        "link set eth0 up",
        f"address add {four}.2/24 dev eth0",
        f"address add {six}2/64 dev eth0 nodad",
        f"route add default via {four}.1",
        f"route add default via {six}1",
    )
    # IPv6 begins when the kernel has made a link-local address on the bridge, which it does when it comes to it
    deadline = time.monotonic() + 10
    while not succeeds(*in_netns(box, "ping", "-q", "-c", "1", "-W", "1", f"{six}1")):
        if time.monotonic() > deadline:
            raise LabError(f"{box} does not reach {machine.name}")


def remove_box(machine: Machine, interface: str) -> None:
    """What is not there is no error."""
    for link in (f"{interface}p", interface):  # the port too: with its namespace it would go a moment later
        succeeds("ip", "-n", machine.netns, "link", "delete", link)
    if (box := layout.netns(layout.box(machine.name, interface))) in namespaces():
        delete_namespace(str(box))


# --- ports -------------------------------------------------------------------------------------------


def plug(machine: Machine, nic: Nic) -> None:
    """Attach an interface to a running or a future machine.

    The machine's end is made *in* its namespace with its final name and MAC: moving a veth there and
    renaming it gives udev `move` where real hardware gives `add`, and no rule for `add` would fire.
    """
    ip(
        PROVIDER,
        f"link add {machine.port(nic.name)} up master {nic.where.bridge} type veth"
        f" peer name {nic.name} address {nic.mac} netns {machine.netns}",
    )


def unplug(machine: Machine, interface: str) -> None:
    """Take an interface away, as a platform does: at once, whatever the machine does with it."""
    succeeds("ip", "-n", PROVIDER, "link", "delete", machine.port(interface))


# --- the end ------------------------------------------------------------------------------------------


def namespaces() -> list[str]:
    """The lab's namespaces that exist, whatever the state file says."""
    listed = [line.split()[0] for line in run("ip", "netns", "list").splitlines() if line.strip()]
    prefixes = ("gandi-neighbour-", "gandi-vm-", "gandi-box-")
    return [n for n in listed if n in (PROVIDER, layout.CLIENT) or n.startswith(prefixes)]


def delete_namespace(name: str) -> None:
    """End what runs in a namespace, then delete it."""
    pids = [int(pid) for pid in run("ip", "netns", "pids", name, check=False).split()]
    for number in (signal.SIGTERM, signal.SIGKILL):
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)
        deadline = time.monotonic() + 2
        while pids and time.monotonic() < deadline:
            pids = [int(pid) for pid in run("ip", "netns", "pids", name, check=False).split()]
            time.sleep(0.02)
    run("ip", "netns", "delete", name)


def destroy() -> None:
    """Remove every namespace of the lab and the controller's leg; what is not there is no error."""
    succeeds("ip", "link", "delete", layout.CONTROLLER_LINK)
    for name in namespaces():
        delete_namespace(name)
