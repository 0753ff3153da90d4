"""Rows R16 and R32: disks and devices that do wrong while a round is trained."""
import random
import shutil
import time

from mutants import Mutant, broken
from programs import TRAIN, Part, joined, run_parts
from scorecard import Outcome, Row
from world import Trial, torn

IO, HEALTH, DEVICE = 74, 81, 82


def spoilt_on_the_way(bench, trials, seed=1):
    """R16. Garbage comes between a file of weights and the disk: it is not published, and the same command makes it right."""
    outcome = Outcome()
    for n in range(8 * trials):
        trial = Trial(bench)
        code, said = bench.world.go(sabotage="spoil_weights", settings={"SABOTAGE_AT": n % 8 + 1})
        trial.after_fault(code, said, allowed=[HEALTH, IO])
        outcome.add([f"file of weights {n % 8 + 1}: {problem}" for problem in trial.finish()])
    return joined(outcome, run_parts(bench, [Part(TRAIN, "Checkpoints.*")], trials))


def control_no_probe(bench):
    """A program that does not read a checkpoint again before it publishes it."""
    with broken(bench, Mutant("src/train/checkpoint.cpp", "  require_same_probe(exported, temporary.path);\n", "", "")):
        for n in range(8):
            bench.world.reset()
            bench.world.go(sabotage="spoil_weights", settings={"SABOTAGE_AT": n + 1})
            if torn(bench.world.run):
                return "a damaged checkpoint is seen"
    return None


STICKY = ["an illegal memory access was encountered", "unspecified launch failure", "device-side assert triggered",
          "uncorrectable ECC error encountered"]
STEP = "Measured Stepper::measure(const StepPlan& step) {\n"


def device_error():
    """A program whose trainer meets an error of the driver; which one, and at which step, is in its environment."""
    error = 'c10::AcceleratorError({__func__, __FILE__, __LINE__}, 700, std::string("CUDA error: ") + std::getenv("FAULT"))'
    thrown = f'  static int n = 0;\n  if (++n == std::atoi(std::getenv("FAULT_AT"))) throw {error};\n'
    return Mutant("src/train/stepper.cpp", STEP, STEP + thrown, "")


LIMIT_S, LATEST_S = 2, 5  # of a hang; how long after it the process may end
PATIENCE = ["--set", f"limits.hang_minutes={LIMIT_S / 60}"]


def slow_device():
    """A program whose steps take long in all, but each less than the limit."""
    return Mutant("src/train/stepper.cpp", STEP, STEP + f"  ::usleep({LIMIT_S * 600_000});\n", "")


def hang_problems(bench, trial, sync):
    started = time.monotonic()
    code, said = bench.world.go(*PATIENCE, sabotage="hang", settings={"SABOTAGE_AT": sync})
    took = time.monotonic() - started
    trial.after_fault(code, said, allowed=[DEVICE])
    late = took - bench.seconds - LIMIT_S - LATEST_S
    return [f"ended {late:.1f} s late"] if late > 0 else []


def hangs(bench, trials, stream):
    """A sync that never returns ends the process with 82; steps that are slow do not."""
    outcome = Outcome()
    for n in range(trials):
        trial, sync = Trial(bench), stream.randint(1, 60)
        outcome.add([f"sync {sync}: {problem}" for problem in hang_problems(bench, trial, sync) + trial.finish()])
    with broken(bench, slow_device()):
        trial = Trial(bench)
        code, said = bench.world.go(*PATIENCE)
        trial.after_fault(code, said, allowed=[0])
    outcome.add(trial.finish())
    return outcome


def sticky_errors(bench, trials):
    """R32. An error of the device ends the process with 82, without a second try; the same command on a sound one goes on."""
    outcome, left = Outcome(), []
    with broken(bench, device_error()):
        for n in range(trials):
            trial = Trial(bench)
            code, said = bench.world.go(settings={"FAULT": STICKY[n % len(STICKY)], "FAULT_AT": n % 4 + 1})
            trial.after_fault(code, said, allowed=[DEVICE])
            trial.problems += [] if "CUDA error" in said else [f"the device is not named: {said[-200:]}"]
            bench.world.save(bench.world.folder / f"left-{n}")
            left.append(trial)
    for n, trial in enumerate(left):
        copy = bench.world.folder / f"left-{n}"
        bench.world.reset(copy)
        outcome.add(trial.finish())
        shutil.rmtree(copy)
    return joined(outcome, hangs(bench, trials, random.Random(1)))


def control_other_code(bench):
    """A fault of our own is none of the device's; nobody ends what hangs when nobody looks."""
    bench.world.reset()
    code, _ = bench.world.go("--set", "limits.hang_minutes=0", sabotage="hang", settings={"SABOTAGE_AT": 9}, limit_s=15)
    if code is not None:
        return None
    with broken(bench, Mutant("src/train/stepper.cpp", STEP, STEP + '  TORCH_CHECK(false, "a fault of ours");\n', "")):
        bench.world.reset()
        code, _ = bench.world.go()
    return "a hang without end is seen; another error is not taken for it" if code == 70 else None


ROWS = [
    Row("R16", "garbage between memory and disk while weights are written; 50 publishes read again", 1, 20, spoilt_on_the_way,
        control_no_probe),
    Row("R32", "errors of the device that stay, in training; a disk that hangs, steps that are slow", 8, 100, sticky_errors, control_other_code),
]
