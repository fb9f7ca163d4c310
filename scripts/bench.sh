#!/usr/bin/env bash
# What is measured today: the embedded store against the bare engine below it. The rows over HTTP join it as they are written.
set -euo pipefail
cd "$(dirname "$0")/.."
exec cargo run --release --locked --package tessera-store-lsm --example floor
