"""What is read from ping's and from `ip monitor`'s output."""

from __future__ import annotations

import pytest
from lab import watch

PINGS = """\
PING 198.18.1.10 (198.18.1.10) 56(84) bytes of data.
[1764058208.120000] 64 bytes from 198.18.1.10: icmp_seq=1 ttl=63 time=0.05 ms
[1764058208.140000] 64 bytes from 198.18.1.10: icmp_seq=2 ttl=63 time=0.05 ms
[1764058208.160000] From 198.19.0.1 icmp_seq=3 Destination Host Unreachable
[1764058208.200000] 64 bytes from 198.18.1.10: icmp_seq=5 ttl=63 time=0.05 ms

--- 198.18.1.10 ping statistics ---
%d packets transmitted, 3 received, 40%% packet loss, time 80ms
"""


@pytest.mark.parametrize(("sent", "lost"), [(5, 2), (6, 2), (9, 5)])
def test_lost_pings(sent, lost):
    """An error is no answer; the last ping may have been on its way."""
    assert watch.parse_pings("198.18.1.10", PINGS % sent).lost == lost


def test_first_reply_after_a_moment():
    """What was answered before does not count, and there may be none."""
    pings = watch.parse_pings("198.18.1.10", PINGS % 6)
    assert pings.first_reply(1764058208.15) == 1764058208.2
    assert pings.first_reply(1764058209) is None


def test_nothing_but_losses():
    """Without an answer all are lost but the last."""
    said = "PING 198.18.1.10 (198.18.1.10) 56(84) bytes of data.\n\n5 packets transmitted, 0 received, 100% packet loss\n"
    assert watch.parse_pings("198.18.1.10", said).lost == 4


def test_first_line_of_the_monitor():
    """The time is local, deletions do not count, and a continued line belongs to the one before."""
    log = watch.parse_log(
        "[2026-11-25T08:00:01.5] Deleted 2: eth1    inet 198.18.1.10/24 scope global eth1\n"
        "[2026-11-25T08:00:02.25] 2: eth1    inet 198.18.1.10/24 brd 198.18.1.255 scope global eth1\n"
        "       valid_lft forever preferred_lft forever\n"
    )
    assert [when - log.lines[0][0] for when, _line in log.lines] == [0, 0.75]
    assert log.first(0, "eth1", "198.18.1.10") == log.lines[1][0]
    assert log.first(0, "eth1", "valid_lft") == log.lines[1][0]
    assert log.first(0, "eth2") is None


@pytest.mark.parametrize(
    "line",
    [
        "default via 198.18.1.1 dev eth1 proto dhcp src 198.18.1.10 metric 1024 ",
        "Deleted default via fe80::1 dev eth1 proto ra metric 1024 expires 1800sec pref medium",
        "default dev eth1 scope link ",
        "default metric 1024 \tnexthop via fe80::1 dev eth0 weight 1 \tnexthop via fe80::1 dev eth1 weight 1 pref medium",
    ],
)
def test_a_default_route_that_is_not_the_primarys(line):
    """Come or gone, and also one of several ways."""
    assert watch.Log([(0, line)]).default_routes(but="eth0") == [line]


@pytest.mark.parametrize(
    "line",
    [
        "default via 198.18.0.1 dev eth0 proto dhcp src 198.18.0.10 metric 100 ",
        "Deleted default via 198.18.0.1 dev eth0 ",
        "default via 198.18.1.1 dev eth1 table 26521 proto 171 ",
        "198.18.1.0/24 dev eth1 proto kernel scope link src 198.18.1.10 ",
        "26541: from 198.18.1.10 lookup 26521",
    ],
)
def test_what_is_no_second_default_route(line):
    """The primary's, one of another table, another route, a rule."""
    assert watch.Log([(0, line)]).default_routes(but="eth0") == []


def test_what_the_monitor_has_not_heard():
    """It says so, without the time."""
    heard = "[2026-11-25T08:00:01.5] Deleted 2: eth1    inet 198.18.1.10/24 scope global eth1\n"
    assert not watch.parse_log(heard).deaf
    assert watch.parse_log(heard + "netlink receive error No buffer space available (105)\n").deaf
