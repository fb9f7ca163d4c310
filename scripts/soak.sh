#!/usr/bin/env bash
# The same code with larger numbers. Anything set outside wins.
set -euo pipefail
cd "$(dirname "$0")/.."

export PROPTEST_CASES=${PROPTEST_CASES:-50000}
export TESSERA_RULE_LAW_CASES=${TESSERA_RULE_LAW_CASES:-1000000}
export TESSERA_KILLS=${TESSERA_KILLS:-300}
export TESSERA_JOB_KILLS=${TESSERA_JOB_KILLS:-15}
export TESSERA_SEED=${TESSERA_SEED:-$(date +%s)}
export FUZZ_SECONDS=${FUZZ_SECONDS:-1200}
export FUZZ_EXAMPLES=${FUZZ_EXAMPLES:-1000}
printf 'TESSERA_SEED=%s\n' "$TESSERA_SEED"

cargo test --locked --release --workspace
scripts/fuzz-api.sh target/release/tessera
scripts/soak-disk.sh target/release/tessera
