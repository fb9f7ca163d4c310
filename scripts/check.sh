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

# Installing these takes seconds; where no registry can be reached they are named as missing.
tools=$PWD/target/tools
{ [ -x "$tools/bin/python" ] || "${PYTHON:-python3}" -m venv "$tools"; } &&
  "$tools/bin/pip" install --quiet --disable-pip-version-check --requirement scripts/requirements.txt || true
export PATH=$PATH:$tools/bin

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
