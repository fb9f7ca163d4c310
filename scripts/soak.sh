#!/usr/bin/env bash
# The same code with larger numbers. Anything set outside wins.
set -euo pipefail
cd "$(dirname "$0")/.."

export PROPTEST_CASES=${PROPTEST_CASES:-50000}
export TESSERA_RULE_LAW_CASES=${TESSERA_RULE_LAW_CASES:-1000000}
export TESSERA_KILLS=${TESSERA_KILLS:-300}
export TESSERA_JOB_KILLS=${TESSERA_JOB_KILLS:-15}
export TESSERA_DOORS_SECS=${TESSERA_DOORS_SECS:-60}
export TESSERA_DOORS_KILLS=${TESSERA_DOORS_KILLS:-3}
export TESSERA_SEED=${TESSERA_SEED:-$(date +%s)}
export TESSERA_WORKSPACES=${TESSERA_WORKSPACES:-1000}
export TESSERA_FLOOD_CONNECTIONS=${TESSERA_FLOOD_CONNECTIONS:-200}
export TESSERA_FLOOD_SEGMENTS=${TESSERA_FLOOD_SEGMENTS:-200}
export TESSERA_FLOOD_SECONDS=${TESSERA_FLOOD_SECONDS:-30}
export TESSERA_IDLE_CONNECTIONS=${TESSERA_IDLE_CONNECTIONS:-5000}
export TESSERA_SLOW_CONNECTIONS=${TESSERA_SLOW_CONNECTIONS:-500}
export TESSERA_SLOW_SECONDS=${TESSERA_SLOW_SECONDS:-30}
export FUZZ_SECONDS=${FUZZ_SECONDS:-1200}
export FUZZ_EXAMPLES=${FUZZ_EXAMPLES:-1000}
printf 'TESSERA_SEED=%s\n' "$TESSERA_SEED"

cargo test --locked --release --workspace
# Times are only said where nothing else runs.
TESSERA_TIMED=1 cargo test --locked --release --package tessera-server --test bounds -- --test-threads=1
scripts/fuzz-api.sh target/release/tessera
scripts/soak-disk.sh target/release/tessera
