"""The pages a guest sees: no script, nothing from elsewhere, everything escaped. Pure.

Three pages: one asks for the password, one shows the mail, one says what is the matter.
"""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from html import escape

from services.gateway.reading import Attachment

_STYLE = """
:root { color-scheme: light dark; --ink: #1b2530; --dim: #53606d; --paper: #fff; --ground: #eef1f4; --line: #d3dae1;
  --accent: #17617a; --on: #fff; --bad: #a32020; }
@media (prefers-color-scheme: dark) {
  :root { --ink: #e8edf2; --dim: #a9b5c1; --paper: #18212a; --ground: #0f161c; --line: #33414e;
    --accent: #6cc3df; --on: #0b1a20; --bad: #ff9a90; }
}
* { box-sizing: border-box; }
body { margin: 0; background: var(--ground); color: var(--ink);
  font: 1rem/1.55 system-ui, "Segoe UI", Roboto, "Noto Sans", "DejaVu Sans", sans-serif; }
main { max-width: 48rem; margin: 0 auto; padding: 2.5rem 1rem 4rem; }
.from { margin: 0 0 .9rem; color: var(--dim); }
.from b { color: var(--ink); }
main.narrow { max-width: 32rem; }
section { background: var(--paper); border: 1px solid var(--line); border-radius: .6rem;
  padding: 1.6rem 1.8rem; margin: 0 0 1rem; }
h1 { font-size: 1.35rem; line-height: 1.3; margin: 0 0 .8rem; overflow-wrap: anywhere; }
h2, h2 label { font-size: 1.05rem; font-weight: 700; margin: 0 0 .6rem; }
p { margin: 0 0 .9rem; }
p:last-child { margin-bottom: 0; }
dl { display: grid; grid-template-columns: max-content 1fr; gap: .15rem 1rem; margin: 0 0 1.1rem; padding: 0 0 1.1rem;
  border-bottom: 1px solid var(--line); }
dt { color: var(--dim); }
dd { margin: 0; overflow-wrap: anywhere; }
.text { white-space: pre-wrap; overflow-wrap: anywhere; margin: 0; font: inherit; }
.hint { border-left: .25rem solid var(--accent); padding: .1rem 0 .1rem .8rem; overflow-wrap: anywhere; }
.bad { color: var(--bad); font-weight: 600; }
.note { color: var(--dim); font-size: .9rem; }
label { display: block; font-weight: 600; margin: 0 0 .3rem; }
input, textarea { display: block; width: 100%; font: inherit; color: inherit; background: var(--paper);
  border: 1px solid var(--dim); border-radius: .35rem; padding: .55rem .7rem; margin: 0 0 1rem; }
textarea { min-height: 8rem; resize: vertical; }
button { font: inherit; font-weight: 600; color: var(--on); background: var(--accent); border: 1px solid var(--accent);
  border-radius: .35rem; padding: .5rem 1.2rem; cursor: pointer; }
button.plain { color: var(--ink); background: transparent; border-color: var(--dim); }
a { color: var(--accent); overflow-wrap: anywhere; }
ul { margin: 0; padding: 0 0 0 1.2rem; }
:focus-visible { outline: .2rem solid var(--accent); outline-offset: .15rem; }
.end { display: flex; flex-wrap: wrap; gap: 1rem; align-items: center; justify-content: space-between; }
.end p { margin: 0; flex: 1 1 14rem; }
.leave { padding: .4rem 0; }
@media (max-width: 30rem) { section { padding: 1.2rem 1.1rem; } main { padding-top: 1.2rem; } }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()

HEADERS = {
    "Content-Security-Policy": f"default-src 'none'; style-src 'sha256-{_HASH}'; form-action 'self'; base-uri 'none'; "
    "frame-ancestors 'none'",
    "Cache-Control": "no-store",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "X-Robots-Tag": "noindex, nofollow",
}


@dataclass(frozen=True)
class Shown:
    """A mail as its guest sees it; all of it as it stands, escaped here."""

    sender: str
    to: str
    date: str
    subject: str
    signature: str
    text: str
    attachments: Sequence[Attachment]

    def __repr__(self) -> str:
        return "Shown(...)"


@dataclass(frozen=True)
class Answering:
    """The reply form: how many replies are left, the form's own id, what was typed before, whether one was sent."""

    left: int
    form: str
    draft: str = ""
    sent: bool = False

    def __repr__(self) -> str:
        return f"Answering(left={self.left})"


def ask(organisation: str, place: str, hint: str, fault: str = "", draft: str = "") -> str:
    """The page that asks for the password. `place`: the pickup's path. `fault`: why it is asked again. `draft`: a
    reply that is kept meanwhile."""
    wrong = f'<p class="bad" id="fault" role="alert">{escape(fault)}</p>' if fault else ""
    hinted = f'<p class="hint" id="hint">Hint: {escape(hint)}</p>' if hint else ""
    described = " ".join(name for name, given in (("fault", fault), ("hint", hint)) if given)
    by = f' aria-describedby="{described}"' if described else ""
    kept = f'<input type="hidden" name="draft" value="{escape(draft)}">' if draft else ""
    note = "Your reply is kept meanwhile." if draft else "The sender told you the password another way."
    return _page(
        "A protected mail",
        organisation,
        f"<section><h1>A mail is waiting for you</h1>{wrong}{hinted}"
        f'<form method="post" action="{escape(place)}" autocomplete="off">{kept}<label for="password">Password</label>'
        f'<input id="password" name="password" type="password" required maxlength="1024" autofocus{by}'
        ' autocomplete="off" spellcheck="false"><button>Open the mail</button></form></section>'
        f'<p class="note">{note}</p>',
        narrow=True,
    )


def mail(organisation: str, place: str, shown: Shown, answering: Answering, ends: datetime) -> str:
    """The mail. `place`: the pickup's path."""
    fields = [("From", shown.sender), ("To", shown.to), ("Date", shown.date), ("Signature", shown.signature)]
    rows = "".join(f"<dt>{name}</dt><dd>{escape(value)}</dd>" for name, value in fields if value)
    body = escape(shown.text.strip("\r\n")) or "(This mail has no text.)"
    return _page(
        shown.subject or "A protected mail",
        organisation,
        f'<section><h1>{escape(shown.subject) or "(no subject)"}</h1><dl>{rows}</dl><div class="text">{body}</div>'
        f"</section>{_attachments(place, shown.attachments)}{_answering(place, answering)}"
        f'<form class="leave" method="post" action="{escape(place)}/leave"><div class="end">'
        f'<p class="note">This mail can be opened until {day(ends)}. '
        f'<a href="{escape(place)}/mail.eml">Save it with its signature</a> to keep it.</p>'
        '<button class="plain">Close</button></div></form>',
    )


def said(organisation: str, title: str, words: str, fix: str = "") -> str:
    """A page that says something."""
    more = f"<p>{escape(fix)}</p>" if fix else ""
    return _page(
        title,
        organisation,
        f"<section><h1>{escape(title)}</h1><p>{escape(words)}</p>{more}</section>",
        narrow=True,
    )


def day(at: datetime) -> str:
    """A day in words, the same everywhere in the world."""
    return f"{at.day} {at:%B %Y, %H:%M} UTC"


def size(count: int) -> str:
    """Bytes in words."""
    if count < 1024:
        return f"{count} bytes"
    return f"{count / 1024:.0f} kB" if count < 2**20 else f"{count / 2**20:.1f} MB"


def _attachments(place: str, attachments: Sequence[Attachment]) -> str:
    if not attachments:
        return ""
    rows = "".join(
        f'<li><a href="{escape(place)}/attachments/{a.number}">{escape(a.name)}</a> '
        f'<span class="note">{size(len(a.data))}</span></li>'
        for a in attachments
    )
    return f"<section><h2>Attachments</h2><ul>{rows}</ul></section>"


def _answering(place: str, answering: Answering) -> str:
    sent = '<p role="status"><b>Your reply has been sent.</b></p>' if answering.sent else ""
    if answering.left <= 0:
        return f'<section id="reply"><h2>Reply</h2>{sent}<p>You have used all replies to this mail.</p></section>'
    left = "one more reply" if answering.left == 1 else f"up to {answering.left} replies"
    return (
        f'<section id="reply"><form method="post" action="{escape(place)}/reply">'
        f'<h2><label for="text">Reply</label></h2>{sent}'
        f'<input type="hidden" name="form" value="{escape(answering.form)}">'
        '<textarea id="text" name="text" required maxlength="100000" aria-describedby="left">'
        f"\n{escape(answering.draft)}</textarea>"
        f'<div class="end"><p class="note" id="left">Only the sender gets it; {left}.</p>'
        "<button>Send the reply</button></div></form></section>"
    )


def _page(title: str, organisation: str, body: str, narrow: bool = False) -> str:
    kind = ' class="narrow"' if narrow else ""
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1"><meta name="robots" content="noindex">'
        f"<title>{escape(title)} - {escape(organisation)}</title><style>{_STYLE}</style></head>"
        f'<body><main{kind}><p class="from">Protected mail from <b>{escape(organisation)}</b></p>{body}</main></body>'
        "</html>\n"
    )
