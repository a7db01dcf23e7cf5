#!/bin/sh
# Brings what tests and benchmarks use of npm (a corpus of real mails, OpenPGP.js) into node_modules, and does nothing
# where it is.
set -eu
cd "$(dirname "$0")/.."

wanted=$(sha256sum < package-lock.json)
stamp=node_modules/secumail.sha256
[ "$(cat "$stamp" 2> /dev/null || true)" != "$wanted" ] || exit 0
echo "Fetching the corpus of mails and OpenPGP.js"
npm ci --no-audit --no-fund --loglevel=error
printf '%s\n' "$wanted" > "$stamp"
