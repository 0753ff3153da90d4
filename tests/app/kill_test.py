#!/usr/bin/env python3
"""Kills a run with SIGKILL at random moments of every stage and compares what is left with an undisturbed run.

Usage: kill_test.py --thoughtrank build/thoughtrank --config configs/quickstart.yaml [--set key=value ...]
                    [--kills 10] [--seed 1] [--work DIR]

First the run is made once undisturbed. Then it is made again: for each kill the same command is started, and killed at
a random moment of the stage that is next in the plan (at least two kills in each of generate, judge, train, evaluate).
At the end it runs through; every file that must not depend on interruptions is compared byte by byte. Prints each
moment and a closing line; exits 1 on any difference or any kill that could not be placed.
"""
import argparse
import hashlib
import json
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

STAGES = ["generate", "judge", "train", "evaluate"]
COMPARED = ["prompts", "outputs", "verdicts", "thoughts", "best_outputs", "training_data", "preference_pairs", "metrics", "eval"]


def command(args, run_dir):
    words = [args.thoughtrank, "run", "-q", "--config", args.config, "--set", f"run_dir={run_dir}"]
    for value in args.set:
        words += ["--set", value]
    return words


def journal(run_dir):
    """The whole records; a torn last line is left out."""
    path = run_dir / "journal.jsonl"
    if not path.exists():
        return []
    lines = path.read_bytes().split(b"\n")[:-1]
    return [json.loads(line)["body"] for line in lines if line.strip(b"\0")]


def count(records, event, target):
    return sum(1 for r in records if r["event"] == event and (r["round"], r["stage"]) == target)


def run_through(args, run_dir):
    done = subprocess.run(command(args, run_dir), capture_output=True, text=True)
    if done.returncode != 0:
        sys.exit(f"{' '.join(done.args)} ended with {done.returncode}:\n{done.stderr}")


def plan_kills(kills, rounds, stream):
    """(round, stage) in the order of the run: two of each stage, then random ones."""
    targets = [(stream.randint(1, rounds), stage) for stage in STAGES for _ in range(2)]
    while len(targets) < kills:
        targets.append((stream.randint(1, rounds), stream.choice(STAGES)))
    return sorted(targets, key=lambda target: (target[0], STAGES.index(target[1])))


def wait_for_start(process, run_dir, target, started_before):
    while process.poll() is None:
        if count(journal(run_dir), "stage_started", target) > started_before:
            return True
        time.sleep(0.001)
    return False


class Missed(Exception):
    """A stage finished before its kill arrived."""


def place_kill(args, run_dir, target, longest, stream):
    """One start, and one SIGKILL in `target`, at most `longest` seconds after it begins."""
    started_before = count(journal(run_dir), "stage_started", target)
    process = subprocess.Popen(command(args, run_dir), stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    if not wait_for_start(process, run_dir, target, started_before):
        sys.exit(f"the run ended with {process.returncode} before {target} began:\n{process.stderr.read()}")
    delay = stream.uniform(0.0, longest)
    time.sleep(delay)
    process.send_signal(signal.SIGKILL)
    process.wait()
    process.stderr.close()
    if count(journal(run_dir), "stage_finished", target) > 0:
        raise Missed(f"round {target[0]} {target[1]}")
    work = run_dir / f"round-{target[0]:02}" / ".work"
    left = sorted(str(p.relative_to(work)) for p in work.rglob("*") if p.is_file()) if work.exists() else []
    print(f"  kill in round {target[0]} {target[1]:<8} {delay:6.3f} s in; .work: {', '.join(left) or '-'}", flush=True)


def digests(run_dir):
    """Relative path -> SHA-256 of every file that interruptions must not change."""
    files = [run_dir.glob(f"round-*/{name}.jsonl") for name in COMPARED] + [run_dir.glob("round-*/checkpoint/*")]
    return {
        str(path.relative_to(run_dir)): hashlib.sha256(path.read_bytes()).hexdigest()
        for found in files
        for path in found
    }


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("--thoughtrank", default="build/thoughtrank")
    parser.add_argument("--config", required=True)
    parser.add_argument("--set", action="append", default=[], help="passed on to the program")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--work", help="folder for the two runs (default: a temporary one, removed at the end)")
    return parser.parse_args()


def stage_seconds(run_dir):
    finished = [r for r in journal(run_dir) if r["event"] == "stage_finished"]
    return {(r["round"], r["stage"]): r["seconds"] for r in finished}


def interrupted_run(args, run_dir, seconds, seed):
    """All kills of the plan, then the run to its end. Raises Missed where a stage was too quick for its kill."""
    stream = random.Random(seed)
    placed = {}
    for target in plan_kills(args.kills, max(number for number, _ in seconds), stream):
        # A stage goes on where it was, so each further kill in it has less time.
        placed[target] = placed.get(target, 0) + 1
        place_kill(args, run_dir, target, 0.9 * seconds[target] / 2 ** placed[target], stream)
    run_through(args, run_dir)


def interrupted_run_that_hits(args, run_dir, seconds):
    for seed in range(args.seed, args.seed + 10):
        try:
            interrupted_run(args, run_dir, seconds, seed)
            return []
        except Missed as stage:
            print(f"  {stage} finished before its kill: begun anew with seed {seed + 1}", flush=True)
            shutil.rmtree(run_dir)
    return ["the kills could not be placed: the stages are too short"]


def main():
    args = parse_arguments()
    work = Path(args.work or tempfile.mkdtemp(prefix="kill-test-")).absolute()
    calm, disturbed = work / "undisturbed", work / "killed"
    run_through(args, calm)
    print(f"undisturbed run: {sum(stage_seconds(calm).values()):.1f} s of stages; now {args.kills} kills", flush=True)
    problems = interrupted_run_that_hits(args, disturbed, stage_seconds(calm))
    expected, found = digests(calm), digests(disturbed)
    problems += [f"{name} differs" for name in sorted(expected | found) if expected.get(name) != found.get(name)]
    for problem in problems:
        print(problem)
    print(f"{args.kills} kills, {len(expected)} files compared, {len(problems)} problems")
    if not args.work:
        shutil.rmtree(work)
    return 1 if problems else 0


if __name__ == "__main__":
    sys.exit(main())
