#!/usr/bin/env bash
# Rows of a warehouse become profiles, and stay true to it. Needs `psql`, DATABASE_URL such as postgres://tessera@127.0.0.1:5432/shop with
# its password in PGPASSWORD, and a server that was started with the same password in TESSERA_SECRET_SHOP.
set -euo pipefail
URL=${TESSERA_URL:-http://127.0.0.1:8640} KEY=${TESSERA_KEY:?a private key}
cd "$(dirname "$0")"

api() { curl --silent --show-error --fail-with-body --header "Authorization: Bearer $KEY" "$@"; }

# The rows, in the database.
psql --quiet --no-psqlrc "$DATABASE_URL" --file customers.sql

# Where they are: a connection. The password stays in the environment of the server.
api --request PUT "$URL/v1/connections/shop" --data "{\"kind\":\"postgres\",\"url\":\"$DATABASE_URL\",\"password\":{\"env\":\"TESSERA_SECRET_SHOP\"}}" >/dev/null

# What they mean: a source. With `"schedule": {"every": "15m"}` beside the rest it is read again by itself.
api --request PUT "$URL/v1/sources/customers" --data '{
  "connection": "shop", "sql": "select customer_id, email, city, lifetime_value, high_spender from customers",
  "primary": {"column": "customer_id", "namespace": "user_id"}, "identifiers": {"email": "email"},
  "audiences": ["high_spender"]}' >/dev/null

# A refresh: rows that changed are written, and what is gone is taken back.
job=$(api --request POST "$URL/v1/sources/customers:refresh" | grep -o '"id":"[^"]*"' | head -1 | cut -d'"' -f4)
until api "$URL/v1/jobs/$job" | grep -Eq '"state":"(done|failed|cancelled)"'; do sleep 0.2; done
echo "the refresh: $(api "$URL/v1/sources/customers" | grep -Eo '"(read|changed|unchanged)":[0-9]+' | head -3 | tr '\n' ' ')"
echo "a row as a profile: $(api "$URL/v1/profiles/identifier/email/sql-1%40shop.example" | grep -Eo '"(user_id|city|lifetime_value)":[^,}]*' | tr '\n' ' ')"
