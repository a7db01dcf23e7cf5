"""Changing the lists: what somebody else changed meanwhile is kept."""

import hashlib
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

from tests.unit.cli.conftest import Run
from tests.unit.cli.faults import Answer, Server, answering, problem

LogIn = Callable[[str], None]
CHANGED = problem(409, "changed-meanwhile", "Somebody else changed the lists.", "Get them again.")


def lists(version: int, *terms: str, **fields: Any) -> Answer:
    words = [{"term": term, "threshold": 1, "scope": "all"} for term in terms]
    return Answer(200, {"version": version, "words": words, **fields})


def put(server: Server) -> tuple[str, dict[str, Any]]:
    """If-Match and body of the last PUT."""
    last = next(request for request in reversed(server.requests) if request.method == "PUT")
    return last.headers["if-match"], json.loads(last.body)


def test_a_word_is_added_to_the_newest_lists(run: Run, logged_in_at: LogIn) -> None:
    with answering(lists(3, "falcon"), CHANGED, lists(4, "falcon", "heron"), lists(5)) as server:
        logged_in_at(server.url)
        result = run("lists", "add-word", "blue bell", "--threshold", "2")
        assert result.stdout == "Done: the lists are now at version 5.\n"
        version, body = put(server)
    assert version == '"4"'
    assert [(word["term"], word["threshold"]) for word in body["words"]] == [
        ("falcon", 1),
        ("heron", 1),
        ("blue bell", 2),
    ]


def test_a_word_that_is_there_gets_the_new_threshold(run: Run, logged_in_at: LogIn) -> None:
    with answering(lists(3, "Falcon"), lists(4)) as server:
        logged_in_at(server.url)
        run("lists", "add-word", "falcon", "--threshold", "3")
        assert put(server)[1]["words"] == [{"term": "falcon", "threshold": 3, "scope": "all"}]


def test_others_who_are_always_quicker_are_not_fought_for_ever(run: Run, logged_in_at: LogIn) -> None:
    with answering(*(answer for n in range(9) for answer in (lists(n), CHANGED))) as server:
        logged_in_at(server.url)
        result = run("lists", "mode", "strict")
        assert len(server.requests) == 10
    assert (result.exit_code, result.stderr) == (1, "Somebody else changed the lists.\nGet them again.\n")


def test_a_files_hash_is_made_here(run: Run, logged_in_at: LogIn, tmp_path: Path) -> None:
    file = tmp_path / "plans.pdf"
    file.write_bytes(b"secret plans")
    with answering(lists(0), lists(1)) as server:
        logged_in_at(server.url)
        assert run("lists", "black", "add", "--file", str(file)).exit_code == 0
        assert put(server)[1]["black_hashes"] == [hashlib.sha256(b"secret plans").hexdigest()]
        assert all(b"secret plans" not in request.body for request in server.requests)


def test_words_come_from_a_spreadsheet_and_go_back_into_one(run: Run, logged_in_at: LogIn, tmp_path: Path) -> None:
    file = tmp_path / "words.csv"
    file.write_text("term,threshold,scope\nfalcon,2,outside\n")
    with answering(lists(0, "heron"), lists(1)) as server:
        logged_in_at(server.url)
        assert run("lists", "import", "words", str(file)).exit_code == 0
        assert [word["term"] for word in put(server)[1]["words"]] == ["heron", "falcon"]
    with answering(lists(0, "heron"), lists(1)) as server:
        logged_in_at(server.url)
        assert run("lists", "import", "words", str(file), "--replace").exit_code == 0
        assert [word["term"] for word in put(server)[1]["words"]] == ["falcon"]
    with answering(
        Answer(200, {"version": 1, "words": [{"term": "falcon", "threshold": 2, "scope": "outside"}]})
    ) as server:
        logged_in_at(server.url)
        assert run("lists", "export", "words").stdout == file.read_text()


def test_a_malformed_line_is_named_and_nothing_is_sent(run: Run, logged_in_at: LogIn, tmp_path: Path) -> None:
    file = tmp_path / "hashes.txt"
    file.write_text(f"{'a' * 64}  fine.pdf\nabc  short.pdf\n")
    with answering(lists(0)) as server:
        logged_in_at(server.url)
        result = run("lists", "import", "white", str(file))
        assert server.requests == []
    assert result.exit_code == 1
    assert "line 2: expected a SHA-256" in result.stderr


def test_a_word_that_is_not_listed_can_not_be_removed(run: Run, logged_in_at: LogIn) -> None:
    with answering(lists(0, "heron")) as server:
        logged_in_at(server.url)
        result = run("lists", "remove-word", "falcon")
        assert {request.method for request in server.requests} == {"GET"}
    assert result.stderr == "'falcon' is no black word of scope all.\nSee: secumail lists show\n"


def test_a_mode_there_is_not_is_refused_with_the_modes_there_are(run: Run, logged_in_at: LogIn) -> None:
    with answering(lists(0)) as server:
        logged_in_at(server.url)
        result = run("lists", "mode", "lax")
    assert result.exit_code == 1
    assert "'strict', 'advisory' or 'off'" in result.stderr
