"""Questions and answers, over the loopback."""

from __future__ import annotations

import pytest
from lab import talk

COOKIE = b"\x01\x02\x03\x04\x05\x06\x07\x08"


def test_answer_carries_the_cookie_and_who_asked():
    """So that NAT shows."""
    assert talk.answer(b"?" + COOKIE, "198.19.0.2") == b"!" + COOKIE + b"198.19.0.2"


@pytest.mark.parametrize("data", [b"", b"?", b"?" + COOKIE[:7], b"!" + COOKIE])
def test_no_question_no_answer(data):
    """Two servers cannot answer each other for ever."""
    assert talk.answer(data, "198.19.0.2") == b""


def test_what_cannot_be_asked_is_an_error_and_not_the_end_of_the_others():
    """An address that this machine does not have, and one that nobody listens on."""
    asked = [{"address": "127.0.0.1", "protocol": "tcp", "port": 9, "cookie": COOKIE.hex(), "source": source} for source in ("192.0.2.1", "")]
    assert [said["error"] for said in talk.ask(asked)] == ["Cannot assign requested address", "Connection refused"]
