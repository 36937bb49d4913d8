"""A stand-in for two providers of models on this machine, for verify.sh: answers, and writes down which key it was given.

python3 provider.py FOLDER: writes `ports`, one line a provider, and `calls`, a line for each call: provider, key, model.
"""

import json
import sys
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

FOLDER = Path(sys.argv[1])
LOCK = threading.Lock()


def server(provider):
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self):
            asked = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            key = self.headers.get("Authorization", "").removeprefix("Bearer ")
            with LOCK, open(FOLDER / "calls", "a", encoding="utf-8") as calls:
                calls.write(f"{provider} {key} {asked['model']}\n")
            text = asked["messages"][-1]["content"]
            answer = {
                "id": "1",
                "object": "chat.completion",
                "model": asked["model"],
                "choices": [
                    {
                        "index": 0,
                        "finish_reason": "stop",
                        "message": {"role": "assistant", "content": f"{provider} thinks of: {text.splitlines()[0]}"},
                    }
                ],
                "usage": {"prompt_tokens": 400, "completion_tokens": 20, "total_tokens": 420},
            }
            body = json.dumps(answer).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_):
            pass

    return ThreadingHTTPServer(("127.0.0.1", 0), Handler)


servers = [server(provider) for provider in ("main", "cluster")]
for one in servers:
    threading.Thread(target=one.serve_forever, daemon=True).start()
(FOLDER / "ports.new").write_text("".join(f"{one.server_port}\n" for one in servers))
(FOLDER / "ports.new").rename(FOLDER / "ports")
threading.Event().wait()
