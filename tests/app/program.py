"""Runs the built program for the tests of this folder: a small run on the tiny random model."""
import contextlib
import json
import os
import re
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "servers"))
import mock_judge as mock  # noqa: E402, the module of that name

PROGRAM = os.environ.get("THOUGHTRANK", str(ROOT / "build" / "thoughtrank"))
TINY = ROOT / "tests" / "data" / "tiny-llama"

CONFIG = """\
run_dir: run
rounds: 2
seed: 3
threads: 1
model: {{path: {model}, dtype: float32}}
prompts: {{path: prompts.jsonl, per_round: 2, holdout: 2}}
branches: {{chars: "a-l"}}
generate: {{thought_tokens: 6, answer_tokens: 12, loop_rule: false}}
judge: {{kind: likelihood, drop: {{bare: false}}}}
train: {{learning_rate: 1e-3, schedule: constant, warmup: 0, tokens_per_step: 1, epochs: 2, state_every: 2}}
"""


def run(*words, text_in=None, env=None, cwd=None):
    """The finished process of `thoughtrank words…`."""
    return subprocess.run(
        [PROGRAM, *map(str, words)],
        input=text_in,
        capture_output=True,
        text=True,
        timeout=300,
        cwd=cwd,
        env={**os.environ, **(env or {})},
    )


def write_run(folder, prompts=8):
    """round.yaml and prompts.jsonl in `folder`; returns the config's path."""
    rows = [{"id": f"p{n}", "prompt": f"Question {n}: what is {n} + {n}?", "answer": str(2 * n)} for n in range(prompts)]
    (folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    config = folder / "round.yaml"
    config.write_text(CONFIG.format(model=TINY))
    return config


def rows_of(path):
    return [json.loads(line) for line in Path(path).read_text().splitlines()]


@contextlib.contextmanager
def mock_judge(*options):
    """tests/servers/mock_judge.py on a free port; gives its base_url."""
    words = [sys.executable, "-u", str(ROOT / "tests" / "servers" / "mock_judge.py"), "--port", "0", *options]
    process = subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    try:
        line = process.stdout.readline()
        yield re.search(r"http://[^\s/]+", line)[0] + "/v1"
    finally:
        process.kill()
        process.wait()
        process.stdout.close()


def serve_batch(export, results, refused=""):
    """What a provider's batch service does with a file of calls, on the mock's taste; `refused`: a call it will not do."""
    with open(results, "w", encoding="utf-8") as out:
        for line in reversed(Path(export).read_text().splitlines()):
            call = json.loads(line)
            text = mock.ranking_text(call["body"]["messages"][-1]["content"], "longest", "none")
            response = {"status_code": 200, "request_id": "r", "body": mock.completion(call["body"], text)}
            if call["custom_id"] == refused:
                response = {"status_code": 400, "request_id": "r", "body": {"error": {"message": "not this one"}}}
            out.write(json.dumps({"id": "b", "custom_id": call["custom_id"], "response": response, "error": None}) + "\n")


class ProgramTest(unittest.TestCase):
    """A test with a folder of its own and checks of exit codes that show what was printed."""

    def setUp(self):
        self._folder = tempfile.TemporaryDirectory(prefix="app-test-")
        self.addCleanup(self._folder.cleanup)
        self.folder = Path(self._folder.name)

    def expect(self, code, *words, says="", **options):
        done = run(*words, **options)
        self.assertEqual(done.returncode, code, f"{words}\nstdout: {done.stdout}\nstderr: {done.stderr}")
        self.assertIn(says, done.stdout + done.stderr)
        return done
