"""Letters: read by the service they are sealed to, from the asker it answers, in time, and once opened, believed."""

import asyncio
import json
import time
from functools import cache
from pathlib import Path
from tempfile import TemporaryDirectory
from uuid import uuid4

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from secumail.errors import Refused
from secumail.sealing import letters
from secumail.sealing.accounts import AccountKeys
from secumail.sealing.identities import Forged, verify
from secumail.sealing.letters import Asked, Letter
from secumail.sealing.transport import Transport
from tests.unit.kernel.keys import Installation

COMMAND = '{"address":"ada@northwind.example","password":"correct horse"}'


async def _two(installation: Installation) -> tuple[Transport, Transport]:
    gateway, auth = installation.transport("gateway"), installation.transport("auth")
    for transport in (gateway, auth):
        await transport.rotate_if_due()
    return gateway, auth


def _body(asked: Asked) -> bytes:
    return asked.letter.model_dump_json().encode()


async def _refusal(reader: Transport, body: bytes, asker: str = "gateway") -> Refused:
    with pytest.raises(Refused) as refused:
        await letters.read(reader, body, asker)
    return refused.value


async def test_a_question_is_read_and_its_answer_comes_back(installation: Installation) -> None:
    gateway, auth = await _two(installation)
    asked = await letters.ask(gateway, "auth", "auth.log-in", COMMAND, 15)
    question = await letters.read(auth, _body(asked), "gateway")
    assert (question.name, question.command, question.actor) == ("auth.log-in", COMMAND, None)
    assert letters.read_answer(asked, letters.answer(question, '{"done":1}')) == '{"done":1}'


async def test_neither_question_nor_answer_is_readable_on_the_broker(installation: Installation) -> None:
    gateway, auth = await _two(installation)
    asked = await letters.ask(gateway, "auth", "auth.log-in", COMMAND, 15)
    answer = letters.answer(await letters.read(auth, _body(asked), "gateway"), '{"bundle":"account keys"}')
    for on_the_broker in (_body(asked), answer):
        assert b"correct horse" not in on_the_broker and b"ada@" not in on_the_broker and b"bundle" not in on_the_broker


async def test_a_refusal_comes_back_as_the_same_refusal(installation: Installation) -> None:
    gateway, auth = await _two(installation)
    asked = await letters.ask(gateway, "auth", "auth.log-in", COMMAND, 15)
    question = await letters.read(auth, _body(asked), "gateway")
    with pytest.raises(Refused) as refused:
        letters.read_answer(asked, letters.answer(question, Refused("role-missing", "Words.", "Fix.", 403)))
    assert (refused.value.code, refused.value.words, refused.value.fix, refused.value.status) == (
        "role-missing", "Words.", "Fix.", 403,
    )  # fmt: skip


async def test_a_late_letter_is_refused(installation: Installation) -> None:
    gateway, auth = await _two(installation)
    asked = await letters.ask(gateway, "auth", "auth.log-in", COMMAND, -0.001)
    assert (await _refusal(auth, _body(asked))).code == "too-late"


async def test_a_deadline_can_not_be_moved(installation: Installation) -> None:
    gateway, auth = await _two(installation)
    asked = await letters.ask(gateway, "auth", "auth.log-in", COMMAND, -1)
    moved = asked.letter.model_copy(update={"deadline": time.time() + 60})
    assert (await _refusal(auth, moved.model_dump_json().encode())).code == "letter-not-accepted"


async def test_a_letter_from_another_service_than_the_asker_is_refused(installation: Installation) -> None:
    await _two(installation)
    dlp, auth = installation.transport("dlp"), installation.transport("auth")
    own_name = await letters.ask(dlp, "auth", "auth.log-in", COMMAND, 15)
    assert (await _refusal(auth, _body(own_name))).code == "letter-not-accepted"
    in_the_gateways_name = own_name.letter.model_copy(update={"by": "gateway"})
    assert (await _refusal(auth, in_the_gateways_name.model_dump_json().encode())).code == "letter-not-accepted"


async def test_a_letter_to_another_service_is_refused(installation: Installation) -> None:
    gateway, _ = await _two(installation)
    crypto = installation.transport("crypto")
    await crypto.rotate_if_due()
    asked = await letters.ask(gateway, "auth", "auth.log-in", COMMAND, 15)
    assert (await _refusal(crypto, _body(asked))).code == "letter-not-accepted"


async def test_an_answer_opens_for_its_own_question_alone(installation: Installation) -> None:
    gateway, auth = await _two(installation)
    asked = await letters.ask(gateway, "auth", "auth.log-in", COMMAND, 15)
    other = await letters.ask(gateway, "auth", "auth.log-in", COMMAND, 15)
    answer = letters.answer(await letters.read(auth, _body(other), "gateway"), '{"done":1}')
    for wrong in (answer, b"", answer[:-1]):
        with pytest.raises(Refused) as refused:
            letters.read_answer(asked, wrong)
        assert refused.value.code == "answer-unreadable"


async def test_an_act_carries_its_persons_signature_over_this_very_command(installation: Installation) -> None:
    gateway, auth = await _two(installation)
    account, keys, others = uuid4(), AccountKeys.generate(), AccountKeys.generate()
    asked = await letters.ask(gateway, "auth", "auth.register", COMMAND, 15, (account, keys))
    question = await letters.read(auth, _body(asked), "gateway")
    assert question.actor == account
    verify(keys.signer.public_key(), question.signature, question.act)
    # Not another person's, not for another command, and not for the same command in another letter.
    again = await letters.read(
        auth, _body(await letters.ask(gateway, "auth", "auth.register", COMMAND, 15, (account, keys))), "gateway"
    )
    other = await letters.read(
        auth, _body(await letters.ask(gateway, "auth", "auth.set-roles", COMMAND, 15, (account, keys))), "gateway"
    )
    for key, act in (
        (others.signer.public_key(), question.act),
        (keys.signer.public_key(), again.act),
        (keys.signer.public_key(), other.act),
    ):
        with pytest.raises(Forged):
            verify(key, question.signature, act)


@cache
def _asked() -> tuple[Transport, Letter]:
    async def ask() -> tuple[Transport, Letter]:
        with TemporaryDirectory() as folder:
            gateway, auth = await _two(Installation(Path(folder)))
            return auth, (await letters.ask(gateway, "auth", "auth.log-in", COMMAND, 3600)).letter

    return asyncio.run(ask())


@given(st.data())
@settings(max_examples=150, deadline=None)
def test_a_letter_with_any_field_changed_is_refused(drawn: st.DataObject) -> None:
    auth, letter = _asked()
    fields = json.loads(letter.model_dump_json())
    field = drawn.draw(st.sampled_from(sorted(fields)))
    by_field: dict[str, st.SearchStrategy[object]] = {
        "id": st.uuids().map(str),
        "deadline": st.floats(allow_nan=False, allow_infinity=False),
    }
    changed = drawn.draw(by_field.get(field, st.text(max_size=64)).filter(lambda value: value != fields[field]))
    refused = asyncio.run(_refusal(auth, json.dumps(fields | {field: changed}).encode()))
    assert refused.code == "letter-not-accepted"


@given(st.binary(max_size=200) | st.dictionaries(st.text(), st.text()).map(lambda d: json.dumps(d).encode()))
@settings(max_examples=60, deadline=None)
def test_what_is_no_letter_is_refused(anything: bytes) -> None:
    auth, _ = _asked()
    assert asyncio.run(_refusal(auth, anything)).code == "letter-not-accepted"
