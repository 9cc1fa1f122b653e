# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Every golden case, and lists that nobody thought of: each program accepts the files without a word and does what was asked."""

import re
from pathlib import Path

import pytest
import yaml
from asked import Question, complaints, settings, shown
from hypothesis import HealthCheck, given, settings as budget

from ansible_collections.gandi.hosting.tests.unit.any_interfaces import lists

CASES = sorted((Path(__file__).parents[3] / "tests/unit/artifacts").glob("*/input.yml"))

WAIT_ONLINE = "/run/systemd/system/systemd-networkd-wait-online.service.d/10-netplan.conf"

generated = budget(max_examples=20, deadline=None, suppress_health_check=list(HealthCheck))


def given_in(case):
    """A list, or with hotplug_default beside it."""
    found = yaml.safe_load(case.read_text(encoding="utf-8"))
    return found if isinstance(found, dict) else {"interfaces": found}


def variant(probe, program):
    if program == "networkd" and probe.machine.flavour == "debian11":
        return "networkd-247"
    if program == "ifupdown":
        return "ifupdown-dhcpcd" if probe.machine.flavour == "debian13" else "ifupdown-dhclient"
    return program


def understood(probe, program, interfaces, **beside):
    question = Question(variant(probe, program), interfaces, **beside)
    answer = question.put_to(probe, program)
    assert complaints(answer) == []
    assert {name: shown(answer["links"][name]) for name in question.asked()} == question.asked()
    {"ifupdown": check_ifupdown, "netplan": check_netplan}.get(program, lambda *_nothing_more: None)(question, answer)


def check_ifupdown(question, answer):
    """Also what no kernel shows before a server has answered."""
    assert set(question.links) <= {name for names in answer["listed"] for name in names}
    assert clients(question, answer) == wanted_clients(question)


def clients(question, answer):
    """ifupdown: for each interface the families that it would ask a DHCP server for, in the commands that ifup would run."""
    found = {}
    for name in question.links:
        # for eth0.100 ifup has a plan for eth0 first
        own = re.split(r"configuring interface %s=.*" % re.escape(name), "\n".join(answer["plans"][name]))[1:]
        commands = re.findall(r"(?:^|; *)(?:/sbin/)?(?:dhclient|dhcpcd) -([46])\b", "\n".join(own), re.MULTILINE)
        found[name] = {int(family) for family in commands}
    return found


def wanted_clients(question):
    return {question.names[i.name]: {family for family, on in ((4, i.dhcp4), (6, i.dhcp6)) if on} for i in question.interfaces}


def check_netplan(question, answer):
    for interface in question.interfaces:
        # what is known by its MAC comes before what is known by name
        unit = "10-netplan-00-gandi-%s%s.network" % ("-" if interface.mac else "", interface.name)
        drop_in = question.files.get("/etc/systemd/network/%s.d/gandi.conf" % unit, "")
        made = settings(answer["made"]["/run/systemd/network/" + unit], drop_in)
        check_networkd_file(interface, made)
        waited_for = re.findall(r"-i (\S+?)(?::|$)", answer["made"].get(WAIT_ONLINE, ""), re.MULTILINE)
        optional = made.get("Link.RequiredForOnline") == ["no"] or question.names[interface.name] not in waited_for
        assert optional or not interface.optional


def check_networkd_file(interface, made):
    dhcp = {(True, True): ["yes"], (True, False): ["ipv4"], (False, True): ["ipv6"], (False, False): []}[interface.dhcp4, interface.dhcp6]
    assert [value for value in made.get("Network.DHCP", []) if value != "no"] == dhcp
    assert made["Network.IPv6AcceptRA"] == ["yes" if interface.accept_ra else "no"]
    # netplan puts the servers of IPv4 first
    assert made.get("Network.DNS", []) == sorted(interface.nameservers, key=lambda address: ":" in address)
    assert " ".join(made.get("Network.Domains", [])).split() == list(interface.search)
    assert made.get("Link.MTUBytes", []) == ([str(interface.mtu)] if interface.mtu else [])
    for word in ("DNS", "Domains", "Hostname", "NTP", "Routes") if interface.dhcp4 or interface.dhcp6 else ():
        assert made.get("DHCP.Use" + word, ["true"]) == ["true" if interface.primary else "false"]


@pytest.mark.parametrize("program", ["networkd", "netplan", "ifupdown"])
def test_any_list_is_understood(probe, program):
    """What the kernel has in the end is what the list says; a list that fails is made as small as possible before it is shown."""
    @generated
    @given(lists())
    def any_list(interfaces):
        understood(probe, program, interfaces)

    any_list()


@pytest.mark.parametrize("program", ["networkd", "netplan", "ifupdown"])
@pytest.mark.parametrize("case", CASES, ids=lambda path: path.parent.name)
def test_every_golden_case_is_understood(probe, program, case):
    understood(probe, program, **given_in(case))
