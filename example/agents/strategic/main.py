"""Strategic: has research look into a task, and makes a plan of that and of what all agencies have found."""

import agency


def ask(url, task):
    try:
        return agency.ask_peer(url, task).strip()
    except OSError as error:
        return f"(no answer: {error})"


def answer(task):
    known = "\n".join(f"- {agent}: {title}" for agent, title, _ in agency.recall(10))
    facts = ask("http://research:8080", task)
    plan = agency.ask_model(f"Plan this in three steps: {task}\nResearch says: {facts}\nKnown so far:\n{known}")
    agency.remember(f"Plan: {task}", f"{plan}\n{facts}")
    return f"{plan}\n{facts}"


agency.serve(answer)
