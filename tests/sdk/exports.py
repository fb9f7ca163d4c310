"""Exports in Parquet, opened by pyarrow: the types of their columns, and the values in them."""

import datetime
import decimal
import io
import json
import tempfile
import time
import urllib.request
from pathlib import Path

# How long a job of a few rows may take.
JOB_SECONDS = 60
PEOPLE = 1_500


def run(url, key, post, get, check):
    """Writes people, exports them as an answer and as files, and opens these."""
    import pyarrow
    import pyarrow.parquet as parquet

    def put(path, body):
        headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
        request = urllib.request.Request(url + path, json.dumps(body).encode(), headers, method="PUT")
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)

    put("/v1/data-model/attributes/arrow_day", {"type": "date"})
    put("/v1/data-model/attributes/arrow_at", {"type": "date_time"})
    records = [person(at) for at in range(PEOPLE)]
    for start in range(0, PEOPLE, 500):
        body = json.dumps({"dataset": "arrow", "records": records[start : start + 500]})
        written = sent(url, key, "/v1/records", body.replace('"SPENT"', "17000000000000000000.000000000000000001"))
        check("records are written", json.loads(written)["accepted"], 500)
    names = ["user_id", "arrow_n", "arrow_spent", "arrow_vip", "arrow_day", "arrow_at", "arrow_tags", "arrow_text"]
    asked = {"of": "profiles", "format": "parquet", "fields": names}
    expected = {
        "user_id": "string",
        "arrow_n": "int64",
        "arrow_spent": "decimal128(38, 18)",
        "arrow_vip": "bool",
        "arrow_day": "date32[day]",
        "arrow_at": "timestamp[us, tz=UTC]",
        "arrow_tags": "string",
        "arrow_text": "string",
    }
    for compression in ("none", "gzip", "zstd", "snappy"):
        table = parquet.read_table(io.BytesIO(sent(url, key, "/v1/exports", json.dumps(asked | {"compression": compression}))))
        check(f"pyarrow, {compression}: types", {own.name: str(own.type) for own in table.schema}, expected)
        compare(f"pyarrow, {compression}", table, check)
    with tempfile.TemporaryDirectory() as folder:
        put("/v1/connections/arrow", {"kind": "files", "url": f"file://{folder}"})
        to = {"connection": "arrow", "path": "day=2026-01-31"}
        job = post("/v1/exports", asked | {"file_rows": 1_000, "to": to})
        until = time.monotonic() + JOB_SECONDS
        while job["state"] not in ("done", "failed") and time.monotonic() < until:
            time.sleep(0.02)
            job = get(f"/v1/jobs/{job['id']}")
        check("an export to files is done", (job["state"], job["error"]), ("done", None))
        home = Path(folder) / "day=2026-01-31"
        manifest = json.loads((home / "manifest.json").read_text())
        check("the manifest's types", {own["name"]: own["type"] for own in manifest["columns"]}["arrow_spent"], "decimal(38,18)")
        files = [home / own["name"] for own in manifest["files"]]
        check("more than one file", len(files) > 1, True)
        check("rows of each file", [parquet.read_metadata(own).num_rows for own in files], [own["rows"] for own in manifest["files"]])
        compare("pyarrow, files", pyarrow.concat_tables([parquet.ParquetFile(own).read() for own in files]), check)


def person(at):
    attributes = {
        "arrow_n": at - 700,
        "arrow_vip": at % 3 == 0,
        "arrow_day": f"2026-02-{at % 28 + 1:02}",
        "arrow_at": f"2026-01-31T10:00:{at % 60:02}.000001+02:00",
        "arrow_tags": [at, None],
    }
    if at % 2 == 0:
        attributes |= {"arrow_text": "", "arrow_spent": 0.5}
    if at == 1:
        # In digits that no double has.
        attributes["arrow_spent"] = "SPENT"
    return {"id": f"arrow-{at}", "identities": [{"namespace": "user_id", "value": f"arrow-{at}"}], "attributes": attributes}


def sent(url, key, path, body):
    headers = {"Authorization": f"Bearer {key}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, body.encode(), headers)
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def compare(name, table, check):
    """The people of this test, as they were written."""
    rows = {own["user_id"]: own for own in table.to_pylist() if (own["user_id"] or "").startswith("arrow-")}
    check(f"{name}: everybody", len(rows), PEOPLE)
    utc = datetime.timezone.utc
    check(
        f"{name}: values",
        rows.get("arrow-2"),
        {
            "user_id": "arrow-2",
            "arrow_n": -698,
            "arrow_spent": decimal.Decimal("0.5"),
            "arrow_vip": False,
            "arrow_day": datetime.date(2026, 2, 3),
            "arrow_at": datetime.datetime(2026, 1, 31, 8, 0, 2, 1, utc),
            "arrow_tags": "[2,null]",
            "arrow_text": "",
        },
    )
    check(f"{name}: nothing where there is nothing", rows.get("arrow-3", {}).get("arrow_text", ""), None)
    check(f"{name}: digits", rows.get("arrow-1", {}).get("arrow_spent"), decimal.Decimal("17000000000000000000.000000000000000001"))
