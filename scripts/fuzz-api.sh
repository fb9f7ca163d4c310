#!/usr/bin/env bash
# Every path of openapi/tessera.json, fuzzed against a binary: no 5xx, no status that the document does not name.
# scripts/fuzz-api.sh target/debug/tessera; FUZZ_EXAMPLES and FUZZ_SECONDS make it longer, FUZZ_SEED makes it another run.
set -euo pipefail
cd "$(dirname "$0")/.."

binary=${1:-target/debug/tessera}
examples=${FUZZ_EXAMPLES:-40}
seconds=${FUZZ_SECONDS:-600}
seed=${FUZZ_SEED:-1}
venv=$PWD/target/fuzz/venv
data=$(mktemp -d)
key=sk_test_fuzz_0123456789

[ -x "$venv/bin/python" ] || "${PYTHON:-python3}" -m venv "$venv"
"$venv/bin/pip" install --quiet --disable-pip-version-check --requirement tests/fuzz/requirements.txt

env -u TESSERA_CONFIG TESSERA_BOOTSTRAP_KEY="$key" \
  "$binary" serve --listen 127.0.0.1:0 --data "$data/data" --log-level warn >"$data/out" &
server=$!
# shellcheck disable=SC2064 # the values of now are meant
trap "kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf '$data'" EXIT

for _ in $(seq 100); do
  url=$(sed -n 's/^tessera listens on //p' "$data/out")
  [ -z "$url" ] || break
  kill -0 "$server" || exit 1
  sleep 0.1
done

cd "$data"
timeout "$seconds" "$venv/bin/schemathesis" run "$OLDPWD/openapi/tessera.json" \
  --url "$url" --header "Authorization: Bearer $key" --header "X-Access-Token: $key" \
  --header "Ocp-Apim-Subscription-Key: $key" --header "X-Tessera-Workspace: default" \
  --header "X-Api-Key: any" --header "X-Gw-Ims-Org-Id: default@AdobeOrg" --header "X-Sandbox-Name: prod" \
  --phases examples,coverage,fuzzing --checks not_a_server_error,status_code_conformance \
  --max-examples "$examples" --seed "$seed" --generation-database none \
  --suppress-health-check all --continue-on-failure --warnings off --workers 2 --no-color

# How often each status was answered: a run that was refused everywhere would have proved nothing.
"$venv/bin/python" - "$url" <<'PYTHON'
import re, sys, urllib.request
from collections import Counter
text = urllib.request.urlopen(sys.argv[1] + "/metrics").read().decode()
statuses = Counter()
for line in text.splitlines():
    found = re.match(r'tessera_http_requests_total\{.*status="(\d+)".*\} (\d+)', line)
    if found:
        statuses[found[1]] += int(found[2])
print("statuses:", dict(sorted(statuses.items())))
sys.exit(0 if statuses["200"] * 10 > statuses.total() else "too few requests were answered with 200")
PYTHON
kill -0 "$server" || { echo 'the server did not survive' >&2; exit 1; }
