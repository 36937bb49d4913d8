"""Technical: runs code, and sends heavy thinking to the big machine. What it runs is nobody's friend: the container holds it."""

import contextlib
import io

import agency


def answer(task):
    code = task.removeprefix("python:")
    if code != task:
        said = io.StringIO()
        with contextlib.redirect_stdout(said):
            exec(code.strip(), {})
        return said.getvalue() or "it ran, and said nothing"
    # `heavy` is a model of the external cluster: another provider of the gateway, with a key of its own.
    result = agency.ask_model(task, model="heavy")
    agency.remember(f"Computed: {task}", result)
    return result


agency.serve(answer)
