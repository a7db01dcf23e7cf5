"""What is written in DER, a parser of somebody else's reads back."""

from datetime import UTC, datetime

from asn1crypto import core
from hypothesis import given
from hypothesis import strategies as st

from services.crypto.smime import der


@given(number=st.integers(0, 1 << 200))
def test_any_number_is_read_back(number):
    assert core.Integer.load(der.integer(number), strict=True).native == number
    assert core.Integer(number).dump() == der.integer(number)


@given(content=st.binary(max_size=70_000))
def test_octets_and_bits_of_any_length_are_read_back(content):
    assert core.OctetString(content).dump() == der.octets(content)
    assert core.OctetBitString(content).dump() == der.bits(content)


@given(arcs=st.lists(st.integers(0, 1 << 60), max_size=12), root=st.integers(0, 2), second=st.integers(0, 39))
def test_any_object_identifier_is_read_back(arcs, root, second):
    dotted = ".".join(map(str, (root, second, *arcs)))

    assert core.ObjectIdentifier.load(der.oid(dotted), strict=True).native == dotted


@given(moment=st.datetimes(datetime(1950, 1, 1), datetime(9999, 12, 31), timezones=st.just(UTC)))
def test_a_moment_is_read_back_to_the_second_in_the_form_its_year_asks_for(moment):
    kind = core.UTCTime if moment.year < 2050 else core.GeneralizedTime

    assert kind.load(der.time(moment), strict=True).native == moment.replace(microsecond=0)


@given(parts=st.lists(st.binary(max_size=20).map(der.octets), max_size=8))
def test_a_set_is_in_the_order_der_wants(parts):
    written = core.SetOf(spec=core.OctetString, value=[core.OctetString.load(part) for part in parts])

    assert der.set_of(parts) == written.dump()
    assert der.set_of(reversed(parts)) == der.set_of(parts)


@given(start=st.binary(max_size=300), follows=st.binary(max_size=70_000))
def test_what_is_begun_for_content_to_come_is_whole_with_it(start, follows):
    assert der.begun(0x04, start, len(follows)) + follows == der.octets(start + follows)
