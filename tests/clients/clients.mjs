// What the packages of npm get from an address, as JSON: plain, streams, tools, errors that are tried again.
import Anthropic from '@anthropic-ai/sdk'; import OpenAI from 'openai';
const [url, key] = process.argv.slice(2); const out = {};
const a = new Anthropic({ baseURL: url, apiKey: key, authToken: null }); const messages = [{ role: 'user', content: 'hi' }];
let m = await a.messages.create({ model: 'claude', max_tokens: 50, messages }); out.messages = [m.content[0].text, m.usage];
const s = a.messages.stream({ model: 'claude', max_tokens: 50, messages }); m = await s.finalMessage(); out.stream = [m.content[0].text, m.usage];
m = await a.messages.create({ model: 'claude', max_tokens: 50, tools: [{ name: 'w', input_schema: { type: 'object' } }], messages: [{ role: 'user', content: 'weather?' }] }); out.tool = m.content[0].input;
out.flaky = (await a.messages.create({ model: 'flaky', max_tokens: 50, messages })).content[0].text;
out.count = (await a.messages.countTokens({ model: 'claude', messages })).input_tokens;
const o = new OpenAI({ baseURL: url + '/v1', apiKey: key });
const c = await o.chat.completions.create({ model: 'gpt', messages }); out.chat = [c.choices[0].message.content, c.usage];
let text = ''; let n = 0; for await (const x of await o.chat.completions.create({ model: 'gpt', messages, stream: true })) { text += x.choices[0]?.delta.content ?? ''; n++; } out.chatstream = [text, n];
const r = await o.responses.create({ model: 'gpt', input: 'hi' }); out.responses = [r.output_text, r.usage];
let t = ''; for await (const e of await o.responses.create({ model: 'gpt', input: 'hi', stream: true })) { if (e.type === 'response.output_text.delta') t += e.delta; } out.respstream = t;
out.embed = (await o.embeddings.create({ model: 'gpt', input: 'hi', encoding_format: 'float' })).data[0].embedding;
console.log(JSON.stringify(out));
