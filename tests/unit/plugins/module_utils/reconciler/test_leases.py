# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The lease files of systemd-networkd."""

import socket

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import leases


@pytest.mark.parametrize(("text", "gateway"), [
    ("# This is private data. Do not parse.\nADDRESS=198.18.1.10\nROUTER=198.18.1.1\nDNS=198.18.1.1\n", b"\xc6\x12\x01\x01"),
    ("ROUTER=198.18.1.1 198.18.1.2\n", b"\xc6\x12\x01\x01"),
    ("ADDRESS=198.18.1.10\n", None),
    ("ROUTER=\n", None),
    ("ROUTER=nonsense\n", None),
    ("", None),
])
def test_the_first_router_of_a_lease_is_its_gateway(tmp_path, monkeypatch, text, gateway):
    """A lease without one, or a file that is half written, is none."""
    monkeypatch.setattr(leases, "FOLDER", str(tmp_path))
    (tmp_path / "3").write_text(text)
    assert leases.gateways([2, 3]) == ({(3, socket.AF_INET): gateway} if gateway else {})
