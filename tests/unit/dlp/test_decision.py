"""The decision table: the paper's rules in the paper's order."""

import itertools
from email.message import EmailMessage

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from services.dlp.attachments import Attachment
from services.dlp.black_words import BlackWord
from services.dlp.lists import Lists
from services.dlp.message import Message, Passage, Unreadable
from services.dlp.policy import MAX_FINDINGS, Decision, Rules, Verdict, decide
from services.dlp.reading import read

DOMAINS = ["northwind.example"]
ADA, BOB, EVE = "ada@northwind.example", "Bob@Northwind.Example", "eve@contoso.example"
PLAN = Attachment.of(1, b"the plan", "application/pdf", "plan.pdf")
MENU = Attachment.of(2, b"the menu", "application/pdf", "menu.pdf")


def a_mail(body: str = "", *attachments: Attachment, subject: str = "") -> Message:
    passages = tuple(Passage(n, t) for n, t in (("subject", subject), ("body", body)) if t)
    return Message(subject=subject, passages=passages, attachments=attachments)


def decided(message: Message, lists: Lists, sender: str = ADA, recipients: tuple[str, ...] = (EVE,)) -> Decision:
    return decide(message, sender, recipients, Rules.compile(lists), DOMAINS)


def verdict(message: Message, lists: Lists, sender: str = ADA, recipients: tuple[str, ...] = (EVE,)) -> Verdict:
    (only,) = decided(message, lists, sender, recipients).verdicts
    return only


# What a mail may have against it, in the paper's order, and the lists that mind it.
EVERYTHING = Lists(
    version=7,
    words=(BlackWord(term="falcon", threshold=2), BlackWord(term="eagle", threshold=99)),
    white_mode="strict",
    white_hashes=frozenset({MENU.sha256}),
    black_hashes=frozenset({MENU.sha256}),
    exempt_senders=frozenset({ADA}),
    weight_threshold=2.0,
)
FAULTS = ["unreadable", "attachment-black-listed", "attachment-not-listed", "black-word", "term-weight"]


def a_mail_with(faults: tuple[str, ...]) -> Message:
    body = "falcon falcon " * ("black-word" in faults) + "eagle and more words " * ("term-weight" in faults)
    attachments = [MENU] * ("attachment-black-listed" in faults) + [PLAN] * ("attachment-not-listed" in faults)
    return Message(
        passages=(Passage("body", body + "lunch at noon " * 3),),
        attachments=tuple(attachments),
        unreadable=Unreadable.DAMAGED if "unreadable" in faults else None,
    )


@pytest.mark.parametrize("exempt", [True, False], ids=["exempt", "filtered"])
@pytest.mark.parametrize(
    "faults",
    [chosen for n in range(len(FAULTS) + 1) for chosen in itertools.combinations(FAULTS, n)],
    ids=lambda faults: "+".join(faults) or "nothing",
)
def test_the_first_rule_of_the_paper_s_order_decides(faults: tuple[str, ...], exempt: bool) -> None:
    got = verdict(a_mail_with(faults), EVERYTHING, sender=ADA if exempt else BOB)
    if exempt:
        assert (got.action, got.code, got.findings) == ("pass", "exempt-sender", ())
    elif not faults:
        assert (got.action, got.code, got.findings) == ("pass", "clean", ())
    else:
        assert (got.action, got.code) == ("hold", faults[0])
        assert got.findings[0].detector == faults[0]


def test_a_reviewer_sees_what_every_rule_found() -> None:
    got = verdict(a_mail_with(tuple(FAULTS[1:])), EVERYTHING, sender=BOB)
    assert {finding.detector for finding in got.findings} == set(FAULTS[1:])
    assert {finding.list_version for finding in got.findings} == {7}


@pytest.mark.parametrize("message", [a_mail("falcon " * 100, PLAN), a_mail(), a_mail("x", PLAN, MENU)])
def test_empty_lists_pass_everything_readable(message: Message) -> None:
    assert verdict(message, Lists()).action == "pass"


def test_empty_lists_do_not_pass_what_cannot_be_read() -> None:
    assert verdict(Message(unreadable=Unreadable.TOO_DEEP), Lists()).code == "unreadable"


@pytest.mark.parametrize("unreadable", list(Unreadable))
def test_every_way_to_be_unreadable_is_explained(unreadable: Unreadable) -> None:
    got = verdict(Message(unreadable=unreadable), Lists())
    assert got.action == "hold" and got.reason.startswith("The mail could not be checked. ")
    assert got.findings[0].rule == unreadable.value


@pytest.mark.parametrize(
    ("mode", "listed", "action", "findings"),
    [
        ("strict", [PLAN, MENU], "pass", 0),
        ("strict", [MENU], "hold", 1),
        ("strict", [], "hold", 2),
        ("advisory", [MENU], "pass", 1),
        ("off", [], "pass", 0),
    ],
)
def test_the_white_list(mode: str, listed: list[Attachment], action: str, findings: int) -> None:
    lists = Lists.model_validate({"white_mode": mode, "white_hashes": [a.sha256 for a in listed]})
    got = verdict(a_mail("See the files.", PLAN, MENU), lists)
    assert (got.action, len(got.findings)) == (action, findings)


def test_a_strict_white_list_lets_mail_without_attachments_pass() -> None:
    assert verdict(a_mail("Lunch?"), Lists(white_mode="strict")).action == "pass"


def test_an_attachment_not_listed_is_named_to_the_reviewer() -> None:
    got = verdict(a_mail("", PLAN), Lists(white_mode="strict"))
    assert got.reason == "Attachment 1 (plan.pdf) is not on the white list of files that may leave."


@pytest.mark.parametrize("digest", [PLAN.sha256, PLAN.sha1])
def test_a_black_listed_file_is_held_by_either_digest(digest: str) -> None:
    got = verdict(a_mail("", PLAN), Lists(black_hashes=frozenset({digest})))
    assert (got.code, got.findings[0].where) == ("attachment-black-listed", "attachment 1 (plan.pdf)")


@pytest.mark.parametrize(
    ("occurrences", "threshold", "action"),
    [(0, 1, "pass"), (1, 1, "hold"), (1, 2, "pass"), (2, 2, "hold"), (3, 2, "hold"), (2, 3, "pass")],
)
def test_a_word_holds_the_mail_once_it_reaches_its_threshold(occurrences: int, threshold: int, action: str) -> None:
    lists = Lists(words=(BlackWord(term="falcon", threshold=threshold),))
    assert verdict(a_mail("falcon " * occurrences + "lunch"), lists).action == action


def test_occurrences_add_up_over_the_mail() -> None:
    lists = Lists(version=3, words=(BlackWord(term="falcon", threshold=3),))
    got = verdict(a_mail("Falcon falcon at noon", subject="FALCON"), lists)
    assert got.reason == "The word “falcon” occurs 3 times in the subject and the body; from 3 on the mail is held."
    assert [(f.where, f.count, f.total, f.threshold, f.list_version) for f in got.findings] == [
        ("body", 2, 3, 3, 3),
        ("subject", 1, 3, 3, 3),
    ]


@pytest.mark.parametrize(
    ("word", "body", "reason"),
    [
        (
            BlackWord(term="falcon"),
            "falcon",
            "The word “falcon” occurs once in the body; a mail that has it is held.",
        ),
        (
            BlackWord(term="project falcon", threshold=2, scope="outside"),
            "project falcon project falcon",
            "The phrase “project falcon” occurs 2 times in the body; from 2 on the mail to recipients outside is held.",
        ),
    ],
)
def test_the_reason_is_a_sentence_with_the_numbers(word: BlackWord, body: str, reason: str) -> None:
    assert verdict(a_mail(body), Lists(words=(word,))).reason == reason


def test_a_long_reason_stops_and_says_how_much_more_there_is() -> None:
    words = tuple(BlackWord(term=f"word{n}") for n in range(MAX_FINDINGS + 50))
    got = verdict(a_mail(" ".join(word.term for word in words)), Lists(words=words))
    assert got.reason.endswith(f" And {MAX_FINDINGS + 47} more.")
    assert len(got.findings) == MAX_FINDINGS


def test_a_weight_that_reaches_the_weight_threshold_holds_the_mail() -> None:
    message = a_mail("falcon and nine other words that say nothing at all")
    weight = 2.302585  # 1 * log(10 / 1)
    words = (BlackWord(term="falcon", threshold=99),)
    assert verdict(message, Lists(words=words, weight_threshold=weight)).code == "term-weight"
    assert verdict(message, Lists(words=words, weight_threshold=weight + 0.001)).code == "clean"


@pytest.mark.parametrize("lists", [EVERYTHING])
@pytest.mark.parametrize("fault", FAULTS)
def test_the_sender_learns_the_rule_but_no_word_and_no_file(lists: Lists, fault: str) -> None:
    notice = verdict(a_mail_with((fault,)), lists, sender=BOB).notice
    assert "reviewer" in notice
    assert not any(secret in notice for secret in ("falcon", "eagle", "plan.pdf", "menu.pdf"))


def test_a_word_for_outside_only_splits_the_recipients() -> None:
    lists = Lists(words=(BlackWord(term="falcon", scope="outside"),))
    inside, outside = decided(a_mail("falcon"), lists, recipients=(EVE, BOB, ADA)).verdicts
    assert (inside.recipients, inside.action) == ((1, 2), "pass")
    assert (outside.recipients, outside.action) == ((0,), "hold")


def test_recipients_of_one_fate_share_one_verdict() -> None:
    lists = Lists(words=(BlackWord(term="falcon"), BlackWord(term="eagle", scope="outside")))
    (both,) = decided(a_mail("falcon eagle"), lists, recipients=(EVE, BOB)).verdicts
    assert both.recipients == (0, 1)
    assert {finding.rule for finding in both.findings} == {"falcon", "eagle"}


@pytest.mark.parametrize("stranger", ["northwind.example", "x@sub.northwind.example", "x@northwind.example@y", "", "x"])
def test_whoever_is_not_surely_inside_is_outside(stranger: str) -> None:
    lists = Lists(words=(BlackWord(term="falcon", scope="outside"),))
    assert verdict(a_mail("falcon"), lists, recipients=(stranger,)).action == "hold"


def test_a_mail_needs_a_recipient() -> None:
    with pytest.raises(ValueError, match="without recipients"):
        decided(a_mail("lunch"), Lists(), recipients=())


@settings(deadline=None)
@given(
    st.permutations([ADA, BOB, EVE, "mallory@contoso.example", "x"]),
    st.sampled_from(["falcon", "eagle", "falcon eagle", "lunch", "heavy words of little sense"]),
)
def test_the_order_of_recipients_changes_no_one_s_verdict(recipients: list[str], body: str) -> None:
    words = (
        BlackWord(term="falcon", scope="outside"),
        BlackWord(term="eagle"),
        BlackWord(term="heavy", threshold=9),
    )
    rules = Rules.compile(Lists(words=words, weight_threshold=1.5))

    def fates(order: list[str]) -> dict[str, tuple[str, str, str]]:
        verdicts = decide(a_mail(body), ADA, order, rules, DOMAINS).verdicts
        assert sorted(i for v in verdicts for i in v.recipients) == list(range(len(order)))
        return {order[i]: (v.action, v.code, v.reason) for v in verdicts for i in v.recipients}

    assert fates(recipients) == fates(sorted(recipients))


def test_a_mail_is_held_from_its_bytes_to_its_reason() -> None:
    mail = EmailMessage()
    mail["Subject"] = "Lunch"
    mail.set_content("Nothing here.")
    mail.add_alternative("<p>The <b>fal</b>con flies at noon, fal&#99;on!</p>", subtype="html")
    got = verdict(read(mail.as_bytes()), Lists(words=(BlackWord(term="falcon", threshold=2),)))
    assert got.reason == "The word “falcon” occurs 2 times in the body; from 2 on the mail is held."
