"""A warehouse that speaks as Snowflake does, as far as fakesnow goes, steered by lines of JSON on standard input.

The first line of its output is {"port": ...}. Each line of input is {"sql": ...}; it is answered by {"rows": [...]}.
"""

import json
import logging
import socket
import sys
import threading

import fakesnow.server
import snowflake.connector
import uvicorn


def main():
    logging.disable(logging.CRITICAL)
    listener = socket.socket()
    listener.bind(("127.0.0.1", 0))
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(fakesnow.server.app, log_level="critical"))
    threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True).start()
    where = {"host": "127.0.0.1", "port": port, "protocol": "http", "database": "shop", "schema": "public"}
    cursor = snowflake.connector.connect(user="u", password="p", account="a", **where).cursor()
    print(json.dumps({"port": port}), flush=True)
    for line in sys.stdin:
        cursor.execute(json.loads(line)["sql"])
        print(json.dumps({"rows": [[str(value) for value in row] for row in cursor.fetchall()]}), flush=True)


main()
