"""A segment from plain Python: events go in, a rule is checked and saved, its members are read page by page.

Nothing but the standard library; with TESSERA_URL and TESSERA_KEY in the environment.
"""

import json
import os
import time
import urllib.error
import urllib.request

URL = os.environ.get("TESSERA_URL", "http://127.0.0.1:8640")
KEY = os.environ["TESSERA_KEY"]


def ask(method, path, body=None):
    """Sends JSON and answers JSON. What is wrong has a stable code and says what was expected."""
    headers = {"Authorization": f"Bearer {KEY}", "Content-Type": "application/json"}
    content = None if body is None else json.dumps(body).encode()
    try:
        with urllib.request.urlopen(urllib.request.Request(URL + path, content, headers, method=method)) as answer:
            return json.load(answer)
    except urllib.error.HTTPError as error:
        said = json.load(error)["error"]
        raise SystemExit(f"{method} {path}: {said['code']}: {said['message']}") from None


def until_active(path):
    """A rule is built for everybody who is there already; until then it has no members."""
    while ask("GET", path)["status"] != "active":
        time.sleep(0.1)


# 1. What happened. The messageId makes an order one order, however often this runs.
orders = [("py-1", "py-ann", 59.90), ("py-2", "py-ann", 12.00), ("py-3", "py-bob", 8.50)]
events = [
    {"type": "track", "userId": user, "event": "Order Completed", "messageId": order, "properties": {"total": total}}
    for order, user, total in orders
]
report = ask("POST", "/v1/batch", {"batch": events})
print(f"orders: {report['accepted']} accepted, {report['duplicates']} known before")

# 2. A rule, checked before anybody relies on it: what is wrong with it, where, and what is probably misspelt.
rule = 'xEvent[eventType = "Order Completed"].sum(properties.total) >= 50'
checked = ask("POST", "/v1/rules:check", {"pql": rule, "purpose": "condition"})
assert checked["valid"], checked["problem"]
for warning in checked.get("warnings", []):
    print("warning:", warning["name"], warning["message"])

# 3. Saved: PUT makes it, or makes it this.
ask("PUT", "/v1/segments/python_spenders", {"pql": rule, "description": "Made by an example"})
until_active("/v1/segments/python_spenders")

# 4. Its members, page by page. `fields` says what of each comes along: identifiers, attributes, audiences.
cursor = ""
while cursor is not None:
    page = ask("GET", f"/v1/segments/python_spenders/members?limit=100&fields=identifiers{cursor}")
    for member in page["members"]:
        print("member:", member["profile"]["user_id"])
    cursor = page["next_cursor"] and f"&cursor={page['next_cursor']}"
