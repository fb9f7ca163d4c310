"""The clients in the browser: a page on another origin, in headless Chromium, one scenario after the other.

Pages say what they did by `POST /report`, whose answer names the next page: so nothing has to be steered from outside.
"""

import contextlib
import http.server
import json
import os
import queue
import signal
import subprocess
import tempfile
import threading
import urllib.parse
from pathlib import Path

HERE = Path(__file__).resolve().parent
# How long a page may take until it reports, with the start of the browser before the first.
REPORT_SECONDS = 60
FLAGS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--disable-dev-shm-usage",
    # Nothing but this machine is asked for anything.
    "--host-resolver-rules=MAP * ~NOTFOUND, EXCLUDE 127.0.0.1",
]
SCRIPTS = {
    "segment": "@segment/analytics-next/dist/umd/index.js",
    "rudder": "@rudderstack/analytics-js/dist/npm/modern/bundled/umd/index.js",
    "hand": None,
}


CLICKS = """
const said = []
new MutationObserver(async () => {
  said.push(document.querySelector('#said').textContent)
  if (said.length === 1) document.querySelector('#buy').click()
  else location = await (await fetch('/report', { method: 'POST', body: JSON.stringify({ said, visitor: localStorage.visitor }) })).text()
}).observe(document.querySelector('#said'), { childList: true })
"""


def scenarios():
    """Client, mode, class of the key. Those that send their last events as they leave are not waited for."""
    for sdk, modes in [
        ("segment", ["default", "batch", "keepalive"]),
        ("rudder", ["default", "batch", "beacon"]),
        ("hand", ["default"]),
    ]:
        for mode in modes:
            for key_class in ["public", "private"]:
                yield sdk, mode, key_class


def leaves_last_events(sdk, mode):
    return (sdk, mode) in [("segment", "batch"), ("rudder", "beacon")]


class Pages(http.server.ThreadingHTTPServer):
    """Serves the pages and their scripts, and takes their reports."""

    daemon_threads = True

    def __init__(self, node_modules):
        super().__init__(("127.0.0.1", 0), Handler)
        self.node_modules = node_modules and Path(node_modules)
        self.reports = queue.Queue()
        self.next_pages = queue.Queue()

    @property
    def origin(self):
        return f"http://127.0.0.1:{self.server_port}"

    def page(self, path="/page", **parameters):
        return f"{self.origin}{path}?{urllib.parse.urlencode(parameters)}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        sdk = dict(urllib.parse.parse_qsl(query)).get("sdk")
        if path == "/page" and sdk in SCRIPTS:
            client = f'<script src="/client?sdk={sdk}"></script>' if SCRIPTS[sdk] else ""
            page = f'<!doctype html><title>{sdk}</title>{client}<script type="module" src="/page.js"></script>'
            self.answer(page.encode(), "text/html")
        elif path == "/wyng":
            self.answer(b'<!doctype html><title>wyng</title><script type="module" src="/wyng.js"></script>', "text/html")
        elif path == "/client" and SCRIPTS.get(sdk):
            self.answer((self.server.node_modules / SCRIPTS[sdk]).read_bytes(), "text/javascript")
        elif path in ("/page.js", "/wyng.js"):
            self.answer((HERE / path[1:]).read_bytes(), "text/javascript")
        elif path == "/example":
            # The page as it is, and behind it what a visitor does.
            page = (HERE.parent.parent / "examples/browser/index.html").read_text()
            self.answer(page.replace("</html>", f"<script>{CLICKS}</script></html>").encode(), "text/html")
        elif path == "/end":
            self.answer(b"<!doctype html>", "text/html")
        else:
            self.send_error(404)

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        self.server.reports.put(json.loads(body))
        self.answer(self.server.next_pages.get().encode(), "text/plain")

    def answer(self, content, media):
        self.send_response(200)
        self.send_header("content-type", f"{media}; charset=utf-8")
        self.send_header("content-length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)

    def log_message(self, *_):
        pass


@contextlib.contextmanager
def opened(chromium, page):
    """Chromium at a page until the end; answers the file into which it speaks."""
    # Chromium writes into its folder until it has ended, and a little after.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, tempfile.TemporaryFile() as said:
        command = [chromium, *FLAGS, f"--user-data-dir={profile}", page]
        browser = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        try:
            yield said
        finally:
            os.killpg(browser.pid, signal.SIGTERM)
            browser.wait(timeout=30)


def show(said):
    said.seek(0)
    print(said.read().decode(errors="replace")[-4000:])


def run(chromium, node_modules, url, keys, check, has_arrived):
    """Plays all scenarios; answers what there is to compare: name, prefix, and the anonymous id after the reset."""
    pages = Pages(node_modules)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    played = []
    for number, (sdk, mode, key_class) in enumerate(scenarios()):
        prefix = f"page{number}"
        page = pages.page(sdk=sdk, mode=mode, url=url, key=keys[key_class], prefix=prefix)
        played.append((f"{sdk} in the browser, {mode}, {key_class} key", prefix, page, leaves_last_events(sdk, mode)))
    end = f"{pages.origin}/end"
    found = []
    with opened(chromium, played[0][2]) as said:
        for (name, prefix, _, leaves), following in zip(played, [page for _, _, page, _ in played[1:]] + [end]):
            try:
                report = pages.reports.get(timeout=REPORT_SECONDS)
            except queue.Empty:
                check(f"{name}: the page reports", "nothing", "a report")
                break
            check(f"{name}: no errors", report["errors"], [])
            check(f"{name}: the page is the one that was asked for", report["prefix"], prefix)
            # What is under way when a page goes is lost; only what is sent because it goes is not.
            if not leaves:
                has_arrived(prefix, report.get("after"))
            pages.next_pages.put(following)
            found.append((name, prefix, report.get("after")))
        has_arrived(*found[-1][1:]) if found else None
        if len(found) < len(played):
            show(said)
    pages.shutdown()
    return found


def run_wyng(chromium, url, prepared, check):
    """A page of the one origin that a public token is for, then the same page of another one; answers what each was told.

    `prepared` makes the token of an origin, and says what else the pages are to know.
    """
    origins = {"its own origin": Pages(None), "another origin": Pages(None)}
    for pages in origins.values():
        threading.Thread(target=pages.serve_forever, daemon=True).start()
    known = prepared(origins["its own origin"].origin)
    addresses = [
        pages.page("/wyng", url=url, prefix=f"wyng{number}", **known) for number, pages in enumerate(origins.values())
    ]
    following = addresses[1:] + [f"{origins['another origin'].origin}/end"]
    found = {}
    with opened(chromium, addresses[0]) as said:
        for (name, pages), next_page in zip(origins.items(), following):
            try:
                found[name] = pages.reports.get(timeout=REPORT_SECONDS)
            except queue.Empty:
                check(f"Wyng's token at {name}: the page reports", "nothing", "a report")
                show(said)
                break
            pages.next_pages.put(next_page)
    for pages in origins.values():
        pages.shutdown()
    return found


def run_example(chromium, url, prepared, check):
    """The page of the examples, whose visitor buys; answers what the page says of itself."""
    pages = Pages(None)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    found = {}
    with opened(chromium, pages.page("/example", url=url, key=prepared(pages.origin))) as said:
        try:
            found = pages.reports.get(timeout=REPORT_SECONDS)
        except queue.Empty:
            check("the page of the examples reports", "nothing", "a report")
            show(said)
        pages.next_pages.put(f"{pages.origin}/end")
    pages.shutdown()
    return found
