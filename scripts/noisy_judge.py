#!/usr/bin/env -S python3 -S -E
"""A judge for `judge.kind: command` that knows the answers and errs on purpose: a ranking judge whose skill is known.

    judge: {kind: command, command: [scripts/noisy_judge.py, NOISE]}
    judge: {kind: command, command: [scripts/noisy_judge.py, NOISE, PROMPTS.jsonl, ...]}

It ranks what is right above what is wrong, after adding noise to each answer's worth (1 or 0): a normal deviate of
deviation NOISE, drawn from a hash of the question, the answers shown and the answer, so that the same call gets the
same reply, and another showing other errors. NOISE 0 never errs, 0.5 puts a wrong answer above a right one in 8 % of
all pairs, 1 in 24 %. It finds the question by its text among those of the study (configs/study) or of the files named;
an answer is right when its last number is theirs.
"""
import hashlib
import json
import math
import re
import sys
from pathlib import Path


def answer_to(question, files):
    for file in files:
        with open(file, encoding="utf-8") as lines:
            for row in map(json.loads, lines):
                if row["prompt"] == question:
                    return float(row["answer"])
    sys.exit(f"noisy_judge.py: none of {[str(file) for file in files]} has the question {question!r}")


NUMBER = re.compile(r"(?:(?<!\d)[-\u2212])?(\d+(?:[.,]\d+)*|\.\d+)((?:[eE][-+]?\d+)?)")


def last_number(text):
    """As match numeric reads it: the first two parts of a number with more than one point."""
    for found in reversed(list(NUMBER.finditer(text))):
        digits = re.match(r"\d*(?:\.\d+)?", found[1].replace(",", ""))[0]
        return float(digits + found[2]) * (-1 if found[0][0] in "-\u2212" else 1)
    return None


def normal(text):
    """A deviate that follows from the text (Box and Muller)."""
    digest = hashlib.sha256(text.encode()).digest()
    first = (int.from_bytes(digest[:8], "big") + 1) / (2**64 + 1)
    second = int.from_bytes(digest[8:16], "big") / 2**64
    return math.sqrt(-2 * math.log(first)) * math.cos(2 * math.pi * second)


def main():
    noise = float(sys.argv[1])
    request = json.load(sys.stdin)
    study = Path(__file__).resolve().parents[1] / "configs" / "study"
    right = answer_to(request["question"], sys.argv[2:] or sorted(study.glob("*.jsonl")))
    shown = json.dumps([answer["answer"] for answer in request["answers"]])

    def worth(answer):
        deviate = normal(f"{request['question']}\n{shown}\n{answer['label']}\n{answer['answer']}")
        return (last_number(answer["answer"]) == right) + noise * deviate

    ranked = sorted(request["answers"], key=worth, reverse=True)
    print(json.dumps({"ranking": [answer["label"] for answer in ranked]}))


if __name__ == "__main__":
    main()
