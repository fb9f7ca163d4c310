#!/usr/bin/env bash
# Writes openapi/tessera.json from the code, or with --check fails when the committed file differs.
set -euo pipefail
cd "$(dirname "$0")/.."

made=target/openapi.json
mkdir -p target openapi
cargo run --quiet --locked --package tessera-server -- openapi >"$made"
if [ "${1:-}" = --check ]; then
  diff -u openapi/tessera.json "$made" || {
    echo 'openapi/tessera.json is not what the code says: run scripts/openapi.sh and commit it' >&2
    exit 1
  }
else
  cp "$made" openapi/tessera.json
fi
