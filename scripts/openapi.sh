#!/usr/bin/env bash
# Writes openapi/tessera.json from the code, or with --check fails when the committed file differs.
set -euo pipefail
cd "$(dirname "$0")/.."

made=target/openapi.json
mkdir -p target openapi
# Not by `--package`: what it depends on would be built a second time, with the features that this package alone asks for.
cargo run --quiet --locked --bin tessera -- openapi >"$made"
if [ "${1:-}" = --check ]; then
  diff -u openapi/tessera.json "$made" || {
    echo 'openapi/tessera.json is not what the code says: run scripts/openapi.sh and commit it' >&2
    exit 1
  }
else
  cp "$made" openapi/tessera.json
fi
