#!/usr/bin/env bash
# Measures the release binary against its budgets and writes bench/RESULTS.md. --full takes 1 M profiles instead of 200,000,
# --profiles N and --seconds N any other size, --minutes N another length of the steady load (10); --merges, --rules, --windows, --growth or --doors only
# those rows, which are told and not written. --sources [ROWS] tells what refreshes and exports of a million rows cost; with PostgreSQL installed also
# from there. Nobody else should be at work on the machine.
set -euo pipefail
cd "$(dirname "$0")/.."

command -v taskset >/dev/null || { echo 'taskset is missing: install util-linux' >&2; exit 1; }
# The packages together, so that what they stand on is built once, as `make build` has it.
packages=(--package tessera-server --package tessera-connect --package tessera-store-lsm)
cargo build --release --locked --package tessera-server --bin tessera
if [ "${1:-}" = --sources ]; then
  cargo build --release --locked "${packages[@]}" --example bare --example refill
  venv=$PWD/target/sdk/venv
  [ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
  "$venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/sdk/requirements.txt
  measure=("$venv/bin/python" bench/sources.py "${@:2}")
  if command -v pg_virtualenv >/dev/null; then
    exec pg_virtualenv "${measure[@]}"
  fi
  echo 'PostgreSQL is missing, so rows come from Parquet alone (Debian, Ubuntu: apt-get install postgresql)' >&2
  exec "${measure[@]}"
fi
cargo build --release --locked "${packages[@]}" --example constant --example replay
cargo build --release --locked --package xtask
exec taskset -c 1 "${CARGO_TARGET_DIR:-target}/release/xtask" bench "$@"
