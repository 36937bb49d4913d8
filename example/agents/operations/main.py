"""Operations: says how the system stands, from what it can reach."""

import os
import urllib.request

import agency


def models():
    request = urllib.request.Request(
        os.environ["LLM_GATEWAY_URL"] + "/v1/models",
        headers={"Authorization": "Bearer " + os.environ["LLM_GATEWAY_KEY"]},
    )
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    with opener.open(request, timeout=20) as answer:
        return answer.status


PEERS = ["strategic", "research", "technical", "security"]


def stands(name):
    try:
        agency.ask_peer(f"http://{name}:8080")
        return "up"
    except OSError as error:
        return f"down: {error}"


def answer(task):
    with agency.Memory() as memory:
        rows = memory.run("SELECT agent, count(*) FROM silo_memory.findings GROUP BY agent ORDER BY agent")
    lines = [f"{name}: {stands(name)}" for name in PEERS] + [f"gateway: {models()}"] + [f"memory: {agent} has {number}" for agent, number in rows]
    report = "\n".join(lines)
    summary = agency.ask_model(f"Say in one sentence how this system stands: {task}\n{report}")
    agency.remember("How the system stands", f"{report}\n{summary}")
    return f"{report}\n{summary}"


agency.serve(answer)
