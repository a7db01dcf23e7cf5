#!/bin/sh
# Makes this checkout ready to run, and does nothing where it is: system packages, .venv from hashed requirements,
# the `secumail` command. No service of the system is started: SecuMail starts a broker and a database of its own.
#     PYTHON=python3.12 scripts/bootstrap.sh    takes that one; otherwise the distribution's, then the first on the path
set -eu
cd "$(dirname "$0")/.."

# The distribution's is optimised with a profile; one that was built by hand often is not, and takes a third longer.
recent='import sys; sys.exit(sys.version_info < (3, 11))'
python=${PYTHON:-python3}
if [ -z "${PYTHON:-}" ] && /usr/bin/python3 -c "$recent" 2> /dev/null; then
    python=/usr/bin/python3
fi

fail() {
    printf '%s\n' "$@" >&2
    exit 1
}

system_packages() {
    missing=
    for package in $(cat scripts/apt-packages.txt); do
        case $(dpkg-query --show --showformat '${db:Status-Status}' "$package" 2> /dev/null || true) in
            installed) ;;
            *) missing="$missing $package" ;;
        esac
    done
    # Debian keeps a part of Python's venv in a package of its own.
    "$python" -c 'import ensurepip' 2> /dev/null || missing="$missing python3-venv"
    # A few modules are compiled (docs/decisions/0052), for which Python's header files are needed.
    "$python" -c 'import pathlib, sysconfig; pathlib.Path(sysconfig.get_path("include"), "Python.h").stat()' \
        2> /dev/null || missing="$missing python3-dev"
    # Tests and benchmarks fetch their corpus of mails with npm, whoever brought it.
    command -v npm > /dev/null || missing="$missing npm"
    [ -n "$missing" ] || return 0

    command -v apt-get > /dev/null || fail "Missing:$missing. Install what these Debian packages hold, then run this again."
    as_root=
    if [ "$(id -u)" != 0 ]; then
        command -v sudo > /dev/null || fail "Missing packages. As root, run: apt-get install$missing"
        as_root=sudo
    fi
    echo "Installing$missing"
    # Debian starts a service as soon as it is installed, unless a policy forbids it.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e "$policy" ]; then
        printf '#!/bin/sh\nexit 101\n' | $as_root tee "$policy" > /dev/null
        $as_root chmod 0755 "$policy"
        trap '$as_root rm -f "$policy"' EXIT INT TERM
    fi
    $as_root apt-get update --quiet=2
    # shellcheck disable=SC2086
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install --quiet=2 --yes --no-install-recommends $missing
}

virtual_environment() {
    "$python" -c "$recent" || fail "Python 3.11 or newer is needed: PYTHON=... $0"
    wanted=$(cat requirements/dev.txt pyproject.toml $(find services -name '*.pyx' -o -name '*.pxd' | sort) | sha256sum)
    stamp=.venv/secumail.sha256
    if [ "$(cat "$stamp" 2> /dev/null || true)" = "$wanted" ]; then
        return 0
    fi
    echo "Making .venv (a minute or two the first time)"
    [ -x .venv/bin/python ] || "$python" -m venv .venv
    .venv/bin/python -m pip install -qq --disable-pip-version-check --require-hashes -r requirements/dev.txt
    # The requirements hold what builds this; nothing is fetched.
    .venv/bin/python -m pip install -qq --disable-pip-version-check --no-deps --no-build-isolation --editable .
    printf '%s\n' "$wanted" > "$stamp"
}

system_packages
virtual_environment
