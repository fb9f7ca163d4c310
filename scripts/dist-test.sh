#!/usr/bin/env bash
# Installs the Debian package in a folder of its own, starts the server there, upgrades it, removes and purges it. Needs root, debootstrap (installed where
# apt is there) and a mirror of Debian.
#   scripts/dist-test.sh [BINARY]
set -euo pipefail
cd "$(dirname "$0")/.."

[ "$(id -u)" = 0 ] || { echo 'tessera: this test installs a package, so it needs root' >&2; exit 1; }
command -v debootstrap >/dev/null || apt-get install -y --no-install-recommends debootstrap >/dev/null

# The unit is one that systemd takes, and hardened.
if command -v systemd-analyze >/dev/null; then
  systemd-analyze security --offline=yes --threshold=20 --no-pager packaging/tessera.service >/dev/null ||
    { echo 'tessera: the unit is exposed: systemd-analyze security --offline=yes packaging/tessera.service' >&2; exit 1; }
fi

old=$(VERSION=0.0.1 scripts/dist.sh "$@" | tail -n 1)
new=$(VERSION=0.0.2 scripts/dist.sh "$@" | tail -n 1)

root=$(mktemp -d)
server=
finish() {
  if [ -n "$server" ]; then kill "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true; fi
  rm -rf "$root"
}
trap finish EXIT
# shellcheck disable=SC1091
suite=$(. /etc/os-release && echo "${VERSION_CODENAME:-stable}")
debootstrap --variant=minbase --include=adduser "$suite" "$root/system" ${DEBIAN_MIRROR:+"$DEBIAN_MIRROR"} >"$root/log" 2>&1 || { tail "$root/log" >&2; exit 1; }
inside() { chroot "$root/system" "$@"; }
fail() { echo "tessera: $*" >&2; exit 1; }

deb() {
  cp "$1" "$root/system/tmp/tessera.deb"
  inside dpkg -i /tmp/tessera.deb >"$root/log" 2>&1 || { tail "$root/log" >&2; exit 1; }
}

url=
key=
start() {
  key=$(sed -n 's/^TESSERA_BOOTSTRAP_KEY=//p' "$root/system/etc/tessera/environment")
  # As the unit does, but on a free port.
  TESSERA_BOOTSTRAP_KEY=$key chroot --userspec=tessera:tessera "$root/system" /usr/bin/tessera serve \
    --config /etc/tessera/tessera.toml --listen 127.0.0.1:0 >"$root/out" 2>"$root/err" &
  server=$!
  for _ in $(seq 600); do
    url=$(sed -n 's/^tessera listens on //p' "$root/out")
    [ -z "$url" ] || return 0
    kill -0 "$server" 2>/dev/null || break
    sleep 0.1
  done
  cat "$root/err" >&2
  fail 'the server did not start'
}

stop() {
  kill "$server"
  wait "$server" || fail 'the server did not end cleanly'
  server=
}

ask() { curl -sS --fail-with-body -H "Authorization: Bearer $key" "$@"; }

deb "$old"
[ "$(inside stat -c '%U %a' /var/lib/tessera)" = 'tessera 700' ] || fail 'the data folder is not the user'"'"'s own'
[ "$(inside stat -c '%U %a' /etc/tessera/environment)" = 'root 600' ] || fail 'the key can be read by others'
inside test -s /usr/share/man/man1/tessera.1.gz || fail 'there is no man page'
inside grep -q CycloneDX /usr/share/doc/tessera/sbom.cdx.json || fail 'there is no list of what the binary is made of'
start
ask "$url/v1/track" -d '{"userId":"ann","event":"Seen"}' >/dev/null
stop
first=$key
echo 'log_level = "warn"' >>"$root/system/etc/tessera/tessera.toml"

deb "$new"
grep -q '^log_level' "$root/system/etc/tessera/tessera.toml" || fail 'the upgrade has lost what was set'
start
[ "$key" = "$first" ] || fail 'the upgrade has made another key'
ask "$url/v1/profiles/identifier/user_id/ann" | grep -q profile_id || fail 'the upgrade has lost a profile'
stop

inside dpkg -r tessera >/dev/null 2>&1
if inside test -e /usr/bin/tessera; then fail 'the binary is still there'; fi
inside test -d /var/lib/tessera || fail 'the data is gone'
inside dpkg -P tessera >/dev/null 2>&1
if inside test -e /etc/tessera; then fail 'the key or the settings are still there'; fi
inside test -d /var/lib/tessera || fail 'the purge has taken the data'
echo 'the package installs, starts, upgrades and goes'
