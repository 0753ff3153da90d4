"""The sweep of R1 on the plain habit of plain_loop.py, for contrast: a line of its own under the table."""
import hashlib
import shutil
import subprocess
from pathlib import Path

from scorecard import Outcome
from storage import inject, spread
from world import ROOT, killed

HERE = Path(__file__).resolve().parent
PYTHON = ROOT / ".deps" / "venv" / "bin" / "python"
OPERATIONS = ["openat", "write", "close", "mkdir", "rename"]


def loop(folder, before=()):
    words = [*map(str, before), PYTHON, "-B", HERE / "plain_loop.py", folder, ROOT / "tests" / "data" / "tiny-llama"]
    return subprocess.run(words, capture_output=True, text=True, timeout=300, check=False)


def final(folder):
    file = folder / "checkpoint-12" / "model.safetensors"
    return hashlib.sha256(file.read_bytes()).hexdigest() if file.exists() else None


def operations_on(folder, log):
    """Those on the checkpoints of an undisturbed run: (name, its number among those of this name)."""
    loop(folder, ["strace", "-f", "-y", "-s", "0", "-o", log, "-e", "trace=" + ",".join(OPERATIONS)])
    counts, found = {}, []
    for line in log.read_text(errors="replace").splitlines():
        name = next((name for name in OPERATIONS if f" {name}(" in line[:30]), None)
        if name is None:
            continue
        counts[name] = counts.get(name, 0) + 1
        if "checkpoint-" in line and str(folder) in line:
            found.append((name, counts[name]))
    return found


def sweep(work, trials):
    """A kill at an operation on a checkpoint, then the same command: it should end, with the same weights."""
    folder, outcome, stuck, other = work / "plain", Outcome(), 0, 0
    folder.mkdir()
    operations = operations_on(folder, work / "trace")
    expected = final(folder)
    for name, number in spread(operations, trials):
        shutil.rmtree(folder)
        folder.mkdir()
        done = loop(folder, ["strace", "-f", *inject(name, number, "signal=KILL")[1:]])
        if not killed(done.returncode):
            continue
        again = loop(folder)
        stuck += again.returncode != 0
        other += again.returncode == 0 and final(folder) != expected
        outcome.add(["not as undisturbed"] if again.returncode != 0 or final(folder) != expected else [])
    outcome.detail = f"{stuck} end with an error until somebody removes a folder by hand, {other} with other weights"
    return outcome


def line(work, trials):
    outcome = sweep(work, trials)
    return (f"\nFor contrast, the kills of R1 at an operation on a checkpoint of `tests/fault/plain_loop.py`, which does what a "
            f"plain `transformers` training loop does (write into checkpoint-N, go on from the newest): of {outcome.trials} "
            f"kills {outcome.failed} are not survived: {outcome.detail}.\n")
