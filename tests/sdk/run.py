"""Runs each official client against the real binary and compares what is read back with what was sent.

Arguments: the binary, the Node to use, the folder with the installed Node packages, and Chromium, without which the clients in the
browser are left out. Prints `N passed, N failed`.
"""

import json
import os
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path

import adobe
import browser as browsers
import exports

HERE = Path(__file__).resolve().parent
KEY = "sk_test_sdk_0123456789"

# How long what was sent may take until it can be read.
ARRIVAL_SECONDS = 20

binary, node, node_folder, chromium = sys.argv[1:]
passed, failed = 0, 0


def check(what, found, expected):
    global passed, failed
    if found == expected:
        passed += 1
    else:
        failed += 1
        print(f"FAILED {what}\n  expected {expected!r}\n  found    {found!r}")


def get(path):
    request = urllib.request.Request(url + path, headers={"Authorization": f"Bearer {KEY}"})
    try:
        with urllib.request.urlopen(request, timeout=30) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        return {"status": error.code, "body": error.read().decode(errors="replace")}


def post(path, body):
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    request = urllib.request.Request(url + path, json.dumps(body).encode(), headers)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def has_arrived(prefix, after):
    """Waits until all calls of a page are there; whoever compares says what is missing."""
    until = time.monotonic() + ARRIVAL_SECONDS
    while time.monotonic() < until:
        known = get(f"/v1/profiles/identifier/user_id/{prefix}-user/events?limit=100")
        other = get(f"/v1/profiles/identifier/anonymous_id/{urllib.parse.quote(str(after))}/events?limit=100")
        if len(known.get("events", [])) >= 6 and other.get("events"):
            return
        time.sleep(0.02)


def compare_reset(client, prefix, after):
    """Whoever comes after a reset is somebody else."""
    user = get(f"/v1/profiles/identifier/user_id/{prefix}-user")
    path = f"/v1/profiles/identifier/anonymous_id/{urllib.parse.quote(str(after))}"
    other = get(path)
    check(f"{client}: another anonymous id after the reset", after not in (None, f"{prefix}-browser"), True)
    check(f"{client}: another profile after the reset", other.get("profile_id") not in (None, user.get("profile_id")), True)
    check(f"{client}: nobody is known after the reset", (other.get("user_id"), other.get("email")), (None, None))
    seen = [call["event"] for call in get(f"{path}/events").get("events", [])]
    check(f"{client}: calls after the reset", seen, ["Seen Again"])


def compare(client, prefix):
    """One person, one account and six calls, as every client sends them."""
    user, browser, mail = f"{prefix}-user", f"{prefix}-browser", f"{prefix}@shop.example"
    profile = get(f"/v1/profiles/identifier/user_id/{user}")
    for name, expected in [("user_id", user), ("email", mail), ("plan", "gold"), ("age", 41)]:
        check(f"{client}: {name}", profile.get(name), expected)
    for namespace, value in [("email", mail), ("anonymous_id", browser)]:
        other = get(f"/v1/profiles/identifier/{namespace}/{urllib.parse.quote(value)}")
        check(f"{client}: found by {namespace}", other.get("profile_id"), profile.get("profile_id"))
    timeline = get(f"/v1/profiles/identifier/user_id/{user}/events?limit=100")
    calls = {(call["type"], call["event"]): call for call in timeline.get("events", [])}
    check(
        f"{client}: calls",
        sorted((kind, event or "") for kind, event in calls),
        [
            ("alias", ""),
            ("group", ""),
            ("identify", ""),
            ("page", "Page Viewed"),
            ("track", "Order Completed"),
            ("track", "Product Viewed"),
        ],
    )
    check(f"{client}: each call once", len(timeline.get("events", [])), 6)
    viewed = calls.get(("track", "Product Viewed"), {}).get("properties", {})
    check(f"{client}: properties", viewed, {"sku": "A-1", "price": 19.99})
    order = calls.get(("track", "Order Completed"), {})
    check(
        f"{client}: nested properties",
        order.get("properties"),
        {"total": 29.33, "products": [{"sku": "A-1", "quantity": 2}]},
    )
    check(f"{client}: time", order.get("timestamp", "").startswith("2025-03-01T10:00:00.123"), True)
    page = calls.get(("page", "Page Viewed"), {}).get("properties", {})
    check(f"{client}: page", page.get("url"), "https://shop.example/")
    account = get(f"/v1/profiles/identifier/group_id/{prefix}-acme")
    for name, expected in [("name", "Acme"), ("employees", 12)]:
        check(f"{client}: account {name}", account.get(name), expected)
    graph = get(f"/v1/profiles/identifier/user_id/{user}/identities")
    nodes = {(found["namespace"], found["value"]) for found in graph.get("nodes", [])}
    check(f"{client}: identities", {("user_id", user), ("anonymous_id", browser), ("email", mail)} <= nodes, True)


def wyng(method, path, body=None):
    """Asks at the door of Wyng as a server does."""
    content = None if body is None else json.dumps(body).encode()
    headers = {"X-Access-Token": KEY, "Content-Type": "application/json"}
    request = urllib.request.Request(f"{url}/api/v1/consumer{path}", content, headers, method=method)
    with urllib.request.urlopen(request, timeout=30) as answer:
        return json.load(answer)


def prepare_wyng(origin):
    """A public token for pages of this origin, and a profile that a server has made, with an identity token of it."""
    new = {"name": "page", "class": "public", "permissions": ["ingest", "read_public"], "origins": [origin]}
    fields = {"email": {"value": "known@shop.example"}, "uids": {"value": ["known-visitor"]}}
    wyng("POST", "/profiles/upsert", {"fields": fields})
    known = wyng("GET", "/profiles/lookup?uid=known-visitor")["id"]
    key, jwt = post("/v1/admin/keys", new)["secret"], wyng("POST", f"/profiles/{known}/jwt")["jwt"]
    return {"key": key, "known": known, "jwt": jwt}


def compare_wyng(found):
    """A page of the token's origin reads and upserts; one of another origin does neither."""
    own, other = (found.get(name, {"found": {}}) for name in ("its own origin", "another origin"))
    said = own["found"]
    name = "Wyng's token at its own origin"
    asked = ["upsert", "upsert as text", "lookup", "profile", "public part", "all of it"]
    check(f"{name}: all goes well", {part: said.get(part, {}).get("status") for part in asked}, dict.fromkeys(asked, 200))
    body = {part: said.get(part, {}).get("body", {}) for part in asked}
    check(f"{name}: what was taken", body["upsert"].get("fields"), ["uids", "email"])
    check(f"{name}: what it reads of its visitor", body["profile"].get("fields"), {"uids": {"value": ["wyng0-visitor"]}})
    check(f"{name}: what is public", body["public part"].get("fields"), {"uids": {"value": ["known-visitor"]}})
    check(f"{name}: what an identity token shows", body["all of it"].get("fields", {}).get("email", {}).get("value"), "known@shop.example")
    profile = get("/v1/profiles/identifier/anonymous_id/wyng0-visitor")
    check(f"{name}: what it said is there", profile.get("email"), "wyng0@shop.example")
    check(f"{name}: and without a preflight", get("/v1/profiles/identifier/anonymous_id/wyng0-other").get("anonymous_id"), "wyng0-other")
    name, said = "Wyng's token at another origin", other["found"]
    codes = {part: (told.get("status"), told["body"].get("error", {}).get("code")) for part, told in said.items()}
    check(f"{name}: all is refused", codes, dict.fromkeys(asked, (403, "origin_forbidden")))
    for visitor in ("wyng1-visitor", "wyng1-other"):
        check(f"{name}: nothing was taken of {visitor}", get(f"/v1/profiles/identifier/anonymous_id/{visitor}").get("status"), 404)


def run_shop():
    """The back end of the examples, twice: an order is one order."""
    shop = HERE.parent.parent / "examples/node/shop.mjs"
    # Packages are found from where a program stands.
    (Path(node_folder) / "shop.mjs").write_bytes(shop.read_bytes())
    for time_of in ("first", "second"):
        ran = subprocess.run(
            [node, "shop.mjs"], cwd=node_folder, env=os.environ | {"TESSERA_URL": url, "TESSERA_KEY": KEY},
            capture_output=True, text=True, timeout=120,
        )
        check(f"the example of a shop, the {time_of} time", (ran.returncode, ran.stdout), (0, "Welcome back, Ann\n"))
    events = get("/v1/profiles/identifier/user_id/node-ann/events").get("events", [])
    check("the example of a shop: one order", [call["event"] for call in events if call["type"] == "track"], ["Order Completed"])


def prepare_example(origin):
    new = {"name": "example", "class": "public", "permissions": ["ingest"], "origins": [origin]}
    return post("/v1/admin/keys", new)["secret"]


def compare_example(found):
    """The page was told that both calls were taken, and they are its visitor's."""
    check("the page of the examples: what it was told", found.get("said"), ["page: taken", "track: taken"])
    visitor = urllib.parse.quote(str(found.get("visitor")))
    events = get(f"/v1/profiles/identifier/anonymous_id/{visitor}/events").get("events", [])
    check("the page of the examples: its visitor", sorted(call["event"] for call in events), ["Page Viewed", "Product Bought"])


environment = {name: value for name, value in os.environ.items() if not name.startswith("TESSERA_")}
with tempfile.TemporaryDirectory() as data:
    command = [binary, "serve", "--listen", "127.0.0.1:0", "--data", data, "--log-level", "warn"]
    server = subprocess.Popen(
        command, env=environment | {"TESSERA_BOOTSTRAP_KEY": KEY}, stdout=subprocess.PIPE, text=True
    )
    try:
        line = server.stdout.readline()
        url = line.rpartition(" ")[2].strip()
        if not url.startswith("http"):
            sys.exit(f"the server did not start: {line}")
        clients = {
            "@segment/analytics-node": [node, "segment.mjs"],
            "@rudderstack/rudder-sdk-node": [node, "rudder.mjs"],
            "segment-analytics-python": [sys.executable, str(HERE / "python_client.py"), "segment"],
            "rudder-sdk-python": [sys.executable, str(HERE / "python_client.py"), "rudder"],
        }
        for number, (client, start) in enumerate(clients.items()):
            prefix = f"sdk{number}"
            ran = subprocess.run([*start, url, KEY, prefix], cwd=node_folder, timeout=120)
            check(f"{client}: ends well", ran.returncode, 0)
            compare(client, prefix)
        adobe.run(url, KEY, post, check)
        run_shop()
        exports.run(url, KEY, post, get, check)
        if chromium:
            new = {"name": "website", "class": "public", "permissions": ["ingest"]}
            keys = {"private": KEY, "public": post("/v1/admin/keys", new)["secret"]}
            node_modules = Path(node_folder) / "node_modules"
            for client, prefix, after in browsers.run(chromium, node_modules, url, keys, check, has_arrived):
                compare(client, prefix)
                compare_reset(client, prefix, after)
            compare_wyng(browsers.run_wyng(chromium, url, prepare_wyng, check))
            compare_example(browsers.run_example(chromium, url, prepare_example, check))
    finally:
        server.terminate()
        ended = server.wait(timeout=60)
    check("the server ends well", ended, 0)

print(f"{passed} passed, {failed} failed")
sys.exit(1 if failed else 0)
