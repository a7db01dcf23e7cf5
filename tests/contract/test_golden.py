"""What is on the wire today is what the services of yesterday read, and what those of tomorrow must read."""

import pytest

from secumail.contracts.commands import COMMANDS as COMMAND_MODELS
from secumail.contracts.events import MAIL_EVENTS, AccountChanged
from tests.contract.examples import COMMANDS, EVENTS, REPLIES, all_examples, wire
from tests.contract.golden_files import FOLDER, RULE, only_adds, path

EXAMPLES = all_examples()


def test_every_event_command_and_answer_has_its_golden_file_and_no_file_is_left_over() -> None:
    assert {type(e) for e in EVENTS} == {*MAIL_EVENTS.values(), AccountChanged}
    assert [type(c) for c in COMMANDS] == list(COMMAND_MODELS)
    assert {name: type(reply) for name, reply in REPLIES.items()} == {c.name: c.reply for c in COMMAND_MODELS}
    assert {file.stem for file in FOLDER.iterdir()} == set(EXAMPLES), RULE


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_contract_is_written_byte_for_byte_as_its_golden_file(name: str) -> None:
    assert wire(EXAMPLES[name]) + b"\n" == path(name).read_bytes(), RULE


@pytest.mark.parametrize("name", EXAMPLES)
def test_a_golden_file_is_read_and_written_again_unchanged(name: str) -> None:
    golden = path(name).read_bytes()
    read = type(EXAMPLES[name]).model_validate_json(golden)
    assert read == EXAMPLES[name], RULE
    assert wire(read) + b"\n" == golden, RULE


def test_renewing_allows_a_field_more_and_nothing_else() -> None:
    old = b'{"type": "mail.example", "claim": {"by": "dlp"}, "to": [1, 2]}'
    assert only_adds(old, b'{"type": "mail.example", "claim": {"by": "dlp", "new": 0}, "to": [1, 2], "more": null}')
    for broken in (
        b'{"type": "mail.example", "claim": {"by": "dlp"}}',
        b'{"type": "mail.example", "claim": {"from": "dlp"}, "to": [1, 2]}',
        b'{"type": "mail.example", "claim": {"by": "dlp"}, "to": [1]}',
        b'{"type": "mail.example", "claim": {"by": "dlp"}, "to": ["1", 2]}',
    ):
        assert not only_adds(old, broken)
