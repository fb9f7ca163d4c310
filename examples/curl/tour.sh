#!/usr/bin/env bash
# Who is who, with nothing but curl: a visitor becomes known, two ids are joined by hand, and parted again without loss.
set -euo pipefail
URL=${TESSERA_URL:-http://127.0.0.1:8640} KEY=${TESSERA_KEY:?a private key}

api() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer $KEY" "$@"; }
plan_of() { api "$URL/v1/profiles/identifier/user_id/$1" | grep -o '"plan":"[^"]*"' || echo 'no plan'; }

# A visitor looks at something, then signs in: from then on both ids are one person.
api "$URL/v1/track" --data '{"anonymousId":"tour-browser","event":"Product Viewed","properties":{"sku":"A-1"}}' >/dev/null
api "$URL/v1/identify" --data '{"userId":"tour-ann","anonymousId":"tour-browser","traits":{"plan":"gold"}}' >/dev/null
echo "by the browser: $(api "$URL/v1/profiles/identifier/anonymous_id/tour-browser" | grep -o '"user_id":"[^"]*"')"

# A second account of hers, which nothing links to the first.
api "$URL/v1/identify" --data '{"userId":"tour-work","traits":{"city":"Lyon"}}' >/dev/null
echo "the second account: $(plan_of tour-work)"

# Somebody knows better. With ?preview=true this would only tell what would move.
both='[{"namespace":"user_id","value":"tour-ann"},{"namespace":"user_id","value":"tour-work"}]'
joined=$(api "$URL/v1/directives" --data "{\"type\":\"join\",\"identities\":$both}" | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
echo "joined: $(plan_of tour-work)"

# And was wrong: as if it had never been.
api "$URL/v1/directives" --data "{\"type\":\"undo\",\"directive\":\"$joined\"}" >/dev/null
echo "parted: $(plan_of tour-work)"
