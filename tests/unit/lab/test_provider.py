"""What the provider is configured with."""

from __future__ import annotations

from lab import inventory, provider
from lab.state import State


def lab_of_one(per_port: bool = False) -> State:
    """A lab with one machine with eth0, eth1 and the private eth3."""
    state = State(per_port=per_port)
    machine = state.new_machine("vm1", "debian12", "networkd")
    for interface in ("eth0", "eth1", "eth3"):
        state.new_nic(machine, interface, None, None)
    return state


def test_dhcp_knows_the_served_interfaces_only():
    """The private segment has no DHCP, and each interface offers another host name."""
    assert provider.dhcp_hosts(lab_of_one()).splitlines() == [
        "02:00:00:00:00:0a,198.18.0.10,vm1",
        "02:00:00:00:01:0a,198.18.1.10,vm1-eth1",
    ]


def test_every_served_segment_offers_what_a_secondary_must_not_take():
    """Router, DNS and domain are offered on each segment."""
    configuration = provider.dnsmasq_configuration()
    assert provider.dhcp_options(State()).count("option:router") == 3
    for option in ("option:dns-server", "option:domain-name", "option6:dns-server"):
        assert configuration.count(option) == 3


def test_port_is_held_to_its_segment():
    """A source that is not of the segment is dropped."""
    rules = provider.antispoofing(lab_of_one())
    assert 'iifname { "v10-eth1" } ip saddr != { 198.18.1.0/24, 0.0.0.0 } counter name dropped_b drop' in rules


def test_a_renumbered_segment_has_two_prefixes():
    """The one before is deprecated, not forbidden."""
    lab = lab_of_one()
    lab.renumbered.append("b")
    assert "ip6 saddr != { 2001:db8:11::/64, 2001:db8:21::/64, fe80::/10, :: }" in provider.antispoofing(lab)


def test_dhcp_tells_of_the_router_that_there_is():
    """Another one than .1 where it was moved."""
    assert provider.dhcp_options(State(routers={"b": 2})).splitlines() == [
        "tag:a,option:router,198.18.0.1",
        "tag:b,option:router,198.18.1.2",
        "tag:c,option:router,198.18.2.1",
    ]


def test_port_is_held_to_its_mac_when_asked():
    """Per port: MAC, ARP and addresses."""
    rules = provider.antispoofing(lab_of_one(per_port=True))
    assert 'iifname "v10-eth1" ether saddr != 02:00:00:00:01:0a counter' in rules
    assert 'iifname "v10-eth1" arp saddr ip != { 198.18.1.10, 0.0.0.0 } counter' in rules


def test_rules_can_be_loaded_again():
    """Loading is idempotent: the chain is emptied before it is filled, counters are kept."""
    lines = provider.antispoofing(lab_of_one()).splitlines()
    assert lines.index("flush chain bridge antispoofing check") < min(
        number for number, line in enumerate(lines) if line.startswith("add rule")
    )


def test_inventory_is_yaml():
    """What is printed by hand reads as the same structure."""
    import yaml

    lab = lab_of_one()
    assert yaml.safe_load(inventory.text(lab)) == inventory.inventory(lab)
