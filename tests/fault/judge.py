"""A command judge for the fault tests: ranks by a hash of each answer, and notes every call in a file outside the run
folder, so that a call that was made twice is seen. A second file beside it may say what is wrong with this judge."""
import hashlib
import json
import os
import sys
import time


def note(text):
    out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    os.write(out, (text + "\n").encode())
    os.close(out)


def fault():
    try:
        with open(sys.argv[1] + ".fault") as file:
            return file.read()
    except FileNotFoundError:
        return ""


def reply(what, order):
    """What a judge says that ranks, or one that has this fault."""
    labels = [answer["label"] for answer in order]
    if what == "hangs":
        time.sleep(60)
    if what == "dies":
        sys.exit(3)
    texts = {"refuses": "I would rather not judge these 2 answers.", "silent": "", "lies": json.dumps({"ranking": ["?"]}),
             "forgets": json.dumps({"ranking": labels[:-1]}), "repeats": json.dumps({"ranking": labels[:1] * len(labels)}),
             "babbles": "\xff" * 1000}
    return texts.get(what, json.dumps({"ranking": labels}))


def main():
    text = sys.stdin.read()
    answers = json.loads(text)["answers"]
    what = fault()
    if not what:
        note(hashlib.sha256("\n".join(sorted(answer["answer"] for answer in answers)).encode() + text.encode()).hexdigest())
    print(reply(what, sorted(answers, key=lambda answer: hashlib.sha256(answer["answer"].encode()).hexdigest())))


main()
