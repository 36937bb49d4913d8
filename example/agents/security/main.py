"""Security: looks for secrets in what the others wrote, and whether its own wall holds."""

import re
import socket

import agency

SECRET = re.compile(r"sk-[A-Za-z0-9_-]{16,}|AKIA[0-9A-Z]{16}|BEGIN [A-Z ]*PRIVATE KEY")
NEVER = [("1.1.1.1", 443), ("169.254.169.254", 80)]


def reached(place):
    try:
        socket.create_connection(place, timeout=0.5).close()
        return True
    except OSError:
        return False


def answer(task):
    found = [title for _, title, body in agency.recall(1000) if SECRET.search(f"{title}\n{body}")]
    open_ways = [f"{host}:{port}" for host, port in NEVER if reached((host, port))]
    report = f"secrets: {len(found)}\nways out: {', '.join(open_ways) or 'none'}"
    verdict = agency.ask_model(f"Judge in one sentence: {task}\n{report}")
    agency.remember(f"Audit: {task}", f"{report}\n{verdict}")
    return f"{report}\n{verdict}"


agency.serve(answer)
