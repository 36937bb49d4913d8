"""A stand-in for a provider of language models, of both APIs: it answers the same to everybody who has the real key."""

import json, sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
class H(BaseHTTPRequestHandler):
    protocol_version="HTTP/1.1"
    n=0
    def log_message(self,*a): pass
    def do_POST(self):
        body=json.loads(self.rfile.read(int(self.headers['content-length'])))
        H.n+=1
        key=self.headers.get('x-api-key') or self.headers.get('authorization','')
        if 'REAL' not in key: return self.send(401,{"error":{"message":"no","type":"authentication_error"}})
        p=self.path.split('?')[0]
        if body.get('model')=='flaky' and H.n%2: return self.send(529,{"type":"error","error":{"type":"overloaded_error","message":"busy"}})
        if p=='/v1/messages/count_tokens': return self.send(200,{"input_tokens":12})
        if p=='/v1/messages':
            tools=body.get('tools') and body['messages'][-1]['role']=='user' and 'weather' in json.dumps(body['messages'][-1])
            content=[{"type":"tool_use","id":"t1","name":body['tools'][0]['name'],"input":{"city":"X"}}] if tools else [{"type":"text","text":"hello world"}]
            usage={"input_tokens":20,"cache_creation_input_tokens":5,"cache_read_input_tokens":3,"output_tokens":7}
            if not body.get('stream'):
                return self.send(200,{"id":"m","type":"message","role":"assistant","model":body['model'],"content":content,"stop_reason":"tool_use" if tools else "end_turn","stop_sequence":None,"usage":usage})
            ev=[("message_start",{"message":{"id":"m","type":"message","role":"assistant","model":body['model'],"content":[],"stop_reason":None,"stop_sequence":None,"usage":{**usage,"output_tokens":1}}}),
                ("content_block_start",{"index":0,"content_block":{"type":"text","text":""}}),
                ("content_block_delta",{"index":0,"delta":{"type":"text_delta","text":"hello "}}),("content_block_delta",{"index":0,"delta":{"type":"text_delta","text":"world"}}),
                ("content_block_stop",{"index":0}),("message_delta",{"delta":{"stop_reason":"end_turn","stop_sequence":None},"usage":{"output_tokens":7}}),("message_stop",{})]
            return self.sse([f"event: {t}\ndata: {json.dumps({'type':t,**d})}\n\n" for t,d in ev])
        u={"prompt_tokens":20,"completion_tokens":7,"total_tokens":27,"prompt_tokens_details":{"cached_tokens":4}}
        if p=='/v1/chat/completions':
            if not body.get('stream'):
                msg={"role":"assistant","content":"hello world"}
                if body.get('tools'): msg={"role":"assistant","content":None,"tool_calls":[{"id":"c","type":"function","function":{"name":"f","arguments":"{}"}}]}
                return self.send(200,{"id":"c","object":"chat.completion","created":1,"model":body['model'],"choices":[{"index":0,"message":msg,"finish_reason":"stop"}],"usage":u})
            ch=lambda d,f=None:{"id":"c","object":"chat.completion.chunk","created":1,"model":body['model'],"choices":[{"index":0,"delta":d,"finish_reason":f}],"usage":None}
            l=[ch({"role":"assistant","content":"hello "}),ch({"content":"world"}),ch({},"stop")]
            if (body.get('stream_options') or {}).get('include_usage'): l.append({"id":"c","object":"chat.completion.chunk","created":1,"model":body['model'],"choices":[],"usage":u})
            return self.sse([f"data: {json.dumps(x)}\n\n" for x in l]+["data: [DONE]\n\n"])
        if p=='/v1/embeddings': return self.send(200,{"object":"list","model":body['model'],"data":[{"object":"embedding","index":0,"embedding":[0.5,0.25]}],"usage":{"prompt_tokens":8,"total_tokens":8}})
        if p=='/v1/responses':
            r={"id":"r","object":"response","created_at":1,"model":body['model'],"status":"completed","error":None,"incomplete_details":None,"instructions":None,"metadata":{},"output":[{"type":"message","id":"i","status":"completed","role":"assistant","content":[{"type":"output_text","text":"hello world","annotations":[]}]}],"parallel_tool_calls":True,"temperature":1,"tool_choice":"auto","tools":[],"top_p":1,"usage":{"input_tokens":20,"input_tokens_details":{"cached_tokens":4},"output_tokens":7,"output_tokens_details":{"reasoning_tokens":0},"total_tokens":27}}
            if not body.get('stream'): return self.send(200,r)
            item=r['output'][0]
            ev=[("response.created",{"response":{**r,"status":"in_progress","output":[],"usage":None}}),("response.output_item.added",{"output_index":0,"item":{**item,"content":[],"status":"in_progress"}}),("response.content_part.added",{"item_id":"i","output_index":0,"content_index":0,"part":{"type":"output_text","text":"","annotations":[]}}),("response.output_text.delta",{"item_id":"i","output_index":0,"content_index":0,"delta":"hello world","logprobs":[]}),("response.output_text.done",{"item_id":"i","output_index":0,"content_index":0,"text":"hello world","logprobs":[]}),("response.output_item.done",{"output_index":0,"item":item}),("response.completed",{"response":r})]
            return self.sse([f"event: {t}\ndata: {json.dumps({'type':t,'sequence_number':i,**d})}\n\n" for i,(t,d) in enumerate(ev)])
        self.send(404,{"error":{"message":"no such path"}})
    def send(self,status,obj):
        b=json.dumps(obj).encode(); self.send_response(status); self.send_header('content-type','application/json'); self.send_header('content-length',str(len(b))); self.send_header('request-id','req_1'); self.end_headers(); self.wfile.write(b)
    def sse(self,parts):
        self.send_response(200); self.send_header('content-type','text/event-stream'); self.send_header('transfer-encoding','chunked'); self.end_headers()
        for p in parts: b=p.encode(); self.wfile.write(b"%x\r\n%s\r\n"%(len(b),b)); self.wfile.flush()
        self.wfile.write(b"0\r\n\r\n")
s=ThreadingHTTPServer(('127.0.0.1',int(sys.argv[1])),H); s.serve_forever()
