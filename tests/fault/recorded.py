"""Rows R28 and R30: the judge's key is nowhere, and a recorded run again without a network."""
import contextlib
import itertools
import random
import resource
import shutil
import signal
import subprocess
import time
from pathlib import Path

from mutants import Mutant
from programs import CORE, JUDGE, LLM, Control, Part, fails, joined, run_parts
from scorecard import Outcome, Row
from world import CANARY, Trial

CONFIG_DEPENDENT = ("README.md", "MANIFEST.json")  # name the kind of judge


def replayed(bench, ledger):
    """(exit code, what was said) of a run that may only read this ledger, with no network."""
    Trial(bench)
    bench.world.run.mkdir()
    (bench.world.run / "ledger.jsonl").write_bytes(ledger)
    alone = ["unshare", "-rn"]
    is_possible = subprocess.run([*alone, "true"], capture_output=True, check=False).returncode == 0
    return bench.world.go("--set", "judge.kind=replay", before=alone if is_possible else [])


def same_bytes(bench, ledger):
    code, said = replayed(bench, ledger)
    found = bench.world.digests()
    problems = [] if code == 0 else [f"exit code {code}: {said[-200:]}"]
    problems += [f"{name} differs" for name in bench.expected
                 if not name.endswith(CONFIG_DEPENDENT) and found.get(name) != bench.expected[name]]
    return problems + [f"{len(bench.world.calls_made())} calls were made"] * bool(bench.world.calls_made())


def stops(bench, ledger, code):
    """A record that lacks something, or was changed, is refused aloud."""
    found, said = replayed(bench, ledger)
    return [] if found == code and "ledger" in said else [f"exit code {found}, expected {code}: {said[-200:]}"]


def replays(bench, trials, seed=1):
    outcome, stream = Outcome(), random.Random(seed)
    ledger = (bench.done / "run" / "ledger.jsonl").read_bytes()
    lines = ledger.splitlines(keepends=True)
    for n in range(5 * trials):
        if n % 5 == 0:
            outcome.add(same_bytes(bench, ledger))
        elif n % 5 < 3:
            outcome.add(stops(bench, b"".join(lines[:stream.randrange(1, len(lines) - 1)]), 69))
        else:
            at = stream.randrange(len(lines) - 1)
            changed = lines[at].replace(b"r", b"R", 1) if stream.random() < 0.5 else b""
            outcome.add(stops(bench, b"".join(lines[:at] + [changed] + lines[at + 1:]), 65))
    return joined(outcome, run_parts(bench, [Part(JUDGE, "ServerTest.replay*:ServerTest.resume*:AdaptersTest.a_replay*"),
                                             Part(JUDGE, "OthersTest.both*"), Part(LLM, "PacedClientTest.replay*")], trials))


def control_other_request(bench):
    mutant = Mutant("src/llm/call_accounts.cpp", 'sha256(options_.endpoint + "\\n" + call.body)', "sha256(options_.endpoint)", "")
    is_seen = fails(bench, Control(Part(JUDGE, "ServerTest.replay*"), mutant))
    return "a reply to another request is seen" if is_seen else None


def allow_cores():
    resource.setrlimit(resource.RLIMIT_CORE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def crash(bench, number, delay_s):
    """A run that ends as a crash does, where it may leave its memory behind; all that it left and said is searched. False
    when it had ended before."""
    bench.world.reset()
    words = [*bench.world.words(), "-v"]
    words.remove("-q")
    process = subprocess.Popen(words, cwd=bench.world.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                               env=bench.world.environment(), preexec_fn=allow_cores)
    while process.poll() is None and not (bench.world.run / "journal.jsonl").exists():
        time.sleep(0.01)  # until then the environment may have the key: that is how it came in
    time.sleep(delay_s)
    with contextlib.suppress(OSError):
        for name in ("environ", "cmdline"):
            bench.world.search(name, Path(f"/proc/{process.pid}/{name}").read_bytes())
    process.send_signal(number)
    bench.world.search("the log", process.communicate()[0])
    for core in bench.world.folder.glob("core*"):
        bench.world.search("the core", core.read_bytes())
        core.unlink()
    return process.returncode == -number


def secrets(bench, trials):
    world = bench.world
    for n, number in itertools.product(range(2 * trials), (signal.SIGABRT, signal.SIGSEGV)):
        delay_s = (0.3 + 0.4 * (n % 2)) * bench.seconds
        for _ in range(8):
            if crash(bench, number, delay_s):
                break
            delay_s /= 2
        else:
            world.leaks.append("no crash: the run always ended before")
    world.search_run()
    outcome = Outcome(world.searched, len(world.leaks), list(world.leaks))
    return joined(outcome, run_parts(bench, [Part(JUDGE, "ServerTest.no_thought*"), Part(CORE, "Secret.*")], trials))


def control_planted_key(bench):
    """A key in a file is found; replies that are not redacted are seen."""
    world = bench.world
    before = len(world.leaks)
    world.run.mkdir(exist_ok=True)
    (world.run / "notes").write_text(f"the key is {CANARY}")
    world.search_run()
    shutil.rmtree(world.run)
    is_found = len(world.leaks) == before + 1
    classified = "  const Classified meaning = classify(reply);\n  learn"
    redacted = "  reply.body = parts_.key.redact(std::move(reply.body));\n" + classified
    mutant = Mutant("src/llm/client.cpp", redacted, classified, "")
    is_seen = fails(bench, Control(Part(JUDGE, "ServerTest.no_thought*"), mutant))
    return "a planted key is found, an echoed one is seen" if is_found and is_seen else None


ROWS = [
    Row("R28", "the judge's key, in four forms, in all that the other rows' runs left and said, and after crashes", 1, 5,
        secrets, control_planted_key),
    Row("R30", "a recorded run again from its ledger alone, without a network; records missing, changed", 1, 4, replays,
        control_other_request),
]
