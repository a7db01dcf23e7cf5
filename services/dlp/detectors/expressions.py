"""The administrators' own expressions: made safe where they are entered, so that no mail can make one slow.

An expression is written in RE2's syntax (github.com/google/re2/wiki/Syntax). What cannot be searched for in linear
time, references back and looking around above all, is refused with a reason an administrator can act on.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from services.dlp.detectors import credentials, personal_data
from services.dlp.detectors.database import Candidate, Check, Database, Expression, PatternError, compile_pattern

VERSION = "expressions 1"
DETECTOR = "expression"

MAX_LENGTH = 1024
MAX_EXPRESSIONS = 500
# Of one passage, as many matches of one expression are counted: an expression may begin at every letter of a long text.
MAX_MATCHES = 1000

# Texts in which an expression that can be empty is found without a letter.
_NOTHING = (b"", b" x ", b"\n\n")

_ADVICE = (
    (
        "invalid perl operator",
        "looking ahead or behind is not possible in linear time: write what is looked for itself",
    ),
    ("invalid escape sequence", "an escape RE2 does not know; references back are not possible in linear time"),
    ("invalid repetition size", "a repetition of more than 1000 in all: write a smaller number, or + or *"),
    ("bad repetition operator", "a repetition of a repetition, or a possessive one: write a single one"),
    ("pattern too large", "it needs too much memory: write smaller repetitions"),
    ("missing )", "a bracket is not closed: write the ), or \\( for the character itself"),
    ("unexpected )", "a bracket is closed that was not opened: write \\) for the character itself"),
    ("missing ]", "a class of characters is not closed: write the ], or \\[ for the character itself"),
)


@dataclass(frozen=True, slots=True)
class OwnExpression:
    """An expression of the organisation's: `name` is what rules and reviewers call it."""

    name: str
    pattern: str
    case_sensitive: bool = False
    score: float = 1.0


class ExpressionRefused(ValueError):
    """An expression that is not accepted; the text names it, the fault, and the mend."""

    def __init__(self, name: str, reason: str) -> None:
        super().__init__(f"the expression {name!r} is refused: {reason}")


def compiled(own: Sequence[OwnExpression]) -> tuple[Expression, ...]:
    """The organisation's expressions, to be put into a Database. ExpressionRefused: one cannot be searched for."""
    if len(own) > MAX_EXPRESSIONS:
        raise ExpressionRefused(own[MAX_EXPRESSIONS].name, f"there are more than {MAX_EXPRESSIONS}; remove some")
    names = [expression.name for expression in own]
    for name in names:
        if names.count(name) > 1:
            raise ExpressionRefused(name, "another one has the same name; names are what rules refer to")
    return tuple(map(_compiled, own))


def database(own: Sequence[OwnExpression] = ()) -> Database:
    """The built-in expressions and the organisation's in one database: what a mail is searched for in one pass.

    Compiling takes about 0.3 s. ExpressionRefused: one of `own` cannot be searched for.
    """
    return Database((*personal_data.EXPRESSIONS, *credentials.EXPRESSIONS, *compiled(own)))


def _compiled(own: OwnExpression) -> Expression:
    if not own.name or not own.name.isprintable():
        raise ExpressionRefused(own.name, "it needs a name of printable characters")
    if not own.pattern:
        raise ExpressionRefused(own.name, "it is empty, and would be found everywhere")
    if len(own.pattern) > MAX_LENGTH:
        raise ExpressionRefused(own.name, f"it is longer than {MAX_LENGTH} characters; make several of it")
    if not 0 < own.score <= 1:
        raise ExpressionRefused(own.name, "its score has to be above 0, and 1 at most")
    case = "" if own.case_sensitive else "(?i)"
    expression = Expression(
        DETECTOR, own.name, f"{case}{own.pattern}", _scored(own.score), most=MAX_MATCHES, unicode=True
    )
    try:
        pattern = compile_pattern(expression)
        if any(found and not found.group() for found in map(pattern.search, _NOTHING)):
            raise ExpressionRefused(own.name, "it is found in nothing at all: write + for *, or what has to be there")
        Database([expression])
    except PatternError as error:
        raise ExpressionRefused(own.name, _advice(str(error))) from None
    return expression


def _advice(fault: str) -> str:
    return next((f"{advice} ({fault})" for prefix, advice in _ADVICE if fault.startswith(prefix)), fault)


def _scored(score: float) -> Check:
    def check(_: Candidate) -> float:
        return score

    return check
