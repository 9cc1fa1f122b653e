"""What exists now, in one JSON file that is written before the thing itself is made.

So `destroy` finds everything even when a creation was killed half way, and two commands at once wait for
each other on a lock instead of both taking the same machine number.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
from collections.abc import Iterator
from dataclasses import asdict, dataclass, field
from pathlib import Path

from . import layout
from .process import LabError

DIRECTORY = Path("/run/gandi-hosting-lab")
_LOCK = Path("/run/gandi-hosting-lab.lock")


@dataclass
class Nic:
    """An attached interface of a machine."""

    name: str
    segment: str
    mac: str
    host: int

    @property
    def where(self) -> layout.Segment:
        """The segment it is in."""
        return layout.SEGMENTS[self.segment]

    @property
    def ipv4(self) -> str:
        """The address that DHCP gives it, or the one to set where there is no DHCP."""
        return self.where.ipv4(self.host)

    @property
    def ipv6(self) -> str:
        """The address of autoconfiguration, or the one to set where nothing is advertised."""
        return self.where.slaac(self.mac) if self.where.served else self.where.ipv6(self.host)


@dataclass
class Machine:
    """A machine and its interfaces, in the order in which they were attached."""

    name: str
    number: int
    flavour: str
    backend: str
    nics: list[Nic] = field(default_factory=list)

    @property
    def container(self) -> str:
        """The podman container."""
        return f"gandi-lab-{self.name}"

    @property
    def netns(self) -> str:
        """The network namespace, which outlives the container."""
        return layout.machine_netns(self.name)

    @property
    def address(self) -> str:
        """Where the controller reaches it: eth0."""
        return self.nic("eth0").ipv4

    def nic(self, interface: str) -> Nic:
        """The attached interface of that name."""
        for nic in self.nics:
            if nic.name == interface:
                return nic
        known = ", ".join(nic.name for nic in self.nics)
        raise LabError(f"{self.name} has no interface {interface!r} attached, it has {known or 'none'}")

    def port(self, interface: str) -> str:
        """The provider's end of an interface."""
        return layout.port(self.number, interface)


@dataclass
class State:
    """The whole lab."""

    per_port: bool = False
    machines: dict[str, Machine] = field(default_factory=dict)
    hosts: dict[str, dict[str, int]] = field(default_factory=dict)
    """segment -> MAC -> last octet, kept after a detach: an address belongs to its MAC."""
    routers: dict[str, int] = field(default_factory=dict)
    """segment -> last octet of the router that DHCP tells of, where it is not 1."""
    renumbered: list[str] = field(default_factory=list)
    """The segments whose routers advertise their next IPv6 prefix."""
    sysctls: dict[str, str] = field(default_factory=dict)
    """The machine's own values before the lab changed them."""

    def machine(self, name: str) -> Machine:
        """The machine of that name."""
        if name not in self.machines:
            known = ", ".join(self.machines)
            raise LabError(f"no machine {name!r} in the lab, it has {known or 'none'}")
        return self.machines[name]

    def new_machine(self, name: str, flavour: str, backend: str) -> Machine:
        """Record a machine under the first free number."""
        layout.check_machine_name(name)
        if flavour not in layout.FLAVOURS:
            raise LabError(f"{name}: flavour {flavour!r}, expected one of {', '.join(layout.FLAVOURS)}")
        if backend not in layout.BACKENDS:
            raise LabError(f"{name}: backend {backend!r}, expected one of {', '.join(layout.BACKENDS)}")
        if name in self.machines:
            raise LabError(f"{name} exists already; bin/lab remove {name} removes it")
        taken = {machine.number for machine in self.machines.values()}
        free = [n for n in range(layout.FIRST_NUMBER, layout.LAST_NUMBER + 1) if n not in taken]
        if not free:
            raise LabError(f"the lab is full: {len(taken)} machines")
        self.machines[name] = Machine(name, free[0], flavour, backend)
        return self.machines[name]

    def new_nic(self, machine: Machine, interface: str, segment: str | None, mac: str | None) -> Nic:
        """Record an interface; everything that is not said has a foreseeable value."""
        layout.check_interface_name(interface)
        if any(nic.name == interface for nic in machine.nics):
            raise LabError(f"{machine.name}: {interface} is attached already")
        where = layout.segment(segment or layout.default_segment(interface))
        if mac is None:
            slots = {int(nic.mac.split(":")[4], 16) for nic in machine.nics}
            mac = layout.default_mac(layout.default_slot(interface, slots), machine.number)
        mac = layout.check_mac(mac)
        for other in self.machines.values():
            for nic in other.nics:
                if nic.mac == mac:
                    raise LabError(f"MAC {mac} is that of {nic.name} of {other.name}")
        hosts = self.hosts.setdefault(where.name, {})
        if mac not in hosts:
            hosts[mac] = layout.host_number(machine.number, mac, where, set(hosts.values()))
        machine.nics.append(Nic(interface, where.name, mac, hosts[mac]))
        return machine.nics[-1]

    def move_nic(self, nic: Nic, host: int) -> None:
        """Give an interface another address in its segment."""
        hosts = self.hosts[nic.segment]
        if other := next((mac for mac, taken in hosts.items() if taken == host and mac != nic.mac), None):
            raise LabError(f"{nic.where.ipv4(host)} is the address of {other}")
        hosts[nic.mac] = nic.host = host

    def save(self) -> None:
        """Write the file in one step: a reader never sees half of it."""
        DIRECTORY.mkdir(mode=0o755, exist_ok=True)
        new = DIRECTORY / "lab.json.new"
        new.write_text(json.dumps(asdict(self), indent=1) + "\n", encoding="utf-8")
        os.replace(new, DIRECTORY / "lab.json")


def exists() -> bool:
    """Whether a lab has been made, or begun."""
    return (DIRECTORY / "lab.json").exists()


def load() -> State:
    """The lab as it was last written; without one an error that says what to do."""
    try:
        data = json.loads((DIRECTORY / "lab.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise LabError("there is no lab; make one: bin/lab create vm1=debian12:networkd") from None
    machines = {
        name: Machine(**{**machine, "nics": [Nic(**nic) for nic in machine["nics"]]})
        for name, machine in data.pop("machines").items()
    }
    return State(machines=machines, **data)


@contextlib.contextmanager
def lock() -> Iterator[None]:
    """Only one command at a time changes the lab. A lock of the kernel: it dies with its holder."""
    with _LOCK.open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
