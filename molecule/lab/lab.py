"""The lab as a whole: what `bin/lab` and the tests call. Each change is recorded before it is made."""

from __future__ import annotations

import contextlib
import shutil
import subprocess
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from . import capture, images, layout, machine, provider, repository, state, watch
from .capture import Answer, Question, Trip
from .process import LabError, in_netns, say
from .state import Machine, State


def parse_spec(spec: str) -> tuple[str, str, str]:
    """NAME=FLAVOUR:BACKEND, as on the command line."""
    name, equals, kind = spec.partition("=")
    flavour, colon, backend = kind.partition(":")
    if not (name and equals and flavour and colon and backend):
        raise LabError(f"{spec!r}: expected NAME=FLAVOUR:BACKEND, for example vm1=debian12:networkd")
    return name, flavour, backend


@dataclass
class Lab:
    """The machines and the provider that exist now."""

    state: State

    @classmethod
    def load(cls) -> Lab:
        """The lab that exists."""
        return cls(state.load())

    @classmethod
    def create(cls, specs: list[str], per_port: bool = False) -> Lab:
        """Make the lab if there is none, and add machines to it; returns when all answer SSH."""
        parsed = [parse_spec(spec) for spec in specs]
        with state.lock():
            fresh = not state.exists()
            lab = cls(State(per_port=per_port) if fresh else state.load())
            added = [lab._record(*one) for one in parsed]
            images.ensure(sorted({one.flavour for one in added}))
            if fresh:
                lab._make_provider()
            lab.state.per_port |= per_port
            lab.state.save()
            provider.refresh(lab.state)
            machine.prepare(lab.state)
            # Not in threads: they share the file of known hosts, and it takes a tenth of a second.
            for one in added:
                machine.create(one)
            for one in added:
                machine.start(one)
            lab._at_once(machine.wait, added)
        return lab

    def _record(self, name: str, flavour: str, backend: str) -> Machine:
        added = self.state.new_machine(name, flavour, backend)
        self.state.new_nic(added, "eth0", None, None)
        return added

    def _make_provider(self) -> None:
        if provider.namespaces():
            raise LabError("there are remains of another lab: bin/lab destroy removes them")
        say("making the provider")
        self.state.save()
        provider.create(self.state)
        repository.create(provider.WEB_ROOT)

    @staticmethod
    def _at_once(call: Callable[[Machine], None], machines: list[Machine]) -> None:
        with ThreadPoolExecutor(max_workers=max(1, len(machines))) as pool:
            list(pool.map(call, machines))

    def attach(self, name: str, interface: str, segment: str | None = None, mac: str | None = None) -> state.Nic:
        """Hot-plug an interface."""
        with state.lock():
            self.state = state.load()
            one = self.state.machine(name)
            nic = self.state.new_nic(one, interface, segment, mac)
            self.state.save()
            provider.refresh(self.state)
            provider.plug(one, nic)
        return nic

    def detach(self, name: str, interface: str) -> None:
        """Hot-unplug an interface."""
        with state.lock():
            self.state = state.load()
            one = self.state.machine(name)
            nic = one.nic(interface)
            provider.unplug(one, interface)
            one.nics.remove(nic)
            self.state.save()
            provider.refresh(self.state)

    def reboot(self, names: list[str], hard: bool = False) -> None:
        """Reboot machines at once; one that has shut itself down is started again.

        The namespace is made anew, so nothing of rules, routes and sysctls survives that would not
        survive on a real machine, and the interfaces come back in the order of their attachment.
        """
        self._at_once(lambda one: machine.stop(one, hard), [self.state.machine(name) for name in names])
        with state.lock():
            self.state = state.load()
            machines = [self.state.machine(name) for name in names]
            for one in machines:
                machine.start(one)
        # no lock while they go down and come up: what happens to other machines' interfaces need not wait for that
        self._at_once(machine.wait, machines)

    def remove(self, names: list[str]) -> None:
        """Remove machines and leave the rest of the lab: what a test scenario does with its own ones."""
        with state.lock():
            self.state = state.load()
            for one in [self.state.machine(name) for name in names]:
                machine.remove(one)
                del self.state.machines[one.name]
                self.state.save()
            provider.refresh(self.state)

    def renumber(self, name: str, interface: str, host: int) -> state.Nic:
        """DHCP gives an interface another address from now on; the machine hears of it when it asks (`renew`)."""
        with state.lock():
            self.state = state.load()
            nic = self.state.machine(name).nic(interface)
            self.state.move_nic(nic, host)
            self.state.save()
            provider.refresh(self.state)
        return nic

    def renew(self, name: str, interface: str, anew: bool = False) -> None:
        """Let a machine's DHCP client ask again; `anew`: it must not keep the address that it has."""
        machine.renew(self.state.machine(name), interface, anew)

    def add_router(self, segment: str, host: int) -> None:
        """The router of a segment has another IPv4 address as well, and DHCP tells of that one."""
        self._set_router(segment, host)
        provider.add_router(layout.segment(segment), host)

    def remove_router(self, segment: str, host: int) -> None:
        """The router of a segment answers to an address no more."""
        provider.remove_router(layout.segment(segment), host)

    def _set_router(self, segment: str, host: int) -> None:
        with state.lock():
            self.state = state.load()
            self.state.routers[layout.segment(segment).name] = host
            self.state.save()
            provider.refresh(self.state)

    def renumber_prefix(self, segment: str, back: bool = False) -> None:
        """The routers of a segment advertise another IPv6 prefix and deprecate the one before; or back again."""
        where = layout.segment(segment)
        with state.lock():
            self.state = state.load()
            if where.name not in self.state.renumbered:
                # for good: what still has the deprecated address may use it
                self.state.renumbered.append(where.name)
            self.state.save()
            provider.refresh(self.state)
        provider.advertise(where, not back)

    def add_box(self, name: str, interface: str, network4: str = "198.19.200.0/24", network6: str = "2001:db8:f0::/64") -> str:
        """A host behind a machine, as a container is; returns its name as a source."""
        one = self.state.machine(name)
        provider.remove_box(one, interface)
        provider.add_box(one, interface, network4, network6)
        return layout.box(name, interface)

    def remove_box(self, name: str, interface: str) -> None:
        """Remove a host behind a machine, and the machine's interface to it."""
        provider.remove_box(self.state.machine(name), interface)

    def place(self, name: str) -> str | None:
        """The namespace of a source or of a machine."""
        return self.state.machines[name].netns if name in self.state.machines else layout.netns(name)

    def serve(self, *places: str) -> None:
        """See to it that questions over TCP and UDP are answered there: sources, machines."""
        for name in places:
            capture.serve(self.place(name))

    def ask(self, place: str, questions: list[Question]) -> list[Answer]:
        """Ask from a machine, or from a host behind one, and see by which interface each left and came back."""
        return capture.ask(self.state, self.place(place), questions)

    def pinging(self, source: str, addresses: list[str], interval: float = 0.02) -> contextlib.AbstractContextManager[dict]:
        """Ping addresses without a pause while something happens."""
        return watch.pinging(source, addresses, interval)

    def monitoring(self, name: str) -> contextlib.AbstractContextManager[watch.Log]:
        """Write down what a machine's kernel says of links, addresses, rules and routes while something happens."""
        return watch.monitoring(self.state.machine(name).netns)

    def addresses(self, name: str) -> list[tuple[str, str]]:
        """(interface, address) of every global address of a machine, now."""
        return machine.addresses(self.state.machine(name))

    def trace(
        self, source: str, name: str, count: int = 3, interval: float = 0.2, protocols: Sequence[str] = ("icmp",)
    ) -> list[Trip]:
        """Talk to every global address of a machine and tell which way requests and replies went."""
        one = self.state.machine(name)
        return capture.trace(self.state, source, machine.addresses(one), count, interval, protocols)

    def default_interfaces(self, name: str, family: str, patience: float = 30) -> set[str]:
        """The interfaces of the default routes in main, once there is one: a router whose advertisement got lost is asked again
        after seconds (RFC 7559). `family` is ip(8)'s option."""
        deadline = time.monotonic() + patience
        while True:
            routes = self.exec(name, "ip", family, "route", "show", "default", "table", "main").stdout.splitlines()
            if routes or time.monotonic() > deadline:
                return {line.split("dev ")[1].split()[0] for line in routes}
            time.sleep(0.5)

    def resolve(self, target: str, ipv6: bool = False) -> str:
        """An address as it is; VM:IF as that interface's address."""
        name, colon, interface = target.partition(":")
        if not colon or name not in self.state.machines:
            return target
        nic = self.state.machine(name).nic(interface)
        return nic.ipv6 if ipv6 else nic.ipv4

    def ping(self, source: str, target: str, count: int = 3, interval: float = 0.2, ipv6: bool = False) -> Trip:
        """Ping an address, or VM:IF, and tell which way requests and replies went."""
        address = self.resolve(target, ipv6)
        interface = target.partition(":")[2] if address != target else ""
        return capture.trace(self.state, source, [(interface, address)], count, interval)[0]

    def run(self, source: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in the client's, a neighbour's or the provider's namespace."""
        return subprocess.run(
            in_netns(layout.netns(source), *command), capture_output=True, text=True, check=False
        )  # fmt: skip

    def start(self, source: str, *command: str) -> subprocess.Popen[str]:
        """Start a command in a source's namespace, and do not wait for it."""
        return subprocess.Popen(
            in_netns(layout.netns(source), *command), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )  # fmt: skip

    def run_in(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a program of the controller's in a machine's network, out of band: no container to enter, and quick."""
        argv = in_netns(self.state.machine(name).netns, *command)
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def exec(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a machine, out of band."""
        argv = machine.exec_command(self.state.machine(name), *command)
        return subprocess.run(argv, capture_output=True, text=True, check=False)

    def ssh(self, name: str, *command: str) -> subprocess.CompletedProcess[str]:
        """Run a command in a machine over SSH to eth0."""
        argv = machine.ssh_command(self.state.machine(name), *command)
        return subprocess.run(argv, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)

    @staticmethod
    def destroy() -> None:
        """Remove everything; what was never made or is gone already is no error."""
        with state.lock():
            values = state.load().sysctls if state.exists() else {}
            machine.destroy()
            provider.destroy()
            machine.restore_sysctls(values)
            shutil.rmtree(state.DIRECTORY, ignore_errors=True)
