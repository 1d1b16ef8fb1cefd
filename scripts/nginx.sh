#!/bin/sh
# The tests of limits behind a proxy use Debian's nginx: install it when it is missing and we may. Each test runs one of its
# own, so the package's system service is not wanted: it is kept from starting, now and at the next boot.
set -eu
server=/usr/sbin/nginx
if [ -x $server ]; then
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
    echo "Installing nginx for the tests behind a proxy ..."
    # Debian's packages ask this program before they start a service, and 101 means no. One that is there already stays.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap '$as_root rm -f $policy' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
        $as_root chmod 755 $policy
    fi
    $as_root apt-get update -qq >/dev/null &&
        $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends nginx-light >/dev/null ||
        echo "apt-get could not install nginx." >&2
    if [ -x $server ] && command -v systemctl >/dev/null; then
        $as_root systemctl disable --quiet nginx 2>/dev/null || true
    fi
fi
if [ ! -x $server ]; then
    echo "Without nginx its tests are skipped. On Debian: sudo apt-get install nginx-light" >&2
fi
