#!/usr/bin/env python3
"""Disturbs small runs in the ways of the reliability rows and shows what held, as one table.

    scorecard.py --thoughtrank build/thoughtrank --saboteur build/tests/fault/libsaboteur.so [--rows R1,R5]
                 [--nightly] [--trials N] [--no-controls] [--write tests/fault/SCORECARD.md]

Each row is repeated `trials` times (--nightly: the longer count). 0 failures in n trials: with 95 % confidence the rate
of failures is below 3/n. Each row's control breaks the protection, or damages a result, on purpose: it must be seen. Exits 1 when a
row failed, or a control was not seen.
"""
import argparse
import datetime
import importlib
import os
import shutil
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Callable

MODULES = ["storage", "damage", "power", "processes", "inputs", "degenerate", "device", "recorded", "memory",
           "surroundings", "programs"]


@dataclass
class Outcome:
    trials: int = 0
    failed: int = 0
    problems: list = field(default_factory=list)
    detail: str = ""

    def add(self, problems):
        self.trials += 1
        self.failed += bool(problems)
        self.problems += problems


@dataclass
class Row:
    name: str
    title: str
    trials: int
    nightly: int
    run: Callable  # (bench, trials) -> Outcome
    control: Callable  # (bench) -> what was seen, or None
    traces: bool = False  # needs strace
    cuts_power: bool = False  # needs root and a loop device
    is_program: bool = False  # runs C++ tests, which are tests of their own, too


@dataclass
class Bench:
    """What the rows share: a world to disturb, and what an undisturbed one ended with."""
    world: object
    done: Path  # a copy of the run when it had ended
    expected: dict  # its digests
    seconds: float  # that it took
    build: Path  # the folder that the programs were built in


def place(row):
    """By number, but R28 at the end: it searches what the others left."""
    return row.name == "R28", int(row.name.removeprefix("R"))


def make_bench(options, work):
    world_of = importlib.import_module("world").World
    world = world_of(work / "world", options.thoughtrank, options.saboteur)
    started = time.monotonic()
    code, said = world.go()
    if code != 0:
        sys.exit(f"the undisturbed run ended with {code}: {said}")
    seconds = time.monotonic() - started
    world.save(work / "done")
    return Bench(world, work / "done", world.digests(), seconds, options.thoughtrank.parent)


def rate_text(outcome):
    if outcome.failed:
        return f"{outcome.failed / outcome.trials:.1%} failed"
    bound = 3 / max(outcome.trials, 1)
    return f"< {bound:.1%}" if bound >= 0.001 else f"< {bound:.3%}"


def run_row(row, bench, options):
    started = time.monotonic()
    outcome = row.run(bench, options.trials or (row.nightly if options.nightly else row.trials))
    seen = row.control(bench) if options.controls else "not run"
    seconds = time.monotonic() - started
    passed = outcome.failed == 0 and outcome.trials > 0
    print(f"{'passed' if passed else 'FAILED':<7} {row.name:<4} {outcome.trials:>5} trials, rate {rate_text(outcome)}, "
          f"control: {seen or 'NOT SEEN'}, {seconds:.0f} s  {row.title}", flush=True)
    for problem in outcome.problems[:10]:
        print(f"          {problem}", flush=True)
    trials = f"{outcome.trials:,}" + (f" ({outcome.detail})" if outcome.detail else "")
    cells = [row.name, row.title, "passed" if passed else "**failed**", trials, rate_text(outcome), seen or "**not seen**"]
    return passed and bool(seen), "| " + " | ".join(cells) + " |"


HEAD = """# Scorecard of the fault tests

Written by `tests/fault/scorecard.py` on {day}; each row as it last ran. A trial of R1 to R12, R15, R16, R21, R22, R30,
R32 and R36 to R40 disturbs a small run of two rounds, then the same command is given again: nothing torn may lie under a final name, the
journal may only grow, no call may be made twice but those in flight, and the artefacts must be, byte for byte, those of an
undisturbed run. The other rows are tests in C++ that the rooms own. The rate of failures is below 3/n with 95 % confidence
after n trials without one. A control breaks the protection on purpose: what is named was seen. Most controls are the
program itself with one line changed (`tests/fault/mutants.py`).

| row | fault | result | trials | rate of failures | control |
|---|---|---|---|---|---|
"""


def write_table(options, lines, contrast):
    """Rows that did not run keep their line."""
    text = options.write.read_text() if options.write.exists() else ""
    kept = {line.split()[1]: line for line in text.splitlines() if line.startswith("| R")}
    rows = sorted((kept | {line.split()[1]: line for line in lines}).items(), key=lambda item: int(item[0][1:]))
    below = contrast or "".join(text.partition("\nFor contrast")[1:])
    options.write.write_text(HEAD.format(day=datetime.date.today()) + "\n".join(line for _, line in rows) + "\n" + below)


def parse_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--thoughtrank", type=Path, default=Path("build/thoughtrank"))
    parser.add_argument("--saboteur", type=Path, default=Path("build/tests/fault/libsaboteur.so"))
    parser.add_argument("--rows", help="R1,R5,… (default: all)")
    parser.add_argument("--part", help="K/N: only the K-th of N parts of the rows, to run them side by side")
    parser.add_argument("--nightly", action="store_true", help="the longer trial counts")
    parser.add_argument("--trials", type=int, help="of each row, instead of its own count")
    parser.add_argument("--skip-programs", action="store_true", help="not the rows that only run C++ tests")
    parser.add_argument("--no-controls", dest="controls", action="store_false")
    parser.add_argument("--contrast", action="store_true", help="also the kills of R1 on a plain training loop of transformers")
    parser.add_argument("--write", type=Path, help="write the table to this file; rows that did not run stay as they are")
    return parser.parse_args()


def part_of(rows, part):
    """Every N-th row; R28 belongs to each part."""
    at, parts = map(int, part.split("/"))
    return [row for n, row in enumerate(rows) if n % parts == at - 1 or row.name == "R28"]


def possible(rows, needs, is_there, why_not):
    """The rows without those whose need is not met; says which are left out."""
    needy = [row for row in rows if getattr(row, needs)]
    if not needy or is_there():
        return rows
    print("skipped", ", ".join(row.name for row in needy), ":", why_not, flush=True)
    return [row for row in rows if row not in needy]


def can_cut_power(work):
    folder = work / "try"
    folder.mkdir()
    return importlib.import_module("power").can_cut(folder)


def memory_folder():
    """Where files lie in memory, None where there is no such place: a busy disk's syncs take most of the time."""
    folder = Path("/dev/shm")
    return folder if os.access(folder, os.W_OK) and shutil.disk_usage(folder).free > 2 << 30 else None


def can_trace():
    """Containers may forbid it."""
    if not shutil.which("strace"):
        return False
    return subprocess.run(["strace", "-o", "/dev/null", "true"], capture_output=True, check=False).returncode == 0


def main():
    options = parse_options()
    options.thoughtrank, options.saboteur = options.thoughtrank.resolve(), options.saboteur.resolve()
    if missing := [path for path in (options.thoughtrank, options.saboteur) if not path.exists()]:
        sys.exit(f"{missing[0]} is not there: build it (scripts/setup.sh --tests)")
    wanted = options.rows.split(",") if options.rows else None
    rows = sorted((row for module in MODULES for row in importlib.import_module(module).ROWS), key=place)
    work = Path(tempfile.mkdtemp(prefix="fault-", dir=memory_folder()))
    try:
        bench = make_bench(options, work)
        chosen = [row for row in rows if wanted is None or row.name in wanted]
        chosen = [row for row in chosen if not (options.skip_programs and row.is_program)]
        chosen = part_of(chosen, options.part) if options.part else chosen
        chosen = possible(chosen, "traces", can_trace, "strace may not trace here")
        chosen = possible(chosen, "cuts_power", lambda: can_cut_power(work), "no file system can be made and cut off here")
        results = [run_row(row, bench, options) for row in chosen]
        contrast = importlib.import_module("contrast").line(work, options.trials or 20) if options.contrast else ""
    finally:
        shutil.rmtree(work, ignore_errors=True)
    print(contrast, end="", flush=True)
    if options.write:
        write_table(options, [line for _, line in results], contrast)
    good = sum(is_good for is_good, _ in results)
    print(f"{good} of {len(results)} rows passed, with their controls seen")
    return 0 if good == len(results) > 0 else 1


if __name__ == "__main__":
    sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
    sys.modules["scorecard"] = sys.modules["__main__"]
    sys.exit(main())
