#!/usr/bin/env python3
"""R34: runs of 99 rounds, again and again, with faults: kills, a full disk, a judge that says nothing. Notes the open files
and the memory of the process every second.

    soak.py --thoughtrank build/thoughtrank --saboteur build/tests/fault/libsaboteur.so [--minutes 60] [--seed 1]
            [--write tests/fault/SCORECARD.md]

Exits 1 when something torn lies under a final name, a record or a byte differs from the run before, a call was made twice
too often, an exit code is not one of those that the fault may have, or open files grow in number; or when the control, a
changed byte of a published file, is not seen.
"""
import argparse
import json
import os
import random
import shutil
import sys
import tempfile
import time
from pathlib import Path

from scorecard import Outcome, rate_text, write_table
from world import JUDGES_AT_ONCE, World, torn

ROUNDS = 99
KILLS_PER_SECOND = JUDGE_FAULTS_PER_SECOND = 0.01  # and one start in three meets a full disk
SETTLED_S = 15  # what a process takes until its memory is as it stays
PER_ROUND = 4
WORDS = ["--set", f"rounds={ROUNDS}", "--set", f"prompts.per_round={PER_ROUND}", "--set", "prompts.holdout=1",
         "--set", "train.learning_rate=1e-6"]
NO_WINNER = 81  # of one model and the same prompts: as final as 0


class Soak:
    def __init__(self, world, seed):
        self.world, self.stream = world, random.Random(seed)
        self.problems, self.expected, self.lives = [], None, []  # lives: (seconds, files, bytes) of each process
        self.faults = {"kill": 0, "disk": 0, "judge": 0}
        self.runs = self.rounds = 0
        self.mark = world.calls.with_name(world.calls.name + ".fault")

    def sample(self, process, started):
        try:
            files = len(os.listdir(f"/proc/{process.pid}/fd"))
            pages = int(Path(f"/proc/{process.pid}/statm").read_text().split()[1])
        except (OSError, IndexError):  # it has just ended
            return
        self.lives[-1].append((time.monotonic() - started, files, pages * os.sysconf("SC_PAGE_SIZE")))

    def one_second(self, process):
        """Whether the process was killed."""
        if self.stream.random() < KILLS_PER_SECOND:
            self.faults["kill"] += 1
            process.kill()
            return True
        if self.stream.random() < JUDGE_FAULTS_PER_SECOND:
            self.faults["judge"] += 1
            self.mark.write_text("silent")
        time.sleep(1)
        self.mark.unlink(missing_ok=True)
        return False

    def live(self):
        """One process from its start to its end, whatever ends it; its exit code."""
        has_full_disk, judge_faults = self.stream.random() < 1 / 3, self.faults["judge"]
        self.faults["disk"] += has_full_disk
        settings = {"SABOTAGE_AT": self.stream.randint(1, 4000)}
        process = self.world.start(sabotage="no_space" if has_full_disk else "", settings=settings)
        started, was_killed = time.monotonic(), False
        self.lives.append([])
        while process.poll() is None and not was_killed:
            was_killed = self.one_second(process)
            self.sample(process, started)
        _, said = process.communicate()
        allowed = {0, NO_WINNER} | ({69} if self.faults["judge"] > judge_faults else set()) | ({-9} if was_killed else set()) | ({74} if has_full_disk else set())
        if process.returncode not in allowed:
            self.problems.append(f"exit code {process.returncode}, expected {sorted(allowed)}: {said[-300:]}")
        self.problems += torn(self.world.run)
        return process.returncode

    def run(self, until):
        """One run of all rounds, or as far as the time goes."""
        self.world.reset()
        faults_before = sum(self.faults.values())
        acked = []
        while not self.problems and time.monotonic() < until:
            code = self.live()
            if self.world.journal()[:len(acked)] != acked:
                self.problems.append("a record of the journal is gone")
            acked = self.world.journal()
            if code in (0, NO_WINNER):
                break
        calls = self.world.calls_made()
        if len(calls) - len(set(calls)) > (sum(self.faults.values()) - faults_before) * JUDGES_AT_ONCE:
            self.problems.append(f"{len(calls) - len(set(calls))} calls were made twice")
        self.rounds += sum(json.loads(line)["body"].get("event") == "stage_finished" for line in acked) // 4
        if acked and code in (0, NO_WINNER):
            self.compare()

    def compare(self):
        self.runs += 1
        found = {name: digest for name, digest in self.world.digests().items() if not name.endswith("verdicts.jsonl")}
        if self.expected not in (None, found):
            self.problems.append("the artefacts differ from those of the run before")
        self.expected = found


def slope(points):
    """Least squares; per second."""
    mean_x, mean_y = sum(x for x, _ in points) / len(points), sum(y for _, y in points) / len(points)
    spread = sum((x - mean_x) ** 2 for x, _ in points)
    return sum((x - mean_x) * (y - mean_y) for x, y in points) / spread


def control(world, seed):
    """A byte of a published file changes behind a run's back: the same checks must see it."""
    soak = Soak(world, seed)
    soak.run(time.monotonic() + 300)
    if soak.problems or soak.runs == 0:
        return None
    path = sorted(world.run.glob("round-*/outputs.jsonl"))[0]
    path.write_bytes(path.read_bytes().replace(b"a", b"b", 1))
    soak.compare()
    return "a changed byte is seen" if soak.problems else None


def row_of(soak, minutes, seen):
    """The line of the scorecard: a trial is a round."""
    outcome = Outcome(trials=soak.rounds, failed=len(soak.problems))
    title = f"{minutes:g} minutes of runs of {ROUNDS} rounds: {', '.join(f'{n} {name}' for name, n in soak.faults.items())} faults"
    return "| " + " | ".join(["R34", title, "**failed**" if soak.problems else "passed", f"{soak.rounds:,} rounds",
                              rate_text(outcome), seen or "**not seen**"]) + " |"


def report(soak, minutes):
    settled = [[point for point in life[:-2] if point[0] > SETTLED_S] for life in soak.lives]  # the last ones see its end
    longest = max(settled, key=len, default=[])
    print(f"{minutes:g} minutes, {soak.rounds} rounds, {soak.runs} runs to their end, {len(soak.lives)} processes, "
          f"faults {soak.faults}")
    if len(longest) >= 10:
        files, memory = [(t, f) for t, f, _ in longest], [(t, b) for t, _, b in longest]
        print(f"longest process, {longest[-1][0]:.0f} s: open files {min(f for _, f in files)} to {max(f for _, f in files)}, "
              f"slope {3600 * slope(files):+.1f} an hour; memory {max(b for _, b in memory) / 1e6:.0f} MB at most, slope "
              f"{3600 * slope(memory) / 1e6:+.1f} MB an hour over {len(longest)} seconds")
        if max(f for _, f in files[-10:]) > max(f for _, f in files[:10]) + 3:
            soak.problems.append("open files grow in number")
    if soak.runs == 0:
        soak.problems.append("no run came to its end")
    for problem in soak.problems:
        print("VIOLATION", problem)
    return 1 if soak.problems else 0


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thoughtrank", type=Path, default=Path("build/thoughtrank"))
    parser.add_argument("--saboteur", type=Path, default=Path("build/tests/fault/libsaboteur.so"))
    parser.add_argument("--minutes", type=float, default=60)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--write", type=Path, help="the scorecard whose row R34 this is")
    options = parser.parse_args()
    work = Path(tempfile.mkdtemp(prefix="soak-"))
    world = World(work / "world", options.thoughtrank.resolve(), options.saboteur.resolve())
    rows = [{"id": f"p{n}", "prompt": f"Question {n}: what is {n} + {n}?", "answer": f"{2 * n}"} for n in range(PER_ROUND * ROUNDS + 1)]
    (world.folder / "prompts.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    world.words_more = WORDS
    soak, until = Soak(world, options.seed), time.monotonic() + 60 * options.minutes
    try:
        while time.monotonic() < until and not soak.problems:
            soak.run(until)
        code = report(soak, options.minutes)
        seen = control(world, options.seed)
        print("control:", seen or "NOT SEEN")
        if options.write:
            write_table(options, [row_of(soak, options.minutes, seen)], "")
        return code if seen else 1
    finally:
        shutil.rmtree(work, ignore_errors=True)


if __name__ == "__main__":
    sys.exit(main())
