#!/usr/bin/env bash
# A disk whose syncs fail, below the real binary: what was acknowledged is there afterwards, in a new journal, and after a kill.
# Usage: soak-disk.sh BINARY. Takes strace, as Debian packages it.
set -euo pipefail
binary=$(realpath "$1")
command -v strace >/dev/null || { echo 'soak-disk: strace is missing: apt-get install strace' >&2; exit 1; }
folder=$(mktemp -d)
export TESSERA_BOOTSTRAP_KEY=sk_soak_of_a_failing_disk
server=
finish() {
  [ -z "$server" ] || kill -9 "$server" 2>/dev/null || true
  rm -rf "$folder"
}
trap finish EXIT

# Starts the server in the way that is given, and waits until it listens.
start() {
  : >"$folder/out"
  "$@" "$binary" serve --listen 127.0.0.1:0 --data "$folder/data" --log-level warn >"$folder/out" 2>>"$folder/log" &
  started=$!
  for _ in $(seq 600); do
    url=$(sed -n 's/^tessera listens on //p' "$folder/out")
    [ -z "$url" ] || return 0
    kill -0 "$started" 2>/dev/null || { cat "$folder/log" >&2; exit 1; }
    sleep 0.1
  done
  echo 'soak-disk: the server does not listen' >&2
  exit 1
}

call() {
  curl -s -o "$folder/answer" -w '%{http_code}' -H "Authorization: Bearer $TESSERA_BOOTSTRAP_KEY" "$@"
}

for when in 3 8 20 45; do
  rm -rf "$folder/data"
  # Of each thread the sync of this number fails, once.
  start strace -f -qq -o /dev/null -e "inject=fdatasync,fsync:error=EIO:when=$when"
  server=$(pgrep -P "$started" | head -1)
  acknowledged=()
  for at in $(seq 120); do
    body="{\"userId\":\"u$at\",\"messageId\":\"m$at\",\"traits\":{\"n\":$at}}"
    status=$(call -X POST -d "$body" "$url/v1/identify" || true)
    [ "$status" != 200 ] || acknowledged+=("$at")
  done
  [ "${#acknowledged[@]}" -gt 60 ] || { echo "soak-disk: when=$when: only ${#acknowledged[@]} writes went well" >&2; exit 1; }
  grep -q 'a new journal is begun' "$folder/log" || echo "soak-disk: when=$when: no sync of the committer failed"
  kill -9 "$server"
  wait "$started" || true
  "$binary" check --data "$folder/data" >/dev/null
  start env
  server=$started
  for at in "${acknowledged[@]}"; do
    status=$(call "$url/v1/profiles/identifier/user_id/u$at")
    [ "$status" = 200 ] || { echo "soak-disk: when=$when: u$at was acknowledged and is lost" >&2; exit 1; }
  done
  kill -9 "$server"
  wait "$server" 2>/dev/null || true
  server=
  echo "soak-disk: when=$when: all of ${#acknowledged[@]} acknowledged writes are there"
done
