# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The filters as a playbook sees them: through Ansible's templating, with its errors."""

from __future__ import annotations

import pytest

from ansible.errors import AnsibleError
from ansible.parsing.dataloader import DataLoader
from ansible.template import Templar

from ansible_collections.gandi.hosting.plugins.plugin_utils import _model

try:  # ansible-core >= 2.19 templates only what it trusts
    from ansible.template import trust_as_template
except ImportError:

    def trust_as_template(template):
        return template


INTERFACES = (
    {"name": "eth0", "primary": True},
    {"name": "eth1", "policy_routing": True},
    {
        "name": "eth2",
        "mac": "02:00:00:AA:BB:CC",
        "addresses": ["198.51.100.10/24", "2001:db8:2::10/64"],
        "gateway4": "198.51.100.1",
        "gateway6": "2001:db8:2::1",
        "policy_routing": {"table": 100},
    },
    {"name": "eth0.100", "optional": True, "accept_ra": False},
    {"name": "eth3", "state": "absent"},
)


def template(text, interfaces=INTERFACES):
    templar = Templar(loader=DataLoader(), variables={"gandi_interfaces": list(interfaces)})
    return templar.template(trust_as_template("{{ " + text + " }}"))


def test_sysctl_covers_every_way_to_a_value():
    """all, default, the vendors' glob and each present interface, whose dots stay dots."""
    names = ("eth0", "eth1", "eth2", "eth0.100")
    assert template("gandi_interfaces | gandi.hosting.sysctl") == {
        **{f"net/ipv4/conf/{scope}/rp_filter": 0 for scope in ("all", "default", "*", *names)},
        **{f"net/ipv4/conf/{scope}/arp_announce": 2 for scope in ("all", "default", "*", *names)},
        **{f"net/ipv4/conf/{name}/arp_ignore": "auto" for name in names},
        **{f"net/ipv6/conf/{name}/accept_ra_defrtr": 0 for name in names[1:]},
    }


def test_sysctl_takes_its_three_values():
    """All by name, also as strings; arp_ignore, when told, is for every interface."""
    settings = template("gandi_interfaces | gandi.hosting.sysctl(rp_filter='2', arp_announce=1, arp_ignore='1')")
    told = {key.rpartition("/")[2]: value for key, value in settings.items() if "ipv4" in key}
    assert told == {"rp_filter": 2, "arp_announce": 1, "arp_ignore": 1}
    assert "net/ipv4/conf/*/arp_ignore" in settings


@pytest.mark.parametrize("interfaces, expected", [
    ([{"name": "eth0", "primary": True}, {"name": "eth1"}, {"name": "eth2", "agent": True}], ["eth1", "eth2"]),
    ([{"name": "eth0"}, {"name": "eth1"}], []),
    ([{"name": "eth0"}, {"name": "eth1", "agent": True}], ["eth1"]),
])
def test_a_secondary_brings_no_ipv6_default_route_before_its_manager_has_seen_it(interfaces, expected):
    """Where nobody is the primary, everybody may."""
    settings = template("gandi_interfaces | gandi.hosting.sysctl", interfaces)
    assert {key: value for key, value in settings.items() if "ipv6" in key} == {
        f"net/ipv6/conf/{name}/accept_ra_defrtr": 0 for name in expected}


def test_sysctl_refuses_other_values():
    """A mode that the kernel does not have is an error."""
    with pytest.raises(AnsibleError, match="gandi.hosting.sysctl: rp_filter: 3 is out of range; expected a number from 0 to 2"):
        template("gandi_interfaces | gandi.hosting.sysctl(rp_filter=3)")


def test_policy_routing_has_the_interfaces_that_asked():
    """And the primary; gateways only where they are static."""
    plain = {"selectors": [], "default": False, "strict": False, "connmark": False}
    assert template("gandi_interfaces | gandi.hosting.policy_routing") == {
        "interfaces": [
            {"name": "eth0", "mac": "", "table": 0, "gateway4": "", "gateway6": "", **plain},
            {"name": "eth1", "mac": "", "table": 0, "gateway4": "", "gateway6": "", **plain},
            {"name": "eth2", "mac": "02:00:00:aa:bb:cc", "table": 100, "gateway4": "198.51.100.1", "gateway6": "2001:db8:2::1", **plain},
        ],
        "hotplug": {},
    }


def test_policy_routing_has_selectors_in_the_one_spelling_that_the_host_reads():
    """However they were written: numbers, hexadecimal, names, single addresses."""
    selectors = [
        {"uid": "backup"},
        {"to": "203.0.113.7", "uid": 33},
        {"from": "2001:db8::/32", "ipproto": "ICMPv6"},
        {"ipproto": "tcp", "dport": 25, "sport": "1024-2048"},
        {"fwmark": 2, "iif": "lo"},
        {"fwmark": "0x200/0xff00", "tos": "0x10"},
    ]
    interfaces = [{"name": "eth1", "primary": True, "policy_routing": {"selectors": selectors, "default": "yes", "strict": True}}]
    found = template("gandi_interfaces | gandi.hosting.policy_routing", interfaces)["interfaces"][0]
    assert (found["default"], found["strict"]) == (True, True)
    assert found["selectors"] == [
        {"uid": "backup"},
        {"to": "203.0.113.7/32", "uid": "33"},
        {"from": "2001:db8::/32", "ipproto": "58"},
        {"ipproto": "6", "sport": "1024-2048", "dport": "25"},
        {"fwmark": "0x2/0xffffffff", "iif": "lo"},
        {"tos": "16", "fwmark": "0x200/0xff00"},
    ]


def test_interfaces_says_what_each_is():
    """Beside the files, what the module must know of an interface."""
    section = template("gandi_interfaces | gandi.hosting.interfaces")
    assert set(section["files"]) == {"networkd", "networkd-247", "networkd-256", "netplan", "ifupdown-dhclient", "ifupdown-dhcpcd"}
    assert section["interfaces"][2:] == [
        {
            "name": "eth2",
            "mac": "02:00:00:aa:bb:cc",
            "primary": False,
            "addresses": ["198.51.100.10/24", "2001:db8:2::10/64"],
            "dhcp4": False,
            "optional": False,
            "agent": False,
        },
        {"name": "eth0.100", "mac": "", "primary": False, "addresses": [], "dhcp4": True, "optional": True, "agent": False},
    ]


def test_interfaces_without_files_says_nothing_of_files():
    """Not that there are none: that would take them away."""
    section = template("gandi_interfaces | gandi.hosting.interfaces")
    assert template("gandi_interfaces | gandi.hosting.interfaces(files=false)") == {"interfaces": section["interfaces"]}


@pytest.mark.parametrize("name", ["sysctl", "interfaces", "policy_routing"])
def test_every_filter_refuses_a_bad_list_with_all_its_errors(name):
    """The user sees the whole text, whichever filter came first."""
    bad = [{"name": "eth0", "gatway4": 1}, {"name": "eth1", "mtu": 1}]
    with pytest.raises(AnsibleError) as refused:
        template(f"gandi_interfaces | gandi.hosting.{name}", bad)
    for sentence in (
        "2 errors in gandi_interfaces:",
        "gandi_interfaces[0] (eth0): gatway4: is not a key of an interface; did you mean gateway4?",
        "gandi_interfaces[1] (eth1): mtu: 1 is out of range; expected a number from 68 to 65535",
    ):
        assert sentence in str(refused.value)


def test_netaddr_missing_is_an_error_with_the_cure(monkeypatch):
    """Not a traceback."""
    monkeypatch.setattr(_model, "netaddr", None)
    with pytest.raises(AnsibleError, match="pip install netaddr"):
        template("gandi_interfaces | gandi.hosting.sysctl")


def test_a_hotplug_default_that_is_none_is_refused():
    """With what was expected."""
    with pytest.raises(AnsibleError, match="hotplug_default: maybe: expected one of none, dhcp, policy_routing"):
        template("gandi_interfaces | gandi.hosting.interfaces('maybe')")


def test_who_is_not_named_is_a_pattern_with_exceptions():
    """For the reconciler, which sees who is there."""
    section = template("gandi_interfaces | gandi.hosting.policy_routing(hotplug_default='policy_routing')")
    assert section["hotplug"] == {"patterns": ["eth*", "en*"], "named": ["eth0", "eth1", "eth2", "02:00:00:aa:bb:cc", "eth0.100", "eth3"]}
