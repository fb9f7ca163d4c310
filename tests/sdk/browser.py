"""The clients in the browser: a page on another origin, in headless Chromium, one scenario after the other.

Pages say what they did by `POST /report`, whose answer names the next page: so nothing has to be steered from outside.
"""

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
        self.node_modules = Path(node_modules)
        self.reports = queue.Queue()
        self.next_pages = queue.Queue()

    def page(self, **parameters):
        return f"http://127.0.0.1:{self.server_port}/page?{urllib.parse.urlencode(parameters)}"


class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        path, _, query = self.path.partition("?")
        sdk = dict(urllib.parse.parse_qsl(query)).get("sdk")
        if path == "/page" and sdk in SCRIPTS:
            client = f'<script src="/client?sdk={sdk}"></script>' if SCRIPTS[sdk] else ""
            page = f'<!doctype html><title>{sdk}</title>{client}<script type="module" src="/page.js"></script>'
            self.answer(page.encode(), "text/html")
        elif path == "/client" and SCRIPTS.get(sdk):
            self.answer((self.server.node_modules / SCRIPTS[sdk]).read_bytes(), "text/javascript")
        elif path == "/page.js":
            self.answer((HERE / "page.js").read_bytes(), "text/javascript")
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


def run(chromium, node_modules, url, keys, check, has_arrived):
    """Plays all scenarios; answers what there is to compare: name, prefix, and the anonymous id after the reset."""
    pages = Pages(node_modules)
    threading.Thread(target=pages.serve_forever, daemon=True).start()
    played = []
    for number, (sdk, mode, key_class) in enumerate(scenarios()):
        prefix = f"page{number}"
        page = pages.page(sdk=sdk, mode=mode, url=url, key=keys[key_class], prefix=prefix)
        played.append((f"{sdk} in the browser, {mode}, {key_class} key", prefix, page, leaves_last_events(sdk, mode)))
    end = f"http://127.0.0.1:{pages.server_port}/end"
    found = []
    # Chromium writes into its folder until it has ended, and a little after.
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as profile, tempfile.TemporaryFile() as said:
        command = [chromium, *FLAGS, f"--user-data-dir={profile}", played[0][2]]
        browser = subprocess.Popen(command, stdout=said, stderr=said, start_new_session=True)
        try:
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
        finally:
            os.killpg(browser.pid, signal.SIGTERM)
            browser.wait(timeout=30)
            pages.shutdown()
        if len(found) < len(played):
            said.seek(0)
            print(said.read().decode(errors="replace")[-4000:])
    return found
