"""The notices name what an installation really runs on."""

import re
import sys
import tomllib

from packaging.requirements import Requirement

from .conftest import ROOT, Run

NOTICES = (ROOT / "THIRD-PARTY-NOTICES.md").read_text()


def test_the_notices_are_what_the_installed_packages_say(run: Run) -> None:
    result = run(sys.executable, "scripts/notices.py", "--check")
    assert result.returncode == 0, result.stderr


def test_every_direct_dependency_is_named_with_a_licence() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = (lines for group, lines in project["optional-dependencies"].items() if group != "dev")
    direct = {
        Requirement(line).name.replace("_", "-").lower()
        for lines in (project["dependencies"], *extras)
        for line in lines
    }
    named = {
        name.replace("_", "-").lower() for name in re.findall(r"^\| (\S+) \| \d\S* \| \S.* \|$", NOTICES, re.MULTILINE)
    }
    assert direct <= named


def test_no_package_has_a_licence_that_would_bind_secumail_itself() -> None:
    assert not re.search(r"^\| \S+ \| \d\S* \| .*\bA?GPL", NOTICES, re.MULTILINE)
