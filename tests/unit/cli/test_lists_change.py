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


def lists(version: int, **fields: Any) -> Answer:
    return Answer(200, {"version": version, **fields})


def words(version: int, *lines: str) -> Answer:
    csv = "".join(f"{line}\n" for line in ("term,threshold,scope", *lines))
    return Answer(200, csv.encode(), {"ETag": f'"{version}"', "Content-Type": "text/csv; charset=utf-8"})


def sent(server: Server) -> tuple[str, bytes]:
    """If-Match and body of the last change."""
    last = next(request for request in reversed(server.requests) if request.method in ("PUT", "PATCH"))
    return last.headers["if-match"], last.body


def sent_words(server: Server) -> list[str]:
    """The lines of the last CSV that was sent."""
    return sent(server)[1].decode().splitlines()[1:]


def changed(version: int, *, counts: bool = True) -> Answer:
    return Answer(200 if counts else 202, {"version": version, "counts": counts})


def test_a_word_is_added_to_the_newest_words(run: Run, logged_in_at: LogIn) -> None:
    with answering(lists(3), CHANGED, lists(4), changed(5)) as server:
        logged_in_at(server.url)
        result = run("lists", "words", "add", "blue bell", "--threshold", "2")
        assert result.stdout == "Done: the lists are now at version 5.\n"
        assert server.requests[-1].path.endswith("/lists/words?act=add")
        assert sent(server)[0] == '"4"'
        assert sent_words(server) == ["blue bell,2,all"]


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
        assert json.loads(sent(server)[1]) == {"black_hashes": [hashlib.sha256(b"secret plans").hexdigest()]}
        assert all(b"secret plans" not in request.body for request in server.requests)


def test_words_come_from_a_spreadsheet_and_go_back_into_one(run: Run, logged_in_at: LogIn, tmp_path: Path) -> None:
    file = tmp_path / "words.csv"
    file.write_text("term,threshold,scope\nfalcon,2,outside\n")
    with answering(lists(0), changed(1)) as server:
        logged_in_at(server.url)
        assert run("lists", "words", "import", str(file)).exit_code == 0
        assert (server.requests[-1].path.endswith("act=add"), sent_words(server)) == (True, ["falcon,2,outside"])
    with answering(lists(0), changed(1)) as server:
        logged_in_at(server.url)
        assert run("lists", "words", "import", str(file), "--replace").exit_code == 0
        assert (server.requests[-1].method, sent_words(server)) == ("PUT", ["falcon,2,outside"])
    with answering(words(7, "falcon,2,outside")) as server:
        logged_in_at(server.url)
        assert run("lists", "words", "export", "--version", "7").stdout == file.read_text()
        assert server.requests[0].path.endswith("/lists/words?version=7&form=csv")


def test_an_import_waits_until_its_words_count(run: Run, logged_in_at: LogIn, tmp_path: Path) -> None:
    file = tmp_path / "words.txt"
    file.write_text("falcon\nblue, bell\n")
    rows = [{"version": 8, "at": "2026-11-22T12:00:00Z", "actor": None, "counts": counts} for counts in (False, True)]
    with answering(lists(7), changed(8, counts=False), Answer(200, rows[:1]), Answer(200, rows[1:])) as server:
        logged_in_at(server.url)
        result = run("lists", "words", "import", str(file), "--text")
        assert [request.method for request in server.requests] == ["GET", "PATCH", "GET", "GET"]
        assert sent_words(server) == ["falcon,1,all", '"blue, bell",1,all']
    assert result.stdout == "Done: the lists are now at version 8.\n"
    assert result.stderr.splitlines() == [
        "Read: 2 words. Sending them.", "Kept: version 8. Waiting until it counts.",
    ]  # fmt: skip


def test_versions_are_listed_and_compared(run: Run, logged_in_at: LogIn) -> None:
    account = "5a3b2c1d-0000-4000-8000-00000000a001"
    with answering(Answer(200, [{"version": 2, "at": "2026-11-22T12:00:00Z", "actor": account}])) as server:
        logged_in_at(server.url)
        assert account in run("lists", "history").stdout
    older, newer = lists(2), lists(3, white_mode="strict")
    with answering(older, words(2, "falcon,1,all", "heron,1,all"), newer, words(3, "heron,1,all")) as server:
        logged_in_at(server.url)
        assert run("lists", "diff", "2", "3").stdout.splitlines() == [
            "- words: falcon, from 1 on, all", "- white mode: off", "+ white mode: strict",
        ]  # fmt: skip
    with answering(lists(2), words(2, "falcon,1,all"), lists(3), words(3, "falcon,1,all")) as server:
        logged_in_at(server.url)
        assert run("lists", "diff", "2").stdout == "No difference.\n"


def test_a_document_is_registered_by_fingerprints_alone(run: Run, logged_in_at: LogIn, tmp_path: Path) -> None:
    text = "The falcon project moves to the northern site in the second week of the coming January, with all its staff."
    file = tmp_path / "plan.txt"
    file.write_text(text)
    with answering(lists(0), lists(1)) as server:
        logged_in_at(server.url)
        result = run("lists", "documents", "add", str(file))
        assert result.exit_code == 0, result.output
        fingerprints = json.loads(sent(server)[1])["fingerprints"]
        assert b"falcon" not in sent(server)[1]
    with answering(lists(1, fingerprints=fingerprints)) as server:
        logged_in_at(server.url)
        assert run("lists", "documents", "ls").stdout == "plan.txt\n"


def test_a_malformed_line_is_named_and_nothing_is_sent(run: Run, logged_in_at: LogIn, tmp_path: Path) -> None:
    file = tmp_path / "hashes.txt"
    file.write_text(f"{'a' * 64}  fine.pdf\nabc  short.pdf\n")
    with answering(lists(0)) as server:
        logged_in_at(server.url)
        result = run("lists", "import", "white", str(file))
        assert server.requests == []
    assert result.exit_code == 1
    assert "line 2: expected a SHA-256" in result.stderr


def test_a_faulty_line_of_many_words_is_named_and_nothing_is_sent(
    run: Run, logged_in_at: LogIn, tmp_path: Path
) -> None:
    file = tmp_path / "words.csv"
    file.write_text("falcon,2\nheron,none\n")
    with answering(lists(0)) as server:
        logged_in_at(server.url)
        result = run("lists", "words", "import", str(file))
        assert server.requests == []
    assert "line 2: threshold: " in result.stderr


def test_a_mode_there_is_not_is_refused_with_the_modes_there_are(run: Run, logged_in_at: LogIn) -> None:
    with answering(lists(0)) as server:
        logged_in_at(server.url)
        result = run("lists", "mode", "lax")
    assert result.exit_code == 1
    assert "'strict', 'advisory' or 'off'" in result.stderr


def test_an_entry_is_given_an_end_and_loses_it_again(run: Run, logged_in_at: LogIn) -> None:
    chief = "chief@northwind.example"
    now = lists(3, exempt_senders=[chief], ends=[{"list": "words", "entry": "falcon", "until": "2026-12-31"}])
    with answering(now, changed(4)) as server:
        logged_in_at(server.url)
        assert run("lists", "until", "exempt", chief.upper(), "2026-11-30").exit_code == 0
        ends = json.loads(sent(server)[1])["ends"]
        assert [(end["list"], end["entry"], end["until"]) for end in ends] == [
            ("words", "falcon", "2026-12-31"), ("exempt", chief, "2026-11-30"),
        ]  # fmt: skip
    with answering(now, changed(4)) as server:
        logged_in_at(server.url)
        assert run("lists", "until", "words", "falcon").exit_code == 0
        assert json.loads(sent(server)[1]) == {"ends": []}
    with answering(now) as server:
        logged_in_at(server.url)
        assert "is not on the list" in run("lists", "until", "exempt", "eve@x.example", "2026-11-30").stderr
        assert "There is no list 'moon'" in run("lists", "until", "moon", "x").stderr


def test_rules_of_groups_come_from_a_file_and_a_time_zone_must_exist(
    run: Run, logged_in_at: LogIn, tmp_path: Path
) -> None:
    file = tmp_path / "sets.json"
    rule = {"name": "quiet", "then": "allow", "when": {"days": ["sat"]}}
    file.write_text(json.dumps([{"name": "sales", "of": "group", "members": ["@sales.example"], "rules": [rule]}]))
    with answering(lists(3), changed(4), lists(4)) as server:
        logged_in_at(server.url)
        assert run("lists", "rule-sets", str(file)).exit_code == 0
        (sales,) = json.loads(sent(server)[1])["rule_sets"]
        assert (sales["name"], sales["members"], sales["rules"][0]["name"]) == ("sales", ["@sales.example"], "quiet")
        assert "there is no time zone 'Moon'" in run("lists", "time-zone", "Moon").stderr


def test_lists_are_tried_before_they_count(run: Run, logged_in_at: LogIn, tmp_path: Path) -> None:
    file = tmp_path / "words.csv"
    file.write_text("falcon,2\n")
    row = {"id": "5a3b2c1d-0000", "subject": "Bluebell", "sender": "ada@northwind.example"}
    answer = {
        "held": [
            {**row, "now": ["hold black-word"], "then": ["pass clean"]},
            {**row, "now": ["hold danger"], "then": ["hold danger"]},
        ],
        "sent": 7, "sent_held": 3, "words": [{"term": "falcon", "mails": 3}],
    }  # fmt: skip
    with answering(Answer(200, answer)) as server:
        logged_in_at(server.url)
        shown = run("lists", "try", "--words", str(file), "--act", "replace").stdout
        body = json.loads(server.requests[0].body)
        assert json.loads(run("lists", "try", "--json").stdout) == answer
    assert (body["words"], body["act"]) == ("term,threshold,scope\nfalcon,2,all\n", "replace")
    assert "Of 2 held mails 1 would fare differently." in shown
    assert "hold black-word" in shown and "hold danger" not in shown
    assert "Of 7 mails sent 3 would have been held by words." in shown
