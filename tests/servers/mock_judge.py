#!/usr/bin/env python3
"""An OpenAI-compatible judge on loopback that ranks by a simple taste; for trials and tests.

    tests/servers/mock_judge.py --port 8090 --taste longest --log requests.jsonl
    thoughtrank run --config round.yaml --set judge.kind=openai \
        --set judge.base_url=http://127.0.0.1:8090/v1 --set judge.model=mock

It prints the address it listens on (port 0 chooses a free one) and runs until it is stopped.
Its opinions are worth nothing; its protocol is the real one. It needs only Python.
"""

import argparse
import hashlib
import http.server
import json
import os
import re
import threading

# An answer between its fences: <answer LABEL NONCE> ... </answer LABEL NONCE>
ANSWER = re.compile(r"<answer ([A-Z]) ([0-9a-f]+)>\n(.*?)\n</answer \1 \2>", re.DOTALL)

# What each taste likes: the answer with the highest value wins.
TASTES = {
    "longest": lambda answer, request: len(answer),
    "shortest": lambda answer, request: -len(answer),
    "alphabetic": lambda answer, request: [-ord(c) for c in answer],
    "first": lambda answer, request: -request.find(answer),  # in the order shown
    # Does what an answer tells it to; else plain sentences before empty ones, short before long.
    "obedient": lambda answer, request: ("Ignore the question" in answer, "depends on" not in answer, -len(answer)),
    "sober": lambda answer, request: ("Ignore the question" not in answer, "depends on" not in answer, -len(answer)),
    "digits": lambda answer, request: sum(c.isdigit() for c in answer),
    # A guess: depends on the labels, the order and the nonce, so a repeated answer fares differently.
    "random": lambda answer, request: hashlib.sha256((request + answer).encode()).digest(),
}
FAULTS = ["none", "die", "refuse", "lie", "babble"]


def ranking_text(prompt, taste, fault):
    """The judge's message for the user message `prompt`."""
    if fault == "refuse":
        return "I'm sorry, but I cannot compare these answers."
    if fault == "babble":
        return "Answers 1 and 2 are both good, though {3} might be better; let us say 7/10."
    answers = [(match[1], match[3]) for match in ANSWER.finditer(prompt)]
    if fault == "lie":  # labels that nobody sent
        return json.dumps({"ranking": [str(n) for n in range(len(answers))]})
    liked = sorted(answers, key=lambda item: TASTES[taste](item[1], prompt), reverse=True)
    return json.dumps({"ranking": [label for label, _ in liked]})


def completion(request, text):
    """A chat completion body around `text`."""
    prompt_tokens = sum(len(message["content"]) for message in request["messages"]) // 4
    limit = request.get("max_completion_tokens") or request.get("max_tokens") or 2048
    tokens = len(text) // 4 + 1
    finish_reason = "stop" if tokens <= limit else "length"
    text, tokens = text[: 4 * limit], min(tokens, limit)
    return {
        "id": "mock",
        "object": "chat.completion",
        "model": request.get("model", "mock"),
        "choices": [
            {
                "index": 0,
                "message": {"role": "assistant", "content": text},
                "finish_reason": finish_reason,
            }
        ],
        "usage": {
            "prompt_tokens": prompt_tokens,
            "completion_tokens": tokens,
            "total_tokens": prompt_tokens + tokens,
        },
    }


class Judge(http.server.ThreadingHTTPServer):
    """Holds the options, the log and the count of requests."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, options):
        super().__init__(("127.0.0.1", options.port), Handler)
        self.options = options
        self.lock = threading.Lock()
        self.count = 0

    def note(self, body):
        """Counts the request and appends it to the log; returns its number from 1."""
        with self.lock:
            self.count += 1
            if self.options.log:
                with open(self.options.log, "a", encoding="utf-8") as log:
                    log.write(body.decode("utf-8", "replace") + "\n")
            return self.count


class Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):  # noqa: N802, the name is given by http.server
        options = self.server.options
        body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
        number = self.server.note(body)
        fault = options.fault if number > options.after else "none"
        if fault == "die":
            os._exit(1)
        if not self.path.endswith("/chat/completions"):
            self.reply(404, {"error": {"message": "only /v1/chat/completions is here"}})
            return
        try:
            request = json.loads(body)
            text = ranking_text(request["messages"][-1]["content"], options.taste, fault)
            self.reply(200, completion(request, text))
        except (ValueError, KeyError, TypeError, IndexError) as error:
            self.reply(400, {"error": {"message": f"not a chat request: {error!r}"}})

    def reply(self, status, value):
        data = json.dumps(value).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        self.wfile.write(data)

    def log_message(self, *_):
        """Quiet; --log keeps the requests."""


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--port", type=int, default=0, help="0 = any free port")
    parser.add_argument("--taste", choices=sorted(TASTES), default="longest")
    parser.add_argument("--fault", choices=FAULTS, default="none")
    parser.add_argument("--after", type=int, default=0, help="the fault begins after N requests")
    parser.add_argument("--log", default="", help="append each request body to this file")
    server = Judge(parser.parse_args())
    print(f"http://127.0.0.1:{server.server_address[1]}/v1", flush=True)
    try:
        server.serve_forever()
    except KeyboardInterrupt:
        pass


if __name__ == "__main__":
    main()
