"""Programs with one protection broken: one source file of the program is changed, compiled and linked in front of the
libraries, so that the linker takes the changed code. The row's own test must then fail: that is its control."""
import contextlib
import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Mutant:
    source: str  # below the repository
    old: str  # occurs once in it
    new: str
    says: str  # what is seen when the test fails


@lru_cache
def commands(build):
    """Output -> command of everything that ninja makes, and source -> command that compiles it."""
    done = subprocess.run(["ninja", "-C", str(build), "-t", "compdb"], capture_output=True, text=True, check=True)
    listed = json.loads(done.stdout)
    return {entry["output"]: entry for entry in listed}, {entry["file"]: entry for entry in listed}


def run(words, folder):
    done = subprocess.run(words, cwd=folder, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"{shlex.join(words)[:200]}…: {done.stderr[-2000:]}")


def after(words, name):
    return words.index(name) + 1


def unit_of(build, source):
    """The command that compiles a source, by itself or in a batch of its room."""
    compiled = commands(build)[1]
    if str(source) in compiled:
        return compiled[str(source)]
    for file, entry in compiled.items():
        if file.endswith("_cxx.cxx") and f'"{source}"' in (Path(entry["directory"]) / file).read_text():
            return entry
    raise RuntimeError(f"nothing in {build} compiles {source}")


def mutated_object(build, mutant, folder):
    text = (ROOT / mutant.source).read_text()
    if text.count(mutant.old) != 1:
        raise RuntimeError(f"{mutant.source} has {text.count(mutant.old)} times what is to be changed: {mutant.old}")
    source, output = folder / Path(mutant.source).name, folder / "mutant.o"
    source.write_text(text.replace(mutant.old, mutant.new))
    entry = unit_of(build, ROOT / mutant.source)
    if entry["file"] != str(ROOT / mutant.source):
        batch = (Path(entry["directory"]) / entry["file"]).read_text().replace(str(ROOT / mutant.source), str(source.resolve()))
        source = folder / "batch.cpp"
        source.write_text(batch)
    words = [word for word in shlex.split(entry["command"]) if word != "-Werror"]
    words[after(words, "-o")] = str(output)
    words[after(words, "-c")] = str(source)
    words[after(words, "-MF")] = str(output) + ".d"
    run(words, entry["directory"])
    return output


def build_mutant(build, program, mutant, folder):
    """The program (its path below the build folder) with the change; beside the original, so that it finds its files."""
    folder.mkdir(parents=True, exist_ok=True)
    changed = mutated_object(build, mutant, folder)
    entry = commands(build)[0][program]
    original = unit_of(build, ROOT / mutant.source)["output"]
    words = [word for word in shlex.split(re.sub(r"^: && | && :.*$", "", entry["command"])) if word != original]
    made = build / f"{program}.mutant-{os.getpid()}"
    at = after(words, "-o")
    run(words[:at] + [str(made), str(changed)] + words[at + 1:], entry["directory"])
    return made


@contextlib.contextmanager
def broken(bench, mutant):
    """The bench's program is one with this change."""
    sound, bench.world.program = bench.world.program, build_mutant(bench.build, "thoughtrank", mutant,
                                                                   bench.world.folder / "mutant")
    try:
        yield
    finally:
        bench.world.program.unlink()
        bench.world.program = sound
