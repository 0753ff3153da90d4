#!/usr/bin/env python3
"""Does it learn? Four rounds on small tasks with checkable answers, beside two control arms.

    scripts/learning.py [--seed 1] [--out runs/learning] [--arms recipe,no_thought,random_winner] [--table]

The tasks are made here from the seed: sums, differences, products, the largest of three numbers, the first and the
last number of a list. The judge is `reference`: an answer is right when its last number is the right one. Held-out
questions are never trained on. Arms, alike in everything else:
  recipe         62 thoughts a question; thought and answer of a right branch are trained on
  no_thought     the thought is closed right after its forced character (thought_tokens 0), answers only are trained on
  random_winner  as the recipe, but a random answer wins (scripts/random_judge.py); so every question has a winner
Round 0 is the untrained model in the better of two forms: answering directly, or after a forced thought. Intervals are Wilson's, 95 %.

The same command resumes what was stopped; --table only prints what is there. With more time raise --per-round,
--holdout and --thought-tokens: rounds of 8 questions teach little.
"""

import argparse
import json
import math
import random
import re
import shlex
import statistics
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
ARMS = ["recipe", "no_thought", "random_winner"]

CONFIG = """\
run_dir: {run}
rounds: {rounds}
seed: {seed}
threads: {threads}
model: {{path: {model}}}
prompts: {{path: {prompts}, per_round: {per_round}, holdout: {holdout}}}
generate: {{thought_tokens: {thought_tokens}, answer_tokens: {answer_tokens}}}
judge: {judge}
checkpoint: {{keep: 2}}
train:
  learning_rate: {learning_rate}
  schedule: constant
  warmup: 0
  epochs: {epochs}
  tokens_per_step: 256
"""
REFERENCE = "{kind: reference, match: numeric}"
SURE = "select: {max_regret: 100, min_confidence: 0}\n"
RANDOM = "{{kind: command, group_size: 8, finals: 3, command: [{python}, -S, -E, {script}, {seed}]}}"


def listed(numbers):
    return ", ".join(map(str, numbers))


def question(kind, rng):
    """(text, answer) of one task."""
    if kind == "sum":
        a, b = rng.randint(2, 30), rng.randint(2, 30)
        return f"What is {a} + {b}?", a + b
    if kind == "difference":
        a, b = rng.randint(10, 40), rng.randint(2, 9)
        return f"What is {a} - {b}?", a - b
    if kind == "product":
        a, b = rng.randint(2, 9), rng.randint(2, 12)
        return f"What is {a} times {b}?", a * b
    numbers = rng.sample(range(1, 100), 3)
    if kind == "largest":
        return f"Which number is the largest: {listed(numbers)}?", max(numbers)
    return f"What is the {kind} number in the list {listed(numbers)}?", numbers[0 if kind == "first" else -1]


def questions(count, seed):
    """Rows of `count` different questions, the kinds in turn."""
    rng = random.Random(seed)
    kinds = ["sum", "difference", "product", "largest", "first", "last"]
    rows, seen = [], set()
    while len(rows) < count:
        kind = kinds[len(rows) % len(kinds)]
        text, answer = question(kind, rng)
        if text in seen:
            continue
        seen.add(text)
        prompt = f"{text} Answer with the number."
        rows.append({"id": f"{kind}-{len(rows)}", "prompt": prompt, "answer": str(answer)})
    return rows


def config_text(arm, options):
    values = vars(options) | {"run": options.out / arm, "prompts": options.out / "prompts.jsonl"}
    judge = REFERENCE
    if arm == "random_winner":
        script = ROOT / "scripts" / "random_judge.py"
        judge = RANDOM.format(python=Path(sys.executable).resolve(), script=script, seed=options.seed)
    if arm == "no_thought":
        values["thought_tokens"] = 0
    text = CONFIG.format(**values, judge=judge)
    extra = {"no_thought": "  weights: {thought: 0}\n", "random_winner": SURE}
    return text + extra.get(arm, "")


def run_arm(arm, options):
    """Runs or resumes one arm; ends the script with the program's exit code when it fails."""
    config = options.out / f"{arm}.yaml"
    config.write_text(config_text(arm, options))
    print(f"== {arm} ==", file=sys.stderr, flush=True)
    code = subprocess.run([options.thoughtrank, "run", "--config", config], check=False).returncode
    if code != 0:
        sys.exit(code)


def rows_of(path):
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()] if path.exists() else []


def wilson(right, total, z=1.96):
    """The 95 % interval of a share."""
    share, slack = right / total, z * z / total
    middle = (share + slack / 2) / (1 + slack)
    half = z / (1 + slack) * math.sqrt(share * (1 - share) / total + slack / total / 4)
    return max(0.0, middle - half), min(1.0, middle + half)


def last_number(text):
    """As judge.match numeric finds it."""
    found = re.findall(r"-?\d+(?:[.,]\d+)*", text)
    return float(found[-1].replace(",", "")) if found else None


def is_right(row, answers):
    return last_number(row["answer"]) == float(answers[row["prompt_id"]])


def branches_text(rows, answers):
    """The share of right branches; questions, not their branches, are independent."""
    shares = {}
    for row in rows:
        shares.setdefault(row["prompt_id"], []).append(is_right(row, answers))
    means = [100 * statistics.fmean(of_one) for of_one in shares.values()]
    half = 1.96 * statistics.stdev(means) / math.sqrt(len(means)) if len(means) > 1 else math.nan
    return f"{statistics.fmean(means):.0f} % (± {half:.0f})"


def accuracy_text(rows, answers):
    right = sum(is_right(row, answers) for row in rows)
    low, high = wilson(right, len(rows))
    return f"{100 * right / len(rows):.0f} % ({100 * low:.0f}–{100 * high:.0f})"


def best_form(run, answers):
    """The untrained model's rows in the form with most right answers, whichever judge the arm has."""
    forms = {}
    for row in rows_of(run / "round-00" / "forms.jsonl"):
        forms.setdefault(row["form"], []).append(row)
    return max(forms.values(), key=lambda rows: sum(is_right(row, answers) for row in rows), default=[])


def require_disjoint(run, rounds):
    """Ends the script if a held-out question was trained on."""
    held_out = {row["prompt_id"] for row in rows_of(run / "round-00" / "eval.jsonl")}
    for number in range(1, rounds + 1):
        folder = run / f"round-{number:02}"
        trained = rows_of(folder / "prompts.jsonl") + rows_of(folder / "training_data.jsonl")
        both = held_out & {row["prompt_id"] for row in trained}
        if both:
            sys.exit(f"{folder}: held-out questions among the round's: {sorted(both)}")


def print_held_out(options, answers):
    print(f"Held-out accuracy on {options.holdout} questions (95 % interval), rows trained on in brackets\n")
    print("| arm | " + " | ".join(f"round {n}" for n in range(options.rounds + 1)) + " |")
    print("|---" * (options.rounds + 2) + "|")
    for arm in ARMS:
        run = options.out / arm
        require_disjoint(run, options.rounds)
        cells = []
        for number in range(options.rounds + 1):
            folder = run / f"round-{number:02}"
            held_out = rows_of(folder / "eval.jsonl") if number > 0 else best_form(run, answers)
            trained = len(rows_of(folder / "training_data.jsonl"))
            note = f" [{trained}]" if number > 0 else ""
            cells.append(accuracy_text(held_out, answers) + note if held_out else "–")
        print(f"| {arm} | " + " | ".join(cells) + " |")


def print_branches(options, answers):
    print("\nRight branches among those generated in a round, by the model of the round before (95 % interval over questions)\n")
    print("| arm | " + " | ".join(f"round {n}" for n in range(1, options.rounds + 1)) + " |")
    print("|---" * (options.rounds + 1) + "|")
    for arm in ARMS:
        outputs = [rows_of(options.out / arm / f"round-{n:02}" / "outputs.jsonl") for n in range(1, options.rounds + 1)]
        print(f"| {arm} | " + " | ".join(branches_text(rows, answers) if rows else "–" for rows in outputs) + " |")


def print_table(options):
    answers = {row["id"]: row["answer"] for row in rows_of(options.out / "prompts.jsonl")}
    print_held_out(options, answers)
    print_branches(options, answers)
    print(f"\nSeed {options.seed}; command: scripts/learning.py {shlex.join(sys.argv[1:])}".rstrip())


def read_options():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=ROOT / "runs" / "learning")
    parser.add_argument("--thoughtrank", type=Path, default=ROOT / "build" / "thoughtrank")
    parser.add_argument("--model", type=Path, default=ROOT / "models" / "SmolLM2-135M-Instruct")
    parser.add_argument("--arms", default=",".join(ARMS))
    parser.add_argument("--table", action="store_true", help="only print what is there")
    for name, value in {
        "seed": 1,
        "rounds": 4,
        "threads": 2,
        "per-round": 8,
        "holdout": 60,
        "thought-tokens": 12,
        "answer-tokens": 10,
        "epochs": 3,
    }.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--learning-rate", type=float, default=5e-5)
    options = parser.parse_args()
    for name in ("out", "thoughtrank", "model"):
        setattr(options, name, getattr(options, name).resolve())
    unknown = [arm for arm in options.arms.split(",") if arm not in ARMS]
    if unknown:
        parser.error(f"unknown arms {unknown}: expected some of {list(ARMS)}")
    return options


def main():
    options = read_options()
    if not options.table:
        options.out.mkdir(parents=True, exist_ok=True)
        rows = questions(options.holdout + options.rounds * options.per_round, options.seed)
        lines = "".join(json.dumps(row) + "\n" for row in rows)
        (options.out / "prompts.jsonl").write_text(lines, encoding="utf-8")
        for arm in options.arms.split(","):
            run_arm(arm, options)
    print_table(options)


if __name__ == "__main__":
    main()
