#!/usr/bin/env bash
# Every test: units, properties, the real binary, documentation, the official SDKs, the fuzzer of the HTTP API.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$1"; }

ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1 || {
  echo 'PostgreSQL is missing, which tests of sources start for themselves (Debian, Ubuntu: apt-get install postgresql)' >&2
  exit 1
}

step 'tests'
# nextest runs test binaries side by side and names the slow ones; without it cargo does as well, only slower.
if command -v cargo-nextest >/dev/null; then
  cargo nextest run --locked --workspace
else
  cargo test --locked --workspace --lib --bins --tests
fi
step 'documentation'
cargo test --locked --workspace --doc --quiet
step 'the binary'
cargo build --locked --package tessera-server
binary=$PWD/target/debug/tessera
step 'official SDKs'
scripts/sdk-test.sh "$binary"
step 'HTTP API fuzzing'
scripts/fuzz-api.sh "$binary"
