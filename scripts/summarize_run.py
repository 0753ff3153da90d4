#!/usr/bin/env python3
"""Prints what a finished run took and learned; exits 1 unless each round is good.

Usage: summarize_run.py RUN_DIR

A round is good when it trained on at least one row, changed the weights, and lowered the loss on its winners. Where
the judge is `reference`, the run is good when the last round answers more held-out prompts right than the untrained
model does in its better form without examples, beyond chance (sign test over prompts, p < .05).
Reads run.json, journal.jsonl, round-NN/timing.jsonl, round-NN/eval.jsonl and round-00/forms.jsonl; needs nothing but
Python.
"""
import json
import math
import sys
from pathlib import Path

STAGES = ["generate", "judge", "train", "evaluate"]
EVAL_COLUMNS = {"score": "held-out score", "win": "held-out win rate", "heldout_loss": "loss without thought"}


class BadRun(Exception):
    """The run folder does not hold a finished run."""


def read_rows(path):
    try:
        return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines() if line]
    except FileNotFoundError:
        raise BadRun(f"{path} is missing: did the run finish?") from None
    except ValueError as error:
        raise BadRun(f"{path}: {error}") from None


def finished_stages(run_dir):
    """{(round, stage): the journal's last stage_finished record}"""
    bodies = [row["body"] for row in read_rows(run_dir / "journal.jsonl")]
    finished = [body for body in bodies if body.get("event") == "stage_finished"]
    return {(body["round"], body["stage"]): body for body in finished}


def planned_rounds(run_dir, finished):
    try:
        planned = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["config"]["rounds"]
    except (OSError, ValueError, KeyError):
        raise BadRun(f"{run_dir}/run.json does not say how many rounds were planned") from None
    return max([planned] + [number for number, _ in finished])


def round_dir(run_dir, number):
    return run_dir / f"round-{number:02}"


def stage_times(run_dir, number):
    """[(stage, seconds, units, unit)]; the rows of a stage that was resumed are summed."""
    path = round_dir(run_dir, number) / "timing.jsonl"
    totals = {}
    for row in read_rows(path):
        seconds, units, _ = totals.get(row["stage"], (0.0, 0, ""))
        totals[row["stage"]] = (seconds + row["seconds"], units + row["units"], row["unit"])
    return [(stage, *totals[stage]) for stage in STAGES if stage in totals]


def mean(values):
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def heldout_means(run_dir, number):
    path = round_dir(run_dir, number) / "eval.jsonl"
    rows = read_rows(path) if path.exists() else []
    return {key: mean([row[key] for row in rows]) for key in EVAL_COLUMNS}


def faults_of(number, finished):
    """Why round `number` is not good; empty when it is."""
    missing = [stage for stage in STAGES if (number, stage) not in finished]
    if missing:
        return [f"round {number}: not finished: {', '.join(missing)}"]
    train = finished[(number, "train")]
    if train["rows"] < 1:
        return [f"round {number}: trained on no row"]
    faults = []
    if train["weights_sha256"] == train["weights_sha256_before"]:
        faults.append(f"round {number}: the weights did not change")
    if not train["loss_after"] < train["loss_before"]:
        change = f"{train['loss_before']} to {train['loss_after']}"
        faults.append(f"round {number}: the loss on the winners did not fall: {change}")
    return faults


def table(header, rows):
    """Columns as wide as their widest cell, numbers (all but the first two) to the right."""
    widths = [max(len(row[i]) for row in [header] + rows) for i in range(len(header))]
    for row in [header, ["-" * width for width in widths]] + rows:
        cells = [cell.ljust(w) if i < 2 else cell.rjust(w) for i, (cell, w) in enumerate(zip(row, widths))]
        print("   " + "  ".join(cells).rstrip())


def print_times(run_dir, rounds):
    rows = []
    total = 0.0
    for number in range(rounds + 1):
        if number == 0 and not (round_dir(run_dir, 0) / "timing.jsonl").exists():
            continue
        for stage, seconds, units, unit in stage_times(run_dir, number):
            rate = f"{units / seconds:,.1f} {unit}/s" if seconds > 0 else "-"
            rows.append([str(number), stage, f"{seconds:.1f}", f"{units:,} {unit}", rate])
            total += seconds
    rows.append(["", "all", f"{total:.1f}", "", ""])
    table(["round", "stage", "seconds", "work", "rate"], rows)


def number_text(value):
    return "-" if value is None else f"{value:.4f}"


def print_learning(run_dir, rounds, finished):
    heldout = {number: heldout_means(run_dir, number) for number in range(rounds + 1)}
    columns = [key for key in EVAL_COLUMNS if any(means[key] is not None for means in heldout.values())]
    rows = []
    for number, means in heldout.items():
        train = finished.get((number, "train"))
        learned = ["-", "-", "-", "-"]
        if train and train["rows"] > 0:
            losses = [number_text(train["loss_before"]), number_text(train["loss_after"])]
            learned = [str(train["rows"]), str(train["steps"])] + losses
        rows.append([str(number)] + learned + [number_text(means[key]) for key in columns])
    header = ["round", "rows trained", "steps", "loss on winners before", "after"]
    table(header + [EVAL_COLUMNS[key] for key in columns], rows)


def wilson(right, total, z=1.96):
    """The 95 % interval of a share."""
    share = right / total
    slack = z * math.sqrt(share * (1 - share) / total + (z / (2 * total)) ** 2)
    middle, scale = share + z * z / (2 * total), 1 + z * z / total
    return (middle - slack) / scale, (middle + slack) / scale


def sign_test(better, worse):
    """Chance of so many better ones, or more, among those that changed, where both are as likely."""
    changed = better + worse
    return sum(math.comb(changed, k) for k in range(better, changed + 1)) / 2**changed


class HeldOut:
    """Held-out answers before and after, where a reference says which are right."""

    FORMS = {"direct": "asked directly", "thought": "with a forced thought",
             "direct_with_examples": "directly, after the worked examples",
             "thought_with_examples": "with a thought, after the worked examples"}

    def __init__(self, run_dir, rounds):
        self.forms = {}
        for row in read_rows(round_dir(run_dir, 0) / "forms.jsonl"):
            self.forms.setdefault(row["form"], {})[row["prompt_id"]] = row
        self.rounds = [{row["prompt_id"]: row for row in read_rows(round_dir(run_dir, number) / "eval.jsonl")}
                       for number in range(1, rounds + 1)]

    @staticmethod
    def right(answers):
        return sum(row["score"] == 1 for row in answers.values())

    def alone(self):
        """The untrained model's better form without examples, as the trained one is asked."""
        return max((self.forms[form] for form in ("thought", "direct")), key=self.right)

    def print_table(self):
        best = max(self.forms, key=lambda form: self.right(self.forms[form]))
        lines = [(f"untrained, {self.FORMS[form]}", answers, "its best form" if form == best else "")
                 for form, answers in self.forms.items()]
        lines += [(f"after round {number}, alone", answers, "") for number, answers in enumerate(self.rounds, 1)]
        rows = []
        for name, answers, note in lines:
            low, high = wilson(self.right(answers), len(answers))
            rows.append([name, note, str(self.right(answers)), f"{100 * low:.0f}-{100 * high:.0f} %"])
        table([f"{len(self.rounds[-1])} held-out questions, never trained on", "", "right", "95 %"], rows)

    def print_answers(self, count=3):
        """The first questions that are right now and were not before; then others."""
        before, after = self.alone(), self.rounds[-1]
        ids = sorted(after, key=lambda name: before[name]["score"] == 1 or after[name]["score"] != 1)
        for name in ids[:count]:
            print(f"   {name}")
            for when, row in (("before", before[name]), ("after", after[name])):
                mark = "right" if row["score"] == 1 else "wrong"
                said = f"({row['thought'].strip()}) {row['answer'].strip()}" if row["thought"] else row["answer"].strip()
                print(f"      {when:<7} {mark}: {' '.join(said.split())}")

    def faults(self):
        before, after = self.alone(), self.rounds[-1]
        better = sum(after[name]["score"] == 1 and before[name]["score"] != 1 for name in after)
        worse = sum(after[name]["score"] != 1 and before[name]["score"] == 1 for name in after)
        chance = sign_test(better, worse)
        print(f"\n   {better} held-out questions are right now that were wrong before, {worse} the other way: "
              f"by chance with p = {chance:.2g}.")
        return [] if chance < 0.05 else ["the model did not get better beyond chance"]


def judged_by_reference(run_dir):
    config = json.loads((run_dir / "run.json").read_text(encoding="utf-8"))["config"]
    holds_out = config.get("prompts", {}).get("holdout", 0) > 0
    is_judged = config.get("judge", {}).get("kind") == "reference"
    return is_judged and holds_out and (round_dir(run_dir, 0) / "forms.jsonl").exists()


def summarize(run_dir):
    """Prints both tables; returns what is wrong with the run."""
    finished = finished_stages(run_dir)
    rounds = planned_rounds(run_dir, finished)
    faults = [fault for number in range(1, rounds + 1) for fault in faults_of(number, finished)]
    if any("not finished" in fault for fault in faults):
        return faults
    print_times(run_dir, rounds)
    print()
    print_learning(run_dir, rounds, finished)
    if judged_by_reference(run_dir):
        held_out = HeldOut(run_dir, rounds)
        print()
        held_out.print_table()
        print("\n   Before and after, asked alone (thought in brackets):")
        held_out.print_answers()
        faults += held_out.faults()
    return faults


def main():
    if len(sys.argv) != 2 or sys.argv[1] in ("-h", "--help"):
        print(__doc__)
        return 64
    try:
        faults = summarize(Path(sys.argv[1]))
    except BadRun as error:
        faults = [str(error)]
    for fault in faults:
        print(f"   {fault}", file=sys.stderr)
    if not faults:
        print("\n   Every round trained, changed the weights and lowered the loss on its winners.")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main())
