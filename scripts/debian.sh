#!/bin/sh
# Installs what tests need of Debian, unless it is there, as root or by sudo: scripts/debian.sh PACKAGE...
# Tests run servers of their own, so the services of these packages are not wanted: they are kept from starting, now and at the
# next boot. Without chromium this fails; without another package its tests are skipped.
set -eu

program_of() {
    case $1 in
        chromium) echo /usr/bin/chromium ;;
        nginx-light) echo /usr/sbin/nginx ;;
        rabbitmq-server) echo /usr/lib/rabbitmq/bin/rabbitmq-server ;;
        nodejs) echo /usr/bin/node ;;
        php-cli) echo /usr/bin/php ;;
        php-curl) echo /etc/php/*/mods-available/curl.ini ;;
        *) echo "scripts/debian.sh does not know where $1 puts its program." >&2 && exit 2 ;;
    esac
}

install() {
    also=
    if [ "$1" = chromium ]; then also=fonts-dejavu-core; fi # or pages have no letters
    echo "Installing $1 for the tests ..."
    $as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends "$1" $also >/dev/null || return 0
    if command -v systemctl >/dev/null; then
        case $1 in
            nginx-light) $as_root systemctl disable --quiet nginx 2>/dev/null || true ;;
            rabbitmq-server) $as_root systemctl disable --quiet rabbitmq-server epmd.socket 2>/dev/null || true ;;
        esac
    fi
}

missing=
for package in "$@"; do
    program=$(program_of "$package")
    [ -e "$program" ] || missing="$missing $package"
done
if [ -z "$missing" ]; then
    exit 0
fi

as_root=none
if [ "$(id -u)" = 0 ]; then
    as_root=
elif sudo -n true 2>/dev/null; then
    as_root='sudo -n'
fi
if [ "$as_root" != none ] && command -v apt-get >/dev/null; then
    # Debian's packages ask this program before they start a service, and 101 means no. One that is there already stays.
    policy=/usr/sbin/policy-rc.d
    if [ ! -e $policy ]; then
        trap '$as_root rm -f $policy' EXIT
        trap 'exit 1' HUP INT TERM
        printf '#!/bin/sh\nexit 101\n' | $as_root tee $policy >/dev/null
        $as_root chmod 755 $policy
    fi
    $as_root apt-get update -qq >/dev/null || echo "apt-get update failed: trying with the lists that are here." >&2
    for package in $missing; do
        install "$package"
    done
fi

failed=0
for package in $missing; do
    [ -e "$(program_of "$package")" ] && continue
    without="its tests are skipped"
    if [ "$package" = chromium ]; then
        without="the browser tests cannot run" && failed=1
    fi
    echo "$package is missing and could not be installed here; without it $without. On Debian: sudo apt-get install $package" >&2
done
exit $failed
