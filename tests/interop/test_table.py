"""The page lists what is tested, no more and no less."""

from scripts import interoperability
from tests.interop.suite import CASES


def test_the_page_says_what_every_case_expects() -> None:
    expected = {(case.form, case.peer, case.way): case.expected for case in CASES}
    assert len(expected) == len(CASES)
    assert interoperability.read(interoperability.FILE.read_text()) == expected, (
        "run: python -m scripts.interoperability"
    )
