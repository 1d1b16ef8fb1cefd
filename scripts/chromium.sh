#!/bin/sh
# The browser tests drive Debian's Chromium: install it when it is missing and we may.
set -eu
if [ -x /usr/bin/chromium ]; then
    exit 0
fi
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root='sudo -n'
else
    as_root=none
fi
if [ "$as_root" != none ] && command -v apt-get >/dev/null; then
    echo "Installing chromium for the browser tests ..."
    $as_root apt-get update -qq >/dev/null
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium fonts-dejavu-core >/dev/null
fi
if [ ! -x /usr/bin/chromium ]; then
    echo "The browser tests need /usr/bin/chromium. On Debian: sudo apt-get install chromium" >&2
    exit 1
fi
