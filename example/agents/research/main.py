"""Research: answers questions, with what was found before."""

import agency


def answer(task):
    with agency.Memory() as memory:
        found = memory.run(
            "SELECT title, left(body, 200) FROM silo_memory.findings "
            "WHERE words @@ websearch_to_tsquery('simple', $1) ORDER BY id DESC LIMIT 5",
            task,
        )
    notes = "\n".join(f"- {title}: {body}" for title, body in found)
    result = agency.ask_model(f"Answer with sources: {task}\nNotes:\n{notes}")
    agency.remember(f"Answer: {task}", result)
    return result


agency.serve(answer)
