"""A text that names no character set, or none that is known, is read as all that it may be."""

import pytest

from services.dlp import reading
from services.dlp.attachments import Attachment, known_bad
from services.dlp.charsets import decode, readings
from services.dlp.danger import examine
from services.dlp.extraction.walk import extract
from services.dlp.findings import Hit
from services.dlp.message import File, Passage
from tests.unit.dlp import specimens

RUSSIAN = "Прошу передать проект Сокол заказчику до пятницы, это строго секретно."


def likely(text: str, codec: str) -> list[str]:
    return [reading for _, reading in readings(text.encode(codec))]


@pytest.mark.parametrize("codec", ["cp1251", "koi8_r", "cp866", "iso8859_5", "mac_cyrillic"])
@pytest.mark.parametrize("text", [RUSSIAN, RUSSIAN.upper(), "Сокол", "проект Сокол", "Проект СОКОЛ, plan"])
def test_cyrillic_words_are_read_in_any_of_their_character_sets(codec: str, text: str) -> None:
    assert text in likely(text, codec)


@pytest.mark.parametrize(
    ("codec", "text"),
    [
        ("cp1253", "Σχέδιο Γεράκι, απόρρητη έκθεση"),
        ("cp1255", "הפרויקט בז הוא סודי"),
        ("cp1256", "مشروع الصقر سري للغاية"),
        ("cp874", "โครงการเหยี่ยวเป็นความลับ"),
        ("gb18030", "猎鹰项目是机密"),
        ("big5", "獵鷹專案是機密"),
        ("shift_jis", "ハヤブサ計画は極秘です"),
        ("euc_jp", "ハヤブサ計画は極秘です"),
        ("euc_kr", "송골매 계획은 극비입니다"),
        ("cp1250", "Projekt Sokół jest ściśle tajny"),
        ("iso8859_2", "Projekt Sokół jest ściśle tajny"),
        ("cp850", "Größe über Maße"),
        ("cp1254", "gizli şahin görüş, dağ"),
    ],
)
def test_so_are_the_words_of_other_scripts(codec: str, text: str) -> None:
    assert text in likely(text, codec)


def test_what_is_known_has_one_reading() -> None:
    assert readings(b"plain") == () and readings(RUSSIAN.encode()) == ()
    assert readings(RUSSIAN.encode("cp1251"), "windows-1251") == ()
    assert decode(RUSSIAN.encode("cp1251"), "windows-1251") == RUSSIAN


def test_a_long_text_has_few_readings() -> None:
    assert len(readings(RUSSIAN.encode("cp1251") * 20_000)) == 2


def test_the_readings_of_a_file_are_one_text_in_several_ways() -> None:
    """A reader sees one of them, so that words are not counted once for each."""
    file = File(1, "attachment 1 (a.txt)", "a.txt", "application/octet-stream", RUSSIAN.encode("cp1251"))
    passages = [found for found in extract([file]) if isinstance(found, Passage)]
    assert any(p.name == "attachment 1 (a.txt) ! as cp1251" and p.text == RUSSIAN for p in passages)
    groups = {p.alternative[0] for p in passages if p.alternative}
    assert len(groups) == 1 and len({p.alternative for p in passages}) == len(passages)


@pytest.mark.parametrize("kind", ["plain", "html"])
def test_a_body_that_declares_nothing_is_read_in_several_ways(kind: str) -> None:
    raw = f"Subject: x\nContent-Type: text/{kind}\n\n".encode() + RUSSIAN.encode("koi8_r")
    passages = [passage for passage in reading.read(raw).passages if passage.name.startswith("body")]
    assert ("body, as koi8_r", RUSSIAN) in {(passage.name, passage.text) for passage in passages}
    assert len({passage.alternative for passage in passages}) == len(passages) > 1


def test_a_danger_is_told_with_its_place_in_the_file() -> None:
    file = File(1, "attachment 1 (a.pdf.exe)", "a.pdf.exe", "", specimens.pe())
    found = {hit.where for hit in extract([file], examine=examine) if isinstance(hit, Hit) and hit.detector == "type"}
    assert found == {"attachment 1 (a.pdf.exe) ! name"}


def test_files_known_to_do_harm_are_a_danger_wherever_they_lie() -> None:
    data = specimens.zipped({"inner.bin": b"harmless to look at"})
    members = [found for found in extract([File(1, "attachment 1", "", "", data)]) if isinstance(found, Attachment)]
    for digest in (members[0].sha256, members[0].sha1):
        assert known_bad(members, {digest}) == (Hit("danger", "known-bad", "attachment 1 ! inner.bin"),)
    assert known_bad(members, {"0" * 64}) == ()
