# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The hooks of the DHCP clients, run by a real shell, with an `ip` that only says what it was asked."""

from __future__ import annotations

import subprocess

import pytest

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


def hook(variant, ending):
    return next(file["content"] for path, file in files(INTERFACES)[variant].items() if path.endswith(ending))


def run(tmp_path, script, lease):
    """What the script prints; every call of ip is a line."""
    ip = tmp_path / "ip"
    ip.write_text('#!/bin/sh\necho "ip $*"\n', encoding="utf-8")
    ip.chmod(0o755)
    environment = {"PATH": f"{tmp_path}:/usr/bin:/bin", **lease}
    done = subprocess.run(["sh", "-eu"], input=script, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout.splitlines()


def dhclient_script(between="", after=""):
    """As dhclient-script(8): enter hooks, the work, exit hooks, all in one shell."""
    enter = hook("ifupdown-dhclient", "enter-hooks.d/zz-gandi-hosting")
    leave = hook("ifupdown-dhclient", "exit-hooks.d/zz-gandi-hosting")
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
