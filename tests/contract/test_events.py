"""Events: recognisable when repeated, small, free of content, tolerant of what is new, strict with what is wrong."""

import json
import string
from typing import get_args
from uuid import UUID

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from secumail.contracts.claims import SealedClaim
from secumail.contracts.events import (
    MAIL_EVENTS,
    MAX_BYTES,
    MOST_TAKEN_OUT,
    AccountChanged,
    Event,
    MailBlocked,
    MailDeferred,
    MailEncrypted,
    MailFiltered,
    MailSubmitted,
    decode,
)
from secumail.topology import PUBLISHES
from tests.contract.examples import ACCOUNT, EVENTS, MAIL, claim

CLAIM = claim("gateway", "dlp", "submission")
MAIL_EXAMPLES = tuple(e for e in EVENTS if isinstance(e, Event))

# The largest legal content: every text at its limit, every number as wide as the database keeps.
_NUMBERS = st.integers(min_value=0, max_value=2**63 - 1)
_NAMES = st.text(string.ascii_lowercase + ":-/", min_size=60, max_size=64)
_WIDE_CLAIMS = st.builds(
    SealedClaim,
    by=_NAMES,
    to=_NAMES,
    key=_NAMES,
    says=_NAMES,
    wrap=st.just("A" * 2048),
    signature=st.just("A" * 128),
)
_REASONS = st.text(string.ascii_lowercase + string.digits, min_size=60, max_size=64)


def _widest(model: type[Event]) -> st.SearchStrategy[Event]:
    by_name: dict[str, st.SearchStrategy[object]] = {
        "mail": st.uuids(),
        "claim": _WIDE_CLAIMS,
        "reason": _REASONS,
        **dict.fromkeys(("generation", "recipient", "attempt", "size", "recipients", "delivered", "bounced"), _NUMBERS),
    }
    by_name["without"] = st.just(("f" * 64,) * MOST_TAKEN_OUT)
    for name in ("verdict", "route"):
        if name in model.model_fields:
            by_name[name] = st.sampled_from(get_args(model.model_fields[name].annotation))
    known = {name: strategy for name, strategy in by_name.items() if name in model.model_fields}
    assert set(model.model_fields) - set(known) == {"type", "version"}, "a new field needs a strategy here"
    return st.builds(model, **known)


@given(st.one_of([_widest(model) for model in MAIL_EVENTS.values()]))
@settings(max_examples=150, deadline=None)
def test_the_largest_legal_event_stays_under_4_kib_and_is_read_as_it_was_written(event: Event) -> None:
    body = event.encode()
    assert len(body) <= MAX_BYTES
    assert decode(event.type, body) == event


def test_an_event_beyond_4_kib_is_not_written_and_the_error_says_what_to_do() -> None:
    blocked = MailBlocked.model_construct(mail=MAIL, reason="x" * MAX_BYTES)
    with pytest.raises(ValueError, match="put the rest in a blob"):
        blocked.encode()


@pytest.mark.parametrize(
    ("event", "expected"),
    [
        (MailSubmitted(mail=MAIL, size=1, recipients=1, claim=CLAIM), "8c07c488-286c-544b-aadc-a048f814a062"),
        (MailFiltered(mail=MAIL, size=1, verdict="pass", claim=CLAIM), "0d68a8de-0a50-5082-a4b9-ddf42b486edf"),
        (
            MailFiltered(mail=MAIL, generation=1, size=1, verdict="released", claim=CLAIM),
            "9f6b61e0-23d1-5a52-b8e2-bbfe87cdc229",
        ),
        (MailDeferred(mail=MAIL, recipient=0, attempt=1, reason="busy"), "00d7e79a-d408-5683-8535-1a9c01103641"),
        (AccountChanged(account=ACCOUNT, change="roles", revision=2), "de207ddc-27f4-5b43-ac2e-ba2edfb9852b"),
    ],
)
def test_event_ids_are_the_same_for_ever(event: Event | AccountChanged, expected: str) -> None:
    assert event.event_id == UUID(expected)


@given(st.uuids(), _NUMBERS, st.none() | _NUMBERS, _NUMBERS, st.integers(), st.integers())
@settings(max_examples=50, deadline=None)
def test_an_event_id_names_the_step_and_not_its_content(
    mail: UUID, generation: int, recipient: int | None, attempt: int, size: int, other_size: int
) -> None:
    step = {"mail": mail, "generation": generation, "recipient": recipient, "attempt": attempt}
    first = MailEncrypted(**step, size=size, route="direct")
    assert first.event_id == MailEncrypted(**step, size=other_size, route="direct").event_id
    assert first.event_id != MailEncrypted(**{**step, "generation": generation + 1}, size=size, route="direct").event_id
    assert first.event_id != MailEncrypted(**{**step, "attempt": attempt + 1}, size=size, route="direct").event_id
    assert (
        first.event_id
        != MailEncrypted(**{**step, "recipient": (recipient or 0) + 1}, size=size, route="direct").event_id
    )
    assert first.event_id != MailBlocked(**step, reason="clean").event_id


@pytest.mark.parametrize("event", MAIL_EXAMPLES, ids=lambda e: e.type)
def test_a_field_that_a_newer_service_adds_is_ignored(event: Event) -> None:
    newer = json.loads(event.encode()) | {"added_later": {"by": "a newer service"}}
    assert decode(event.type, json.dumps(newer).encode()) == event


@pytest.mark.parametrize("event", MAIL_EXAMPLES, ids=lambda e: e.type)
def test_a_malformed_event_is_refused(event: Event) -> None:
    good = json.loads(event.encode())
    # `generation`, `recipient` and `attempt` have defaults, and so has `claim` where none is due.
    needed = [name for name, field in type(event).model_fields.items() if field.is_required()]
    wrong = [
        b"", b"null", b"[]", b'"mail"', b"{", b"\xff\xfe",
        *(json.dumps({k: v for k, v in good.items() if k != name}).encode() for name in needed),
        *(json.dumps(good | change).encode() for change in (
            {"mail": "not-a-uuid"}, {"version": 2}, {"type": "mail.other"}, {"generation": "many"},
        )),
    ]  # fmt: skip
    for body in wrong:
        with pytest.raises(ValidationError):
            decode(event.type, body)


def test_an_unknown_type_is_no_event_of_ours() -> None:
    with pytest.raises(KeyError):
        decode("mail.opened", b"{}")


@pytest.mark.parametrize("words", ["ada@northwind.example", "Subject: plans", "Two words", "", "a" * 65])
def test_a_reason_is_a_code_so_that_no_address_and_no_sentence_fits_in(words: str) -> None:
    with pytest.raises(ValidationError):
        MailBlocked(mail=MAIL, reason=words)


def test_every_event_has_a_publisher_and_every_publisher_an_event() -> None:
    keys = {event.routing_key for event in EVENTS if not isinstance(event, MailEncrypted)}
    keys |= {MailEncrypted(mail=MAIL, size=1, route=route).routing_key for route in ("direct", "conceal")}
    assert {key for keys_of_one in PUBLISHES.values() for key in keys_of_one} == keys
