#!/usr/bin/env bash
# Brings what tests of sources start and load into target/warehouse. Tests that find it missing run this themselves.
set -euo pipefail
cd "$(dirname "$0")/.."

home=$PWD/target/warehouse
wanted=tests/warehouse/requirements.txt
if ! cmp --silent "$wanted" "$home/brought"; then
  mkdir -p "$home"
  [ -x "$home/venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$home/venv"
  "$home/venv/bin/pip" install --quiet --disable-pip-version-check --requirement "$wanted"
  cp "$wanted" "$home/brought"
fi
