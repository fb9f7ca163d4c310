#!/usr/bin/env bash
# Every test: units, properties, the real binary, documentation, the official SDKs, the fuzzer of the HTTP API.
set -euo pipefail
cd "$(dirname "$0")/.."

step() { printf '\n== %s\n' "$1"; }

has_postgres() { ls /usr/lib/postgresql/*/bin/initdb >/dev/null 2>&1; }
# Tests of sources start it for themselves.
if ! has_postgres && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get install --yes --no-install-recommends postgresql >/dev/null || true
fi
without=()
if ! has_postgres; then
  echo 'PostgreSQL is missing, so tests of sources are left out (Debian, Ubuntu: apt-get install postgresql)' >&2
  without=(--filterset 'not (package(tessera-server) & binary(/^(sources|changes|activations)$/))')
fi

step 'servers and drivers of tests'
scripts/warehouse.sh
step 'tests'
# nextest runs test binaries side by side and names the slow ones; without it cargo does as well, only slower.
if command -v cargo-nextest >/dev/null; then
  cargo nextest run --locked --workspace "${without[@]}"
else
  # What counts the bytes of its process has that to itself.
  counted=write::lane::tests::held
  cargo test --locked --workspace --lib --bins --tests -- --skip "$counted"
  cargo test --locked --workspace --lib -- --test-threads=1 "$counted"
fi
step 'documentation'
cargo test --locked --workspace --doc --quiet
step 'the binary'
cargo build --locked --bin tessera
binary=$PWD/target/debug/tessera
step 'official SDKs'
scripts/sdk-test.sh "$binary"
step 'HTTP API fuzzing'
scripts/fuzz-api.sh "$binary"
if ! has_postgres; then
  printf '\nnot tested, for PostgreSQL is missing: sources over databases\n'
fi
