"""Which form a recipient gets: the wish, then policy, then what can be read; never plain, never silently another."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from services.crypto.forms import Choice, Form, Kind, Policy, Reader, Wish, choose, groups

DEFAULT = Policy()
BOTH: frozenset[Kind] = frozenset({"smime", "openpgp"})
SMIME: frozenset[Kind] = frozenset({"smime"})
OPENPGP: frozenset[Kind] = frozenset({"openpgp"})


@pytest.mark.parametrize(
    ("wish", "policy", "reader", "choice"),
    [
        ("auto", DEFAULT, Reader(inside=True), Choice(Form.SIGNED, "policy")),
        ("auto", Policy(inside="openpgp"), Reader(inside=True), Choice(Form.OPENPGP, "policy")),
        ("signed", Policy(inside="openpgp"), Reader(inside=True), Choice(Form.SIGNED, "wish")),
        ("smime", DEFAULT, Reader(inside=True), Choice(Form.SMIME_GCM, "wish")),
        ("openpgp", DEFAULT, Reader(inside=True), Choice(Form.OPENPGP, "wish")),
        ("auto", DEFAULT, Reader(inside=False), Choice(None, "readable", "no-key")),
        ("signed", DEFAULT, Reader(inside=False, keys=BOTH), Choice(None, "wish", "no-key")),
        ("smime", DEFAULT, Reader(inside=False, keys=OPENPGP), Choice(None, "wish", "no-key")),
        ("smime", DEFAULT, Reader(inside=False, keys=SMIME), Choice(Form.SMIME_CBC, "wish")),
        ("smime", DEFAULT, Reader(inside=False, keys=SMIME, gcm=True), Choice(Form.SMIME_GCM, "wish")),
        ("auto", DEFAULT, Reader(inside=False, keys=OPENPGP), Choice(Form.OPENPGP, "readable")),
        ("auto", DEFAULT, Reader(inside=False, keys=BOTH), Choice(Form.SMIME_CBC, "policy")),
        ("auto", Policy(outside="openpgp"), Reader(inside=False, keys=BOTH), Choice(Form.OPENPGP, "policy")),
        ("auto", DEFAULT, Reader(inside=False, guest=True), Choice(Form.PICKUP, "wish")),
        ("auto", DEFAULT, Reader(inside=False, guest=True, keys=BOTH), Choice(Form.PICKUP, "wish")),
        ("smime", DEFAULT, Reader(inside=False, guest=True, keys=SMIME), Choice(Form.SMIME_CBC, "wish")),
        ("smime", DEFAULT, Reader(inside=False, guest=True), Choice(Form.PICKUP, "wish")),
    ],
)
def test_the_wish_comes_before_policy_and_policy_before_what_can_be_read(
    wish: Wish, policy: Policy, reader: Reader, choice: Choice
) -> None:
    assert choose(wish, policy, reader) == choice


@pytest.mark.parametrize(
    ("wish", "reader", "choice"),
    [
        ("signed", Reader(inside=True), Choice(Form.SIGNED, "wish")),
        ("signed", Reader(inside=False, keys=OPENPGP), Choice(Form.OPENPGP, "readable")),
        ("smime", Reader(inside=False, keys=SMIME), Choice(Form.SMIME_CBC, "wish")),
        ("auto", Reader(inside=False, guest=True), Choice(Form.PICKUP, "wish")),
        ("auto", Reader(inside=False), Choice(None, "policy", "encryption-required")),
        ("smime", Reader(inside=False, keys=OPENPGP), Choice(None, "policy", "encryption-required")),
    ],
)
def test_where_a_mail_may_leave_encrypted_only_who_has_no_key_gets_nothing(
    wish: Wish, reader: Reader, choice: Choice
) -> None:
    assert choose(wish, DEFAULT, reader, encrypted=True) == choice


READERS = st.builds(Reader, st.booleans(), st.booleans(), st.frozensets(st.sampled_from(["smime", "openpgp"])))
WISHES = st.sampled_from(["auto", "signed", "smime", "openpgp"])


@given(WISHES, READERS, st.booleans())
def test_nobody_outside_gets_a_mail_that_others_on_its_way_can_read(
    wish: Wish, reader: Reader, encrypted: bool
) -> None:
    chosen = choose(wish, DEFAULT, reader, encrypted=encrypted)
    assert (chosen.form is None) == (chosen.reason is not None)
    if not reader.inside:
        assert chosen.form is not Form.SIGNED
        if chosen.form in (Form.SMIME_CBC, Form.SMIME_GCM):
            assert "smime" in reader.keys
        if chosen.form is Form.OPENPGP:
            assert "openpgp" in reader.keys


PLACES = st.lists(st.tuples(st.sampled_from([None, *Form]), st.booleans()), min_size=1, max_size=12)


@given(PLACES)
def test_every_recipient_is_in_one_group_of_its_form_and_no_encrypted_mail_names_a_bcc(
    places: list[tuple[Form | None, bool]],
) -> None:
    made = groups([(n, form, bcc) for n, (form, bcc) in enumerate(places)])
    assert sorted(n for _, members in made for n in members) == list(range(len(places)))
    for form, members in made:
        served = [n for n in members if places[n][0] is not None]
        assert all(places[n][0] in ((form,) if form is not Form.SIGNED else (form, Form.PICKUP)) for n in served)
        if form is not Form.SIGNED:
            assert len(served) == 1 or not any(places[n][1] for n in served)
