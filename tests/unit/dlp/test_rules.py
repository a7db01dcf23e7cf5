"""Ordered rules: after the paper's own, the first that applies decides, and it says so."""

from datetime import UTC, date, datetime
from typing import Any

import pytest
from pydantic import ValidationError

from services.dlp import sentences
from services.dlp.attachments import Attachment
from services.dlp.black_words import BlackWord
from services.dlp.findings import Hit
from services.dlp.lists import Lists
from services.dlp.message import Message, Passage
from services.dlp.policy import Decision, Rules, Verdict, decide
from services.dlp.rules import DEFAULT, LISTED, Action, Found, Rule, When
from services.dlp.sentences import ASKED, HIT_WORDS, NOTICE, REFUSED, STRIPPED, WARNING

ADA, BOB = "ada@northwind.example", "bob@northwind.example"
PAT, EVE = "pat@fabrikam.example", "eve@contoso.example"
LUNCH = Message(passages=(Passage("body", "lunch at noon"),))
NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
"""A Sunday."""
WITH_ZIP = Message(
    passages=LUNCH.passages,
    attachments=(
        Attachment(1, "1" * 64, "1" * 40, 9, "application/zip", "a.zip"),
        Attachment(1, "3" * 64, "3" * 40, 9, "application/zip", "b.docx", "attachment 1 (a.zip)"),
        Attachment(2, "2" * 64, "2" * 40, 9, "application/pdf", "b.pdf"),
    ),
)

ENCRYPTED = Hit("unscannable", "encrypted", "attachment 1 (a.zip)")
MACRO = Hit("danger", "macro", "attachment 1 (b.doc)")
COPY = Hit("copy", "plan-2026", "body")
KEY = Hit("credential", "aws-access-key", "attachment 1 (a.zip) ! b.docx ! header", sample="AKIA…")
GUESS = Hit("credential", "generic-api-key", "body", score=0.4)
IBAN = Hit("personal-data", "iban", "body", sample="DE89…", span=(3, 25))


CARDS = Hit("personal-data", "card-bulk", "body", count=20, sample="4…11")


def decided(
    *hits: Hit, rules: tuple[Rule, ...] = DEFAULT, to: tuple[str, ...] = (EVE,), message: Message = LUNCH,
    roles: tuple[str, ...] | None = (), size: int = 100, reasoned: bool = False, now: datetime = NOON,
    **lists: Any,
) -> Decision:  # fmt: skip
    given = Lists.model_validate({"partner_domains": ["fabrikam.example"], "rules": rules, **lists})
    compiled = Rules.compile(given)
    return decide(
        message, ADA, to, compiled, ["northwind.example"],
        hits=hits, roles=roles, size=size, reasoned=reasoned, now=now,
    )  # fmt: skip


def verdict(*hits: Hit, **given: Any) -> Verdict:
    (only,) = decided(*hits, **given).verdicts
    return only


@pytest.mark.parametrize(
    ("hit", "code"),
    [
        (ENCRYPTED, "unscannable"),
        (MACRO, "danger"),
        (COPY, "copy"),
        (Hit("near-duplicate", "plan.png", "attachment 1 (p.png)"), "copy"),
        (Hit("expression", "part-number", "body"), "expression"),
    ],
)
def test_by_default_these_are_held_for_everybody(hit: Hit, code: str) -> None:
    got = verdict(hit, to=(ADA, PAT, EVE))
    assert (got.recipients, got.action, got.code) == ((0, 1, 2), "hold", code)


def test_what_is_dangerous_needs_two_reviewers_also_where_a_word_was_quicker_to_hold_it() -> None:
    assert verdict(MACRO).reviewers == 2
    assert verdict(COPY).reviewers == verdict(Hit("type", "mismatch", "attachment 1 (a.pdf)")).reviewers == 1
    falcon = Message(passages=(Passage("body", "falcon"),))
    got = verdict(MACRO, message=falcon, words=[BlackWord(term="falcon")])
    assert (got.code, got.reviewers) == ("black-word", 2)


@pytest.mark.parametrize("hit", [KEY, CARDS])
def test_by_default_these_are_held_on_their_way_out_only(hit: Hit) -> None:
    inside, outside = decided(hit, to=(EVE, BOB, PAT)).verdicts
    assert (inside.recipients, inside.action, inside.code) == ((1,), "pass", "audited")
    assert (outside.recipients, outside.action) == ((0, 2), "hold")


@pytest.mark.parametrize("hit", [IBAN, Hit("type", "mismatch", "attachment 1 (a.pdf)", score=0.5)])
def test_by_default_these_are_noted_and_pass(hit: Hit) -> None:
    got = verdict(hit)
    assert (got.action, got.code, got.notice) == ("pass", "audited", "Your mail was accepted.")
    assert [f.rule for f in got.findings] == [hit.rule]


def test_what_is_hardly_likely_is_not_even_noted() -> None:
    got = verdict(GUESS, Hit("personal-data", "email", "body", score=0.1))
    assert (got.code, got.findings) == ("clean", ())


def test_hits_add_up_over_the_mail() -> None:
    few = Rule(name="bulk", when=When(found=(Found(detector="personal-data", rule="iban", at_least=20),)), then="hold")
    twelve, eight = (Hit("personal-data", "iban", where, count=n) for where, n in (("body", 12), ("subject", 8)))
    assert verdict(twelve, rules=(few,)).action == "pass"
    got = verdict(twelve, eight, rules=(few,))
    assert (got.action, got.code) == ("hold", "personal-data")
    assert [(f.count, f.total, f.threshold, f.decided_by) for f in got.findings] == [
        (12, 20, 20, "bulk"), (8, 20, 20, "bulk"),
    ]  # fmt: skip


def test_a_reviewer_reads_where_it_was_found_and_which_rule_decided() -> None:
    got = verdict(KEY)
    assert got.reason == (
        "Attachment 1 (a.zip) ! b.docx ! header holds a credential: aws-access-key, “AKIA…”."
        " So says the rule “credential-outside”."
    )
    (found,) = got.findings
    assert (found.detector, found.rule, found.where, found.sample, found.score, found.list_version) == (
        "credential", "aws-access-key", "attachment 1 (a.zip) ! b.docx ! header", "AKIA…", 1.0, 0,
    )  # fmt: skip


def test_every_hit_is_a_finding_those_that_decided_first() -> None:
    got = verdict(IBAN, GUESS, MACRO)
    assert [(f.rule, f.decided_by) for f in got.findings] == [
        ("macro", "danger"), ("iban", None),
    ]  # fmt: skip
    assert got.findings[1].span == (3, 25)


def test_the_paper_s_rules_come_first_and_no_rule_lets_through_what_they_hold() -> None:
    everything = (Rule(name="all-may-go", then="allow"),)
    falcon = Message(passages=(Passage("body", "falcon"),))
    got = verdict(IBAN, rules=everything, message=falcon, words=[BlackWord(term="falcon")])
    assert (got.action, got.code) == ("hold", "black-word")
    assert [f.detector for f in got.findings] == ["black-word", "personal-data"]


FALCONS = Message(
    passages=(Passage("body", "falcon, falcon"),),
    attachments=(Attachment(1, "1" * 64, "1" * 40, 9, "application/pdf", "a.pdf"),),
)


def test_a_rule_makes_more_of_what_a_list_holds() -> None:
    def rule(detector: str, then: str, **more: Any) -> Rule:
        return Rule.model_validate({"name": "r", "when": {"found": [{"detector": detector, **more}]}, "then": then})

    words = [BlackWord(term="falcon")]
    blocked = verdict(message=FALCONS, words=words, rules=(rule("black-word", "block", rule="falcon", at_least=2),))
    assert (blocked.action, blocked.code) == ("block", "black-word")
    assert [(f.detector, f.rule, f.count, f.threshold) for f in blocked.findings] == [("black-word", "falcon", 2, 1)]
    assert "keeps to itself" in blocked.notice and "falcon" not in blocked.notice
    needs_two = Rule(name="r", when=When(found=(Found(detector="attachment-black-listed"),)), then="hold", reviewers=2)
    secret = verdict(message=FALCONS, black_hashes=["1" * 64], rules=(needs_two,))
    assert (secret.action, secret.code, secret.reviewers) == ("hold", "attachment-black-listed", 2)
    assert verdict(message=FALCONS, words=words, rules=(rule("black-word", "allow"),)).action == "hold"


def test_what_must_be_encrypted_must_be_so_also_when_a_list_holds_it() -> None:
    encrypt = Rule(name="e", when=When(recipients=("outside",)), then="encrypt")
    got = verdict(message=FALCONS, words=[BlackWord(term="falcon")], rules=(encrypt,))
    assert (got.action, got.code, got.encrypted) == ("hold", "black-word", True)


def test_a_white_list_that_only_advises_may_be_asked_for_by_a_rule() -> None:
    warn = Rule(name="w", when=When(found=(Found(detector="attachment-not-listed"),)), then="warn")
    got = verdict(message=FALCONS, white_mode="advisory", rules=(warn,))
    assert (got.action, got.code) == ("pass", "warned")
    assert [f.detector for f in got.findings] == ["attachment-not-listed"]


def test_whoever_asks_for_any_finding_does_not_ask_for_the_lists() -> None:
    anything = Rule(name="any", when=When(found=(Found(detector="*"),)), then="block")
    assert verdict(message=FALCONS, words=[BlackWord(term="falcon")], rules=(anything,)).action == "hold"


def test_an_exempt_sender_meets_no_rule() -> None:
    assert verdict(MACRO, exempt_senders=[ADA]).code == "exempt-sender"


def test_the_first_rule_that_applies_decides() -> None:
    may = Rule(name="macros-may", when=When(found=(Found(detector="danger", rule="macro"),)), then="allow")
    assert (verdict(MACRO, rules=(may, *DEFAULT)).code, verdict(MACRO, rules=(may, *DEFAULT)).findings) == (
        "allowed",
        (),
    )
    assert verdict(MACRO, rules=(*DEFAULT, may)).action == "hold"


WHEN = Rule(
    name="chiefs",
    when=When(
        senders=("@northwind.example",), roles=("reviewer",), recipients=("partner",), larger_than=1000,
        found=(Found(detector="credential", score=0.3, at_least=2), Found(detector="copy")),
    ),
    then="hold",
    until=date(2026, 12, 31),
)  # fmt: skip
MET = {"to": (PAT,), "roles": ("member", "reviewer"), "size": 1001, "now": datetime(2026, 12, 31, 23, 59, tzinfo=UTC)}


@pytest.mark.parametrize(
    ("hits", "other", "holds"),
    [
        ((COPY,), {}, True),
        ((GUESS, GUESS), {}, True),
        ((GUESS,), {}, False),
        ((), {}, False),
        ((COPY,), {"to": (EVE,)}, False),
        ((COPY,), {"to": (BOB,)}, False),
        ((COPY,), {"roles": ("member",)}, False),
        ((COPY,), {"size": 1000}, False),
        ((COPY,), {"now": datetime(2027, 1, 1, tzinfo=UTC)}, False),
    ],
)
def test_every_condition_that_is_given_must_hold(hits: tuple[Hit, ...], other: dict[str, object], holds: bool) -> None:
    assert (verdict(*hits, rules=(WHEN,), **{**MET, **other}).action == "hold") is holds


@pytest.mark.parametrize(
    ("then", "action"),
    [("allow", "hold"), ("audit", "hold"), ("warn", "hold"), ("ask", "ask"), ("hold", "hold"), ("block", "block")],
)
def test_a_sender_whose_account_is_gone_has_every_role_that_stops_a_mail_and_none_that_lets_one_pass(
    then: Action, action: str
) -> None:
    of_members = Rule(name="of-members", when=When(roles=("member",)), then=then)
    assert verdict(rules=(of_members, Rule(name="all", then="hold")), roles=None).action == action


@pytest.mark.parametrize(
    ("sender", "applies"), [("ada@northwind.example", True), ("@northwind.example", True), ("@example", False)]
)
def test_a_sender_is_named_by_address_or_by_domain(sender: str, applies: bool) -> None:
    rule = Rule(name="r", when=When(senders=(sender,)), then="hold")
    got = verdict(rules=(rule,))
    assert (got.action == "hold") is applies
    assert not applies or (got.code, got.reason) == ("rule", "So says the rule “r”.")


@pytest.mark.parametrize(
    ("then", "action", "code", "noted"),
    [
        ("allow", "pass", "allowed", False),
        ("audit", "pass", "audited", True),
        ("tag", "pass", "tagged", True),
        ("warn", "pass", "warned", True),
        ("ask", "ask", "reason-needed", True),
        ("encrypt", "pass", "encrypted-only", True),
        ("strip", "pass", "stripped", True),
        ("hold", "hold", "credential", True),
        ("block", "block", "credential", True),
    ],
)
def test_what_a_rule_does(then: str, action: str, code: str, noted: bool) -> None:
    rule = Rule.model_validate({"name": "r", "when": {"found": [{"detector": "credential"}]}, "then": then})
    got = verdict(KEY, rules=(rule,), message=WITH_ZIP)
    assert (got.action, got.code, bool(got.findings)) == (action, code, noted)


def test_a_mail_that_comes_with_a_reason_passes_where_it_was_asked_for() -> None:
    ask = Rule(name="r", when=When(found=(Found(detector="credential"),)), then="ask")
    got = verdict(KEY, rules=(ask,), reasoned=True)
    assert (got.action, got.code, got.notice) == ("pass", "justified", "Your mail was accepted.")
    hold = Rule(name="h", when=ask.when, then="hold")
    assert verdict(KEY, rules=(hold,), reasoned=True).action == "hold", "a reason opens no other door"


def test_what_must_be_encrypted_is_said_apart_from_what_just_passes() -> None:
    encrypt = Rule(name="e", when=When(recipients=("outside",), found=(Found(detector="*"),)), then="encrypt")
    inside, outside = decided(IBAN, rules=(encrypt,), to=(BOB, EVE)).verdicts
    assert (inside.recipients, inside.encrypted) == ((0,), False)
    assert (outside.recipients, outside.encrypted, outside.code) == ((1,), True, "encrypted-only")


STRIP = Rule(name="s", when=When(found=(Found(detector="credential"), Found(detector="danger"))), then="strip")


def test_the_attachments_that_a_rule_found_something_in_are_taken_out() -> None:
    named = Hit("danger", "double-extension", "name of attachment 2")
    inner = Hit("credential", "aws-access-key", "attachment 1 (a.zip) ! b.docx ! header, base64")
    for hits, without in (((KEY,), ("1" * 64,)), ((named,), ("2" * 64,)), ((inner,), ("1" * 64,))):
        got = verdict(*hits, rules=(STRIP,), message=WITH_ZIP)
        assert (got.code, got.without) == ("stripped", without)
        assert got.otherwise is not None and got.otherwise.action == "hold"


def test_what_becomes_of_a_mail_that_stays_is_decided_for_all_whose_attachments_were_to_be_taken_out() -> None:
    away = Rule(name="s", when=When(recipients=("partner", "outside"), found=STRIP.when.found), then="strip")
    (inside, outside) = decided(KEY, rules=(away,), message=WITH_ZIP, to=(BOB, PAT, EVE)).verdicts
    assert (inside.recipients, outside.recipients) == ((0,), (1, 2))
    assert outside.otherwise is not None and outside.otherwise.recipients == (1, 2)


def test_where_taking_attachments_out_is_not_enough_the_mail_is_held() -> None:
    in_body = Hit("credential", "aws-access-key", "body")
    assert verdict(KEY, in_body, rules=(STRIP,), message=WITH_ZIP).action == "hold"
    no_such = Hit("credential", "aws-access-key", "attachment 7")
    assert verdict(no_such, rules=(STRIP,), message=WITH_ZIP).action == "hold"


def test_mails_that_pass_one_way_or_another_are_not_split_but_a_warning_is_for_whom_it_is_meant() -> None:
    noted = Rule(name="noted", when=When(recipients=("outside",), found=(Found(detector="*"),)), then="audit")
    (both,) = decided(IBAN, rules=(noted,), to=(BOB, EVE)).verdicts
    assert (both.recipients, both.code) == ((0, 1), "audited")
    warned = Rule(name="w", when=When(recipients=("outside",), found=(Found(detector="*"),)), then="warn")
    assert [(v.recipients, v.code) for v in decided(IBAN, rules=(warned,), to=(BOB, EVE)).verdicts] == [
        ((0,), "clean"), ((1,), "warned"),
    ]  # fmt: skip


@pytest.mark.parametrize("told", [NOTICE, REFUSED, WARNING, ASKED, sentences.ENCRYPTED, STRIPPED])
def test_every_code_of_a_rule_has_words_for_the_sender_that_name_no_finding(told: dict[str, str]) -> None:
    for rule_code in ("unscannable", "danger", "copy", "expression", "credential", "personal-data", "rule", *LISTED):
        assert told[rule_code]
    for then in ("hold", "block", "warn", "ask", "encrypt", "strip"):
        rule = Rule.model_validate({"name": "secret-rule", "when": {"found": [{"detector": "*"}]}, "then": then})
        for detector in HIT_WORDS:
            found = Hit(detector, "plan-falcon", "attachment 1 (a.zip)", sample="AKIA…")
            notice = verdict(found, rules=(rule,)).notice
            assert not any(secret in notice for secret in ("plan-falcon", "a.zip", "AKIA", "secret-rule"))


def test_rules_are_part_of_the_lists_and_survive_json() -> None:
    lists = Lists(rules=(WHEN,), partner_domains=frozenset({" Fabrikam.Example "}))
    assert Lists.model_validate_json(lists.model_dump_json()) == lists
    assert Lists.model_validate_json('{"version": 3}').rules == DEFAULT
    assert lists.partner_domains == {"fabrikam.example"}


@pytest.mark.parametrize(
    ("rules", "fault"),
    [
        ([{"name": "a", "then": "hold"}, {"name": "a", "then": "allow"}], "two rules are called 'a'"),
        ([{"name": "A b", "then": "hold"}], "pattern"),
        ([{"name": "a", "then": "block", "reviewers": 2}], "holds nothing"),
        ([{"name": "a", "then": "burn"}], "'allow', 'audit'"),
        ([{"name": "a", "then": "hold", "when": {"found": [{"detector": "credential", "score": 0.5}]}}], "uncertain"),
        ([{"name": "a", "then": "hold", "when": {"recipients": ["moon"]}}], "'inside', 'partner'"),
        ([{"name": "a", "then": "hold", "when": {"moon": 1}}], "Extra"),
        ([{"name": "a", "then": "hold", "until": "some day"}], "date"),
    ],
)
def test_a_rule_that_cannot_work_is_refused_with_its_fault(rules: list[object], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Lists.model_validate({"rules": rules})
