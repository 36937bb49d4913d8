"""A stand-in for a provider of language models: it has a coding agent write a file and commit it, then says that it is done.

    coder.py PORT

It speaks /v1/messages, /v1/responses and /v1/chat/completions, whole and as streams, and calls the tools that the request offers. An agent
without tools gets the change as text.
"""

import http.server
import json
import sys

FILE, TEXT, DONE = "hello.txt", "hello from the agent\n", "I wrote hello.txt."
SHELL = [f"printf '{TEXT.strip()}\\n' >{FILE}", f"git add {FILE} && git commit -q -m 'Say hello'"]
ANSWERED = ['"type": "tool_result"', '"type": "function_call_output"', '"role": "tool"']


def tool(request):
    """The next call: (number, name, arguments); None where the work is done, or there are no tools."""
    names = {one.get("function", one).get("name") for one in request.get("tools") or []}
    done = sum(json.dumps(request).count(mark) for mark in ANSWERED)
    if done >= len(SHELL):
        return None
    if done == 0 and "Write" in names:
        return done, "Write", {"file_path": f"/work/{FILE}", "content": TEXT}
    for name in {"Bash", "bash"} & names:
        return done, name, {"command": SHELL[done], "description": "Work"}
    return (done, "exec_command", {"cmd": SHELL[done]}) if "exec_command" in names else None


class Provider(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        request = json.loads(self.rfile.read(int(self.headers.get("content-length") or 0)))
        answers = {"/v1/messages": self.message, "/v1/responses": self.response, "/v1/chat/completions": self.completion}
        answer = answers.get(self.path.split("?")[0])
        whole, events = answer(request, tool(request)) if answer else ({"input_tokens": 1}, [])
        if not request.get("stream"):
            return self.out(json.dumps(whole), "application/json")
        lines = [f"event: {one['type']}\n" if "type" in one else "" for one in events]
        text = "".join(f"{line}data: {json.dumps(one)}\n\n" for line, one in zip(lines, events))
        self.out(text + ("" if "type" in events[0] else "data: [DONE]\n\n"), "text/event-stream")

    def message(self, request, call):
        use = call and {"type": "tool_use", "id": f"toolu_{call[0]}", "name": call[1], "input": call[2]}
        block = use or {"type": "text", "text": DONE}
        stop, usage = "tool_use" if call else "end_turn", {"input_tokens": 100, "output_tokens": 20}
        whole = {"id": "msg_1", "type": "message", "role": "assistant", "model": request["model"], "content": [block],
                 "stop_reason": stop, "stop_sequence": None, "usage": usage}
        delta = {"type": "text_delta", "text": DONE}
        if call:
            delta = {"type": "input_json_delta", "partial_json": json.dumps(call[2])}
        return whole, [
            {"type": "message_start", "message": {**whole, "content": [], "stop_reason": None}},
            {"type": "content_block_start", "index": 0, "content_block": {**block, "input": {}} if call else {**block, "text": ""}},
            {"type": "content_block_delta", "index": 0, "delta": delta},
            {"type": "content_block_stop", "index": 0},
            {"type": "message_delta", "delta": {"stop_reason": stop, "stop_sequence": None}, "usage": usage},
            {"type": "message_stop"},
        ]

    def response(self, request, call):
        item = {"type": "message", "id": "msg_1", "role": "assistant", "status": "completed",
                "content": [{"type": "output_text", "text": DONE, "annotations": []}]}
        if call:
            item = {"type": "function_call", "id": f"fc_{call[0]}", "call_id": f"call_{call[0]}", "name": call[1],
                    "arguments": json.dumps(call[2]), "status": "completed"}
        usage = {"input_tokens": 100, "output_tokens": 20, "total_tokens": 120,
                 "input_tokens_details": {"cached_tokens": 0}, "output_tokens_details": {"reasoning_tokens": 0}}
        whole = {"id": "resp_1", "object": "response", "model": request["model"], "status": "completed", "output": [item], "usage": usage}
        return whole, [
            {"type": "response.created", "response": {**whole, "status": "in_progress", "output": [], "usage": None}},
            {"type": "response.output_item.added", "output_index": 0, "item": item},
            {"type": "response.output_item.done", "output_index": 0, "item": item},
            {"type": "response.completed", "response": whole},
        ]

    def completion(self, request, call):
        change = f"<<<<<<< SEARCH\n=======\n{TEXT}>>>>>>> REPLACE\n" if "SEARCH" in json.dumps(request) else TEXT
        delta = {"role": "assistant", "content": DONE if request.get("tools") else f"{FILE}\n```\n{change}```\n"}
        if call:
            function = {"name": call[1], "arguments": json.dumps(call[2])}
            delta = {"role": "assistant", "tool_calls": [{"index": 0, "id": f"call_{call[0]}", "type": "function", "function": function}]}
        end, usage = "tool_calls" if call else "stop", {"prompt_tokens": 100, "completion_tokens": 20, "total_tokens": 120}
        base = {"id": "c1", "created": 1, "model": request["model"]}
        choice = {"index": 0, "message": delta, "finish_reason": end}
        chunk = {**base, "object": "chat.completion.chunk"}
        events = [{**chunk, "choices": [{"index": 0, "delta": delta, "finish_reason": None}]},
                  {**chunk, "choices": [{"index": 0, "delta": {}, "finish_reason": end}]}]
        if (request.get("stream_options") or {}).get("include_usage"):
            events.append({**chunk, "choices": [], "usage": usage})
        return {**base, "object": "chat.completion", "choices": [choice], "usage": usage}, events

    def out(self, text, kind):
        body = text.encode()
        self.send_response(200)
        self.send_header("content-type", kind)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_):
        pass


http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Provider).serve_forever()
