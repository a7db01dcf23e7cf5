"""What people are told: the sender, in words that teach and give nothing away; the reviewer, about each finding."""

from collections.abc import Mapping

ACCEPTED = "Your mail was accepted."
PICTURES = (
    "Nothing but its pictures is left to check: what they show is read when you send the mail, which may take a minute."
)

_HELD = "Your mail waits for a reviewer, who may release it; you need not send it again."
_REFUSED = "Your mail was refused by a rule of your organisation."
_WARNED = "Your mail was sent. A remark for the next one:"
_ASKED = (
    "Your mail was not sent yet: your organisation asks why it should be. Send it again to those who did not get it,"
    " with a reason, which reviewers can read. Or change the mail:"
)
_ENCRYPTED = (
    "Your mail leaves encrypted only. Who is outside and has no key known here does not get it: add a key, or send it"
    " with a password. The reason:"
)
_STRIPPED = (
    "Your mail was sent without one or more of its attachments. Before it was signed a text was put in their place that"
    " says so; your own copy is whole. The reason:"
)
_ASK = "Before you write about confidential work, ask whether the recipient may know of it."

_OF_RULES: Mapping[str, str] = {
    "unscannable": "Something attached could not be opened to be checked, as it may be encrypted, damaged or packed too"
    " deep. Attach the files themselves, without a password; SecuMail can encrypt the whole mail for the recipient.",
    "danger": "Something attached can run on the recipient's computer, or is not the kind of file it claims to be."
    " Send documents as PDF or without macros, and programs by the way your organisation has for them.",
    "copy": f"Parts of it are the same as in a document that your organisation keeps to itself. {_ASK}",
    "expression": f"It has something in it that your organisation watches for. {_ASK}",
    "credential": "It seems to hold a password or a key to a system. Never mail those: whoever reads the mail can use"
    " them. If one has been mailed before, have it changed.",
    "personal-data": "It holds data about persons that the law protects. Send what the recipient needs and no more, and"
    " encrypted.",
    "attachment-black-listed": "It has an attachment that your organisation does not let out. If the recipient must"
    " have it, ask its owner for another way.",
    "attachment-not-listed": "It has an attachment that is not among the files approved for sending. Have files"
    " approved before you send them, or put what you have to say into the text.",
    "black-word": f"Its text touches a subject that your organisation keeps to itself. {_ASK}",
    "term-weight": f"Its text dwells on a subject that your organisation keeps to itself. {_ASK}",
    "rule": "Mail of this kind is not sent without being looked at. Ask a reviewer what applies to it.",
}

NOTICE: Mapping[str, str] = {
    "unreadable": f"{_HELD} It is built in a way that cannot be checked: write it anew, and attach files one"
    " by one instead of mails within mails.",
    **{code: f"{_HELD} {words}" for code, words in _OF_RULES.items()},
}
"""To the sender of a mail that is held."""

REFUSED: Mapping[str, str] = {code: f"{_REFUSED} {words}" for code, words in _OF_RULES.items()}
"""To the sender of a mail that a rule blocks."""

WARNING: Mapping[str, str] = {code: f"{_WARNED} {words}" for code, words in _OF_RULES.items()}
"""To the sender of a mail that passes with a warning."""

ASKED: Mapping[str, str] = {code: f"{_ASKED} {words}" for code, words in _OF_RULES.items()}
"""To the sender of a mail that comes back for a reason."""

ENCRYPTED: Mapping[str, str] = {code: f"{_ENCRYPTED} {words}" for code, words in _OF_RULES.items()}
"""To the sender of a mail that leaves encrypted only."""

STRIPPED: Mapping[str, str] = {code: f"{_STRIPPED} {words}" for code, words in _OF_RULES.items()}
"""To the sender of a mail that leaves without some of its attachments."""

HIT_WORDS: Mapping[str, str] = {
    "unscannable": "could not be checked",
    "danger": "is dangerous",
    "type": "is not what it claims to be",
    "copy": "repeats a confidential document",
    "near-duplicate": "is nearly the same as a confidential file",
    "stego": "may carry something hidden",
    "expression": "matches an expression",
    "credential": "holds a credential",
    "personal-data": "holds personal data",
    "attachment-black-listed": "is on the black list",
    "attachment-not-listed": "is not on the white list",
    "black-word": "has a black word",
    "term-weight": "has a heavy term",
}
"""To the reviewer, after the place: what a detector's hit says."""
