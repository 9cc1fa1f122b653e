# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hooks of the DHCP clients, run by a real shell, with an `ip` that only says what it was asked."""

from __future__ import annotations

import fnmatch
import re
import subprocess

import pytest

from ansible_collections.gandi.hosting.plugins.plugin_utils._ifupdown import patterns
from ansible_collections.gandi.hosting.plugins.plugin_utils._model import parse
from ansible_collections.gandi.hosting.plugins.plugin_utils._render import files

INTERFACES = parse([{"name": "eth0", "primary": True, "mtu": 1400}, {"name": "eth1", "policy_routing": True}, {"name": "eth2"}])
METRIC = INTERFACES[1].gateways_metric
ROUTE = f"default via 198.51.101.1 dev eth1 onlink src 198.51.101.10 table 26519 metric {METRIC} proto dhcp"

LEASE = {
    "reason": "BOUND",
    "interface": "eth1",
    "new_ip_address": "198.51.101.10",
    "new_routers": "198.51.101.1 198.51.101.2",
    "new_domain_name_servers": "192.0.2.66",
    "new_host_name": "evil",
    "new_rfc3442_classless_static_routes": "0 198 51 101 1",
    "new_interface_mtu": "1450",
}


# A real interface of the machine that runs the tests: the loopback one, whose address no list can have.
MAC, LO = "02:00:00:aa:bb:cc", "00:00:00:00:00:00"
LINKS = {"lo": LO, **{name: "02:00:00:00:00:01" for name in ("eth0", "eth1", "eth2", "eth10")}}


def hook(variant, ending, interfaces=INTERFACES):
    text = next(file["content"] for path, file in files(interfaces)[variant].items() if path.endswith(ending))
    return text.replace(MAC, LO)


def run(tmp_path, script, lease):
    """What the script prints; every call of ip is a line."""
    ip = tmp_path / "ip"
    ip.write_text('#!/bin/sh\necho "ip $*"\n', encoding="utf-8")
    ip.chmod(0o755)
    for name, address in LINKS.items():
        link = tmp_path / "net" / name
        link.mkdir(parents=True, exist_ok=True)
        (link / "address").write_text(address + "\n", encoding="utf-8")
    script = script.replace("/sys/class/net/", f"{tmp_path}/net/")
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **lease}
    done = subprocess.run(["sh", "-eu"], input=script, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def dhclient_script(between="", after="", **which):
    """As dhclient-script(8): enter hooks, the work, exit hooks, all in one shell."""
    variant = which.pop("variant", "ifupdown-dhclient")
    enter = hook(variant, "enter-hooks.d/zz-gandi-hosting", **which)
    leave = hook(variant, "exit-hooks.d/zz-gandi-hosting", **which)
    return "\n".join(["make_resolv_conf() { echo resolv.conf; }", enter, between, leave, after])


def test_dhclient_sees_no_more_than_an_address(tmp_path):
    """On a secondary, the script and everybody's hooks find neither router, name servers, host name nor routes."""
    show = "set | grep -E '^(new|old)_(routers|domain|host|rfc3442|ntp)' || :; make_resolv_conf; echo $new_interface_mtu"
    assert run(tmp_path, dhclient_script(between=show), LEASE) == ["1450", f"ip -4 route replace {ROUTE}"]


def test_dhclient_of_the_primary_is_left_alone(tmp_path):
    """The primary's lease is used whole, but for the MTU that the list gives."""
    show = "echo $new_routers, $new_host_name, ${new_interface_mtu-no MTU}; make_resolv_conf"
    printed = run(tmp_path, dhclient_script(between=show), {**LEASE, "interface": "eth0"})
    assert printed == ["198.51.101.1 198.51.101.2, evil, no MTU", "resolv.conf"]


def test_dhclient_hooks_leave_no_variable_behind(tmp_path):
    """The hooks are sourced: what they set would be seen by the next one."""
    assert run(tmp_path, dhclient_script(after="set | grep ^gandi_ || :"), LEASE) == [f"ip -4 route replace {ROUTE}"]


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        ({}, [f"ip -4 route replace {ROUTE}"]),
        ({"reason": "RENEW"}, [f"ip -4 route replace {ROUTE}"]),
        ({"new_routers": ""}, [f"ip -4 route del default dev eth1 table 26519 metric {METRIC}"]),
        ({"reason": "EXPIRE"}, []),
        ({"reason": "PREINIT"}, []),
        ({"interface": "eth0"}, []),
        ({"interface": "eth10"}, []),
    ],
    ids=str,
)
@pytest.mark.parametrize("client", ["dhclient", "dhcpcd"])
def test_the_gateway_of_a_lease_is_told_to_the_kernel(tmp_path, client, change, expected):
    """With a lease, on a secondary, and for the first router; the kernel removes the route by itself."""
    script = dhclient_script() if client == "dhclient" else hook("ifupdown-dhcpcd", "/dhcpcd-hook")
    assert run(tmp_path, script, {**LEASE, **change}) == expected


BY_MAC = parse([{"name": "eth0", "primary": True}, {"name": "eth1"}, {"name": "eth2", "mac": MAC}])


@pytest.mark.parametrize(
    ("interface", "metric"),
    [("lo", BY_MAC[2].gateways_metric), ("eth1", BY_MAC[1].gateways_metric), ("eth2", None), ("eth0", None)],
    ids=["the MAC under another name", "a name", "the name without the MAC", "the primary"],
)
@pytest.mark.parametrize("client", ["dhclient", "dhcpcd"])
def test_hooks_know_an_interface_by_its_mac(tmp_path, client, interface, metric):
    """A name that the list gives to a MAC address says nothing without it."""
    script = dhclient_script(interfaces=BY_MAC) if client == "dhclient" else hook("ifupdown-dhcpcd", "/dhcpcd-hook", BY_MAC)
    printed = run(tmp_path, script, {**LEASE, "interface": interface})
    assert [line.split(" metric ")[1] for line in printed] == ([f"{metric} proto dhcp"] if metric else [])


@pytest.mark.parametrize("hotplug", ["none", "dhcp"])
@pytest.mark.parametrize("interface", ["eth2", "eth7"])
def test_what_is_gone_meanwhile_brings_nothing(tmp_path, monkeypatch, interface, hotplug):
    """Without its link nothing says whose it was: a lease that comes as a secondary is unplugged must not bring its name servers."""
    monkeypatch.delitem(LINKS, "eth2")
    interfaces = parse([{"name": "eth0", "primary": True}, {"name": "eth1"}, {"name": "eth2", "mac": MAC}], hotplug)
    script = dhclient_script(between="make_resolv_conf; echo ${new_domain_name_servers-none}", interfaces=interfaces)
    assert run(tmp_path, script, {**LEASE, "interface": interface}) == ["none"]
    unnamed = dhclient_script(between="make_resolv_conf", interfaces=parse([{"name": "eth0", "primary": True}], "dhcp"))
    assert run(tmp_path, unnamed, {**LEASE, "interface": interface}) == []


@pytest.mark.parametrize("variant", ["networkd", "ifupdown-dhclient", "ifupdown-dhcpcd"])
def test_the_agents_dhclient_brings_an_address_only(tmp_path, variant):
    """Whoever manages the other interfaces; and its gateway is told to the kernel."""
    interfaces = parse([{"name": "eth0", "primary": True}, {"name": "eth1", "agent": True}])
    script = dhclient_script(between="make_resolv_conf", variant=variant, interfaces=interfaces)
    assert run(tmp_path, script, LEASE) == [f"ip -4 route replace {ROUTE}"]


@pytest.mark.parametrize(("interface", "stanzas"), [("lo", "gandi-eth2"), ("eth2", "eth2"), ("eth1", "eth1")])
def test_the_mapping_of_ifup_goes_by_mac(tmp_path, interface, stanzas):
    """As ifup runs it: the map lines on standard input, the interface as argument."""
    script = tmp_path / "stanzas-of"
    script.write_text(hook("ifupdown-dhcpcd", "/stanzas-of", BY_MAC), encoding="utf-8")
    lines = re.findall(r"^ +map (.*)$", hook("ifupdown-dhcpcd", "/gandi--mapping", BY_MAC), re.MULTILINE)
    done = subprocess.run(["sh", script, interface], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
    assert done.stdout == stanzas + "\n"


@pytest.mark.parametrize(
    ("interface", "stanzas"),
    [("lo", "gandi-eth2"), ("eth2", "gandi--down"), ("eth0", "eth0"), ("eth3", "gandi--down"), ("eth4", "gandi--alone"), ("eth5", "gandi--hotplug")],
    ids=["the MAC under another name", "its name on another", "by name", "absent", "the agent's", "nobody's"],
)
def test_the_mapping_of_ifup_with_a_default_for_the_rest(tmp_path, interface, stanzas):
    """There are no stanzas of an administrator here."""
    given = [{"name": "eth0", "primary": True}, {"name": "eth2", "mac": MAC}, {"name": "eth3", "state": "absent"}, {"name": "eth4", "agent": True}]
    interfaces = parse(given, "dhcp")
    script = tmp_path / "stanzas-of"
    script.write_text(hook("ifupdown-dhclient", "/stanzas-of", interfaces), encoding="utf-8")
    lines = re.findall(r"^ +map (.*)$", hook("ifupdown-dhclient", "/gandi--mapping", interfaces), re.MULTILINE)
    done = subprocess.run(["sh", script, interface], input="\n".join(lines) + "\n", capture_output=True, text=True, check=True)
    assert done.stdout == stanzas + "\n"


@pytest.mark.parametrize("name", ["eth0", "eth10", "ens3", "eno1", "enp1s0", "enx020000aabbcc", "end0", "lan0"])
def test_the_mapping_looks_at_hardware(name):
    """Of the kernel's names, udev's, and the list's own, with fnmatch(3) as ifup does."""
    assert any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns(parse([{"name": "lan0", "mac": MAC}])))


@pytest.mark.parametrize("name", ["lo", "docker0", "br0", "veth12ab", "eth0.100", "eth10.4094", "ens3.1", "enp1s0.10", "enx02000.100", "lan0.100"])
def test_the_mapping_does_not_look_at_what_lies_on_top(name):
    """ifup would run for a VLAN that nobody has given it, and fail."""
    assert not any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns(parse([{"name": "lan0", "mac": MAC}])))
