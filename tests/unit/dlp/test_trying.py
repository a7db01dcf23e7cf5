"""What words would have held of mail that was sent is told by counts under keyed ids."""

from uuid import UUID

from secumail.contracts.commands.dlp import LoggedMail
from services.dlp.black_words import BlackWord, Words
from services.dlp.term_ids import TermIds
from services.dlp.trying import held_by_counts

IDS = TermIds(b"secret")
FIRST, SECOND = UUID(int=1), UUID(int=2)


def line(id_: UUID, to: str, *terms: tuple[str, int]) -> LoggedMail:
    return LoggedMail(id=id_, recipients=(to,), terms=IDS.counted(terms))


def test_a_mail_is_held_by_a_word_it_has_often_enough() -> None:
    log = [
        line(FIRST, "bob@northwind.example", ("Falcon", 2), ("heron", 1)),
        line(SECOND, "bob@northwind.example", ("falcon", 1)),
    ]
    words = Words.of([BlackWord(term="FALCON", threshold=2), BlackWord(term="heron", threshold=2)])
    assert held_by_counts(words, log, IDS, ["northwind.example"]) == ((FIRST,), {"FALCON": 1})


def test_a_word_for_outside_holds_what_went_outside() -> None:
    log = [line(FIRST, "bob@northwind.example", ("falcon", 1)), line(SECOND, "eve@contoso.example", ("falcon", 1))]
    words = Words.of([BlackWord(term="falcon", scope="outside")])
    assert held_by_counts(words, log, IDS, ["northwind.example"]) == ((SECOND,), {"falcon": 1})


def test_an_id_says_nothing_without_the_secret() -> None:
    assert IDS.of("falcon") == IDS.of(" FALCON ")
    assert IDS.of("falcon") != TermIds(b"another").of("falcon")
    assert "falcon" not in IDS.of("falcon")
