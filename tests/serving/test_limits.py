"""Answers that say why there is no other."""

import json

from manylabel.serving.limits import SAFE_HEADERS, Refusal, quoted


def test_a_refusal_is_the_same_through_the_app_and_without_it() -> None:
    refusal = Refusal(503, "try again soon", retry_seconds=1)
    head, _, body = refusal.as_bytes().partition(b"\r\n\r\n")
    status, *lines = head.decode().split("\r\n")
    headers = dict(line.split(": ", 1) for line in lines)
    answer = refusal.answer(is_last=True)

    assert status == "HTTP/1.1 503 Service Unavailable"
    assert json.loads(body) == json.loads(bytes(answer.body)) == {"detail": "try again soon"}
    assert headers["Content-Length"] == str(len(body))
    for name in ("Content-Type", "Connection", "Retry-After", *SAFE_HEADERS):
        assert headers[name] == answer.headers[name]


def test_what_a_client_sent_is_shown_in_part_where_it_is_long() -> None:
    assert quoted("x" * 100) == f"'{'x' * 100}'"
    assert quoted("x" * 101) == f"'{'x' * 100}...'"
