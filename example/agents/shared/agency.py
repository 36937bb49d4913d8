"""What all agencies share: the gateway, the memory, and a server that takes tasks. Nothing but Python's own library."""

import base64
import hashlib
import hmac
import json
import os
import socket
import struct
import sys
import urllib.error
import urllib.request
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from urllib.parse import unquote, urlsplit

NAME = os.environ.get("SILO_AGENT", "agency")
PORT = 8080


class Refused(Exception):
    """The gateway has refused a call: its status and code say why."""


def ask_model(prompt, model=os.environ.get("MODEL", "small"), limit=64):
    """Asks a model by the gateway, with the placeholder key that silo gave this agent."""
    body = {"model": model, "max_tokens": limit, "messages": [{"role": "user", "content": prompt}]}
    request = urllib.request.Request(
        os.environ["LLM_GATEWAY_URL"] + "/v1/chat/completions",
        json.dumps(body).encode(),
        {"Content-Type": "application/json", "Authorization": "Bearer " + os.environ["LLM_GATEWAY_KEY"]},
    )
    # The gateway is reached directly, whatever HTTP_PROXY says.
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(request, timeout=60) as answer:
            return json.load(answer)["choices"][0]["message"]["content"]
    except urllib.error.HTTPError as error:
        raise Refused(f"{error.code} {error.read(2000).decode(errors='replace').strip()}") from error


def ask_peer(url, task=None):
    """Asks another agency, such as http://research:8080; without a task, whether it is there."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(urllib.request.Request(url + "/ask", task and task.encode()), timeout=60) as answer:
        return answer.read(1 << 20).decode()


class Memory:
    """A connection to the memory, in the protocol of Postgres: text alone, and passwords by SCRAM-SHA-256."""

    def __init__(self, url=None):
        if url is None:
            with open("/memory/url", encoding="utf-8") as file:
                url = file.read().strip()
        url = urlsplit(url)
        self.user, self.password = unquote(url.username), unquote(url.password)
        self.socket = socket.create_connection((url.hostname, url.port or 5432), timeout=20)
        self.stream = self.socket.makefile("rb")
        database = unquote(url.path.lstrip("/"))
        words = b"user\0%b\0database\0%b\0\0" % (self.user.encode(), database.encode())
        self.socket.sendall(struct.pack("!II", len(words) + 8, 196608) + words)
        self._log_in()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.socket.close()

    def _send(self, kind, body):
        self.socket.sendall(kind + struct.pack("!I", len(body) + 4) + body)

    def _next(self):
        head = self.stream.read(5)
        if len(head) < 5:
            raise ConnectionError("the memory has ended the connection")
        kind, body = head[:1], self.stream.read(struct.unpack("!I", head[1:])[0] - 4)
        if kind == b"E":
            fields = dict((part[:1], part[1:].decode(errors="replace")) for part in body.split(b"\0") if part)
            raise RuntimeError("the memory: " + fields.get(b"M", "unknown error"))
        return kind, body

    def _log_in(self):
        nonce = base64.b64encode(os.urandom(18)).decode()
        bare = f"n=,r={nonce}"
        signature = None
        while True:
            kind, body = self._next()
            if kind == b"Z":
                return
            if kind != b"R":
                continue
            code, body = struct.unpack("!I", body[:4])[0], body[4:]
            if code == 10:
                first = b"n,," + bare.encode()
                self._send(b"p", b"SCRAM-SHA-256\0" + struct.pack("!I", len(first)) + first)
            elif code == 11:
                said = body.decode()
                parts = dict(part.split("=", 1) for part in said.split(","))
                if not parts["r"].startswith(nonce):
                    raise ConnectionError("the memory answers somebody else")
                salt, rounds = base64.b64decode(parts["s"]), int(parts["i"])
                salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), salt, rounds)
                last = f"c=biws,r={parts['r']}"
                message = f"{bare},{said},{last}".encode()
                client = hmac.digest(salted, b"Client Key", "sha256")
                proof = hmac.digest(hashlib.sha256(client).digest(), message, "sha256")
                proof = bytes(one ^ other for one, other in zip(client, proof))
                server = hmac.digest(salted, b"Server Key", "sha256")
                signature = hmac.digest(server, message, "sha256")
                self._send(b"p", f"{last},p={base64.b64encode(proof).decode()}".encode())
            elif code == 12:
                if base64.b64decode(body.decode().removeprefix("v=")) != signature:
                    raise ConnectionError("the memory does not know the password")
            elif code != 0 or signature is None:
                raise ConnectionError("the memory wants the password itself, and does not get it")

    def run(self, sql, *values):
        """Runs one statement with its values, and gives back the rows."""
        texts = [None if value is None else str(value).encode() for value in values]
        lengths = [struct.pack("!i", -1) if text is None else struct.pack("!I", len(text)) + text for text in texts]
        self._send(b"P", b"\0" + sql.encode() + b"\0" + b"\0\0")
        self._send(b"B", b"\0\0" + struct.pack("!HH", 0, len(texts)) + b"".join(lengths) + b"\0\0")
        self._send(b"E", b"\0" + b"\0\0\0\0")
        self._send(b"S", b"")
        rows = []
        while True:
            kind, body = self._next()
            if kind == b"Z":
                return rows
            if kind == b"D":
                rows.append(self._row(body))

    @staticmethod
    def _row(body):
        (number,), at, row = struct.unpack("!H", body[:2]), 2, []
        for _ in range(number):
            (length,), at = struct.unpack("!i", body[at : at + 4]), at + 4
            row.append(None if length < 0 else body[at : at + length].decode())
            at += max(length, 0)
        return row


def remember(title, body):
    """Writes one finding."""
    with Memory() as memory:
        memory.run("INSERT INTO silo_memory.findings (title, body, kind) VALUES ($1, $2, 'text')", title, body)


def recall(number=20):
    """The newest findings of everybody: agent, title, text."""
    with Memory() as memory:
        return memory.run(
            "SELECT agent, title, body FROM silo_memory.findings ORDER BY id DESC LIMIT $1::int", number
        )


def serve(answer):
    """Takes tasks for ever: the text of a POST to /ask, which `answer` makes an answer of."""

    class Handler(BaseHTTPRequestHandler):
        timeout = 30  # Seconds: who says nothing holds no thread.

        def do_GET(self):
            self.say(200, f"{NAME} is here\n")

        def do_POST(self):
            length = self.headers.get("Content-Length", "0")
            if not length.isascii() or not length.isdigit() or int(length) > 1 << 20:
                self.say(400, "a task has a length, of 1 MiB at most\n")
                return
            task = self.rfile.read(int(length)).decode(errors="replace")
            try:
                self.say(200, answer(task).rstrip("\n") + "\n")
            except Exception as error:  # One bad task ends no agency.
                self.say(502 if isinstance(error, Refused) else 500, f"{type(error).__name__}: {error}\n")

        def say(self, status, text):
            body = text.encode()
            self.send_response(status)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *words):
            print(NAME, *words[1:], flush=True)

    print(f"{NAME} takes tasks on port {PORT}", flush=True)
    ThreadingHTTPServer(("0.0.0.0", PORT), Handler).serve_forever()


def main(words):
    """`ask TASK` asks the agency of this container; without a task it says whether that is there."""
    url = f"http://127.0.0.1:{PORT}"
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        task = " ".join(words).encode() if words else None
        with opener.open(urllib.request.Request(url + "/ask", task), timeout=120) as answer:
            print(answer.read().decode(), end="")
    except urllib.error.HTTPError as error:
        print(error.read().decode(), end="", file=sys.stderr)
        return 1
    except OSError as error:
        print(error, file=sys.stderr)
        return 1
    return 0
