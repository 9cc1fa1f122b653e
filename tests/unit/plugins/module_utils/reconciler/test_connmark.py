# GNU General Public License v3.0+ (see LICENSE or https://www.gnu.org/licenses/gpl-3.0.txt)
"""The table in nftables: what nft(8) lists is what we wrote, in every version's words; what is foreign stays; a second pass does nothing."""

import errno
import json
import shutil
import subprocess

import pytest

from ansible_collections.gandi.hosting.plugins.module_utils.reconciler import apply, connmark, netlink, service
from ansible_collections.gandi.hosting.plugins.module_utils.reconciler.intents import Intent

PAIRS = [("eth1", 1), ("eth2", 254)]
ARRIVAL = 'nft rule inet gandi_hosting arrival: iifname "eth1" ct direction original ct mark & 0xff000000 == 0 ct mark set ct mark & 0x01ffffff | 0x01000000'
REPLY = "nft rule inet gandi_hosting arrival: ct direction reply ct mark & 0xff000000 == 0x01000000 meta mark set meta mark & 0x01ffffff | 0x01000000"


def nft(command):
    return subprocess.run(["nft", *command.split()], check=True, stdout=subprocess.PIPE, text=True).stdout


@pytest.fixture
def kernel(ip):
    if not shutil.which("nft"):
        pytest.skip("nft is not installed")
    return ip


def test_without_marks_nothing_is_asked(ip, monkeypatch):
    monkeypatch.setattr(connmark, "PROGRAMS", ("/nonexistent/nft",))
    assert connmark.reconcile([], dry_run=False) == ([], [])


def test_without_nft_it_is_a_sentence(ip, monkeypatch):
    monkeypatch.setattr(connmark, "PROGRAMS", ("/nonexistent/nft",))
    assert connmark.reconcile(PAIRS, dry_run=False) == ([], ["connmark: nft is not installed on this host; expected the package nftables"])


@pytest.mark.parametrize("pairs, problems", [([], []), (PAIRS, ["connmark: nftables: Operation not permitted"])])
def test_who_may_not_ask_is_told_so_only_where_it_matters(ip, monkeypatch, pairs, problems):
    def refuse():
        raise PermissionError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(connmark, "_exists", refuse)
    assert connmark.reconcile(pairs, dry_run=True) == ([], problems)


def test_a_second_pass_changes_nothing(kernel):
    lines, problems = connmark.reconcile(PAIRS[:1], dry_run=False)
    assert (lines, problems) == (["+ " + ARRIVAL, "+ " + REPLY], [])
    assert connmark.reconcile(PAIRS[:1], dry_run=False) == ([], [])
    assert connmark.reconcile(PAIRS, dry_run=True)[0] != []


@pytest.mark.parametrize("number", [1, 2, 3, 127, 128, 253, 254])
def test_every_number_is_listed_as_it_was_written(kernel, number):
    connmark.reconcile([("eth1.100", number)], dry_run=False)
    assert connmark.reconcile([("eth1.100", number)], dry_run=False) == ([], [])


def test_a_dry_run_says_it_and_changes_nothing(kernel):
    assert connmark.reconcile(PAIRS[:1], dry_run=True)[0] == ["+ " + ARRIVAL, "+ " + REPLY]
    assert "gandi" not in nft("list ruleset")


def test_an_interface_that_goes_takes_its_rules_along_and_the_last_one_the_table(kernel):
    nft("add table inet foreign")
    connmark.reconcile(PAIRS, dry_run=False)
    assert connmark.reconcile(PAIRS[1:], dry_run=False)[0] == ["- " + ARRIVAL, "- " + REPLY]
    assert len(connmark.reconcile([], dry_run=False)[0]) == 2
    assert nft("list ruleset").split() == ["table", "inet", "foreign", "{", "}"]


@pytest.mark.parametrize("command, line", [
    ("flush chain inet gandi_hosting arrival", "+ " + ARRIVAL),
    ("flush ruleset", "+ " + ARRIVAL),
    ("add rule inet gandi_hosting arrival accept", "- nft rule inet gandi_hosting arrival: one that is not of ours"),
    ("insert rule inet gandi_hosting arrival ct direction reply drop", "- nft rule inet gandi_hosting arrival: one that is not of ours"),
    ("add chain inet gandi_hosting other", "+ nft table inet gandi_hosting"),
])
def test_what_somebody_did_to_our_table_is_mended(kernel, command, line):
    connmark.reconcile(PAIRS[:1], dry_run=False)
    with connmark.listen() as events:
        nft(command)
        assert service.drain(events, 0, lambda _kind, body: connmark.matters(body))
    assert connmark.reconcile(PAIRS[:1], dry_run=False)[0][0] == line
    assert connmark.reconcile(PAIRS[:1], dry_run=False) == ([], [])


def test_what_happens_to_others_tables_wakes_nobody(kernel):
    connmark.reconcile(PAIRS, dry_run=False)
    with connmark.listen() as events:
        nft("add table inet foreign")
        nft("add chain inet foreign gandi_hosting")
        assert not service.drain(events, 0, lambda _kind, body: connmark.matters(body))


def test_every_version_of_nft_says_the_same_to_us():
    """1.0 lists our mask as a prefix, 1.1 as a mask (recorded on Debian 11 and 12, and on Debian 13)."""
    newer = {"nftables": [{"metainfo": {"version": "1.1.3"}}, *connmark.objects(PAIRS[:1])]}
    older = json.loads(json.dumps(newer))
    for item, address in ((older["nftables"][3]["rule"]["expr"][2], 0), (older["nftables"][4]["rule"]["expr"][1], 1 << 24)):
        item["match"] = {"op": "==", "left": {"ct": {"key": "mark"}}, "right": {"prefix": {"addr": address, "len": 8}}}
    for listing in (newer, older):
        assert connmark.normalised(listing) == connmark.objects(PAIRS[:1])


def test_a_version_that_says_it_in_yet_another_way_is_not_written_to_for_ever(kernel, monkeypatch):
    known, accepted = connmark.normalised, {}
    monkeypatch.setattr(connmark, "ACCEPTED", accepted)
    monkeypatch.setattr(connmark, "normalised", lambda listing: [*known(listing), {"chain": {"new": "word"}}])
    assert connmark.reconcile(PAIRS, dry_run=False)[0]
    assert connmark.reconcile(PAIRS, dry_run=False) == ([], [])
    nft("flush chain inet gandi_hosting arrival")
    assert connmark.reconcile(PAIRS, dry_run=False)[0]
    assert connmark.reconcile(PAIRS, dry_run=False) == ([], [])


def test_rules_for_the_marks_come_with_the_table_and_go_with_the_interface(kernel):
    kernel("link add eth1 type veth peer name peer1")
    kernel("link set peer1 up")
    kernel("link set eth1 up")
    kernel("address add 198.18.1.10/24 dev eth1")
    intents = [Intent("eth1", "", 26521, (), connmark=1)]
    with netlink.Netlink() as connection:
        assert apply.reconcile(connection, intents).problems == []
        assert kernel("rule").count("fwmark 0x1000000/0xff000000") == 3 and "eth1" in nft("list ruleset")
        assert apply.reconcile(connection, intents) == apply.Outcome([], [])
        kernel("link set eth1 down")
        kernel("link set eth1 name other")
        kernel("link set other up")
        renamed = [intents[0]._replace(name="other")]
        apply.reconcile(connection, renamed)
        assert '"other"' in nft("list ruleset") and '"eth1"' not in nft("list ruleset")
        kernel("link del other")
        apply.reconcile(connection, renamed)
        assert "fwmark" not in kernel("rule") and nft("list ruleset") == ""
