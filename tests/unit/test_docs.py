"""The documents say what is there: codes, settings, links; and the repository names no place of somebody's machine."""

import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from scripts import problems
from secumail.settings import Settings as Common
from secumail.topology import SERVICES, WORK_QUEUES
from services.auth.settings import Settings as Auth
from services.crypto.settings import Settings as Crypto
from services.delivery.settings import Settings as Delivery
from services.dlp.settings import Settings as Dlp
from services.gateway.settings import Settings as Gateway
from services.stego.settings import Settings as Stego

ROOT = Path(__file__).resolve().parents[2]
SETTINGS = (Common, Gateway, Auth, Dlp, Crypto, Stego, Delivery)
DOCS = ROOT / "docs"

_RAISED = re.compile(r'\b(?:Refused|Permanent|Transient)\(\s*"([a-z0-9-]+)"')
_HEADING = re.compile(r"^#+ (.+)$", re.MULTILINE)
_LINK = re.compile(r"\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^ *```.*?^ *```", re.MULTILINE | re.DOTALL)
_MACHINE = re.compile(r"/(?:home|Users|work)/[a-z]|(?:https?://|@)(?:pypi|registry|files|mirror|proxy)[.-][a-z]")


def pages() -> list[Path]:
    """Every page written for people."""
    return sorted([ROOT / "README.md", *DOCS.rglob("*.md"), *(ROOT / "services").glob("*/README.md")])


def sources() -> Iterator[str]:
    """The source of kernel and services."""
    for package in ("secumail", "services"):
        for path in (ROOT / package).rglob("*.py"):
            yield path.read_text()


def anchors(page: Path) -> set[str]:
    """The headings of a page as links name them."""
    return {re.sub(r"[^\w -]", "", title.lower()).replace(" ", "-") for title in _HEADING.findall(page.read_text())}


def test_the_page_of_codes_is_what_the_source_says() -> None:
    assert problems.FILE.read_text() == problems.page(), "run: python -m scripts.problems"


def test_every_code_in_the_source_has_its_place_on_the_page_and_every_place_its_code() -> None:
    whole = "".join(sources())
    described = set(re.findall(r"^## (.+)$", problems.FILE.read_text(), re.MULTILINE))
    raised = set(_RAISED.findall(whole))
    assert len(raised) > 80
    assert raised - described == set()
    filled = {code for codes in problems.FILLED.values() for code in codes}
    unknown = {
        code for code in described - filled if f'"{code}"' not in whole and not code.startswith(("cover-", "carrier-"))
    }
    assert unknown == set()
    assert {code for code in problems.MEANINGS if code not in described and f"mime-{code}" not in described} == set()


@pytest.mark.parametrize("page", pages(), ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in _LINK.findall(_FENCE.sub("", page.read_text())):
        if link.startswith(("https://", "mailto:")):
            continue
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("settings", SETTINGS, ids=lambda s: s.__module__)
def test_every_setting_is_in_the_operators_table(settings: type[Common]) -> None:
    table = (DOCS / "operations.md").read_text()
    for name in settings.model_fields:
        assert f"`{variable(name)}`" in table, variable(name)


def test_the_operators_table_has_no_setting_that_nobody_reads() -> None:
    rows = re.findall(r"^\| ((?:`[A-Z0-9_]+`(?:, )?)+) \|", (DOCS / "operations.md").read_text(), re.MULTILINE)
    told = {name for row in rows for name in re.findall(r"`([A-Z0-9_]+)`", row)}
    known = {variable(name) for settings in SETTINGS for name in settings.model_fields}
    assert told == known


def variable(name: str) -> str:
    """The environment variable of a setting: broker and database are named as everybody names them."""
    return name.upper() if name in ("amqp_url", "mongodb_url") else f"SECUMAIL_{name.upper()}"


def test_each_service_and_queue_stands_in_the_architecture() -> None:
    page = (DOCS / "architecture.md").read_text()
    for queue in WORK_QUEUES:
        assert f"`{queue.name}`" in page
    for service in SERVICES:
        assert (ROOT / "services" / service / "README.md").exists()


def test_every_runbook_is_in_the_list_and_ends_with_when_it_is_over() -> None:
    runbooks = DOCS / "runbooks"
    listed = set(_LINK.findall((runbooks / "README.md").read_text()))
    for page in runbooks.glob("*.md"):
        if page.name != "README.md":
            assert page.name in listed
            assert "**Over when**" in page.read_text(), page.name


def test_decisions_are_numbered_dated_and_say_why_and_until_when() -> None:
    decisions = sorted(page for page in (DOCS / "decisions").glob("*.md") if page.name != "README.md")
    assert [page.name[:4] for page in decisions] == [f"{number:04d}" for number in range(1, len(decisions) + 1)]
    listed = set(_LINK.findall((DOCS / "decisions" / "README.md").read_text()))
    for page in decisions:
        text = page.read_text()
        assert page.name in listed
        assert re.search(r"^20\d\d-\d\d-\d\d$", text, re.MULTILINE), page.name
        for heading in ("## Decision", "## Reason", "## Revisit when"):
            assert heading in text, page.name


def test_no_tracked_file_names_a_registry_or_a_place_of_somebodys_machine() -> None:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=True)
    found = []
    for name in filter(None, listed.stdout.decode().split("\0")):
        path = ROOT / name
        if not path.is_file() or path == Path(__file__):
            continue
        text = path.read_bytes().decode("utf-8", "replace")
        found += [f"{name}: {match[0]}" for match in _MACHINE.finditer(text)]
    assert found == []
