#!/usr/bin/env bash
# A Debian package in target/dist: the binary with its unit, settings, man pages, completions and the list of what it is made of (CycloneDX).
#   scripts/dist.sh              builds the binary (profile `dist`: thin link-time optimisation, stripped) and packs it
#   scripts/dist.sh BINARY       packs this binary
# VERSION is that of the package; the workspace's where it is not set.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v dpkg-deb >/dev/null || { echo 'tessera: dpkg-deb is missing (Debian, Ubuntu: apt-get install dpkg)' >&2; exit 1; }
target=${CARGO_TARGET_DIR:-target}
binary=${1:-}
if [ -z "$binary" ]; then
  "${CARGO:-cargo}" build --profile dist --locked --package tessera-server
  binary=$target/dist/tessera
fi
version=${VERSION:-$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"$/\1/p' Cargo.toml)}
architecture=$(dpkg --print-architecture)

mkdir -p "$target/dist"
root=$(mktemp -d)
trap 'rm -rf "$root"' EXIT
chmod 755 "$root"
install -D -m 755 "$binary" "$root/usr/bin/tessera"
install -D -m 644 packaging/tessera.service "$root/lib/systemd/system/tessera.service"
install -D -m 644 packaging/tessera.toml "$root/etc/tessera/tessera.toml"
install -D -m 644 LICENSE "$root/usr/share/doc/tessera/copyright"
install -D -m 644 docs/monitoring/grafana.json "$root/usr/share/doc/tessera/grafana.json"
install -D -m 644 docs/monitoring/alerts.yaml "$root/usr/share/doc/tessera/alerts.yaml"
# What the binary is made of.
"${CARGO:-cargo}" run --quiet --locked --package xtask -- sbom >"$root/usr/share/doc/tessera/sbom.cdx.json"
cp "$root/usr/share/doc/tessera/sbom.cdx.json" "$target/dist/sbom.cdx.json"

# Man pages and completions are made of the command line itself.
mkdir -p "$root/usr/share/man/man1" "$root/usr/share/bash-completion/completions" "$root/usr/share/zsh/vendor-completions" \
  "$root/usr/share/fish/vendor_completions.d"
"$binary" man --to "$root/usr/share/man/man1" >/dev/null
gzip -9n "$root"/usr/share/man/man1/*
"$binary" completions bash >"$root/usr/share/bash-completion/completions/tessera"
"$binary" completions zsh >"$root/usr/share/zsh/vendor-completions/_tessera"
"$binary" completions fish >"$root/usr/share/fish/vendor_completions.d/tessera.fish"
find "$root/usr/share" -type f -exec chmod 644 {} +
find "$root" -type d -exec chmod 755 {} +

# The oldest C library that has all symbols which the binary asks for.
libc=$(grep -ao 'GLIBC_2\.[0-9]*' "$binary" | sort -uV | tail -n 1 | cut -d _ -f 2)
mkdir "$root/DEBIAN"
cat >"$root/DEBIAN/control" <<END
Package: tessera
Version: $version
Architecture: $architecture
Maintainer: Tessera <tessera@localhost>
Section: database
Priority: optional
Installed-Size: $(du -sk "$root" | cut -f 1)
Depends: libc6 (>= ${libc:-2.31}), libgcc-s1, adduser
Description: self-hosted real-time customer profiles
 Takes events and records of people, knows which of them are one and the same,
 and answers what is known of each, computed to the instant. One process, one
 folder.
END
echo /etc/tessera/tessera.toml >"$root/DEBIAN/conffiles"
for script in postinst prerm postrm; do install -m 755 "packaging/$script" "$root/DEBIAN/$script"; done

package=$target/dist/tessera_${version}_$architecture.deb
dpkg-deb --root-owner-group -Zgzip --build "$root" "$package" >/dev/null
echo "$package"
