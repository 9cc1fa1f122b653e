# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later

"""The lease files of systemd-networkd and of dhclient."""

import socket

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import kernel, leases

ROUTER = kernel.pack("198.18.1.1")
DHCLIENT = """\
default-duid "\\000\\001";
lease {
  interface "eth1";
  fixed-address 198.18.1.9;
  option routers 198.18.1.254;
}
lease {
  interface "eth1";
  fixed-address %s;
  option subnet-mask 255.255.255.0;
  option routers %s;
  renew 3 2026/11/25 10:00:00;
}
"""


@pytest.mark.parametrize(("name", "text", "gateway"), [
    ("3", "# This is private data. Do not parse.\nADDRESS=198.18.1.10\nROUTER=198.18.1.1\nDNS=198.18.1.1\n", ROUTER),
    ("3", "ADDRESS=198.18.1.10\nROUTER=198.18.1.1 198.18.1.2\n", ROUTER),
    ("3", "ADDRESS=198.18.1.11\nROUTER=198.18.1.1\n", None),
    ("3", "ADDRESS=198.18.1.10\n", None),
    ("3", "ADDRESS=198.18.1.10\nROUTER=\n", None),
    ("3", "ADDRESS=198.18.1.10\nROUTER=nonsense\n", None),
    ("3", "", None),
    ("4", "ADDRESS=198.18.1.10\nROUTER=198.18.1.1\n", None),
    ("dhclient.eth1.leases", DHCLIENT % ("198.18.1.10", "198.18.1.1"), ROUTER),
    ("dhclient.eth1.leases", DHCLIENT % ("198.18.1.10", "198.18.1.1,198.18.1.2"), ROUTER),
    ("dhclient.eth1.leases", DHCLIENT % ("198.18.1.11", "198.18.1.1"), None),
    ("dhclient.eth1.leases", DHCLIENT.replace("option routers %s", "#%s") % ("198.18.1.10", ""), None),
    ("dhclient.eth1.leases", "lease {", None),
    ("dhclient.eth2.leases", DHCLIENT % ("198.18.1.10", "198.18.1.1"), None),
])
def test_the_first_router_of_the_last_lease_is_the_gateway_while_its_address_is_there(tmp_path, monkeypatch, name, text, gateway):
    """A lease without one, one of another address, or a file that is half written, is none."""
    monkeypatch.setattr(leases, "NETWORKD", str(tmp_path))
    monkeypatch.setattr(leases, "DHCLIENT", str(tmp_path))
    (tmp_path / name).write_text(text)
    found = leases.gateways({3: kernel.Link(3, "eth1", "", True, "")}, [kernel.Address(3, kernel.pack("198.18.1.10"), None)])
    assert found == ({(3, socket.AF_INET): gateway} if gateway else {})
