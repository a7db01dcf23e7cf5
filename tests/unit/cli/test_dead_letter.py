"""What is read from a dead letter: why it died and where it lay, and never what opens the mail."""

from datetime import UTC, datetime
from typing import Any

from aio_pika.message import IncomingMessage
from aiormq.abc import DeliveredMessage
from pamqp.commands import Basic
from pamqp.header import ContentHeader

from secumail import topology
from secumail.bus.dead import Letter

MAIL = "6f3c1d52-6f0e-5a43-9d0c-52d1d9f7b6a1"
BODY = (
    b'{"type":"mail.filtered","version":1,"mail":"%s","generation":1,"size":120,"verdict":"released",'
    b'"claim":{"by":"dlp","to":"crypto","key":"k","wrap":"the-wrap","says":"pass","signature":"s"}}' % MAIL.encode()
)


def message(body: bytes, headers: dict[str, Any], **properties: Any) -> IncomingMessage:
    """As the driver hands it over."""
    header = ContentHeader(body_size=len(body), properties=Basic.Properties(headers=headers, **properties))
    delivery = Basic.Deliver("", 1, False, "", "crypto.dead")
    return IncomingMessage(DeliveredMessage(delivery, header, body, channel=None))


def test_a_letter_a_service_gave_up_names_error_and_queue() -> None:
    headers = {"x-error": "blob-gone", "x-queue": "crypto.mail.filtered"}
    letter = Letter.read(
        "crypto", message(BODY, headers, message_id="1", correlation_id=MAIL, message_type="mail.filtered")
    )
    assert (letter.id, letter.error, letter.queue, letter.mail) == ("1", "blob-gone", "crypto.mail.filtered", MAIL)
    assert letter.event["verdict"] == "released"


def test_no_claim_is_in_a_letter() -> None:
    assert "the-wrap" not in repr(Letter.read("crypto", message(BODY, {"x-error": "e", "x-queue": "q"})))


def test_a_letter_the_broker_gave_up_names_the_limit_the_queue_and_the_hour() -> None:
    at = datetime(2026, 11, 22, 10, tzinfo=UTC)
    deaths = [
        {"queue": "crypto.mail.filtered", "reason": "delivery_limit", "count": 1, "time": at},
        {"queue": "crypto.retry.5s", "reason": "expired", "count": 3, "time": at},
    ]
    letter = Letter.read("crypto", message(BODY, {"x-death": deaths}))
    assert (letter.error, letter.queue, letter.died) == ("delivery_limit", "crypto.mail.filtered", at)


def test_a_letter_that_is_no_event_still_has_an_id_of_its_own() -> None:
    one, other = (Letter.read("dlp", message(body, {})) for body in (b"\xff", b"[1]"))
    assert one.id != other.id
    assert (one.error, one.queue, one.event) == ("unknown", "", {})


def test_no_operator_looks_so_often_that_a_letter_is_lost() -> None:
    policies: Any = topology.definitions(dict.fromkeys((*topology.SERVICES, topology.OPERATOR), "p"))["policies"]
    dead = next(policy for policy in policies if policy["name"] == "dead")
    assert dead["definition"]["delivery-limit"] > 10**9
