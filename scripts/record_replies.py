#!/usr/bin/env python3
"""Records what a judge server on loopback answers, for the corpus of replies that the tests walk.

    scripts/real_judge.py --port 8091 &
    scripts/record_replies.py http://127.0.0.1:8091/v1 "llama-cpp-python 0.3.36, SmolLM2-135M-Instruct Q4_1" smollm2

    transformers serve --port 8092 --device cpu &
    scripts/record_replies.py http://127.0.0.1:8092/v1 "transformers-serve 5.23.0, SmolLM2-135M-Instruct" \
        models/SmolLM2-135M-Instruct

Writes tests/data/judge_replies/recorded/*.json in the form that make_replies.py there describes; the server's own folder
in tracebacks is left out. What must come of a reply is worked out here by another, simpler reading than the program's:
read it before you keep it.
"""
import json
import re
import sys
import urllib.error
import urllib.request
from pathlib import Path

OUT = Path(__file__).resolve().parents[1] / "tests" / "data" / "judge_replies" / "recorded"
LABELS = ["C", "A", "F", "B"]
RULES = 'Reply with one JSON object and nothing else: {"ranking": [labels from best to worst]}, with every label exactly once.'
QUESTION = "Question: what is the capital of {}?\nC: {}.\nA: I do not know.\nF: Perhaps {}?\nB: A fish."
PLACES = [("France", "Paris"), ("Italy", "Rome"), ("Japan", "Tokyo"), ("Peru", "Lima"), ("Kenya", "Nairobi"), ("Chile", "Santiago")]


def schema():
    label = {"type": "string", "enum": LABELS}
    ranking = {"type": "array", "items": label, "minItems": 4, "maxItems": 4}
    return {"type": "object", "properties": {"ranking": ranking}, "required": ["ranking"], "additionalProperties": False}


def request_of(place, city, **more):
    messages = [{"role": "system", "content": RULES}, {"role": "user", "content": QUESTION.format(place, city, city)}]
    return {"messages": messages, "max_tokens": 60, "temperature": 0, **more}


def requests():
    """(name, path, body)"""
    strict = {"type": "json_object", "schema": schema()}
    named = {"type": "json_schema", "json_schema": {"name": "ranking", "strict": True, "schema": schema()}}
    for place, city in PLACES:
        yield f"text-{place}", "/chat/completions", request_of(place, city)
        yield f"object-{place}", "/chat/completions", request_of(place, city, response_format={"type": "json_object"})
    for place, city in PLACES[:3]:
        yield f"grammar-{place}", "/chat/completions", request_of(place, city, response_format=strict)
    yield "json-schema", "/chat/completions", request_of(*PLACES[0], response_format=named)
    yield "cut-at-5-tokens", "/chat/completions", request_of(*PLACES[0], max_tokens=5, response_format=strict)
    yield "max-completion-tokens", "/chat/completions", request_of(*PLACES[1], max_completion_tokens=5)
    yield "too-long", "/chat/completions", request_of("France", "Paris " * 3000)
    yield "no-messages", "/chat/completions", {}
    yield "wrong-role", "/chat/completions", {"messages": [{"role": "judge", "content": "x"}]}
    yield "negative-limit", "/chat/completions", request_of(*PLACES[0], max_tokens=-1)
    yield "not-json", "/chat/completions", None
    yield "wrong-path", "/chat/complet", request_of(*PLACES[0])


def ask(url, body):
    data = b"{not json" if body is None else json.dumps(body).encode()
    request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(request, timeout=900) as reply:
            return reply.status, reply.headers.get("Content-Type", ""), reply.read().decode()
    except urllib.error.HTTPError as error:
        return error.code, error.headers.get("Content-Type", ""), error.read().decode()


def meaning(status, body):
    """(expect, ranking)"""
    if status != 200:
        if "context" in body and "tokens" in body:
            return "too_long", None
        return ("retry" if status >= 500 and "validation error" not in body else "failed"), None
    choice = json.loads(body)["choices"][0]
    try:
        ranking = json.loads(choice["message"]["content"])["ranking"]
        is_whole = choice["finish_reason"] == "stop" and sorted(ranking) == sorted(LABELS)
    except (ValueError, KeyError, TypeError):
        return "abstain", None
    return ("ranking", ranking) if is_whole else ("abstain", None)


def main():
    if len(sys.argv) != 4:
        sys.exit(__doc__)
    base_url, server, model = sys.argv[1:]
    provider = server.split()[0]
    OUT.mkdir(parents=True, exist_ok=True)
    for name, path, body in requests():
        status, content_type, text = ask(base_url + path, body if body is None else {**body, "model": model})
        text = re.sub(r"/[^\s\"]*/site-packages/", "site-packages/", text)
        expect, ranking = meaning(status, text)
        made = {"origin": f"recorded from {server}", "provider": provider, "status": status,
                "content_type": content_type, "pieces": [[text, 1]], "expect": expect}
        if ranking:
            made["ranking"] = ranking
        (OUT / f"{provider}-{name.lower()}.json").write_text(json.dumps(made, indent=1) + "\n")
        print(f"{name:24} {status} {expect:10} {text[:150]!r}")


if __name__ == "__main__":
    main()
