#!/usr/bin/env bash
# Says exactly what to install when something that every build needs is missing.
set -euo pipefail
cd "$(dirname "$0")/.."

fail() {
  printf 'tessera: %s\n' "$@" >&2
  exit 1
}

wanted=$(sed -n 's/^rust-version = "\(.*\)"$/\1/p' Cargo.toml)

command -v cargo >/dev/null || fail \
  "cargo is missing: install Rust $wanted or newer, with rustfmt and clippy" \
  "(https://rustup.rs, then: rustup toolchain install stable)"

found=$(rustc --version | cut -d ' ' -f 2)
oldest=$(printf '%s\n%s\n' "$wanted" "${found%%-*}" | sort -V | head -n 1)
[ "$oldest" = "$wanted" ] || fail "Rust $found is too old: $wanted or newer is needed (rustup update stable)"

command -v cc >/dev/null || command -v gcc >/dev/null || command -v clang >/dev/null || fail \
  "a C compiler is missing, which the TLS library is built with" \
  "(Debian, Ubuntu: apt-get install gcc libc6-dev; Fedora: dnf install gcc; macOS: xcode-select --install)"
