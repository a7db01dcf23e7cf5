"""Writes docs/openapi.json: the public door, from its own description (OpenAPI 3.1).

python -m scripts.openapi          write it
python -m scripts.openapi --check  exit 1 where the file is stale
"""

import json
import sys
from pathlib import Path

from services.gateway.bootstrap import application

FILE = Path(__file__).resolve().parents[1] / "docs" / "openapi.json"


def text() -> str:
    """The file's content."""
    return json.dumps(application(None).openapi(), indent=1, ensure_ascii=False) + "\n"


def main(arguments: list[str]) -> int:
    """The exit code."""
    if arguments == ["--check"]:
        return 0 if FILE.exists() and FILE.read_text() == text() else 1
    FILE.write_text(text())
    return 0


if __name__ == "__main__":
    raise SystemExit(main(sys.argv[1:]))
