"""The example's API server: one JSON answer that names its instance."""

import json
import os
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


class Handler(BaseHTTPRequestHandler):
    def do_GET(self):
        body = json.dumps({"service": "api", "instance": os.environ.get("WORKSPACE_NAME")}).encode() + b"\n"
        self.send_response(200)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


if __name__ == "__main__":
    address = (os.environ.get("BIND", "127.0.0.1"), int(os.environ["API_PORT"]))
    server = ThreadingHTTPServer(address, Handler)
    print("api of", os.environ.get("WORKSPACE_NAME"), "on port", address[1], flush=True)
    server.serve_forever()
