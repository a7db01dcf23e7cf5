"""The client repeats what may be repeated, as the same mail, and not for ever."""

import time

import pytest

from secumail.cli.client import Client
from secumail.errors import Refused
from tests.unit.cli.faults import BUSY, HANG_UP, Answer, answering, problem

MAIL = b"To: bob@northwind.example\r\n\r\nHello\r\n"
ACCEPTED = Answer(202, {"id": "1", "state": "accepted", "recipients": 1})


def test_a_mail_sent_over_a_breaking_line_keeps_its_key() -> None:
    with answering(HANG_UP, HANG_UP, BUSY, ACCEPTED) as server, Client(server.url) as client:
        assert client.send(MAIL)["state"] == "accepted"
        keys = [request.headers["idempotency-key"] for request in server.requests]
        assert len(keys) == 4
        assert len(set(keys)) == 1
        assert all(request.body == MAIL for request in server.requests)


def test_two_mails_have_two_keys_even_when_they_are_alike() -> None:
    with answering(ACCEPTED) as server, Client(server.url) as client:
        client.send(MAIL)
        client.send(MAIL)
        first, second = (request.headers["idempotency-key"] for request in server.requests)
        assert first != second


def test_a_busy_server_is_given_the_time_it_asks_for() -> None:
    busy = problem(429, "too-many", "Too many.", "Wait.", Retry_After="1")
    with answering(busy, Answer(200, [])) as server, Client(server.url) as client:
        began = time.monotonic()
        assert client.get("/folders") == []
        assert 1.0 <= time.monotonic() - began < 30
        assert len(server.requests) == 2


def test_patience_ends_with_the_servers_own_words() -> None:
    with answering(BUSY) as server, Client(server.url, patience=0.5) as client:
        with pytest.raises(Refused) as refused:
            client.send(MAIL)
        assert refused.value.words == "A part of the mail system does not answer."
        assert 2 <= len(server.requests) <= 4


def test_a_server_that_asks_for_more_time_than_there_is_is_not_waited_for() -> None:
    busy = problem(503, "not-now", "Not now.", "Later.", Retry_After="3600")
    with answering(busy) as server, Client(server.url) as client:
        began = time.monotonic()
        with pytest.raises(Refused, match=r"Not now\."):
            client.get("/folders")
        assert time.monotonic() - began < 30
        assert len(server.requests) == 1


def test_a_page_after_the_other_until_there_is_none() -> None:
    pages = (
        Answer(200, {"data": [{"id": "1"}, {"id": "2"}], "next_cursor": "onwards"}),
        Answer(200, {"data": [{"id": "3"}], "next_cursor": None}),
    )
    with answering(*pages) as server, Client(server.url) as client:
        assert [row["id"] for row in client.rows("/messages", folder="inbox")] == ["1", "2", "3"]
        assert "cursor=onwards" in server.requests[1].path


def test_a_server_that_went_away_is_waited_for_once_not_for_every_mail() -> None:
    with answering(Answer(200, [], {"Connection": "close"})) as server:
        client = Client(server.url, patience=0.5)
        client.get("/folders")
    began = time.monotonic()
    for _ in range(10):
        with pytest.raises(Refused, match="is not running"):
            client.send(MAIL)
    assert time.monotonic() - began < 4
