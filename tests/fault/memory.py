"""Row R22: the host's memory runs out at the n-th allocation of a run, once or for good."""
import random

from mutants import Mutant, broken
from scorecard import Outcome, Row
from world import Trial

INTERNAL = 70
ENDS = ("  std::set_new_handler(thoughtrank::end_without_memory);\n"
        "  std::set_terminate(thoughtrank::end_uncaught);\n")


def allocations_of_a_run(bench):
    log = bench.world.folder / "allocations"
    log.unlink(missing_ok=True)
    bench.world.reset()
    code, said = bench.world.go(sabotage="no_memory", settings={"SABOTAGE_COUNT": log})
    if code != 0:
        raise RuntimeError(f"the undisturbed run with counted allocations ended with {code}: {said}")
    return int(log.read_text())


def chosen(count, trials, stream):
    """Most of the first ones are different from one another, later ones are alike: evenly by their logarithm and by number."""
    return [int(count ** stream.random()) if n % 2 else stream.randint(1, count) for n in range(trials)]


def allocation_fails(bench, at, onwards):
    """A failure that nobody needs the memory of may pass; memory that stays away may not."""
    trial = Trial(bench)
    settings = {"SABOTAGE_AT": at, **({"SABOTAGE_ONWARDS": 1} if onwards else {})}
    code, said = bench.world.go(sabotage="no_memory", settings=settings)
    trial.after_fault(code, said, allowed=[INTERNAL] if onwards else [INTERNAL, 0])
    return [f"allocation {at}{' and all after' if onwards else ''}: {problem}" for problem in trial.finish()]


def allocations_fail(bench, trials, seed=1):
    outcome, stream = Outcome(), random.Random(seed)
    count = allocations_of_a_run(bench)
    for n, at in enumerate(chosen(count, trials, stream)):
        outcome.add(allocation_fails(bench, at, onwards=n % 3 == 2))
    outcome.detail = f"of {count:,} allocations"
    return outcome


def control_uncaught(bench):
    """A program that ends as C++ ends it where memory stays away."""
    mutant = Mutant("src/app/main.cpp", ENDS, "", "")
    with broken(bench, mutant):
        # Where an exception is survived there is nothing to see, so more than one place is tried.
        for at in range(20000, 200000, 20000):
            if allocation_fails(bench, at, onwards=True):
                return "an end by signal is seen"
    return None


ROWS = [Row("R22", "memory of the host that runs out at an allocation of a run, once and for good", 24, 4000, allocations_fail,
            control_uncaught)]
