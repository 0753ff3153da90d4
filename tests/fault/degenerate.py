"""Row R15: rounds without anything to learn from. None of them may look like a success."""
import json
import shutil
import struct
import subprocess
from dataclasses import dataclass, field

from mutants import Mutant, broken
from scorecard import Outcome, Row
from world import ROOT, Trial, torn

HEALTH, JUDGE, DATA = 81, 69, 65


@dataclass
class Case:
    name: str
    code: int
    says: str  # a word of what `status` gives as the reason
    sets: dict = field(default_factory=dict)
    judge: str = ""  # what is wrong with it from round 2 on
    weights: tuple = ()  # a tensor of the model, and the value that fills it
    eos: list = field(default_factory=lambda: [2])
    quarantined: int = 0  # training steps that were skipped and noted


EQUAL_LOGITS = ("model.embed_tokens.weight", 0.0)  # so that token 0 always wins
UNCERTAIN = {"select.max_regret": 0, "select.min_confidence": 1}
CASES = [
    Case("the judge refuses", JUDGE, "abstained", judge="refuses"),
    Case("the judge says nothing", JUDGE, "abstained", judge="silent"),
    Case("the judge dies", JUDGE, "exit status 3", judge="dies"),
    Case("the judge names labels that were not sent", JUDGE, "abstained", judge="lies"),
    Case("the judge leaves out an answer", JUDGE, "abstained", judge="forgets"),
    Case("the judge names one answer again and again", JUDGE, "abstained", judge="repeats"),
    Case("the judge writes bytes that are no text", JUDGE, "abstained", judge="babbles"),
    Case("all branches are empty", HEALTH, "no winner", weights=EQUAL_LOGITS, eos=[0, 2]),
    Case("all branches are identical", HEALTH, "no winner", weights=EQUAL_LOGITS, eos=[2]),
    Case("all branches are over-long", HEALTH, "no winner", sets={"judge.drop.truncated": "true"}),
    Case("no winner is certain", HEALTH, "no winner", sets=UNCERTAIN),
    Case("no score reaches the least one", HEALTH, "no winner", sets={"judge.kind": "likelihood", "select.min_score": 1e9}),
    Case("no answer is the reference", HEALTH, "no winner", sets={"judge.kind": "reference"}),
    Case("no logit is finite", DATA, "", weights=("model.norm.weight", 3e38)),
    Case("the held-out loss rises", HEALTH, "held-out",
         sets={"train.learning_rate": 0.5, "train.max_heldout_worse": 0, "judge.kind": "likelihood"}),
    Case("no gradient is finite", HEALTH, "bad steps in a row", weights=("model.norm.weight", 1e37), quarantined=3),
    Case("one usable sample", 0, "finished", sets={"prompts.per_round": 1}),
]


def spoilt_model(folder, weights, eos):
    """A copy of the small model in which one tensor holds one value."""
    shutil.rmtree(folder, ignore_errors=True)
    shutil.copytree(ROOT / "tests" / "data" / "tiny-llama", folder)
    file, (name, value) = folder / "model.safetensors", weights
    data = bytearray(file.read_bytes())
    begin = 8 + struct.unpack("<Q", data[:8])[0]
    first, last = json.loads(data[8:begin])[name]["data_offsets"]
    data[begin + first:begin + last] = struct.pack("<f", value) * ((last - first) // 4)
    file.write_bytes(data)
    for name in ("config.json", "generation_config.json"):
        config = json.loads((folder / name).read_text())
        (folder / name).write_text(json.dumps({**config, "eos_token_id": eos}))
    return folder


def words_of(world, case):
    sets = dict(case.sets)
    if case.weights:
        sets["model.path"] = spoilt_model(world.folder / "spoilt", case.weights, case.eos)
    return [word for key, value in sets.items() for word in ("--set", f"{key}={value}")]


def status(bench):
    done = subprocess.run([bench.world.program, "status", bench.world.run], capture_output=True, text=True, timeout=60,
                          check=False)
    return done.stdout + done.stderr


def newest(said):
    return next((line for line in said.splitlines() if line.startswith("newest checkpoint: ")), "")


def examine(bench, case, code, said, last_good):
    """What does not hold after the round has ended."""
    run, shown = bench.world.run, status(bench)
    problems = torn(run)
    if code != case.code:
        problems.append(f"exit code {code}, expected {case.code}: {said[-200:]}")
    if case.says not in shown:
        problems.append(f"status does not say '{case.says}': {shown[-300:]}")
    noted = [json.loads(line) for file in run.glob("round-*/.work/train/quarantine.jsonl")
             for line in file.read_text().splitlines()]
    if len(noted) != case.quarantined or not all(row["prompt_ids"] for row in noted):
        problems.append(f"{case.quarantined} steps should be quarantined: {noted}")
    if case.code == 0:
        return problems
    if (run / f"round-{last_good + 1:02}" / "checkpoint").exists():
        problems.append(f"round {last_good + 1} has a checkpoint")
    if (f"round-{last_good:02}/checkpoint" if last_good else "") not in newest(shown) or (not last_good and newest(shown)):
        problems.append(f"the newest checkpoint is not that of round {last_good}: {newest(shown)}")
    return problems


def faulty_judge(bench, case):
    """Round 1 as usual, a judge with a fault from round 2 on; with a sound one the run ends as if nothing had been."""
    trial = Trial(bench)
    mark = bench.world.calls.with_name(bench.world.calls.name + ".fault")
    trial.after_fault(*bench.world.go("--set", "rounds=1"), allowed=[0])
    try:
        mark.write_text(case.judge)
        code, said = bench.world.go()
        problems = examine(bench, case, code, said, last_good=1)
    finally:
        mark.unlink()
    # How often a call was made in vain is in its verdict.
    return problems + [problem for problem in trial.finish() if "verdicts.jsonl differs" not in problem]


def dull_round(bench, case):
    """From round 1 on; the same command ends the same way."""
    Trial(bench)
    words = words_of(bench.world, case)
    code, said = bench.world.go(*words)
    problems = examine(bench, case, code, said, last_good=0)
    again, said = bench.world.go(*words)
    return problems + ([] if again == case.code else [f"the same command ended with {again}: {said[-200:]}"])


def degenerate_rounds(bench, trials):
    outcome = Outcome()
    for case in CASES[:trials]:
        problems = faulty_judge(bench, case) if case.judge else dull_round(bench, case)
        outcome.add([f"{case.name}: {problem}" for problem in problems])
    return outcome


def gradients_overflow(bench):
    """Logits are finite and gradients are not: such a model generates and is judged, and no step is taken."""
    outcome = Outcome()
    outcome.add(dull_round(bench, next(case for case in CASES if case.quarantined)))
    return outcome


def control_no_gate(bench):
    """A program that makes a checkpoint of a round without winners."""
    mutant = Mutant("src/pipeline/train_stage.cpp", "if (plan.rows.empty() && plan.pairs.empty()) {", "if (round < 0) {", "")
    with broken(bench, mutant):
        case = next(case for case in CASES if case.sets == UNCERTAIN)
        return "a round without winners is seen" if dull_round(bench, case) else None


ROWS = [Row("R15", "rounds without anything to learn from: 7 bad judges, empty, equal, over-long answers, …", len(CASES),
            len(CASES), degenerate_rounds, control_no_gate)]
