"""Rows R36 to R40: what a machine, a launcher, a file system and other people's tools do around a run."""
import errno
import json
import os
import random
import shutil
import signal
import time

from mutants import Mutant, broken
from scorecard import Outcome, Row
from world import Trial

CLOSED = ["<&-", ">&-", "2>&-", "<&- 2>&-", ">&- 2>&-", "<&- >&- 2>&-"]


def without(streams):
    """The words that start a program with these redirections."""
    return ["bash", "-c", f'exec "$@" {streams}', "-"]


def closed_descriptors(bench, trials):
    """R36. A run that is started with closed descriptors, talking, keeps its records whole."""
    outcome = Outcome()
    for n in range(trials):
        streams = CLOSED[n % len(CLOSED)]
        trial = Trial(bench)
        code, said = trial.world.go("-v", before=without(streams))
        trial.after_fault(code, said, allowed=[0])
        outcome.add([f"{streams}: {problem}" for problem in trial.finish()])
    return outcome


def control_log_in_records(bench):
    call = "  thoughtrank::open_standard_streams();  // first: before any file is opened\n"
    with broken(bench, Mutant("src/app/main.cpp", call, "", "")):
        return "log lines in records are seen" if closed_descriptors(bench, len(CLOSED)).failed else None


# (what the file system lacks, what it says)
LACKS = [("no_rename_flags", errno.EINVAL), ("no_rename_flags", errno.ENOSYS), ("no_rename_flags", errno.EOPNOTSUPP),
         ("no_flock", errno.ENOSYS), ("no_flock", errno.ENOLCK), ("no_flock", errno.EOPNOTSUPP),
         ("no_folder_sync", errno.EINVAL)]


def wait_for_file(process, path):
    while process.poll() is None and not path.exists():
        time.sleep(0.005)


def is_halted_with_lock(process, run):
    """Halts a run where it is, and tells whether it was in possession of the lock by name then."""
    if process.poll() is not None:
        return False
    process.send_signal(signal.SIGSTOP)
    state = os.waitid(os.P_PID, process.pid, os.WSTOPPED | os.WEXITED | os.WNOWAIT)
    return state.si_code == os.CLD_STOPPED and (run / "LOCK.held").exists()


def poor_file_systems(bench, trials, lacks=tuple(LACKS), seed=1):
    """R37. Killed on a file system that lacks something, begun again on it, twice at once where the lock is meant."""
    stream, outcome = random.Random(seed), Outcome()
    for n in range(trials):
        sabotage, error = lacks[n % len(lacks)]
        settings = {"SABOTAGE_ERROR": error}
        trial = Trial(bench)
        process = trial.world.start(sabotage=sabotage, settings=settings)
        if sabotage == "no_flock":
            wait_for_file(process, trial.world.run / "LOCK.held")
        time.sleep(stream.uniform(0.1, 0.7) * bench.seconds)
        if sabotage == "no_flock" and is_halted_with_lock(process, trial.world.run):
            code, said = trial.world.go(sabotage=sabotage, settings=settings)
            if code != 73:
                trial.problems.append(f"a second start ended with {code}: {said[-200:]}")
        process.kill()
        _, said = process.communicate()
        trial.after_fault(process.returncode, said, allowed=[0, -9])
        code, said = trial.world.go(sabotage=sabotage, settings=settings)
        problems = [] if code == 0 else [f"exit code {code}: {said[-300:]}"]
        outcome.add([f"{sabotage} {errno.errorcode[error]}: {problem}" for problem in problems + trial.finish()])
    return outcome


def control_no_plain_rename(bench):
    with broken(bench, Mutant("src/core/folders.cpp", "  if (knows_no_flags) {\n", "  if (false) {\n", "")):
        return "a rename that is refused is seen" if poor_file_systems(bench, 1).failed else None


def put(path, text):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


FOREIGN = {
    "a converter's file": lambda folder: put(folder / "Tiny-F16.gguf", "GGUF"),
    "a cache": lambda folder: put(folder / ".cache" / "huggingface" / "download" / "x.lock", ""),
    "an edited card": lambda folder: put(folder / "README.md", "# My model\n"),
    "a merged copy": lambda folder: put(folder / "merged" / "model.safetensors", "mine"),
    "a card that is gone": lambda folder: (folder / "README.md").unlink(),
}


def foreign_files(bench, trials):
    """R38. What others put, edit or remove beside a checkpoint's files is left alone, nothing is trained again."""
    outcome = Outcome()
    for n in range(trials):
        name, change = list(FOREIGN.items())[n % len(FOREIGN)]
        is_finished = n // len(FOREIGN) % 2 == 0
        trial = Trial(bench, bench.done if is_finished else None)
        if not is_finished:
            trial.world.go("--set", "rounds=1")
        folder = trial.world.run / "round-01" / "checkpoint"
        before = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        change(folder)
        changed = {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()}
        weights = (folder / "model.safetensors").stat().st_ino
        code, said = trial.world.go()
        problems = [] if code == 0 else [f"exit code {code}: {said[-200:]}"]
        if {path: path.read_bytes() for path in folder.rglob("*") if path.is_file()} != changed:
            problems.append("files were changed")
        elif (folder / "model.safetensors").stat().st_ino != weights:
            problems.append("the weights were made again")
        for path in changed.keys() - before.keys():
            path.unlink()
        for path in [path for path in folder.iterdir() if path.is_dir()]:
            shutil.rmtree(path)
        for path, data in before.items():
            if changed.get(path) != data:
                path.write_bytes(data)
        outcome.add([f"{name}: {problem}" for problem in problems + trial.finish()])
    return outcome


def control_strict_manifest(bench):
    with broken(bench, Mutant("src/train/checkpoint.cpp", "if (is_document(file.path)) {", "if (false) {", "")):
        return "a checkpoint made again for its card is seen" if foreign_files(bench, 10).failed else None


def moved_trees(bench, trials, seed=1):
    """R39. Killed, then moved, or reached by a link: the same config in its new place goes on."""
    stream, outcome = random.Random(seed), Outcome()
    for n in range(trials):
        trial = Trial(bench)
        process = trial.world.start()
        wait_for_file(process, trial.world.run / "run.json")
        time.sleep(stream.uniform(0.0, 0.6) * bench.seconds)
        process.kill()
        _, said = process.communicate()
        trial.after_fault(process.returncode, said, allowed=[0, -9])
        here = trial.world.folder
        other = here.with_name(f"elsewhere-{n}")
        is_moved = n % 2 == 0
        if is_moved:
            shutil.move(here, other)
            here.symlink_to(other)  # the judge of this world keeps its notes at the old place
        else:
            other.symlink_to(here)
        trial.world.folder = other
        try:
            outcome.add([f"{'moved' if is_moved else 'linked'}: {problem}" for problem in trial.finish()])
        finally:
            trial.world.folder = here
            if is_moved:
                here.unlink()
                shutil.move(other, here)
            else:
                other.unlink()
    return outcome


def control_frozen_paths(bench):
    old = 'if (!field.may_change) compare(field.key, "config." + field.key);'
    strict = ('if (value_at(before, "config." + field.key) != value_at(now, "config." + field.key)) '
              'lines[field.key] = field.key;')
    with broken(bench, Mutant("src/pipeline/freeze.cpp", old, strict, "")):
        return "a path that must not change is seen" if moved_trees(bench, 1).failed else None


def limited_processors(bench, trials):
    """R40. threads: auto are the processors that the process may use."""
    outcome = Outcome()
    allowed = sorted(os.sched_getaffinity(0))
    for n in range(trials):
        count = 1 + n % len(allowed)
        chosen = ",".join(map(str, allowed[-count:]))
        bench.world.reset()
        code, said = bench.world.go("--set", "threads=auto", "--set", "rounds=1", before=["taskset", "-c", chosen])
        problems = [] if code == 0 else [f"exit code {code}: {said[-200:]}"]
        frozen = json.loads((bench.world.run / "run.json").read_text())["frozen"]
        problems += [] if frozen["threads"] == count else [f"{frozen['threads']} threads on {count} processors"]
        outcome.add(problems)
    return outcome


def control_all_processors(bench):
    with broken(bench, Mutant("src/model/compute.cpp", "value_or(usable_processors())", "value_or(64)", "")):
        return "threads of the whole machine are seen" if limited_processors(bench, 1).failed else None


ROWS = [
    Row("R36", "started with standard descriptors closed", 6, 60, closed_descriptors, control_log_in_records),
    Row("R37", "file systems without flags of rename, flock, fsync of folders; kills on them", 7, 210, poor_file_systems,
        control_no_plain_rename),
    Row("R38", "other people's files in a checkpoint, its card edited or removed", 10, 100, foreign_files, control_strict_manifest),
    Row("R39", "a killed run that is moved, or reached by a link", 4, 100, moved_trees, control_frozen_paths),
    Row("R40", "fewer processors than the machine has", 2, 20, limited_processors, control_all_processors),
]
