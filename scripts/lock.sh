#!/bin/sh
# Compiles requirements/*.txt from pyproject.toml: exact versions with the hashes of every platform's files, and no
# word about where they come from. What is pinned stays pinned, unless asked:   scripts/lock.sh [--upgrade]
set -eu
cd "$(dirname "$0")/.."
uv=${UV:-.venv/bin/uv}

compile() {
    "$uv" pip compile "$@" --python-version 3.11 --generate-hashes --quiet \
        --no-emit-index-url --no-emit-find-links --no-annotate --no-header > /dev/null
}

compile pyproject.toml requirements/dev.in --extra dev --output-file requirements/dev.txt "$@"
for service in gateway auth dlp crypto stego delivery; do
    # The same versions everywhere: what was tested is what an image carries.
    compile pyproject.toml --extra "$service" --constraint requirements/dev.txt --output-file "requirements/$service.txt"
done
compile requirements/compiler.in --constraint requirements/dev.txt --output-file requirements/compiler.txt
