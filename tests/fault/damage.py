"""Rows R6 and R7: damage to the journal and to checkpoints."""
import json
import random

from scorecard import Outcome, Row
from world import Trial, frame, sha256


def journal_of(bench):
    return bench.world.run / "journal.jsonl"


def cut_tail(lines, stream):
    """The journal cut inside one of its last three records."""
    whole = b"".join(lines)
    return whole[:stream.randint(len(b"".join(lines[:-3])) + 1, len(whole) - 1)]


def cut_and_zeros(lines, stream):
    return cut_tail(lines, stream) + bytes(stream.randint(1, 4096))


def flipped_inside(lines, stream):
    """One bit of a record that others follow."""
    n = stream.randrange(len(lines) - 2)
    line = bytearray(lines[n])
    line[stream.randrange(len(line) - 1)] ^= 1 << stream.randrange(8)
    return b"".join(lines[:n] + [bytes(line)] + lines[n + 1:])


def swapped(lines, stream):
    n = stream.randrange(len(lines) - 2)
    return b"".join(lines[:n] + [lines[n + 1], lines[n]] + lines[n + 2:])


def doubled(lines, stream):
    n = stream.randrange(len(lines) - 1)
    return b"".join(lines[:n + 1] + lines[n:])


TAILS, INSIDES = [cut_tail, cut_and_zeros], [flipped_inside, swapped, doubled]


def damaged_journal(bench, trials, seed=1):
    """R6. A torn tail is dropped with one warning and the run goes on; damage before the end is exit 65, file and line."""
    stream, outcome = random.Random(seed), Outcome()
    lines = (bench.done / "run" / "journal.jsonl").read_bytes().splitlines(keepends=True)
    for n in range(trials):
        damage = (TAILS + INSIDES)[n % 5]
        trial = Trial(bench, bench.done)
        journal_of(bench).write_bytes(damage(lines, stream))
        if damage in TAILS:
            problems = trial.finish()
        else:
            code, said = bench.world.go()
            problems = [] if code == 65 and "journal.jsonl:" in said else [f"exit code {code}: {said[-200:]}"]
        outcome.add([f"{damage.__name__}: {problem}" for problem in problems])
    return outcome


def control_forged_record(bench):
    """A changed record with a right checksum passes: so it is the checksum that finds changes."""
    Trial(bench, bench.done)
    lines = journal_of(bench).read_bytes().splitlines(keepends=True)
    body = json.loads(lines[0])["body"]
    body["time"] = "2001-01-01T00:00:00Z"
    journal_of(bench).write_bytes(frame(0, body) + b"".join(lines[1:]))
    code, _ = bench.world.go()
    return "a forged checksum passes" if code == 0 else None


def newest_checkpoint(run):
    return run / "round-02" / "checkpoint"


def loaded_files(folder):
    """What a model is loaded from, and their list."""
    return [path for path in sorted(folder.iterdir()) if path.name != "README.md"]


def flip_bit(folder, stream):
    path = stream.choice([path for path in loaded_files(folder) if path.name != "MANIFEST.json"])
    data = bytearray(path.read_bytes())
    data[stream.randrange(len(data))] ^= 1 << stream.randrange(8)
    path.write_bytes(data)
    return path.name


def flip_bit_of_weights(folder, stream):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[stream.randrange(len(data))] ^= 1 << stream.randrange(8)
    path.write_bytes(data)
    return path.name


def truncate(folder, stream):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:-stream.randint(1, 1000)])
    return path.name


def extend(folder, stream):
    path = folder / "config.json"
    path.write_bytes(path.read_bytes() + b"\n" * stream.randint(1, 10))
    return path.name


def delete(folder, stream):
    path = stream.choice(loaded_files(folder))
    path.unlink()
    return path.name


DAMAGES = [flip_bit, flip_bit_of_weights, truncate, extend, delete]


def damaged_checkpoint(bench, trials, seed=1):
    """R7. Damage to a finished run's checkpoint is found and named; asked to, the program makes it again, of the same bytes."""
    stream, outcome = random.Random(seed), Outcome()
    for n in range(trials):
        trial = Trial(bench, bench.done)
        damage = DAMAGES[n % len(DAMAGES)]
        name = damage(newest_checkpoint(bench.world.run), stream)
        code, said = bench.world.go()
        problems = [] if code == 65 and name in said else [f"exit code {code}, {name} is not named: {said[-200:]}"]
        code, said = bench.world.go("--round", 2, command="train")
        problems += [] if code == 0 else [f"train --round 2 ended with {code}: {said[-200:]}"]
        outcome.add([f"{damage.__name__}: {problem}" for problem in problems + without_set_aside(trial.finish())])
    return outcome


def without_set_aside(problems):
    """What was damaged stays beside what was made again, for whoever wants to look."""
    return [problem for problem in problems if ".corrupt-" not in problem]


def control_forged_manifest(bench):
    """Damage with a right manifest and a right record of it passes: so it is the checksums that find damage."""
    Trial(bench, bench.done)
    folder = newest_checkpoint(bench.world.run)
    before = sha256(folder / "MANIFEST.json")
    manifest = json.loads((folder / "MANIFEST.json").read_text())
    flip_bit_of_weights(folder, random.Random(1))
    old = {entry["path"]: entry["sha256"] for entry in manifest["files"]}
    text = (folder / "MANIFEST.json").read_text().replace(
        old["model.safetensors"], sha256(folder / "model.safetensors"))
    (folder / "MANIFEST.json").write_text(text)
    lines = journal_of(bench).read_bytes().splitlines(keepends=True)
    bodies = [json.dumps(json.loads(line)["body"]).replace(before, sha256(folder / "MANIFEST.json")) for line in lines]
    bodies = [body.replace(old["model.safetensors"], sha256(folder / "model.safetensors")) for body in bodies]
    journal_of(bench).write_bytes(b"".join(frame(n, json.loads(body)) for n, body in enumerate(bodies)))
    code, said = bench.world.go()
    return "forged checksums pass" if code == 0 and "model.safetensors" not in said else None


ROWS = [
    Row("R6", "journal: torn tail, NUL tail, flipped bit, swapped and doubled records", 50, 10000, damaged_journal,
        control_forged_record),
    Row("R7", "checkpoint: flipped bit, cut, extended, a file gone", 25, 3000, damaged_checkpoint,
        control_forged_manifest),
]
