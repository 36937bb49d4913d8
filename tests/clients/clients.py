"""What the packages of PyPI get from an address, as JSON: plain, streams, tools, caching, errors that are tried again."""

import json, sys
import anthropic, openai
url, key = sys.argv[1], sys.argv[2]
out = {}
a = anthropic.Anthropic(base_url=url, api_key=key, max_retries=3)
u = lambda m: (m.usage.input_tokens, m.usage.cache_read_input_tokens, m.usage.output_tokens)
msgs = [{"role": "user", "content": "hi"}]
m = a.messages.create(model="claude", max_tokens=50, messages=msgs); out["messages"] = [m.content[0].text, u(m)]
with a.messages.stream(model="claude", max_tokens=50, messages=msgs) as s: out["stream"] = ["".join(s.text_stream), u(s.get_final_message())]
tool = {"name": "w", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
m = a.messages.create(model="claude", max_tokens=50, tools=[tool], messages=[{"role": "user", "content": "weather?"}]); out["tool"] = m.content[0].input
m = a.messages.create(model="claude", max_tokens=50, system=[{"type":"text","text":"long","cache_control":{"type":"ephemeral"}}], messages=msgs); out["cache"] = u(m)
out["count"] = a.messages.count_tokens(model="claude", messages=msgs).input_tokens
m = a.messages.create(model="flaky", max_tokens=50, messages=msgs); out["retry"] = m.content[0].text
b = anthropic.Anthropic(base_url=url, auth_token=key, api_key=None); out["bearer"] = b.messages.create(model="claude", max_tokens=50, messages=msgs).content[0].text
o = openai.OpenAI(base_url=url + "/v1", api_key=key)
c = o.chat.completions.create(model="gpt", messages=msgs); out["chat"] = [c.choices[0].message.content, c.usage.total_tokens]
out["chatstream"] = "".join(x.choices[0].delta.content or "" for x in o.chat.completions.create(model="gpt", messages=msgs, stream=True))
l = list(o.chat.completions.create(model="gpt", messages=msgs, stream=True, stream_options={"include_usage": True})); out["chatusage"] = [len(l), l[-1].usage.total_tokens]
c = o.chat.completions.create(model="gpt", messages=msgs, tools=[{"type":"function","function":{"name":"f","parameters":{}}}]); out["chattool"] = c.choices[0].message.tool_calls[0].function.name
r = o.responses.create(model="gpt", input="hi"); out["responses"] = [r.output_text, r.usage.total_tokens]
with o.responses.stream(model="gpt", input="hi") as s:
    for _ in s: pass
    out["respstream"] = s.get_final_response().output_text
out["embed"] = o.embeddings.create(model="gpt", input="hi", encoding_format="float").data[0].embedding
print(json.dumps(out))
