# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""What is accepted, what it becomes, and what is refused with which words."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from ansible_collections.gandi.hosting.plugins.plugin_utils import _model
from ansible_collections.gandi.hosting.plugins.plugin_utils._model import InterfacesError, Route, parse

BAD_INPUT = yaml.safe_load(Path(__file__).with_name("bad_input.yml").read_text(encoding="utf-8"))

STATIC = {"name": "eth1", "addresses": ["198.51.100.10/24", "2001:db8:2::10/64"]}


@pytest.mark.parametrize("case", BAD_INPUT, ids=[case["case"] for case in BAD_INPUT])
def test_bad_input_is_refused_with_these_words(case):
    """Each case of bad_input.yml gives exactly its errors, in their order."""
    with pytest.raises(InterfacesError) as refused:
        parse(case["input"])
    assert refused.value.errors == case["errors"]


def test_all_errors_come_in_one_message():
    """The message counts the errors and has a line for each."""
    with pytest.raises(InterfacesError) as refused:
        parse([{"name": "eth0", "mtu": 1}, {"name": "eth1", "mtu": 2}])
    header, *lines = str(refused.value).splitlines()
    assert header == "2 errors in gandi_interfaces:"
    assert lines == refused.value.errors


def test_one_error_is_counted_as_one():
    """The header is a sentence for one error too."""
    with pytest.raises(InterfacesError, match="^1 error in gandi_interfaces:\n"):
        parse([7])


def test_a_terminal_is_safe_from_values():
    """No error holds a control character, whatever the value was."""
    with pytest.raises(InterfacesError) as refused:
        parse([{"name": "\x1b[2J\r\n", "\x07": 1, "mac": "\x1b]0;", "addresses": ["\u202e/24"]}])
    assert all(line.isprintable() and line.isascii() for line in refused.value.errors)


def test_a_long_value_is_cut():
    """An error stays a line of reasonable length."""
    with pytest.raises(InterfacesError) as refused:
        parse([{"name": "x" * 10000}])
    assert len(refused.value.errors[0]) < 300


def only(**given):
    (interface,) = parse([given])
    return interface


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, (True, False, True)),
        ({"addresses": ["198.51.100.10/24"]}, (False, False, True)),
        ({"addresses": ["2001:db8::10/64"]}, (True, False, False)),
        ({"addresses": STATIC["addresses"]}, (False, False, False)),
        ({"addresses": ["198.51.100.10/24"], "dhcp4": True}, (True, False, True)),
        ({"dhcp4": False, "dhcp6": True, "accept_ra": False}, (False, True, False)),
        ({"addresses": []}, (True, False, True)),
    ],
)
def test_dhcp_and_advertisements_fill_the_family_without_addresses(given, expected):
    """dhcp4 and accept_ra are on where no address of their family is given, unless the user says otherwise."""
    interface = only(name="eth1", **given)
    assert (interface.dhcp4, interface.dhcp6, interface.accept_ra) == expected


@pytest.mark.parametrize(
    ("primary", "other", "expected"),
    [
        ({}, {}, [False, False]),
        ({}, {"policy_routing": True}, [True, True]),
        ({}, {"policy_routing": {"table": 100}}, [True, True]),
        ({"policy_routing": False}, {"policy_routing": True}, [False, True]),
        ({"policy_routing": True}, {}, [True, False]),
        ({}, {"policy_routing": "no"}, [False, False]),
        ({}, {"policy_routing": {}}, [True, True]),
    ],
)
def test_the_primary_follows_the_others_in_policy_routing(primary, other, expected):
    """The primary has policy routing by default as soon as another interface has it."""
    interfaces = parse([{"name": "eth0", "primary": True, **primary}, {"name": "eth1", **other}])
    assert [interface.policy_routing for interface in interfaces] == expected


@pytest.mark.parametrize("mac", ["02:00:00:AA:BB:CC", "02-00-00-aa-bb-cc"])
def test_a_mac_has_one_spelling(mac):
    """MAC addresses become lower case with colons."""
    assert only(name="eth1", mac=mac).mac == "02:00:00:aa:bb:cc"


@pytest.mark.parametrize(
    ("address", "expected"),
    [
        ("2001:DB8:0:0::10/64", "2001:db8::10/64"),
        ("198.51.100.10/024", "198.51.100.10/24"),
        ("198.51.100.0/31", "198.51.100.0/31"),
        ("198.51.100.255/32", "198.51.100.255/32"),
        ("2001:db8::/127", "2001:db8::/127"),
        ("2001:db8::/128", "2001:db8::/128"),
    ],
)
def test_an_address_has_one_spelling(address, expected):
    """Addresses are normalised; point-to-point prefixes have no reserved addresses."""
    assert only(name="eth1", addresses=[address]).addresses == (expected,)


@pytest.mark.parametrize("value", [True, "yes", "on", "true", "True", 1, "1"])
def test_a_flag_may_be_written_as_ansible_does(value):
    """`-e` and INI inventories give strings."""
    assert only(name="eth1", optional=value).optional is True


def test_a_number_may_be_a_string_of_digits():
    """`-e mtu=1400` gives a string."""
    assert only(name="eth1", mtu="1400").mtu == 1400


def test_a_gateway_outside_is_on_link_when_every_address_is_a_host():
    """/32 and /128 tell nothing of the segment, so the gateway is taken to be on the link."""
    interface = only(
        name="eth0", primary=True, addresses=["198.51.100.10/32", "2001:db8::10/128"], gateway4="192.0.2.1", gateway6="2001:db8:f::1"
    )
    assert (interface.gateway4_on_link, interface.gateway6_on_link) == (True, True)


def test_a_link_local_gateway_needs_no_flag():
    """The kernel knows that fe80:: is on the link."""
    interface = only(name="eth0", primary=True, addresses=["2001:db8::10/128"], gateway6="fe80::1")
    assert interface.gateway6_on_link is False


@pytest.mark.parametrize(
    ("route", "expected"),
    [
        ({"to": "default", "via": "198.51.100.1"}, Route("0.0.0.0/0", "198.51.100.1")),
        ({"to": "default", "via": "fe80::1", "table": 7}, Route("::/0", "fe80::1", table=7)),
        ({"to": "203.0.113.7", "via": "198.51.100.1", "metric": 0}, Route("203.0.113.7/32", "198.51.100.1", metric=0)),
        ({"to": "203.0.113.0/24", "via": "192.0.2.1", "on_link": "yes"}, Route("203.0.113.0/24", "192.0.2.1", on_link=True)),
    ],
)
def test_a_route_is_normalised(route, expected):
    """default is a prefix of the router's family; an address alone is a host."""
    assert only(**STATIC, routes=[route]).routes == (expected,)


def test_an_absent_interface_is_nothing():
    """It is checked, and then it is not in the model."""
    assert parse([{"name": "eth3", "mac": "02:00:00:aa:bb:cc", "state": "absent"}]) == []


@pytest.mark.parametrize("given", [{}, {"mac": "02:00:00:aa:bb:cc", "state": "present", "primary": False}])
def test_the_agents_interface_may_be_policy_routed_by_a_gateway_of_ours(given):
    """It runs DHCP, and the gateway may still be said."""
    interface = only(name="eth1", agent=True, policy_routing={"table": 100}, gateway4="198.51.100.1", gateway6="fe80::1", **given)
    assert (interface.agent, interface.policy_routing, interface.routing.table) == (True, True, 100)
    assert (interface.gateway4, interface.gateway6) == ("198.51.100.1", "fe80::1")


def test_what_nobody_named_leaves_out_whoever_is_named():
    """By name and MAC address, absent ones too; and the primary is policy routed with it."""
    given = [{"name": "eth0", "primary": True}, {"name": "eth3", "mac": "02:00:00:AA:BB:CC", "state": "absent"}]
    primary, unnamed = parse(given, "policy_routing")
    assert unnamed.hotplug and unnamed.policy_routing and primary.policy_routing
    assert unnamed.named == ("eth0", "eth3", "02:00:00:aa:bb:cc")
    assert not any(interface.policy_routing for interface in parse(given, "dhcp"))


@pytest.mark.parametrize("given", [[{"name": "eth1"}], [{"name": "eth0", "primary": True, "state": "absent"}]])
def test_what_nobody_named_needs_a_primary_that_is_named(given):
    """It would be address only, and the host without a default route."""
    with pytest.raises(InterfacesError, match="primary"):
        parse(given, "dhcp")


def test_an_empty_list_is_nothing_whatever_the_default():
    """remove.yml takes all away."""
    assert parse([], "policy_routing") == []


def test_an_empty_list_is_legal():
    """It means that everything of ours is removed."""
    assert parse([]) == []


@pytest.mark.parametrize(
    ("via", "given", "on_link"),
    [
        ("198.51.100.1", {"addresses": ["198.51.100.10/24"]}, False),
        ("198.51.101.1", {"addresses": ["198.51.100.10/24"], "dhcp4": True}, True),
        ("198.51.101.1", {}, True),
        ("2001:db8:9::1", {"addresses": ["2001:db8:2::10/64"], "accept_ra": True}, True),
        ("fe80::1", {"addresses": ["198.51.100.10/24"]}, False),
        ("fe80::1", {}, True),
    ],
)
def test_a_router_that_no_static_address_reaches_is_on_the_link(via, given, on_link):
    """The lease that reaches it comes later, and no network manager would wait for it. networkd wants any address beside fe80::."""
    (route,) = only(name="eth1", routes=[{"to": "default", "via": via, "table": 300}], **given).routes
    assert route.on_link is on_link


def test_the_metric_in_the_gateways_table_hangs_on_the_identity():
    """A MAC keeps its metric under another name; two interfaces differ."""
    renamed = [only(name=name, mac="02:00:00:aa:bb:cc").gateways_metric for name in ("eth1", "eth2")]
    assert renamed[0] == renamed[1]
    assert 0 < renamed[0] < 2**31
    assert only(name="eth1").gateways_metric != only(name="eth2").gateways_metric


def test_netaddr_missing_is_said_with_the_cure(monkeypatch):
    """Without netaddr the error says what to install, and where."""
    monkeypatch.setattr(_model, "netaddr", None)
    with pytest.raises(_model.MissingLibrary, match="pip install netaddr"):
        parse([])


@pytest.mark.parametrize("interfaces", [
    [{"name": "eth1", "policy_routing": {"selectors": [{"fwmark": "0x1000002"}]}}],
    [{"name": "eth1", "policy_routing": {"selectors": [{"fwmark": "0x2"}], "connmark": True}}],
    [{"name": "eth1", "policy_routing": {"table": 100}, "routes": [{"to": "203.0.113.0/24", "via": "198.51.100.1", "table": 100}]}],
], ids=["its uppermost byte where nobody marks", "another byte where somebody does", "a route in the interface's own table"])
def test_what_is_near_to_ours_but_not_in_its_way_is_accepted(interfaces):
    """The refusals of bad_input.yml go no further than they must."""
    assert parse(interfaces)
