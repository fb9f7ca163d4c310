#!/usr/bin/env bash
# The demo in a fresh data folder. At a terminal it serves until Ctrl-C; elsewhere it ends by itself unless KEEP=1.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=target/demo
rm -rf "$folder"
mkdir -p "$folder"
keep=()
[ -z "${KEEP:-}" ] || keep=(--keep)
exec target/release/tessera demo --data "$folder/data" "${keep[@]}"
