"""Rows R1, R2, R4 and R5: kills and errors at the operations on files of a run."""
import random
import re
import time

from mutants import Mutant, broken
from scorecard import Outcome, Row
from world import Trial, killed

OPERATIONS = ["openat", "write", "fsync", "fdatasync", "rename", "renameat2", "mkdir", "unlink", "unlinkat", "close"]
CALL = re.compile(r"^(\w+)\(")


def traced_run(world, sabotage=""):
    """The operations of an undisturbed run, (name, its number among those of this name, line), in order."""
    world.reset()
    log = world.folder / "trace"
    words = ["strace", "-y", "-s", "0", "-o", log, "-e", "trace=" + ",".join(OPERATIONS)]
    code, said = world.go(before=words, sabotage=sabotage)
    if code != 0:
        raise RuntimeError(f"the undisturbed run under strace ended with {code}: {said}")
    counts, found = {}, []
    for line in log.read_text(errors="replace").splitlines():
        if match := CALL.match(line):
            name = match[1]
            counts[name] = counts.get(name, 0) + 1
            found.append((name, counts[name], line))
    return found


def on_run(operations, world):
    return [(name, number) for name, number, line in operations if str(world.run) in line]


def published_phase(operations, world):
    """From the first state of round 1's training to the first record after its checkpoint is published."""
    lines = [line for _, _, line in operations]
    first = next(n for n, line in enumerate(lines) if f"{world.run}/round-01/.work" in line and "train" in line)
    published = next(n for n, line in enumerate(lines) if line.startswith("rename") and "/round-01/checkpoint" in line)
    last = next(n for n in range(published, len(lines)) if lines[n].startswith("fdatasync") and "journal" in lines[n])
    return operations[first:last + 1]


def spread(items, count):
    """At most `count` of the items, evenly over all."""
    if len(items) <= count:
        return list(items)
    return [items[n * len(items) // count] for n in range(count)]


def inject(name, number, what, onwards=False):
    when = f"{number}+" if onwards else number
    return ["strace", "-o", "/dev/null", "-e", f"trace={name}", "-e", f"inject={name}:{what}:when={when}"]


def kill_at(trial, name, number, sabotage=""):
    code, said = trial.world.go(before=inject(name, number, "signal=KILL"), sabotage=sabotage)
    trial.after_fault(code, said, allowed=[0] if code == 0 else [-9, 137])
    return killed(code)


def kill_at_each_operation(bench, trials):
    """R1. A SIGKILL at the k-th operation of a kind, then the same command."""
    operations = traced_run(bench.world)
    chosen = on_run(published_phase(operations, bench.world) if trials < 1000 else operations, bench.world)
    outcome = Outcome(detail=f"of {len(chosen)} operations")
    for name, number in spread(chosen, trials):
        trial = Trial(bench)
        hit = kill_at(trial, name, number)
        outcome.add([f"{name} {number}: {p}" for p in trial.finish()] + ([] if hit else [f"{name} {number}: no kill"]))
    return outcome


def control_torn_rename(bench):
    """Renames that copy: a kill in the middle leaves a torn file under its final name."""
    operations = traced_run(bench.world, "torn_rename")
    ours = [(name, number) for name, number, line in operations
            if name == "write" and re.search(r"round-\d+/(outputs|best_outputs|metrics)\.jsonl>", line)]
    for name, number in ours:
        trial = Trial(bench)
        kill_at(trial, name, number + 1, "torn_rename")
        if any("torn" in problem for problem in trial.problems):
            return "torn files seen"
    return None


def kill_at_random_times(bench, trials, seed=1):
    """R2. One to five SIGKILLs at random times of one run, then the same command."""
    stream, outcome = random.Random(seed), Outcome()
    for _ in range(trials):
        trial = Trial(bench)
        for _ in range(stream.randint(1, 5)):
            process = bench.world.start()
            time.sleep(stream.uniform(0.2, 1.1) * bench.seconds)
            process.kill()
            _, said = process.communicate()
            trial.after_fault(process.returncode, said, allowed=[0, -9])
        outcome.add(trial.finish())
    return outcome


def control_forgetful_resume(bench):
    """A program that forgets, when it goes on in the middle of a training, how many updates there were."""
    restored = "    state = state_from_json(json, where);\n"
    with broken(bench, Mutant("src/train/state.cpp", restored, restored + "    state.updates = 0;\n", "")):
        for _ in range(5):
            trial = Trial(bench)
            process = bench.world.start()
            while process.poll() is None and not list(bench.world.run.glob("round-0?/.work/train/state-*")):
                time.sleep(0.001)
            process.kill()
            process.communicate()
            if any("model.safetensors differs" in problem for problem in trial.finish()):
                return "other weights after a resume are seen"
    return None


class Order:
    """What must come before what in a trace: see violations()."""

    FILE = re.compile(r"^(write|fsync|fdatasync|close)\(\d+<([^>]*)>")
    RENAME = re.compile(r'^(rename|renameat2)\((?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]*)", (?:AT_FDCWD(?:<[^>]*>)?, )?"([^"]*)"')

    def __init__(self, run):
        self.run, self.unsynced, self.unsynced_names, self.problems, self.renames = str(run), set(), set(), [], 0

    def see(self, line):
        if match := self.FILE.match(line):
            operation, path = match.groups()
            if operation == "write":
                self.unsynced.add(path)
            elif operation != "close":
                self.unsynced.discard(path)
                self.unsynced_names = {name for name in self.unsynced_names if name.rpartition("/")[0] != path}
                if path.endswith("journal.jsonl") and self.unsynced_names:
                    self.problems.append(f"acknowledged before the folder of {sorted(self.unsynced_names)[0]} was synced")
        elif match := self.RENAME.match(line):
            self.rename(match[2], match[3])

    def rename(self, source, target):
        if self.run not in target or "/.trash-" in target:
            return
        self.renames += 1
        for path in sorted(self.unsynced):
            if path == source or path.startswith(source + "/"):
                self.problems.append(f"{path} was renamed before it was synced")
        self.unsynced_names.add(target)


def sync_order(bench, _trials, sabotage=""):
    """R4. In a clean run: a file is synced before its rename, its folder before the journal says so."""
    outcome = Outcome()
    order = Order(bench.world.run)
    for _, _, line in traced_run(bench.world, sabotage):
        order.see(line)
    outcome.trials, outcome.problems = max(order.renames, 1), order.problems
    outcome.failed = len(order.problems)
    outcome.detail = "renames of one run"
    return outcome


def control_no_sync(bench):
    return "unsynced renames are seen" if sync_order(bench, 1, "no_sync").failed else None


ERRORS = [("write", "ENOSPC", False), ("write", "EIO", True), ("fsync", "EIO", False), ("fdatasync", "EIO", False),
          ("openat", "ENOSPC", True), ("openat", "EMFILE", False), ("rename", "ENOSPC", False), ("renameat2", "EIO", True),
          ("mkdir", "EDQUOT", False), ("close", "EIO", False), ("write", "EINTR", False)]


def errors_of_files(bench, trials, sabotage=""):
    """R5. An operation fails once or from then on; then the same command on a sound disk."""
    operations = on_run(traced_run(bench.world), bench.world)
    outcome = Outcome()
    for name, error, onwards in ERRORS:
        ours = [number for operation, number in operations if operation == name]
        for number in spread(ours, max(1, trials // len(ERRORS))):
            trial = Trial(bench)
            code, said = trial.world.go(before=inject(name, number, f"error={error}", onwards), sabotage=sabotage)
            trial.after_fault(code, said, allowed=[0] if error == "EINTR" else allowed_codes(name))
            # A full disk can take the log, too; calls of the judge's program shift the count, so that its pipe may be hit.
            names_place = str(bench.world.folder) in said or "judge.command: " in said
            if code == 74 and " error " in said and not names_place:
                trial.problems.append(f"the message names no path: {said[-200:]}")
            outcome.add([f"{error} at {name} {number}: {problem}" for problem in trial.finish()])
    return outcome


def allowed_codes(name):
    """Closing a file that was only read, and looking for what need not be there, may fail unnoticed."""
    return [74, 0] if name in ("close", "openat") else [74]


def control_blind_errors(bench):
    return "false success is seen" if errors_of_files(bench, 22, "blind_errors").failed else None


ROWS = [
    Row("R1", "SIGKILL at an operation on a file of publishing a checkpoint", 40, 3000, kill_at_each_operation,
        control_torn_rename, traces=True),
    Row("R2", "SIGKILL at random times, 1 to 5 a run", 15, 1000, kill_at_random_times, control_forgetful_resume),
    Row("R4", "order of write, sync, rename, acknowledgement", 1, 1, sync_order, control_no_sync, traces=True),
    Row("R5", "ENOSPC, EIO, EDQUOT, EMFILE, EINTR, once and from then on", 33, 1000, errors_of_files,
        control_blind_errors, traces=True),
]
