"""A command judge for the fault tests: ranks by a hash of each answer, and notes every call in a file outside the run
folder, so that a call that was made twice is seen."""
import hashlib
import json
import os
import sys

text = sys.stdin.read()
answers = json.loads(text)["answers"]
digest = hashlib.sha256("\n".join(sorted(answer["answer"] for answer in answers)).encode() + text.encode()).hexdigest()
out = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
os.write(out, (digest + "\n").encode())
os.close(out)
order = sorted(answers, key=lambda answer: hashlib.sha256(answer["answer"].encode()).hexdigest())
print(json.dumps({"ranking": [answer["label"] for answer in order]}))
