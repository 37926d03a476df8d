"""An MCP server without any package: starts at once and does what no package would; `behaviour` is the argument."""

import json
import os
import signal
import subprocess
import sys
import time

behaviour = sys.argv[1]
TOOLS = [
    {"name": "one", "inputSchema": {"type": "object", "properties": {"a": {"type": "integer", "nullable": True}}}},
    {"name": "two", "inputSchema": {"type": "object"}, "description": "x" * 5000},
    {"name": "broken", "inputSchema": {"type": "object", "properties": {"a": {"type": "strin"}}}},
    {"name": "one", "inputSchema": {"type": "object"}},
    {"name": "outside", "inputSchema": {"type": "object", "$ref": "http://127.0.0.1/schema"}},
]

if behaviour == "stubborn":
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
if behaviour == "dies":
    print("first line\nno licence found\n", file=sys.stderr)
    sys.exit(2)
if behaviour == "parent":
    child = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(300)"])
if behaviour == "loud":
    sys.stderr.write("noise\n" * 100_000)
    print("this is no JSON")
    print('{"jsonrpc": "2.0", "method": 3}')
    print(flush=True)


def result_of(method: str, params: dict) -> object:
    if method == "initialize":
        return {
            "protocolVersion": params["protocolVersion"],
            "capabilities": {"tools": {}},
            "serverInfo": {"name": "plain", "version": "1"},
        }
    if method == "tools/list":
        if behaviour == "endless list":
            return {"tools": TOOLS[:1], "nextCursor": "again"}
        page = int(params.get("cursor", 0))
        return {"tools": TOOLS[page : page + 2], **({"nextCursor": str(page + 2)} if page + 2 < len(TOOLS) else {})}
    if behaviour == "huge":
        return {"content": [{"type": "text", "text": "x" * 4_000_000}]}
    if behaviour == "hangs" and params["name"] == "two":
        time.sleep(300)
    if behaviour == "leaves" and params["name"] == "two":
        os._exit(3)
    if behaviour == "long":
        return {"content": [{"type": "text", "text": "x" * 2000}]}
    if behaviour == "odd results":
        return params["arguments"]["a"] and {"content": "no list"}
    if behaviour == "parent":
        return {"content": [{"type": "text", "text": str(child.pid)}]}
    return {"content": [{"type": "text", "text": json.dumps({"pid": os.getpid(), "environment": dict(os.environ)})}]}


for line in sys.stdin:
    request = json.loads(line)
    if "id" not in request or (behaviour == "slow" and request.get("params", {}).get("name") == "two"):
        continue
    answer = {"jsonrpc": "2.0", "id": request["id"]}
    if request["method"] in ("initialize", "tools/list", "tools/call"):
        if request["method"] == "tools/call" and behaviour == "refuses":
            answer["error"] = {"code": -32000, "message": "not today"}
        else:
            answer["result"] = result_of(request["method"], request.get("params", {}))
    else:
        answer["error"] = {"code": -32601, "message": "no such method"}
    print(json.dumps(answer), flush=True)

if behaviour == "stubborn":
    time.sleep(300)
