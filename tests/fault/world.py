"""The small run that the fault tests disturb, and what must hold of it: nothing torn under a final name (I1), the
journal only grows (I2), no call is paid twice but those in flight at a fault (I3), the same bytes at the end (I4), the
documented exit code and the same command goes on (I5)."""
import base64
import hashlib
import json
import os
import shutil
import signal
import subprocess
import sys
import urllib.parse
from dataclasses import dataclass, field
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
JUDGES_AT_ONCE = 2
CANARY = "sk-canary/0123+456=789"  # a key that must be nowhere
ARTEFACTS = ["prompts", "outputs", "verdicts", "thoughts", "best_outputs", "training_data", "preference_pairs", "metrics", "eval"]

CONFIG = """\
run_dir: run
rounds: 2
threads: 1
model: {{path: {model}, dtype: float32}}
prompts: {{path: prompts.jsonl, per_round: 2, holdout: 2}}
branches: {{chars: "a-f"}}
generate: {{thought_tokens: 6, answer_tokens: 10, loop_rule: false}}
judge: {{api_key_env: JUDGE_API_KEY, kind: command, command: [{python}, -S, -E, {judge}, {calls}], concurrency: {judges}, drop: {{bare: false}}}}
select: {{max_regret: 100, min_confidence: 0}}
train: {{learning_rate: 1e-3, schedule: constant, warmup: 0, tokens_per_step: 1, epochs: 2, state_every: 1}}
"""


KEY_FORMS = [CANARY.encode(), urllib.parse.quote(CANARY, safe="").encode(), base64.b64encode(CANARY.encode()),
             json.dumps(CANARY)[1:-1].replace("/", "\\/").encode()]


def crc32c(data):
    crc = 0xFFFFFFFF
    for byte in data:
        crc = _CRC[(crc ^ byte) & 0xFF] ^ (crc >> 8)
    return crc ^ 0xFFFFFFFF


def _crc_table():
    table = []
    for n in range(256):
        for _ in range(8):
            n = (n >> 1) ^ (0x82F63B78 if n & 1 else 0)
        table.append(n)
    return table


_CRC = _crc_table()


def sha256(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def frame(seq, body):
    """One record of a journal, as the program writes it."""
    text = json.dumps(body, separators=(",", ":"), ensure_ascii=False)
    return f'{{"seq":{seq},"crc32c":"{crc32c(f"{seq}:{text}".encode()):08x}","body":{text}}}\n'.encode()


def records(path):
    """The whole lines of a journal with a right checksum, up to the first that is not; bytes each."""
    found = []
    for line in path.read_bytes().split(b"\n")[:-1] if path.exists() else []:
        try:
            record = json.loads(line)
            body = line[line.index(b',"body":') + len(b',"body":'):-1]
            if record["crc32c"] != f"{crc32c(str(record['seq']).encode() + b':' + body):08x}":
                break
        except ValueError:
            break
        found.append(line)
    return found


@dataclass
class World:
    """A folder with config and prompts; `run` is the run folder in it."""
    folder: Path
    program: Path
    saboteur: Path
    calls: Path = field(init=False)
    words_more: list = field(default_factory=list)  # of every start
    searched: int = 0  # files and messages that were searched for the key
    leaks: list = field(default_factory=list)

    def __post_init__(self):
        self.folder.mkdir(parents=True)
        self.calls = self.folder / "calls"  # of the judge, outside the run folder
        rows = [{"id": f"p{n}", "prompt": f"Question {n}: what is {n} + {n}?", "answer": f"{2 * n}"} for n in range(12)]
        (self.folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
        (self.folder / "round.yaml").write_text(CONFIG.format(
            model=ROOT / "tests" / "data" / "tiny-llama", python=sys.executable, judge=HERE / "judge.py", calls=self.calls,
            judges=JUDGES_AT_ONCE))

    @property
    def run(self):
        return self.folder / "run"

    def words(self, *more, command="run"):
        return [str(self.program), command, "-q", "--config", str(self.folder / "round.yaml"), *self.words_more,
                *map(str, more)]

    def environment(self, sabotage="", settings=None):
        """`settings` of the saboteur."""
        extra = {"LD_PRELOAD": str(self.saboteur), "SABOTAGE": sabotage} if sabotage else {}
        extra |= {name: str(value) for name, value in (settings or {}).items()}
        return {**os.environ, "JUDGE_API_KEY": CANARY, "OMP_NUM_THREADS": "1", "OMP_WAIT_POLICY": "passive", **extra}

    def start(self, *more, before=(), sabotage="", settings=None, command="run"):
        return subprocess.Popen([*map(str, before), *self.words(*more, command=command)], stdout=subprocess.DEVNULL,
                                stderr=subprocess.PIPE, text=True, env=self.environment(sabotage, settings))

    def go(self, *more, before=(), sabotage="", settings=None, command="run", limit_s=120):
        """(exit code, what was said)."""
        process = self.start(*more, before=before, sabotage=sabotage, settings=settings, command=command)
        try:
            _, said = process.communicate(timeout=limit_s)
        except subprocess.TimeoutExpired:
            process.kill()
            process.communicate()
            return None, f"not ended after {limit_s} s"
        self.search("a message", said.encode())
        return process.returncode, said

    def search(self, name, data):
        self.searched += 1
        if any(form in data for form in KEY_FORMS):
            self.leaks.append(f"{name} holds the key")

    def search_run(self):
        for path in self.run.rglob("*"):
            if path.is_file():
                self.search(path.name, path.read_bytes())

    def reset(self, copy=None):
        """As before the first start, or as when save() made the copy. What the last run left is searched first."""
        self.search_run()
        shutil.rmtree(self.run, ignore_errors=True)
        self.calls.unlink(missing_ok=True)
        if copy is not None:
            shutil.copytree(copy / "run", self.run)
            shutil.copy(copy / "calls", self.calls)

    def save(self, copy):
        shutil.copytree(self.run, copy / "run")
        shutil.copy(self.calls, copy / "calls")

    def digests(self):
        files = [path for name in ARTEFACTS for path in self.run.glob(f"round-*/{name}.jsonl")]
        files += self.run.glob("round-*/checkpoint/*")
        return {str(path.relative_to(self.run)): sha256(path) for path in sorted(files)}

    def journal(self):
        return records(self.run / "journal.jsonl")

    def calls_made(self):
        return self.calls.read_text().split() if self.calls.exists() else []


def torn(run):
    """What lies under a final name and is not whole (I1)."""
    problems = []
    for path in run.glob("round-*/*.jsonl"):
        data = path.read_bytes()
        try:
            [json.loads(line) for line in data.splitlines()]
            is_whole = not data or data.endswith(b"\n")
        except ValueError:
            is_whole = False
        problems += [] if is_whole else [f"{path.relative_to(run)} is torn"]
    purged = {body["round"] for body in bodies(run / "journal.jsonl") if body["event"] == "checkpoint_purged"}
    for folder in run.glob("round-*/checkpoint"):
        has_weights = int(folder.parent.name.removeprefix("round-")) not in purged
        problems += [f"{folder.relative_to(run)}: {problem}" for problem in spoilt_files(folder, has_weights)]
    return problems


def bodies(path):
    return [json.loads(line)["body"] for line in records(path)]


def spoilt_files(folder, has_weights=True):
    manifest = folder / "MANIFEST.json"
    if not manifest.exists():
        return ["no MANIFEST.json"]
    listed = [entry for entry in json.loads(manifest.read_text())["files"]
              if has_weights or not entry["path"].endswith(".safetensors")]
    return [f"{entry['path']} is not as published" for entry in listed
            if not (folder / entry["path"]).exists() or sha256(folder / entry["path"]) != entry["sha256"]]


def leftovers(run):
    return [f"{path.relative_to(run)} is left over" for path in run.rglob(".*")
            if path.name.startswith((".tmp-", ".trash-", ".corrupt-"))]


class Trial:
    """Faults in one world, then the same command to the end; collects what does not hold."""

    def __init__(self, bench, copy=None, world=None):
        self.world, self.expected, self.problems, self.faults, self.acked = world or bench.world, bench.expected, [], 0, []
        self.world.reset(copy)

    def after_fault(self, code, said, allowed):
        """`allowed`: exit codes that are right after this fault."""
        self.faults += 1
        if code not in allowed:
            self.problems.append(f"exit code {code}, expected {allowed}: {said[-300:]}")
        self.problems += torn(self.world.run)
        self.acked = self.world.journal()

    def finish(self):
        """The same command, undisturbed: everything is as if nothing had happened."""
        code, said = self.world.go()
        if code != 0:
            self.problems.append(f"the same command ended with {code}: {said[-300:]}")
            return self.problems
        if self.world.journal()[:len(self.acked)] != self.acked:
            self.problems.append("a record of the journal is gone")
        calls = self.world.calls_made()
        if (repeated := len(calls) - len(set(calls))) > self.faults * JUDGES_AT_ONCE:
            self.problems.append(f"{repeated} calls were made twice after {self.faults} faults")
        found = self.world.digests()
        self.problems += [f"{name} differs" for name in sorted(self.expected | found)
                          if self.expected.get(name) != found.get(name)]
        self.problems += torn(self.world.run) + leftovers(self.world.run)
        return self.problems


def killed(code):
    return code in (-signal.SIGKILL, 128 + signal.SIGKILL)
