"""Row R3: power cuts. The run lies on a file system of its own in an image; a cut shuts it down as it is on the disk, what
was not synced is gone, and after the next mount the same command goes on. Needs root and a loop device."""
import fcntl
import hashlib
import json
import os
import random
import shutil
import struct
import subprocess
import time

from scorecard import Outcome, Row
from world import Trial, World, bodies, torn

SHUT_DOWN = 0x8004587D  # EXT4_IOC_SHUTDOWN
FLUSH_LOG, NO_FLUSH = 1, 2
IMAGE_BYTES = 256 << 20


def call(*words):
    return subprocess.run([str(word) for word in words], capture_output=True, check=False).returncode == 0


class Disk:
    """An ext4 file system in a file; power can be cut."""

    def __init__(self, folder):
        self.image, self.root = folder / "disk.img", folder / "disk"
        self.root.mkdir()

    def format(self):
        self.unmount()
        self.image.unlink(missing_ok=True)
        with open(self.image, "wb") as file:
            file.truncate(IMAGE_BYTES)
        return call("mkfs.ext4", "-q", self.image) and self.mount()

    def mount(self):
        return call("mount", "-o", "loop", self.image, self.root)

    def unmount(self):
        while self.root.is_mount():
            call("umount", self.root)

    def cut(self, how=NO_FLUSH):
        if not self.root.is_mount():  # never the machine's own
            raise RuntimeError(f"{self.root} is no file system of its own")
        folder = os.open(self.root, os.O_RDONLY)
        fcntl.ioctl(folder, SHUT_DOWN, struct.pack("I", how))
        os.close(folder)


class PoweredWorld(World):
    """A world whose run folder lies on a disk; the judge's record of calls does not."""

    def __init__(self, folder, program, saboteur):
        super().__init__(folder, program, saboteur)
        self.disk, self.acknowledged = Disk(folder), folder / "acknowledged"
        self.words_more = ["--set", f"run_dir={self.run}"]

    @property
    def run(self):
        return self.folder / "disk" / "run"

    def reset(self, copy=None):
        self.calls.unlink(missing_ok=True)
        self.acknowledged.unlink(missing_ok=True)
        if not self.disk.format():
            raise RuntimeError("no disk could be made")

    def power_returns(self):
        self.disk.unmount()
        if not self.disk.mount():
            raise RuntimeError("the disk could not be mounted after the power cut")

    @property
    def noting(self):
        """What is acknowledged, for the saboteur."""
        return {"SABOTAGE_LOG": self.acknowledged, "SABOTAGE_DISK": f"{self.disk.root}/"}

    def go_until_cut(self, sync, how, sabotage):
        """The power is cut right after the `sync`-th sync was acknowledged."""
        flush = {"SABOTAGE_FLUSH": "1"} if how == FLUSH_LOG else {}
        return self.go(sabotage=sabotage, settings={**self.noting, "SABOTAGE_CUT": sync, **flush})


def can_cut(folder):
    disk = Disk(folder)
    try:
        if os.geteuid() != 0 or not disk.format():
            return False
        disk.cut()
        return True
    except OSError:
        return False
    finally:
        disk.unmount()
        shutil.rmtree(folder)


def lost(world):
    """What was acknowledged and is not there: bytes of files that only grow, files that the journal says are published."""
    sizes, problems = {}, []
    for line in world.acknowledged.read_text().splitlines() if world.acknowledged.exists() else []:
        size, path = line.split(" ", 1)
        sizes[path] = int(size)
    for path, size in sizes.items():
        name = path.rpartition("/")[2]
        found = os.path.getsize(path) if os.path.exists(path) else 0
        if name in ("journal.jsonl", "ledger.jsonl") and found < size:
            problems.append(f"{name} has {found} of {size} acknowledged bytes")
    for body in bodies(world.run / "journal.jsonl"):
        for name, digest in body.get("files", {}).items():
            file = world.run / f"round-{body['round']:02}" / name
            if not file.exists() or hashlib.sha256(file.read_bytes()).hexdigest() != digest:
                problems.append(f"{name} of round {body['round']} is not as published")
    return problems


def syncs_of_a_run(world):
    world.reset()
    code, said = world.go(sabotage="nothing", settings=world.noting)
    if code != 0:
        raise RuntimeError(f"the undisturbed run on a disk of its own ended with {code}: {said}")
    return len(world.acknowledged.read_text().splitlines())


def cut_at_random(world, stream, seconds, how, sabotage):
    """What is acknowledged while the file system is being shut down does not count: a sync that comes in between may find
    nothing left to wait for, and say so."""
    process = world.start(sabotage=sabotage, settings=world.noting)
    time.sleep(stream.uniform(0.1, 1.0) * seconds)
    acknowledged = world.acknowledged.read_bytes() if world.acknowledged.exists() else b""
    world.disk.cut(how)
    process.kill()
    _, said = process.communicate()
    world.acknowledged.write_bytes(acknowledged[:acknowledged.rfind(b"\n") + 1])
    return process.returncode, said


def power_cut(bench, world, n, stream, syncs, sabotage="nothing"):
    """One cut; a Trial that has seen what is left."""
    trial = Trial(bench, world=world)
    how = FLUSH_LOG if n % 4 == 3 else NO_FLUSH
    if n % 2 == 0:
        code, said = world.go_until_cut(stream.randint(1, syncs), how, sabotage)
    else:
        code, said = cut_at_random(world, stream, bench.seconds, how, sabotage)
    world.power_returns()
    trial.after_fault(code, said, allowed=[0, -9, 74])
    trial.problems += lost(world)
    return trial


def power_cuts(bench, trials, seed=1):
    stream, outcome = random.Random(seed), Outcome()
    world = PoweredWorld(bench.world.folder.parent / "powered", bench.world.program, bench.world.saboteur)
    try:
        syncs = syncs_of_a_run(world)
        for n in range(trials):
            outcome.add(power_cut(bench, world, n, stream, syncs).finish())
    finally:
        world.disk.unmount()
        shutil.rmtree(world.folder)
    return outcome


def control_no_sync(bench, cuts=6):
    """Syncs that do nothing: what was acknowledged is lost in nearly every cut."""
    stream = random.Random(2)
    world = PoweredWorld(bench.world.folder.parent / "powered", bench.world.program, bench.world.saboteur)
    try:
        syncs = syncs_of_a_run(world)
        seen = sum(bool(power_cut(bench, world, 2 * n, stream, syncs, "no_sync").problems) for n in range(cuts))
    finally:
        world.disk.unmount()
        shutil.rmtree(world.folder)
    return f"without syncs {seen} of {cuts} cuts lose what was acknowledged" if seen >= 0.95 * cuts else None


ROWS = [Row("R3", "power cuts of an ext4 file system, at random times and right after an acknowledged sync", 20, 2000,
            power_cuts, control_no_sync, cuts_power=True)]
