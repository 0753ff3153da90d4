#!/usr/bin/env python3
"""Writes the questions of configs/study.yaml, with their answers and worked examples.

    scripts/make_tasks.py [--out configs/study] [--count 240] [--seed 1]

Three kinds, none of which the settings of the study were found on (those were found on the quickstart's sums):
  brackets   "What is (4 + 3) times 6?"; two steps
  stories    "Tom has 4 bags with 6 apples each and eats 3. …"; the same steps behind words
  lottery    a negative control: the number on a card that nobody has told. Thinking cannot help, and no arm may gain
Each kind has KIND.jsonl (prompt, answer) and KIND-examples.jsonl (prompt, thought, answer), whose questions are not
among the others.
"""
import argparse
import json
import random
from pathlib import Path

EXAMPLES = 2
NAMES = ["Tom", "Anna", "Ben", "Lea", "Max", "Mia", "Paul", "Eva"]
THINGS = [("bags", "apples"), ("boxes", "pens"), ("trays", "eggs"), ("packs", "cards"), ("bowls", "cherries")]


def brackets(rng):
    a, b, c = rng.randint(1, 9), rng.randint(1, 9), rng.randint(2, 9)
    thought = f"First {a} + {b} = {a + b}. Then {a + b} * {c} = {(a + b) * c}."
    return f"What is ({a} + {b}) times {c}?", thought, (a + b) * c


def stories(rng):
    a, b = rng.randint(2, 9), rng.randint(2, 9)
    c = rng.randint(1, min(9, a * b - 1))
    name, (holders, things) = rng.choice(NAMES), rng.choice(THINGS)
    question = f"{name} has {a} {holders} with {b} {things} each and gives away {c}. How many {things} are left?"
    return question, f"First {a} * {b} = {a * b}. Then {a * b} - {c} = {a * b - c}.", a * b - c


def lottery(rng):
    card, number = f"{rng.choice('ABCDEFGH')}{rng.randint(10, 99)}", rng.randint(1, 9)
    return f"Card {card} has a number from 1 to 9 on its back. Which one?", f"Card {card} has {number}.", number


KINDS = {"brackets": brackets, "stories": stories, "lottery": lottery}


def write_rows(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")


def write_kind(kind, options):
    rng = random.Random(f"{options.seed} {kind}")
    rows, seen = [], set()
    while len(rows) < options.count + EXAMPLES:
        question, thought, answer = KINDS[kind](rng)
        if question not in seen:
            seen.add(question)
            rows.append({"prompt": question, "thought": thought, "answer": answer})
    write_rows(options.out / f"{kind}-examples.jsonl", rows[:EXAMPLES])
    asked = [
        {"id": f"{kind}-{n}", "prompt": row["prompt"], "answer": row["answer"]} for n, row in enumerate(rows[EXAMPLES:], 1)
    ]
    write_rows(options.out / f"{kind}.jsonl", asked)
    print(f"{options.out / kind}.jsonl: {len(asked)} questions, {EXAMPLES} worked examples beside it")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--out", type=Path, default=Path(__file__).resolve().parents[1] / "configs" / "study")
    parser.add_argument("--count", type=int, default=240)
    parser.add_argument("--seed", type=int, default=1)
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    for kind in KINDS:
        write_kind(kind, options)


if __name__ == "__main__":
    main()
