# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""Adopting an administrator's stanzas: set aside, never lost, and back byte for byte."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ansible_collections.gandi.hosting.plugins.module_utils import _managers

INTERFACES = """\
# The loopback network interface
auto lo
iface lo inet loopback

auto eth0 eth1
iface eth0 inet dhcp
    # a comment stays
    up ip route add 203.0.113.0/24 \\
        via 198.18.0.9

iface eth0 inet6 auto
iface eth1 inet static
    address 198.18.1.10/24
source /etc/network/interfaces.d/*
"""


def test_the_stanzas_of_an_interface_are_set_aside_and_nothing_else():
    assert _managers.set_aside(INTERFACES, {"eth0"}) == INTERFACES.replace(
        "iface eth0 inet dhcp\n", "#gandi.hosting eth0#iface eth0 inet dhcp\n").replace(
        "    up ip route", "#gandi.hosting eth0#    up ip route").replace(
        "        via", "#gandi.hosting eth0#        via").replace(
        "iface eth0 inet6", "#gandi.hosting eth0#iface eth0 inet6")


@pytest.mark.parametrize("names", [{"eth0"}, {"eth1"}, {"eth0", "eth1"}, {"lo"}, set(), {"eth"}])
def test_what_is_set_aside_comes_back_byte_for_byte(names):
    assert _managers.restore(_managers.set_aside(INTERFACES, names)) == INTERFACES


lines = st.sampled_from(["auto eth0", "iface eth0 inet dhcp", "iface eth1 inet dhcp", "  up true", "  up a \\", "# note", "", "mapping eth0",
                         "source x", "\tiface eth0 inet6 auto", "iface eth0", "iface "])


@given(st.lists(lines).map("\n".join), st.sets(st.sampled_from(["eth0", "eth1"])))
def test_any_file_comes_back_and_setting_aside_twice_is_once(text, names):
    aside = _managers.set_aside(text, names)
    assert _managers.restore(aside) == text
    assert _managers.set_aside(_managers.restore(aside), names) == aside
    # a backslash joins a line with the next (interfaces(5)): what looks like a stanza there is none
    read = aside.replace("\\\n", "").splitlines()
    assert not [line for line in read if line.split()[:1] == ["iface"] and names.intersection(line.split()[1:2])]
