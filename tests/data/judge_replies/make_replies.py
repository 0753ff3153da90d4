#!/usr/bin/env python3
"""Writes the corpus of judge replies beside this script: written/*.json, one file per reply.

    tests/data/judge_replies/make_replies.py

Each file says what the provider sent and what must come of it when the labels C A F B were sent:
  origin     "written from ADDRESS", the provider's public documentation; files in recorded/ (made by
             tests/fixtures/record_replies.py) say which local server sent them
  provider   openai | anthropic | vllm | ollama | openrouter | groq | llama.cpp | any
  status, content_type
  pieces     the body: texts with how often each stands there
  hex        the body instead, where it is not text
  expect     ranking | abstain | retry | failed | too_long | no_money | no_credentials
  ranking    the only order that may be read
"""
import json
import shutil
from pathlib import Path

from envelopes import PROVIDERS, chat, errors, messages, specials
from texts import NO_RANKINGS, RANKINGS

HERE = Path(__file__).resolve().parent
JSON = "application/json"
# What every provider is tried with; OpenAI with everything.
COMMON = {"plain", "fence", "think", "prose-before", "refusal", "missing", "duplicate", "unknown", "cut-off", "two-different"}


def entry(provider, origin, body, expect, ranking=None, status=200, content_type=JSON, times=None):
    pieces = times if times is not None else [[body, 1]]
    made = {"origin": origin, "provider": provider, "status": status, "content_type": content_type, "pieces": pieces,
            "expect": expect}
    if ranking:
        made["ranking"] = ranking
    return made


def of_texts():
    texts = [(name, text, ranking) for name, text, ranking in RANKINGS] + [(name, text, None) for name, text in NO_RANKINGS]
    for provider, (origin, wrap) in PROVIDERS.items():
        for name, text, ranking in texts:
            if provider == "openai" or name in COMMON:
                body = json.dumps(wrap(text), ensure_ascii=name.startswith("escaped"))
                yield f"{provider}-text-{name}", entry(provider, origin, body, "ranking" if ranking else "abstain", ranking)


def of_errors():
    for provider, name, status, body, expect in errors():
        origin = PROVIDERS[provider][0] if provider in PROVIDERS else "written from RFC 9110"
        text = body if isinstance(body, str) else json.dumps(body)
        yield f"{provider}-error-{name}", entry(provider, origin, text, expect, status=status)


def of_specials():
    for provider, name, body, expect, ranking in specials():
        yield f"{provider}-{name}", entry(provider, PROVIDERS[provider][0], json.dumps(body), expect, ranking)


def of_damage():
    """Bodies that are broken in ways that no provider documents."""
    origin = "written from RFC 8259 and RFC 3629"
    whole = json.dumps(chat('{"ranking": ["F", "A", "B", "C"]}'))
    good = '{"ranking": ["F", "A", "B", "C"]}'
    for name, pieces in {
        "empty": [["", 1]],
        "depth-100k": [["[", 100_000], ["]", 100_000]],
        "depth-100k-objects": [['{"a":', 100_000], ["1", 1], ["}", 100_000]],
        "depth-in-content": [['{"choices":[{"message":{"content":"' + "[", 1], ["[", 99_999], ['"}}]}', 1]],
        "braces-in-content": [['{"choices":[{"message":{"content":"', 1], ["{", 50_000], ['"}}]}', 1]],
        "cut-body": [[whole[: len(whole) // 2], 1]],
        "cut-last-byte": [[whole[:-1], 1]],
        "twice": [[whole, 2]],
        "trailing-text": [[whole + " and more", 1]],
        "nan": [[whole.replace('"created": 1', '"created": NaN'), 1]],
        "1e400": [[whole.replace('"created": 1', '"created": 1e400'), 1]],
        "html": [["<html><body>502 Bad Gateway</body></html>", 1]],
        "list": [["[" + whole + "]", 1]],
        "string": [[json.dumps(good), 1]],
        "bare-ranking": [[good, 1]],
        "null": [["null", 1]],
        "event-stream": [["data: " + whole + "\n\ndata: [DONE]\n\n", 1]],
        "duplicate-key": [[whole[:-1] + ', "choices": []}', 1]],
        "lone-surrogate": [[whole.replace('"stop"', '"stop", "x": "\\ud800"'), 1]],
        "spaces": [[" ", 100_000]],
    }.items():
        yield f"any-damage-{name}", entry("any", origin, "", "abstain", times=pieces)
    page = entry("any", origin, "<html>sign in</html>", "failed", content_type="text/html")
    yield "any-damage-sign-in-page", page
    for name, raw in {
        "not-utf8": b'{"choices":[{"message":{"content":"\xff\xfe"}}]}',
        "utf16": whole.encode("utf-16"),
        "gzip": bytes.fromhex("1f8b0800000000000003") + b"not unpacked",
        "nul": b"\0" * 64,
        "overlong": b'{"choices":[{"message":{"content":"\xc0\xaf"}}]}',
        "cut-character": whole.encode()[:-20] + b"\xe2\x82",
    }.items():
        made = entry("any", origin, "", "abstain")
        del made["pieces"]
        made["hex"] = raw.hex()
        yield f"any-damage-{name}", made


def main():
    assert chat and messages
    target = HERE / "written"
    shutil.rmtree(target, ignore_errors=True)
    target.mkdir()
    count = 0
    for source in (of_texts, of_errors, of_specials, of_damage):
        for name, made in source():
            path = target / f"{name}.json"
            assert not path.exists(), name
            path.write_text(json.dumps(made, indent=1) + "\n")
            count += 1
    print(f"{count} replies in {target}")


if __name__ == "__main__":
    main()
