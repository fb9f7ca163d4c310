"""What a refresh and an export of many rows cost, beside programs that only read or only write the same.

Called by `scripts/bench.sh --sources [ROWS]`, which builds what is run here. It starts the release binary on a folder of its own and, where PostgreSQL is
installed, runs inside of a cluster of its own (`pg_virtualenv`). It prints a table in Markdown; nothing is written. Times are of the clock, in seconds;
memory is what is resident, in MiB.
"""

import json
import os
import pathlib
import subprocess
import sys
import tempfile
import threading
import time
import urllib.error
import urllib.request

import pyarrow
import pyarrow.compute
import pyarrow.csv
import pyarrow.parquet

TARGET = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target")).resolve() / "release"
KEY = "sk_bench_0123456789abcdef"
COLUMNS = 20
PAUSE = 0.05


def table(rows, version=0, changed=0.0, gone=0.0):
    """Rows of twenty columns. A share is changed by each version; a share from the end is gone."""
    left = int(rows * (1 - gone))
    ids = pyarrow.array(range(left), pyarrow.int64())
    text = ids.cast(pyarrow.string())
    join = pyarrow.compute.binary_join_element_wise
    every = max(1, int(1 / changed)) if changed else 0
    changes = [version if every and at % every == 0 else 0 for at in range(left)]
    columns = {"customer_id": join("U-", text, ""), "email": join(text, "@shop.example", "")}
    columns["version"] = pyarrow.array(changes, pyarrow.int64())
    for at in range(COLUMNS - len(columns)):
        kind = at % 3
        mixed = pyarrow.compute.bit_wise_and(pyarrow.compute.multiply(ids, 2654435761 + at), 0xFFFFFF)
        if kind == 0:
            columns[f"number_{at}"] = mixed
        elif kind == 1:
            columns[f"text_{at}"] = join("value", mixed.cast(pyarrow.string()), "-")
        else:
            columns[f"flag_{at}"] = pyarrow.compute.equal(pyarrow.compute.bit_wise_and(mixed, 1), 1)
    return pyarrow.table(columns)


class Server:
    """The release binary on a folder, and what it holds at most."""

    def __init__(self, folder, environment):
        self.process = subprocess.Popen(
            ["taskset", "-c", "0", TARGET / "tessera", "serve", "--data", folder, "--listen", "127.0.0.1:0", "--log-level", "error"],
            stdout=subprocess.PIPE, text=True, env={**os.environ, "TESSERA_BOOTSTRAP_KEY": KEY, **environment},
        )
        self.url = self.process.stdout.readline().strip().rsplit(" ", 1)[-1]
        while self.ask("GET", "/readyz", expected=(200, 503))[0] != 200:
            time.sleep(PAUSE)

    def ask(self, method, path, body=None, expected=(200,), headers=None):
        data = None if body is None else json.dumps(body).encode()
        request = urllib.request.Request(self.url + path, data, {"authorization": f"Bearer {KEY}", **(headers or {})}, method=method)
        try:
            with urllib.request.urlopen(request) as answer:
                status, text = answer.status, answer.read()
        except urllib.error.HTTPError as error:
            status, text = error.code, error.read()
        if status not in expected:
            raise SystemExit(f"{method} {path}: {status} {text[:2000]}")
        return status, text

    def json(self, *arguments, **more):
        return json.loads(self.ask(*arguments, **more)[1])

    def resident(self):
        with open(f"/proc/{self.process.pid}/statm") as file:
            return int(file.read().split()[1]) * os.sysconf("SC_PAGE_SIZE") >> 20

    def cpu(self):
        with open(f"/proc/{self.process.pid}/stat") as file:
            fields = file.read().rsplit(")", 1)[1].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")

    def job(self, method, path, body):
        """Runs a job. Answers how long it took, its CPU, the most that was resident, and the p99 of reads meanwhile."""
        cpu, begun, most, reads = self.cpu(), time.monotonic(), self.resident(), []
        job = self.json(method, path, body, expected=(202,))["id"]
        ended = threading.Event()
        reader = threading.Thread(target=self.read, args=(ended, reads))
        reader.start()
        while True:
            state = self.json("GET", f"/v1/jobs/{job}")
            most = max(most, self.resident())
            if state["state"] in ("done", "failed", "cancelled"):
                break
            time.sleep(PAUSE)
        took = time.monotonic() - begun
        ended.set()
        reader.join()
        if state["state"] != "done":
            raise SystemExit(f"{path}: {state}")
        return {"seconds": took, "cpu": self.cpu() - cpu, "resident": most, "p99_ms": quantile(reads, 0.99)}

    def read(self, ended, reads):
        at = 0
        while not ended.is_set():
            begun = time.monotonic()
            self.ask("GET", f"/v1/profiles/id/U-{at % 1000}", expected=(200, 404))
            reads.append((time.monotonic() - begun) * 1000)
            at += 1
            time.sleep(0.002)

    def idle(self):
        ended, reads = threading.Event(), []
        reader = threading.Thread(target=self.read, args=(ended, reads))
        reader.start()
        time.sleep(3)
        ended.set()
        reader.join()
        return quantile(reads, 0.99)

    def stop(self):
        self.process.terminate()
        self.process.wait()


def quantile(values, share):
    values = sorted(values)
    return values[int((len(values) - 1) * share)] if values else 0.0


def program(*arguments):
    done = subprocess.run(["taskset", "-c", "0", *map(str, arguments)], check=True, stdout=subprocess.PIPE)
    return json.loads(done.stdout)


def row(work, measured, against, goal, reached):
    told = f"{measured['seconds']:.1f} s, {measured['cpu']:.1f} s CPU, {measured['resident']} MiB, reads p99 {measured['p99_ms']:.1f} ms"
    print(f"| {work} | {told} | {against} | {goal} | {'yes' if reached else '**no**'} |", flush=True)


class Files:
    """Rows as a Parquet file that is replaced."""

    name = "Parquet"

    def __init__(self, folder):
        self.folder = folder
        self.connection = {"kind": "files", "url": f"file://{folder}"}
        self.source = {"table": "rows.parquet"}

    def put(self, rows):
        pyarrow.parquet.write_table(rows, self.folder / "next", row_group_size=100_000)
        os.replace(self.folder / "next", self.folder / "rows.parquet")

    def drain(self):
        return program(TARGET / "examples/bare", "drain", "files", self.folder, "rows.parquet")


class Postgres:
    """Rows as a table of the cluster that this runs in."""

    name = "PostgreSQL"

    def __init__(self, folder):
        self.folder = folder
        of = os.environ
        self.url = f"postgres://{of['PGUSER']}@{of.get('PGHOST') or '127.0.0.1'}:{of['PGPORT']}/postgres?sslmode=disable"
        self.connection = {"kind": "postgres", "url": self.url, "password": {"env": "TESSERA_SECRET_BENCH"}}
        self.source = {"sql": "select * from customers"}

    def put(self, rows):
        file = self.folder / "rows.csv"
        pyarrow.csv.write_csv(rows, file)
        kinds = {"int64": "bigint", "string": "text", "bool": "boolean"}
        columns = ", ".join(f"{own.name} {kinds[str(own.type)]}" for own in rows.schema)
        psql = ["psql", "-X", "-q", "-d", "postgres", "-v", "ON_ERROR_STOP=1"]
        statements = f"drop table if exists customers; create table customers ({columns});\n\\copy customers from '{file}' csv header\nanalyze customers;"
        subprocess.run(psql, input=statements, text=True, check=True)

    def drain(self):
        return program(TARGET / "examples/bare", "drain", "postgres", self.url, os.environ["PGPASSWORD"], self.source["sql"])


def measure(kind, rows, home):
    files = home / kind.name
    files.mkdir()
    of, data = kind(files), home / f"data-{kind.name}"
    server = Server(data, {"TESSERA_SECRET_BENCH": os.environ.get("PGPASSWORD", "")})
    server.ask("PUT", "/v1/connections/bench", of.connection)
    server.ask("PUT", "/v1/sources/customers", {
        "connection": "bench", **of.source, "primary": {"column": "customer_id", "namespace": "user_id"}, "identifiers": {"email": "email"},
    })
    empty = server.resident()
    refresh = lambda body=None: server.job("POST", "/v1/sources/customers:refresh", body or {})
    say = lambda text: f"{rows} rows x {COLUMNS}, {of.name}: {text}"

    of.put(table(rows))
    first = refresh()
    drained = of.drain()["seconds"]
    idle = server.idle()
    again = refresh()
    of.put(table(rows, version=1, changed=0.01))
    changed = refresh()
    of.put(table(rows, version=1, changed=0.01, gone=0.05))
    vanished = refresh()
    runs = server.json("GET", "/v1/sources/customers")["runs"]
    counts = [[run[name] for name in ("read", "changed", "unchanged", "evicted")] for run in runs]
    print(f"<!-- {of.name}: [read, changed, unchanged, evicted], the newest first: {counts} -->")
    exported = None
    if kind is Files:
        server.ask("PUT", "/v1/connections/lake", {"kind": "files", "url": f"file://{home}"})
        content = {"of": "profiles", "format": "parquet", "file_rows": 10_000_000, "to": {"connection": "lake", "path": "export"}}
        exported = server.job("POST", "/v1/exports", content)
    server.stop()
    floor = program(TARGET / "examples/refill", data, home / f"floor-{kind.name}", 1_000)["seconds"]
    row(say("first load"), first, f"the same rows written alone {floor:.1f} s: {floor / first['seconds']:.2f}", ">= 0.5 of the floor",
        floor / first["seconds"] >= 0.5)
    ratio = again["seconds"] / drained
    row(say("nothing changed"), again, f"drained and hashed alone {drained:.1f} s: {ratio:.2f}x; reads idle p99 {idle:.1f} ms", "<= 3x of draining", ratio <= 3)
    ratio = changed["seconds"] / (again["seconds"] + floor / 100)
    row(say("1 % changed"), changed, f"unchanged, and the floor of the changed: {ratio:.2f}x", "<= 1.5x", ratio <= 1.5)
    ratio = vanished["seconds"] / (again["seconds"] + floor / 20)
    row(say("5 % gone"), vanished, f"unchanged, and the floor of as many: {ratio:.2f}x", "", True)
    most = max(own["resident"] for own in (first, again, changed, vanished))
    print(f"\n{of.name}: {most - empty} MiB resident above the empty server at most.\n", flush=True)
    if exported:
        part = next((home / "export").glob("part-*.parquet"))
        alone = program(TARGET / "examples/bare", "write", home / "export", part.name, home / "alone.parquet")
        ratio = alone["seconds"] / exported["seconds"]
        row(f"{alone['rows']} profiles exported as Parquet", exported, f"the same batches written alone {alone['seconds']:.1f} s: {ratio:.2f}", ">= 0.5",
            ratio >= 0.5)


def main():
    rows = int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000
    print("| work | measured | against | goal | reached |\n|---|---|---|---|---|", flush=True)
    with tempfile.TemporaryDirectory(dir=os.environ.get("TESSERA_BENCH_FOLDER")) as home:
        for kind in (Files, *([Postgres] if "PGPORT" in os.environ else [])):
            measure(kind, rows, pathlib.Path(home))


main()
