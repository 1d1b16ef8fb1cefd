#!/bin/sh
# Make .venv, or another one, from a lock file, unless it is there already: scripts/bootstrap.sh requirements.lock [VENV]
set -eu
cd "$(dirname "$0")/.."
lock=$1
venv=${2:-.venv}
stamp=$venv/.installed-$(basename "$lock")

if [ -x "$venv/bin/python" ] && [ "$(cat "$stamp" 2>/dev/null)" = "$(sha256sum <"$lock")" ]; then
    exit 0
fi

# One at a time: `make run` and `make test` may start together.
if [ -z "${OMIXA_BOOTSTRAP:-}" ] && command -v flock >/dev/null; then
    OMIXA_BOOTSTRAP=1 exec flock scripts/bootstrap.sh scripts/bootstrap.sh "$@"
fi

new_enough='import sys; sys.exit(sys.version_info < (3, 11))'
python=
for candidate in ${PYTHON:-} python3 python3.14 python3.13 python3.12 python3.11; do
    if command -v "$candidate" >/dev/null && "$candidate" -c "$new_enough" 2>/dev/null; then
        python=$candidate
        break
    fi
done
if [ -z "$python" ]; then
    echo "Python 3.11 or newer is needed, and no python3 in PATH is one. Install it, or set PYTHON to its path." >&2
    exit 1
fi

make_venv() {
    "$python" -m venv "$@" "$venv" >/dev/null 2>&1 && "$venv/bin/python" -m pip --version >/dev/null 2>&1
}

# A venv without stamp whose installation was cut off may hold half a package: begin again.
if [ -e "$venv/.installing" ] || ! "$venv/bin/python" -m pip --version >/dev/null 2>&1; then
    echo "Making $venv with $("$python" --version) ..."
    if ! make_venv --clear; then
        # Debian and Ubuntu ship venv apart from Python.
        if [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
            echo "Installing python3-venv ..."
            { apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq python3-venv; } >/dev/null
        fi
        if ! make_venv --clear; then
            echo "$python -m venv does not work. On Debian and Ubuntu: sudo apt-get install python3-venv" >&2
            exit 1
        fi
    fi
fi

echo "Installing $lock into $venv ..."
touch "$venv/.installing"
"$venv/bin/python" -m pip install -qq --disable-pip-version-check --no-input --require-hashes --requirement "$lock"
rm "$venv/.installing"
sha256sum <"$lock" >"$stamp"
if [ "$lock" = requirements-dev.lock ]; then
    sha256sum <requirements.lock >.venv/.installed-requirements.lock # the larger set contains the smaller one
fi
