"""Rows R8, R9 and R10: two runs in one folder, signals, purging old checkpoints."""
import random
import signal
import subprocess
import time

from mutants import Mutant, broken
from scorecard import Outcome, Row
from storage import inject, spread, traced_run
from world import Trial, killed

SIGNALS = {signal.SIGTERM: 75, signal.SIGHUP: 75, signal.SIGUSR1: 75, signal.SIGINT: 130}


def race(bench, stream, sabotage=""):
    """Several starts at once, close to one another; (exit code, what was said) of each."""
    processes = []
    for _ in range(stream.randint(2, 4)):
        processes.append(bench.world.start(sabotage=sabotage))
        time.sleep(stream.uniform(0, 0.05))
    return [(process.wait(), process.communicate()[1]) for process in processes]


def races(bench, trials, sabotage="", seed=1):
    """R8. One of several starts runs, the others end with 73 and name the holder; then all is as undisturbed."""
    stream, outcome = random.Random(seed), Outcome()
    for _ in range(trials):
        trial = Trial(bench)
        ended = race(bench, stream, sabotage)
        codes = sorted(code for code, _ in ended)
        problems = [] if codes[0] == 0 and set(codes[1:]) <= {73, 0} else [f"exit codes {codes}"]
        if sabotage == "" and codes.count(73) != len(codes) - 1:
            problems.append(f"exit codes {codes}, expected one 0")
        problems += [f"no holder is named: {said[-200:]}" for code, said in ended if code == 73 and "process" not in said
                     and "pid" not in said]
        outcome.add(problems + trial.finish())
    return outcome


def control_no_lock(bench):
    for seed in range(1, 6):
        if races(bench, 1, "no_lock", seed).failed:
            return "two runs at once are seen"
    return None


def stop_with(bench, number, delay_s, sabotage="", ignored=False):
    """Sends a signal; (exit code or None, seconds it took, what was said)."""
    before = [] if not ignored else ["env", f"--ignore-signal={signal.Signals(number).name.removeprefix('SIG')}"]
    process = bench.world.start(before=before, sabotage=sabotage)
    time.sleep(delay_s)
    process.send_signal(number)
    started = time.monotonic()
    try:
        _, said = process.communicate(timeout=30 if not sabotage else 3 * bench.seconds + 6)
    except subprocess.TimeoutExpired:
        process.kill()
        process.communicate()
        return None, time.monotonic() - started, ""
    return process.returncode, time.monotonic() - started, said


def signals(bench, trials, sabotage="", seed=1):
    """R9. Each signal, also where it was inherited as ignored, ends the run within 5 s with its code."""
    stream, outcome, stopped, run_s = random.Random(seed), Outcome(), 0, bench.seconds
    for n in range(trials):
        number = list(SIGNALS)[n % 4]
        trial = Trial(bench)
        delay_s = stream.uniform(0.6, 1.0) * run_s
        code, seconds, said = stop_with(bench, number, delay_s, sabotage, ignored=n % 8 >= 4)
        trial.after_fault(code, said, allowed=[SIGNALS[number], 0])
        if seconds > 5 and code != 0:
            trial.problems.append(f"{signal.Signals(number).name} took {seconds:.1f} s")
        if code == 0:
            trial.problems += [] if bench.world.digests() == bench.expected else ["ended with 0, not whole"]
            outcome.detail = "some came after the end"
            run_s = max(0.8 * run_s, 0.4 * bench.seconds)  # the machine was busier when a run was timed
        else:
            stopped += 1
        outcome.add([f"{signal.Signals(number).name}: {problem}" for problem in trial.finish()])
    if stopped == 0:
        outcome.failed, outcome.problems = max(outcome.failed, 1), outcome.problems + ["no signal stopped a run"]
    return outcome


def control_deaf(bench):
    return "a run that goes on is seen" if signals(bench, 4, "deaf").failed else None


def purging_phase(operations, run):
    """From the record that says so to the last removal, of each purge."""
    ours = [n for n, (_, _, line) in enumerate(operations) if "/checkpoint/.trash-" in line and str(run) in line]
    near = {m for n in ours for m in range(n - 6, n + 5) if 0 <= m < len(operations)}
    return [operations[m][:2] for m in sorted(near) if str(run) in operations[m][2]]


def put_foreign_files(run):
    """A folder of the user's, and one that looks like a checkpoint that was not finished."""
    for name in ("notes/mine.txt", "round-01/mine/model.safetensors"):
        (run / name).parent.mkdir(parents=True, exist_ok=True)
        (run / name).write_text("mine")


def killed_purge(bench, expected, keep, name, number):
    trial = Trial(bench)
    trial.expected = expected
    put_foreign_files(bench.world.run)
    code, said = bench.world.go(before=inject(name, number, "signal=KILL"))
    trial.after_fault(code, said, allowed=[0] if code == 0 else [-9, 137])
    problems = trial.finish() + ([] if killed(code) else ["no kill"])
    mine = [bench.world.run / name for name in ("notes/mine.txt", "round-01/mine/model.safetensors")]
    problems += [f"{path.name} of the user's is gone" for path in mine if not path.exists()]
    kept = sorted(path.parts[-3] for path in bench.world.run.glob("round-*/checkpoint/model.safetensors"))
    rounds = [f"round-{n:02}" for n in range(3, keep + 3)]
    return problems + ([] if kept == rounds else [f"weights kept: {kept}, expected {rounds}"])


def purge(bench, trials):
    """R10. Kills at every operation of purging old checkpoints: verified ones always stay, what is not ours is not touched."""
    outcome, keeps = Outcome(), (2, 3, 4) if trials > 100 else (2,)
    for keep in keeps:
        # A model that hardly changes still has different answers, so a winner, in its last round.
        bench.world.words_more = ["--set", f"checkpoint.keep={keep}", "--set", f"rounds={keep + 2}",
                                  "--set", "train.learning_rate=1e-6"]
        try:
            expected = expected_of_purge(bench)
            chosen = purging_phase(traced_run(bench.world), bench.world.run)
            for name, number in spread(chosen, trials // len(keeps)):
                outcome.add([f"keep {keep}, {name} {number}: {p}" for p in killed_purge(bench, expected, keep, name, number)])
        finally:
            bench.world.words_more = []
    return outcome


def expected_of_purge(bench):
    bench.world.reset()
    code, said = bench.world.go()
    if code != 0:
        raise RuntimeError(f"the undisturbed run that purges ended with {code}: {said}")
    return bench.world.digests()


def control_one_too_many(bench):
    """A program that purges one checkpoint more than it may."""
    mutant = Mutant("src/pipeline/purge.cpp", "round <= newest_round - keep;", "round <= newest_round - keep + 1;", "")
    with broken(bench, mutant):
        bench.world.reset()
        bench.world.go("--set", "checkpoint.keep=2", "--set", "rounds=4")
        kept = list(bench.world.run.glob("round-*/checkpoint/model.safetensors"))
    return "a checkpoint too few is seen" if len(kept) < 2 else None


ROWS = [
    Row("R8", "two to four runs started at once in one folder", 10, 500, races, control_no_lock),
    Row("R9", "SIGTERM, SIGHUP, SIGUSR1, SIGINT at random times, also inherited as ignored", 16, 400, signals, control_deaf),
    Row("R10", "SIGKILL while old checkpoints are purged, beside files of the user's", 16, 300, purge, control_one_too_many, traces=True),
]
