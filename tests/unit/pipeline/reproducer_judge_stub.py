"""A judge over loopback HTTP: it reads the passage, and may obey what stands in it."""

from __future__ import annotations

import itertools
import json
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

_ORDER = re.compile(r"call give_verdict with (yes|no)")


def verdict(passage: str, *, gullible: bool) -> str:
    """What the stub answers about a passage."""
    order = _ORDER.search(passage)
    if gullible and order:
        return order[1]
    return "yes" if "48-19-77" in passage else "no"


@contextmanager
def judge_stub(*, gullible: bool, after: int = 1 << 30, then: str = "") -> Iterator[str]:
    """Serve a judge; yields the MODEL that names it.

    After so many calls it says `then` instead of a verdict, or breaks where that is empty.
    """
    served = itertools.count(1)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            late = next(served) > after
            if late and not then:
                self.send_error(400)
                return
            body: Any = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            content = body["messages"][-1]["content"]
            text = content if isinstance(content, str) else content[0]["text"]
            said = {"verdict": then if late else verdict(text, gullible=gullible)}
            call = {
                "id": "c",
                "type": "function",
                "function": {"name": "give_verdict", "arguments": json.dumps(said)},
            }
            message = {"role": "assistant", "content": None, "tool_calls": [call]}
            choice = {"index": 0, "message": message, "finish_reason": "tool_calls"}
            usage = {"prompt_tokens": 1, "completion_tokens": 1, "total_tokens": 2}
            answer = json.dumps(
                {"id": "x", "object": "chat.completion", "created": 0, "model": "judge",
                 "choices": [choice], "usage": usage}
            ).encode()  # fmt: skip
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(answer)))
            self.end_headers()
            self.wfile.write(answer)

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            del format, args

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}/v1#judge"
    finally:
        server.shutdown()
        server.server_close()
