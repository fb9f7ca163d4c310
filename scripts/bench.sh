#!/usr/bin/env bash
# Measures the release binary against its budgets and writes bench/RESULTS.md. --full takes 1 M profiles instead of 200,000,
# --profiles N and --seconds N any other size, --minutes N another length of the steady load (10); --merges, --rules, --windows, --growth or --doors only
# those rows, which are told and not written. Nobody else should be at work on the machine.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v taskset >/dev/null || { echo 'taskset is missing: install util-linux' >&2; exit 1; }
cargo build --release --locked --package tessera-server --bin tessera
cargo build --release --locked --package tessera-server --example constant
cargo build --release --locked --package tessera-store-lsm --example replay
cargo build --release --locked --package xtask
exec taskset -c 1 "${CARGO_TARGET_DIR:-target}/release/xtask" bench "$@"
