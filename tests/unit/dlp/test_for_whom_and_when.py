"""Rules for some recipients and some hours, entries that end, and rules of the organisation, a group, a person."""

from datetime import UTC, date, datetime, time
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from services.dlp.attachments import Attachment
from services.dlp.black_words import BlackWord
from services.dlp.findings import Hit
from services.dlp.lists import Lists
from services.dlp.message import Message, Passage
from services.dlp.policy import Rules, Verdict, decide
from services.dlp.rules import Hours, Rule, RuleSet

ADA, BOB = "ada@northwind.example", "bob@northwind.example"
PAT, EVE = "pat@fabrikam.example", "eve@contoso.example"
FALCON = Message(passages=(Passage("body", "falcon"),))
IBAN = Hit("personal-data", "iban", "body", sample="DE89…")
SUNDAY_NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)


def verdicts(*hits: Hit, **given: Any) -> tuple[Verdict, ...]:
    """Of a mail from Ada to Eve on Sunday noon, if nothing else is `given`; what is left of it are lists."""
    asked: dict[str, Any] = {"sender": ADA, "to": (EVE,), "now": SUNDAY_NOON, "message": Message()} | given
    lists = {name: value for name, value in given.items() if name in Lists.model_fields}
    rules = Rules.compile(Lists.model_validate({"partner_domains": ["fabrikam.example"], "rules": [], **lists}))
    message, sender, to, now = (asked[name] for name in ("message", "sender", "to", "now"))
    why = given.get("reasoned", False)
    return decide(message, sender, to, rules, ["northwind.example"], hits=hits, reasoned=why, now=now).verdicts


def rule(then: str, name: str = "r", **given: Any) -> dict[str, Any]:
    """A rule that asks for nothing else."""
    return {"name": name, "then": then, **given}


# --- recipients ---------------------------------------------------------------------------------------------


def test_a_rule_names_recipients_by_address_or_domain_and_the_mail_is_split_for_them() -> None:
    to = (EVE, PAT, BOB, "MALLORY@Contoso.example")
    held = [rule("hold", when={"to": ["@contoso.example", BOB]})]
    passing, stopped = sorted(verdicts(to=to, rules=held), key=lambda v: v.action, reverse=True)
    assert (passing.action, passing.recipients) == ("pass", (1,))
    assert (stopped.action, stopped.recipients) == ("hold", (0, 2, 3))


# --- times --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("when", "now", "applies"),
    [
        ({"days": ["sat", "sun"]}, SUNDAY_NOON, True),
        ({"days": ["mon"]}, SUNDAY_NOON, False),
        # In Auckland it is Monday already.
        ({"days": ["mon"], "zone": "Pacific/Auckland"}, SUNDAY_NOON, True),
        ({"hours": {"since": "08:00", "before": "18:00"}}, SUNDAY_NOON, True),
        ({"hours": {"since": "08:00", "before": "12:00"}}, SUNDAY_NOON, False),
        ({"hours": {"since": "12:00", "before": "13:00"}, "zone": "Europe/Berlin"}, SUNDAY_NOON, False),
        ({"hours": {"since": "18:00", "before": "08:00"}}, SUNDAY_NOON.replace(hour=23), True),
        ({"hours": {"since": "18:00", "before": "08:00"}}, SUNDAY_NOON.replace(hour=7), True),
        ({"hours": {"since": "18:00", "before": "08:00"}}, SUNDAY_NOON, False),
    ],
)
def test_a_rule_counts_on_its_days_and_in_its_hours_by_the_organisations_clock(
    when: dict[str, Any], now: datetime, applies: bool
) -> None:
    asked = {k: v for k, v in when.items() if k != "zone"}
    (got,) = verdicts(rules=[rule("hold", when=asked)], time_zone=when.get("zone", "UTC"), now=now)
    assert (got.action == "hold") is applies


@pytest.mark.parametrize(
    ("day", "applies"), [(date(2026, 11, 21), False), (date(2026, 11, 22), True), (date(2026, 11, 24), False)]
)
def test_a_rule_counts_from_its_first_day_to_its_last(day: date, applies: bool) -> None:
    given = [rule("hold", since="2026-11-22", until="2026-11-23")]
    (got,) = verdicts(rules=given, now=datetime.combine(day, time(12), UTC))
    assert (got.action == "hold") is applies


@given(st.times(), st.times(), st.times())
def test_every_time_is_in_some_hours_or_in_the_others(since: time, before: time, at: time) -> None:
    both = Hours(since=since, before=before).have(at), Hours(since=before, before=since).have(at)
    assert both.count(True) == 1 if since != before else not any(both)


# --- entries that end ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("entry", "lists", "before", "after"),
    [
        ({"list": "words", "entry": "FALCON"}, {"words": [BlackWord(term="Falcon")]}, "hold", "pass"),
        ({"list": "exempt", "entry": ADA}, {"exempt_senders": [ADA], "rules": [rule("hold")]}, "pass", "hold"),
        (
            {"list": "partner", "entry": "fabrikam.example"},
            {"rules": [rule("hold", when={"recipients": ["partner"]})]}, "hold", "pass",
        ),
    ],
)  # fmt: skip
def test_an_entry_counts_until_its_last_day(
    entry: dict[str, str], lists: dict[str, Any], before: str, after: str
) -> None:
    given = {**lists, "ends": [{**entry, "until": "2026-11-22"}], "to": (PAT,), "message": FALCON}
    assert verdicts(**given)[0].action == before
    assert verdicts(now=SUNDAY_NOON.replace(day=23), **given)[0].action == after


def test_hashes_end_as_well() -> None:
    file = Message(attachments=(Attachment.of(1, b"plan", "application/pdf", "plan.pdf"),))
    sha256 = file.attachments[0].sha256
    late = SUNDAY_NOON.replace(day=23)
    for name, lists, actions in (
        ("black", {"black_hashes": [sha256]}, ["hold", "pass"]),
        ("white", {"white_hashes": [sha256], "white_mode": "strict"}, ["pass", "hold"]),
    ):
        given = {**lists, "ends": [{"list": name, "entry": sha256, "until": "2026-11-22"}], "message": file}
        assert [verdicts(now=now, **given)[0].action for now in (SUNDAY_NOON, late)] == actions


# --- inheritance --------------------------------------------------------------------------------------------


def sets(**then: str) -> list[dict[str, Any]]:
    """A rule for a group that ada and bob are in, and for ada herself."""
    members = {"group": ["@northwind.example"], "person": [ADA]}
    return [
        {"name": f"the-{of}", "of": of, "members": members[of], "rules": [rule(what, f"{of}-rule")]}
        for of, what in then.items()
    ]


def test_a_group_and_then_a_person_may_be_stricter_than_the_organisation() -> None:
    given = {"rules": [rule("audit", "everywhere")], "rule_sets": sets(group="warn", person="block")}
    (ada,), (bob,), (else_,) = (verdicts(IBAN, sender=who, **given) for who in (ADA, BOB, "x@elsewhere.example"))
    assert (ada.action, bob.code, else_.code) == ("block", "warned", "audited")
    assert ada.reason.endswith("So says the rule “person-rule” of the person “the-person”.")
    assert bob.reason.endswith("So says the rule “group-rule” of the group “the-group”.")


def test_a_laxer_rule_of_theirs_counts_where_the_organisations_may_be_relaxed_and_nowhere_else() -> None:
    strict = {"rules": [rule("hold", "everywhere")], "rule_sets": sets(person="allow")}
    (kept,) = verdicts(sender=ADA, **strict)
    assert kept.action == "hold"
    assert kept.reason == (
        "So says the rule “everywhere”."
        " The rule “person-rule” of the person “the-person” is laxer, and this one may not be relaxed."
    )
    relaxed = {"rules": [rule("hold", "everywhere", may_be_relaxed=True)], "rule_sets": sets(person="allow")}
    assert verdicts(sender=ADA, **relaxed)[0].code == "allowed"
    assert verdicts(sender=BOB, **relaxed)[0].action == "hold"


def test_a_group_decides_for_itself_whether_its_members_may_relax_its_rule() -> None:
    given = {"rules": [rule("warn", may_be_relaxed=True)], "rule_sets": sets(group="hold", person="allow")}
    assert verdicts(sender=ADA, **given)[0].action == "hold"
    given["rule_sets"][0]["rules"][0]["may_be_relaxed"] = True
    assert verdicts(sender=ADA, **given)[0].code == "allowed"


def test_two_reviewers_are_stricter_than_one() -> None:
    given = {"rules": [rule("hold", reviewers=2)], "rule_sets": sets(person="hold")}
    assert verdicts(sender=ADA, **given)[0].reviewers == 2


def test_a_finding_names_whose_rule_decided() -> None:
    held = {"rules": [rule("hold", "p", when={"found": [{"detector": "personal-data"}]})]}
    own = [{"name": "the-person", "of": "person", "members": [ADA], **held}]
    (finding,) = verdicts(IBAN, sender=ADA, rule_sets=own)[0].findings
    assert (finding.decided_by, finding.of) == ("p", "the-person")


KEY = Hit("credential", "aws-access-key", "body")
PROGRAM = Hit("danger", "program", "attachment 1 (run.exe)")
CREDENTIALS = {"found": [{"detector": "credential"}]}
DANGER = rule("hold", "danger", when={"found": [{"detector": "danger"}]}, reviewers=2)


def test_a_rule_that_is_relaxed_is_passed_over_and_those_behind_it_are_not() -> None:
    org = [rule("hold", "credentials", when=CREDENTIALS, may_be_relaxed=True), DANGER]
    own = [{"name": "ada", "of": "person", "members": [ADA], "rules": [rule("audit", when=CREDENTIALS)]}]
    (alone,) = verdicts(KEY, rules=org, rule_sets=own)
    assert (alone.action, alone.code) == ("pass", "audited")
    (both,) = verdicts(KEY, PROGRAM, rules=org, rule_sets=own)
    assert (both.action, both.code, both.rule, both.reviewers) == ("hold", "danger", "danger", 2)
    assert "is laxer, and this one may not be relaxed" in both.reason


def test_several_rules_may_be_relaxed_one_after_the_other() -> None:
    org = [
        rule("hold", "a", when=CREDENTIALS, may_be_relaxed=True),
        rule("block", "b", may_be_relaxed=True),
        rule("warn", "c"),
    ]
    own = [{"name": "ada", "of": "person", "members": [ADA], "rules": [rule("ask")]}]
    assert verdicts(KEY, rules=org, rule_sets=own)[0].action == "ask", "stricter than the warning that is left"


def test_a_reason_settles_what_it_was_asked_for_and_nothing_else() -> None:
    org = [rule("ask", "why", when=CREDENTIALS), DANGER, rule("hold", "credentials", when=CREDENTIALS)]
    assert verdicts(KEY, rules=org)[0].action == "ask"
    (alone,) = verdicts(KEY, rules=org, reasoned=True)
    assert (alone.action, alone.code, alone.rule) == ("pass", "justified", "why")
    (both,) = verdicts(KEY, PROGRAM, rules=org, reasoned=True)
    assert (both.action, both.code, both.reviewers) == ("hold", "danger", 2)
    audited = [rule("ask", "why", when=CREDENTIALS), rule("audit", "noted")]
    assert verdicts(KEY, rules=audited, reasoned=True)[0].code == "justified"


ACTIONS = st.sampled_from(["allow", "audit", "tag", "warn", "ask", "encrypt", "hold", "block"])


@given(ACTIONS, st.none() | ACTIONS, st.none() | ACTIONS)
def test_nobody_makes_the_organisations_rule_laxer(everywhere: str, group: str | None, person: str | None) -> None:
    own = sets(**{of: then for of, then in (("group", group), ("person", person)) if then is not None})
    bare = Lists.model_validate({"rules": [rule(everywhere)], "rule_sets": own})
    (got,) = verdicts(sender=ADA, rules=bare.rules, rule_sets=bare.rule_sets)
    (without,) = verdicts(sender=ADA, rules=bare.rules)
    order = ["pass", "ask", "hold", "block"]
    assert order.index(got.action) >= order.index(without.action) or got.encrypted
    assert got.encrypted or not without.encrypted or got.action != "pass"


@pytest.mark.parametrize(
    ("lists", "fault"),
    [
        ({"time_zone": "Mars/Olympus"}, "no time zone"),
        ({"time_zone": "../../etc/passwd"}, "no time zone"),
        ({"rules": [rule("hold", since="2026-12-01", until="2026-11-01")]}, "before it begins"),
        ({"rules": [rule("hold", when={"days": ["someday"]})]}, "'mon', 'tue'"),
        ({"rules": [rule("hold", when={"hours": {"since": "25:00", "before": "26:00"}})]}, "time"),
        ({"rule_sets": sets(group="hold") * 2}, "two sets of rules"),
        ({"rule_sets": [{**sets(group="hold")[0], "of": "person"}]}, "name one address"),
        ({"rule_sets": [{**sets(group="hold")[0], "members": []}]}, "at least 1"),
        ({"ends": [{"list": "moon", "entry": "x", "until": "2026-01-01"}]}, "'words'"),
    ],
)
def test_what_cannot_work_is_refused_with_its_fault(lists: dict[str, Any], fault: str) -> None:
    with pytest.raises(ValidationError, match=fault):
        Lists.model_validate(lists)


def test_sets_zone_and_ends_survive_json() -> None:
    given = {"time_zone": "Europe/Berlin", "rule_sets": sets(group="hold", person="allow"),
             "ends": [{"list": "exempt", "entry": "Ada@Northwind.example", "until": "2026-12-31"}]}  # fmt: skip
    lists = Lists.model_validate(given)
    assert Lists.model_validate_json(lists.model_dump_json()) == lists
    assert isinstance(lists.rule_sets[0], RuleSet) and isinstance(lists.rule_sets[0].rules[0], Rule)
    assert lists.ends[0].entry == ADA
