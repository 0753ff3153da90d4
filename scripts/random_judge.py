#!/usr/bin/env python3
"""A judge for `judge.kind: command` whose taste is chance: answers in the order of a hash of the seed and their text.

    judge: {kind: command, command: [python3, scripts/random_judge.py, SEED]}

It always says the same of the same answers, so its winner is a random one among a prompt's distinct answers, drawn
once. The control arm of an experiment: what is learned from it is not learned from the judge.
"""
import hashlib
import json
import sys


def main():
    request = json.load(sys.stdin)

    def draw(answer):
        return hashlib.sha256(f"{sys.argv[1]}\n{request['question']}\n{answer['answer']}".encode()).digest()

    print(json.dumps({"ranking": [answer["label"] for answer in sorted(request["answers"], key=draw)]}))


if __name__ == "__main__":
    main()
