#!/usr/bin/env bash
# The quick gate. Tools that are not installed are named at the end; what the project cannot do without is installed.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
step() { printf '\n== %s\n' "$1"; }
optional() { # tool, what it checks, command ...
  local tool=$1 what=$2
  shift 2
  if command -v "$tool" >/dev/null; then
    step "$what"
    "$@"
  else
    missing+=("$tool ($what)")
  fi
}

step 'format'
cargo fmt --all --check
step 'lints'
cargo clippy --locked --workspace --all-targets -- -D warnings
step 'dependency edges'
cargo xtask deps
cargo xtask sizes
step 'openapi'
scripts/openapi.sh --check
optional cargo-deny 'licences, advisories and sources of dependencies' cargo deny --locked check licenses bans sources
optional cargo-machete 'unused dependencies' cargo machete
optional typos 'spelling' typos
optional shellcheck 'scripts' shellcheck scripts/*.sh .ci/run

if [ ${#missing[@]} -gt 0 ]; then
  printf '\nnot installed, so not checked:\n'
  printf '  %s\n' "${missing[@]}"
fi
