"""Rows R11, R12, R20 and R21: a changed config, other batches, bad YAML, odd text."""
import itertools
import json
import random
import re
import resource
import subprocess
import unicodedata

from mutants import Mutant, broken
from scorecard import Outcome, Row
from world import Trial, frame

MAY_CHANGE = {"run_dir", "device", "threads", "judge.api_key_env", "judge.api_key_file", "judge.max_usd",
              "judge.concurrency", "judge.timeout_s", "judge.patience_s", "judge.proxy", "judge.ca_file",
              "judge.max_flip_rate", "judge.max_position_bias", "judge.max_length_correlation",
              "judge.max_planted_errors", "train.sequence_length", "prompts.drop_repeats",
              "checkpoint.keep", "limits.max_hours", "limits.hang_minutes"}

# May change, but only to what can work: a file that is there, a key that is set.
CHECKED_TOO = {"judge.api_key_env", "judge.api_key_file", "judge.max_usd", "judge.proxy", "judge.ca_file"}


def command(bench, *words):
    return subprocess.run([str(bench.world.program), *map(str, words)], capture_output=True, text=True, timeout=120,
                          env=bench.world.environment())


def leaves(schema, prefix=""):
    for name, about in schema["properties"].items():
        if "properties" in about:
            yield from leaves(about, prefix + name + ".")
        else:
            yield prefix + name, about


def value_at(config, key):
    for part in key.split("."):
        config = config[part]
    return config


def another_value(about, now):
    """A value that the schema allows, other than the one that the run has; None where there is no other."""
    options = about.get("enum") or []
    numbers = next((option for option in about.get("anyOf", []) if option.get("type") in ("integer", "number")), about)
    if options:
        return next((option for option in options if option != now), None)
    if about.get("type") == "boolean":
        return "false" if now else "true"
    if numbers.get("type") in ("integer", "number"):
        step = 16 if numbers.get("minimum") == 16 else 1
        base = now if isinstance(now, (int, float)) else numbers.get("minimum", 1)
        return base + step if base + step <= numbers.get("maximum", base + step) else base / 2
    if about.get("type") == "array":
        return "[0.5, 0.5]" if "betas" not in str(now) and about.get("minItems") == 2 else "[other]"
    return None if about.get("type") != "string" else f"{now}x"


def drift(bench, trials):
    """R11. Each key of the config changed on a finished run: refused, the key named and nothing touched, or one of those
    that may change."""
    schema = json.loads(command(bench, "config", "schema").stdout)
    config = json.loads((bench.done / "run" / "run.json").read_text())["config"]
    outcome = Outcome()
    for key, about in itertools.islice(leaves(schema), trials):
        value = 1 if key == "rounds" else another_value(about, value_at(config, key))  # rounds may go up
        if value is None or key in ("run_dir", "device"):
            continue
        Trial(bench, bench.done)
        code, said = bench.world.go("--set", f"{key}={value}")
        allowed = [0] if key in MAY_CHANGE - CHECKED_TOO else [0, 78, 77] if key in MAY_CHANGE else [78, 65, 66, 77]
        problems = [] if code in allowed else [f"{key}={value}: exit code {code}: {said[-200:]}"]
        if code == 78 and key.rpartition(".")[2] not in said:
            problems.append(f"{key}={value}: not named: {said[-200:]}")
        if bench.world.digests() != bench.expected:
            problems.append(f"{key}={value}: the run was touched")
        outcome.add(problems)
    return outcome


def forge_frozen(bench, key, value):
    """What the run noted of its config is changed along with the config."""
    path = bench.world.run / "run.json"
    record = json.loads(path.read_text())
    record["config"][key] = value
    path.write_text(json.dumps(record))


def control_forged_record(bench):
    Trial(bench, bench.done)
    forge_frozen(bench, "seed", 2)
    code, _ = bench.world.go("--set", "seed=2")
    return "a forged record of the config passes" if code == 0 else None


# Training's sums go over its threads, so that round 2 starts from other weights with other threads.
KEPT = "round-01/(outputs|best_outputs|training_data|verdicts)"
VARIANTS = [["threads=2"], ["generate.slots=16"], ["generate.slots=128"], ["generate.slots=16", "threads=2"],
            ["judge.concurrency=1"], ["judge.concurrency=7"]]


def other_batches(bench, trials):
    """R12. Threads, slots, calls in flight and the order of the prompts change no byte of a float32 run's outputs."""
    outcome, stream = Outcome(), random.Random(1)
    prompts = bench.world.folder / "prompts.jsonl"
    before = prompts.read_text()
    for n in range(trials):
        Trial(bench)
        words = [word for setting in VARIANTS[n % len(VARIANTS)] for word in ("--set", setting)]
        if n >= len(VARIANTS):
            lines = before.splitlines(keepends=True)
            stream.shuffle(lines)
            prompts.write_text("".join(lines))
        code, said = bench.world.go(*words)
        found = bench.world.digests()
        changed = [name for name in bench.expected if re.match(KEPT, name) and found.get(name) != bench.expected[name]]
        outcome.add([f"{words}: exit code {code}: {said[-200:]}"] if code else [f"{words}: {name} differs" for name in changed])
        prompts.write_text(before)
    return outcome


def control_order_of_the_file(bench):
    """A program that takes prompts in the order of the file, run on another order."""
    sorted_by = "return std::tie(a.first, a.second.prompt_id) < std::tie(b.first, b.second.prompt_id);"
    mutant = Mutant("src/pipeline/prompt_plan.cpp", sorted_by, "return &a == nullptr && &b == nullptr;", "")
    prompts = bench.world.folder / "prompts.jsonl"
    before = prompts.read_text()
    with broken(bench, mutant):
        try:
            Trial(bench)
            bench.world.go()
            straight = bench.world.digests()
            Trial(bench)
            prompts.write_text("".join(reversed(before.splitlines(keepends=True))))
            bench.world.go()
        finally:
            prompts.write_text(before)
        return "another order of prompts is seen" if bench.world.digests() != straight else None


GOOD = """\
run_dir: run
rounds: 2
model: {path: m}
prompts: {path: p.jsonl, per_round: 2, holdout: 2}
judge: {kind: likelihood}
train: {learning_rate: 0.001}
"""

TYPOS = ["temprature: 0", "roundz: 3", "judge: {kindd: openai}", "train: {learningrate: 1}", "generate: {slotss: 16}",
         "select: {max_regrets: 1}", "checkpoint: {keeps: 2}", "model: {paths: x}", "prompts: {perround: 1}",
         "branches: {character: a}", "limits: {hours: 1}", "judge: {drop: {loops: true}}"]
WRONG = ["rounds: many", "rounds: 0", "rounds: 1.5", "rounds: [2]", "rounds: {a: 1}", "rounds: null", "rounds: 100",
         "seed: -1", "threads: 0", "threads: fast", "device: tpu", "private: perhaps", "model: x", "model: {dtype: float64}",
         "prompts: []", "prompts: {per_round: -1}", "branches: {chars: ''}", "branches: {mode: guess}",
         "generate: {answer_tokens: 0}", "generate: {slots: 17}", "generate: {loop_rule: 2}", "judge: {kind: oracle}",
         "judge: {concurrency: 0}", "judge: {group_size: 1}", "judge: {finals: -1}", "judge: {max_usd: -1}",
         "judge: {max_usd: .nan}", "judge: {max_usd: .inf}", "judge: {timeout_s: 0}", "judge: {max_abstained: 2}",
         "judge: {command: text}", "judge: {drop: true}", "select: {min_confidence: 1.1}", "select: {max_regret: -0.1}",
         "train: {learning_rate: fast}", "train: {betas: [0.9]}", "train: {betas: [0.9, 1.0]}", "train: {epochs: 0}",
         "train: {schedule: zigzag}", "train: {clip: -1}", "train: {warmup: 2}", "train: {tokens_per_step: 0}",
         "train: {weights: {thought: -1}}", "checkpoint: {keep: 1}", "checkpoint: {dtype: int4}", "limits: {max_hours: -1}"]
SHAPES = ["rounds: 2\nrounds: 3", "judge: {kind: likelihood, kind: openai}", "\trounds: 2", "rounds:\t2\n\tseed: 1",
          "---\nrounds: 2\n---\nrounds: 3", "- rounds", "just text", "a: &a [x, x]\nb: &b [*a, *a]\nc: [*b, *b]",
          "rounds: *nowhere", "judge: {kind: likelihood", "'", "rounds: 2\n  seed: 1", "? [rounds]\n: 2", "rounds: !!int x",
          "judge: {api_key: sk-0123456789abcdef0123456789abcdef}", "[" * 100000, "a:\n" + "\n".join(" " * n + "b:" for n in range(1, 3000))]


def without_key(text, key):
    return "".join(line + "\n" for line in text.splitlines() if not line.startswith(key + ":"))


def bad_configs():
    for text in TYPOS + WRONG:
        yield without_key(GOOD, text.partition(":")[0]) + text + "\n"
    yield from SHAPES
    yield "\ufeff" + GOOD.replace("rounds: 2", "rounds: x")
    yield GOOD + "\x00"
    yield GOOD.replace("judge", "jud\x1bge")


def timed_check(bench, path):
    """`config check` of a file, and the seconds that it computed."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    done = command(bench, "config", "check", "--config", path)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return done, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def bad_yaml(bench, trials, texts=None):
    """R20. Each bad config ends with 78, names the file, shows no key, and costs less than a second more than a good one."""
    outcome = Outcome()
    path = bench.world.folder / "bad.yaml"
    path.write_text(GOOD)
    _, start_s = timed_check(bench, path)
    for text in itertools.islice(texts or bad_configs(), trials):
        path.write_text(text, encoding="utf-8")
        done, seconds = timed_check(bench, path)
        said, shown = done.stdout + done.stderr, repr(text[:60])
        problems = [] if done.returncode == 78 else [f"{shown}: exit code {done.returncode}: {said[-200:]}"]
        if not re.search(r"bad\.yaml(:\d+)?", said):
            problems.append(f"{shown}: the file is not named: {said[-200:]}")
        if seconds > start_s + 1:
            problems.append(f"{shown}: took {seconds:.1f} s")
        if "sk-0123456789abcdef" in said or "\x1b" in said:
            problems.append(f"{shown}: shows a key or an escape")
        outcome.add(problems)
    return outcome


def control_lenient_yaml(bench):
    """A program that takes a key twice."""
    with broken(bench, Mutant("src/config/yaml_tree.cpp", "if (earlier.key != entry.key) continue;", "continue;", "")):
        found = bad_yaml(bench, 1, [GOOD + "rounds: 3\n"])
    return "a key that is taken twice is seen" if found.failed else None


def odd_text(stream):
    parts = ["\x1b[2J\x1b[31mred\x1b[0m", "\x9b31m", "\u2028", "\u2029", "\u202e", "a\u0000b", "\x07", "\r", "\ufffd", "\ufeff",
             "e\u0301", "👩‍👩‍👧", "𝕏", "\u200b", "<thought>", "</thought>", "<|eot_id|>", '"}\n{"', "\\u0000", "'; rm -rf /", "\x7f"]
    return "".join(stream.choice(parts) if stream.random() < 0.5 else chr(stream.randrange(32, 0x2FF)) for _ in range(40))


def unsafe_characters(text):
    """Control characters that a terminal would act on, line ends and tabs aside; and what turns text around."""
    return {character for character in text
            if (unicodedata.category(character) in ("Cc", "Cf") and character not in "\n\t\u200d\u200b\u200c\ufeff\u00ad")}


def odd_prompts(bench, trials):
    """R21. Prompts of control characters, escapes and special tokens' names: kept without loss, never sent to the
    terminal as they are."""
    outcome, stream = Outcome(), random.Random(1)
    path = bench.world.folder / "prompts.jsonl"
    before = path.read_text()
    for _ in range(trials):
        Trial(bench)
        texts = {f"p{n}": f"{n} " + odd_text(stream) for n in range(12)}
        path.write_text("".join(json.dumps({"id": name, "prompt": text}) + "\n" for name, text in texts.items()))
        code, said = bench.world.go()
        problems = [] if code in (0, 81) else [f"exit code {code}: {said[-200:]}"]  # 81: nothing of use was answered
        rows = [json.loads(line) for file in bench.world.run.glob("round-*/prompts.jsonl")
                for line in file.read_text().split("\n")[:-1]]
        problems += [f"{row['prompt_id']} was changed" for row in rows if row["prompt"] != texts[row["prompt_id"]]]
        for prompt in {row["prompt_id"] for row in rows}:
            shown = inspect(bench, prompt)
            if unsafe := unsafe_characters(shown + said):
                problems.append(f"{prompt}: shows {sorted(map(ascii, unsafe))}")
        outcome.add(problems)
    path.write_text(before)
    return outcome


def inspect(bench, prompt):
    done = command(bench, "inspect", bench.world.run, "--prompt", prompt, "--all")
    return done.stdout + done.stderr


def control_raw_text(bench):
    """A program that shows texts as they are."""
    with broken(bench, Mutant("src/core/utf8.cpp", "if (!is_control(code)) {", "if (true) {", "")):
        return "raw text is seen" if odd_prompts(bench, 1).failed else None


ROWS = [
    Row("R11", "each key of the config changed on resume", 100, 100, drift, control_forged_record),
    Row("R12", "threads, slots, calls in flight, order of prompts", 8, 300, other_batches, control_order_of_the_file),
    Row("R20", "bad YAML: typos, types, ranges, shapes, bombs, a key in the file", 80, 80, bad_yaml, control_lenient_yaml),
    Row("R21", "runs on prompts of control characters, escapes, special tokens' names", 5, 200, odd_prompts, control_raw_text),
]
