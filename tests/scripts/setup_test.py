"""scripts/setup.sh among commands that only take notes: what it installs and builds where, and how it takes failures."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

# Each command appends its line to $NOTES. A command fails as often as the number in $FAKES/NAME.fails says, and says then
# what $FAKES/NAME.says holds.
FAKE = """#!/bin/bash
echo "${0##*/} $*" >>"$NOTES"
left=$(cat "$FAKES/${0##*/}.fails" 2>/dev/null || echo 0)
if ((left > 0)); then
  echo $((left - 1)) >"$FAKES/${0##*/}.fails"
  cat "$FAKES/${0##*/}.says" 2>/dev/null || echo "ERROR: no route to host"
  exit 1
fi
"""
BODIES = {
    "apt-get": "",
    "sudo": '"$@"\n',
    "sleep": "",
    "df": 'echo Avail; cat "$FAKES/free_mib" 2>/dev/null || echo 100000\n',
    "dpkg-query": 'if [[ -e "$FAKES/no-packages" ]]; then exit 1; fi; printf installed\n',
    "cmake": "mkdir -p build; touch build/CMakeCache.txt\n",
    "ninja": '[[ " $* " != *" -n "* || ! -e build/built ]] || echo "ninja: no work to do."\n'
             '[[ " $* " != *" -n "* || ! -e "$FAKES/cuda-objects" ]] || echo "[1/9] Building CUDA object a.cu"\n'
             '[[ " $* " == *" -n "* ]] || touch build/built\n',
    # The interpreter makes environments whose own interpreter, `python`, has pip.
    "python3": 'mkdir -p "$3/bin" && cp "$FAKES/pip" "$3/bin/python"\n',
    # A list leaves a package of its name, which is whole only where nothing stops pip.
    "pip": '[[ $2 == pip ]] || exit 0\n'
           'packages=.deps/venv/lib/python3.11/site-packages list=$(basename "${@: -1}" .txt)\n'
           '[[ ! -e $packages/$list ]] || { echo "Requirement already satisfied"; exit 0; }\n'
           'mkdir -p $packages/torch/lib && touch $packages/torch/lib/libtorch_cpu.so\n'
           'echo half >"$packages/$list.new" && mv "$packages/$list.new" "$packages/$list"\n'
           'echo "$TMPDIR" >"$FAKES/tmpdir"\n'
           'if [[ -e "$FAKES/full-at-$list" ]]; then rm "$FAKES/full-at-$list"; exit 1; fi\n'
           'if [[ -e "$FAKES/killed-at-$list" ]]; then rm "$FAKES/killed-at-$list"; kill -9 "$SETUP_PID" 0; fi\n'
           'echo whole >"$packages/$list.new" && mv "$packages/$list.new" "$packages/$list"\n',
}


class Setup(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="setup test ")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name) / "project"
        self.fakes = Path(holder.name) / "fakes"
        self.notes = Path(holder.name) / "notes"
        self.fakes.mkdir()
        for name, body in BODIES.items():
            self.add_command(name, body)
        (self.folder / "scripts").mkdir(parents=True)
        self.copy_scripts()
        shutil.copytree(ROOT / "third_party", self.folder / "third_party")

    def copy_scripts(self):
        """The scripts, which look for a graphics card in a folder of the test instead of the machine's."""
        holder = tempfile.TemporaryDirectory(prefix="devices-")
        self.addCleanup(holder.cleanup)
        self.devices = holder.name
        shutil.copy(ROOT / "scripts" / "common.sh", self.folder / "scripts")
        text = (ROOT / "scripts" / "setup.sh").read_text(encoding="utf-8")
        for path in ["/dev/nvidia", "/dev/dxg", "/usr/lib/wsl/", "/proc/driver/"]:
            text = text.replace(path, self.devices + path)
        (self.folder / "scripts" / "setup.sh").write_text(text, encoding="utf-8")

    def add_device(self, path):
        path = Path(self.devices + path)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()

    def add_command(self, name, body=""):
        (self.fakes / name).write_text(FAKE + body)
        (self.fakes / name).chmod(0o755)

    def let_fail(self, name, times, says=None):
        (self.fakes / f"{name}.fails").write_text(str(times))
        if says:
            (self.fakes / f"{name}.says").write_text(says)

    def start(self, *words, code=0, **env):
        """What setup.sh prints, and the lines of the commands that it starts."""
        self.notes.write_text("")
        env = {"PATH": f"{self.fakes}:/usr/bin:/bin", "NOTES": str(self.notes), "FAKES": str(self.fakes), **env}
        command = ["bash", "-c", 'SETUP_PID=$$ exec bash "$@"', "-", self.folder / "scripts" / "setup.sh", *words]
        done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=120, check=False)
        self.assertEqual(done.returncode, code, done.stdout + done.stderr)
        return done.stdout + done.stderr, self.notes.read_text().splitlines()

    def lists(self, notes):
        """The lists that pip was given, with a mark on those without dependencies."""
        return [line.rpartition("third_party/")[2] + (" alone" if "--no-deps" in line else "")
                for line in notes if line.startswith("python -m pip install")]

    def options(self, notes):
        configured = [line for line in notes if line.startswith("cmake")]
        self.assertEqual(len(configured), 1)
        return {word for word in configured[0].split() if word.startswith("-DTHOUGHTRANK")}

    def targets(self, notes):
        return [line.split()[-1] for line in notes if line.startswith("ninja") and " -n " not in line]

    def packages(self):
        """What pip has left: list -> whole or half."""
        folder, = self.folder.glob(".deps/venv/lib/python3*/site-packages")
        return {path.name: path.read_text().strip() for path in folder.glob("requirements*")}

    def test_without_a_card_only_a_run(self):
        self.add_command("nvidia-smi", 'echo "NVIDIA-SMI has failed"; exit 9\n')
        self.add_device("/proc/driver/nvidia/version")  # of a container's host
        self.add_device("/dev/dxg")  # another maker's card
        _, notes = self.start()
        self.assertEqual(self.lists(notes), ["requirements.txt alone"])
        self.assertEqual(self.options(notes), {"-DTHOUGHTRANK_CUDA=OFF", "-DTHOUGHTRANK_TESTS=OFF"})
        self.assertEqual(self.targets(notes), ["thoughtrank"])
        self.assertFalse([line for line in notes if line.startswith("apt-get")])

    def test_with_a_card_everything_of_cuda(self):
        self.add_device("/dev/nvidiactl")
        _, notes = self.start()
        self.assertEqual(self.lists(notes), ["requirements.txt alone", "requirements-cuda.txt"])
        self.assertEqual(self.options(notes), {"-DTHOUGHTRANK_CUDA=ON", "-DTHOUGHTRANK_TESTS=OFF"})

    def test_a_card_is_a_device_or_what_nvidia_smi_lists(self):
        def has_card():
            return "-DTHOUGHTRANK_CUDA=ON" in self.options(self.start()[1])

        self.assertFalse(has_card())
        for path in ["/dev/nvidia0", "/dev/nvidiactl"]:
            self.add_device(path)
            self.assertTrue(has_card(), path)
            Path(self.devices + path).unlink()
        self.add_command("nvidia-smi", 'echo "GPU 0: NVIDIA H200 (UUID: x)"\n')
        self.assertTrue(has_card())
        (self.fakes / "nvidia-smi").unlink()
        self.add_device("/dev/dxg")
        self.add_device("/usr/lib/wsl/lib/libcuda.so.1")
        self.assertTrue(has_card())

    def test_the_environment_has_the_last_word(self):
        self.add_device("/dev/nvidia0")
        _, notes = self.start(THOUGHTRANK_CUDA="OFF")
        self.assertEqual(self.lists(notes), ["requirements.txt alone"])
        self.assertIn("-DTHOUGHTRANK_CUDA=OFF", self.options(notes))
        Path(self.devices + "/dev/nvidia0").unlink()
        _, notes = self.start(THOUGHTRANK_CUDA="ON")
        self.assertEqual(self.lists(notes), ["requirements-cuda.txt"])
        self.assertIn("-DTHOUGHTRANK_CUDA=ON", self.options(notes))
        text, _ = self.start(THOUGHTRANK_CUDA="yes", code=1)
        self.assertIn("THOUGHTRANK_CUDA is 'yes', expected ON, OFF or AUTO", text)

    def test_tests_complete_what_a_run_has(self):
        self.start()
        _, notes = self.start("--tests")
        self.assertEqual(self.lists(notes), ["requirements-test.txt"])
        self.assertEqual(self.options(notes), {"-DTHOUGHTRANK_CUDA=AUTO", "-DTHOUGHTRANK_TESTS=ON"})
        self.assertEqual(self.targets(notes), [])  # the fake ninja thinks that all is built
        _, notes = self.start()
        self.assertEqual(self.options(notes), set())  # the folder stays as the tests want it

    def test_missing_packages_of_debian(self):
        (self.fakes / "no-packages").touch()
        _, notes = self.start("--tests")
        installed, = [line for line in notes if line.startswith("apt-get") and " install " in line]
        for package in ["g++", "libcli11-dev", "libgtest-dev", "clang-tidy"]:
            self.assertIn(f" {package}", installed)
        _, notes = self.start()
        installed, = [line for line in notes if line.startswith("apt-get") and " install " in line]
        self.assertNotIn("gtest", installed)

    def test_a_second_start_installs_and_builds_nothing(self):
        self.start()
        text, notes = self.start()
        self.assertEqual(self.lists(notes) + self.targets(notes), [])
        self.assertEqual(text.count("in place"), 3)
        self.assertFalse([line for line in notes if line.startswith(("apt-get", "python3"))])

    def test_a_failed_download_is_tried_again(self):
        self.let_fail("python", 2)
        text, notes = self.start()
        self.assertEqual(len(self.lists(notes)), 3)
        self.assertIn("Python packages with libtorch", text)
        self.assertEqual([line for line in notes if line.startswith("sleep") and line != "sleep 1"], ["sleep 5", "sleep 20"])

    def test_a_download_that_fails_is_explained(self):
        self.let_fail("python", 4)
        text, notes = self.start(code=1)
        self.assertEqual(len(self.lists(notes)), 4)
        for part in ["Python packages with libtorch", "four tries", "ERROR: no route to host", "https_proxy", "PIP_INDEX_URL",
                     ".deps/requirements.log"]:
            self.assertIn(part, text)
        self.assertEqual(text.count("no route to host"), 1)
        self.assertEqual(self.targets(notes), [])
        _, notes = self.start()  # what is half made is made anew
        self.assertTrue([line for line in notes if line.startswith("python3 -m venv")])
        self.assertEqual(self.targets(notes), ["thoughtrank"])

    def test_the_cause_of_a_failed_download_is_named(self):
        def cause(says):
            self.let_fail("python", 4, says)
            return self.start(code=1)[0].partition("in four tries. ")[2].splitlines()[0]

        traceback = ("ERROR: an earlier one\nERROR: Exception:\nTraceback (most recent call last):\n  File \"x.py\", line 3\n"
                     "OSError: the first\n\nDuring handling of the above exception, another exception occurred:\n\n"
                     "Traceback (most recent call last):\n  File \"x.py\", line 9, in read\n    raise it\n"
                     "pip.urllib3.ReadTimeoutError: HTTPSConnectionPool(host='h', port=443): Read timed out.\n")
        expected = "pip.urllib3.ReadTimeoutError: HTTPSConnectionPool(host='h', port=443): Read timed out."
        self.assertEqual(cause(traceback), expected)
        self.assertEqual(cause(traceback + "WARNING: a newer pip is there\n\n"), expected)
        full = "ERROR: Could not install packages due to an OSError: [Errno 28] No space left on device"
        self.assertEqual(cause(f"Collecting torch\n{full}\n\n"), full)
        none_found = "ERROR: No matching distribution found for torch==2.11.0"
        self.assertEqual(cause(f"ERROR: Could not find a version\n{none_found}\n"), none_found)
        self.assertEqual(
            cause("WARNING: Retrying (Retry(total=0)) after connection broken by 'NewConnectionError('<pip.HTTPConnection object "
                  "at 0x7f5d>: Failed to establish a new connection: [Errno 111] Connection refused')': /simple/torch/\n"
                  f"{none_found}\n"),
            f"{none_found}, after NewConnectionError('Failed to establish a new connection: [Errno 111] Connection refused')")
        self.assertEqual(cause("bash: no python\n\n"), "bash: no python")

    def test_a_list_that_was_killed_is_made_again_and_the_others_stay(self):
        (self.fakes / "killed-at-requirements").touch()
        self.start(code=-9)
        self.assertEqual(self.packages(), {"requirements": "half"})
        (self.fakes / "killed-at-requirements-cuda").touch()
        _, notes = self.start(THOUGHTRANK_CUDA="ON", code=-9)
        self.assertTrue([line for line in notes if line.startswith("python3 -m venv")])  # the first list makes all anew
        self.assertEqual(self.packages(), {"requirements": "whole", "requirements-cuda": "half"})
        (self.fakes / "killed-at-requirements-test").touch()
        _, notes = self.start("--tests", THOUGHTRANK_CUDA="ON", code=-9)
        self.assertEqual(self.lists(notes), ["requirements-cuda.txt", "requirements-test.txt"])
        _, notes = self.start("--tests", THOUGHTRANK_CUDA="ON")
        self.assertEqual(self.lists(notes), ["requirements-test.txt"])
        self.assertFalse([line for line in notes if line.startswith("python3")])
        self.assertEqual(set(self.packages().values()), {"whole"})
        self.assertEqual(len(self.packages()), 3)

    def test_a_try_that_fails_leaves_nothing_to_the_next(self):
        for name in ["requirements", "requirements-test"]:
            (self.fakes / f"full-at-{name}").touch()
        _, notes = self.start("--tests")
        self.assertEqual(len(self.lists(notes)), 4)
        self.assertEqual(self.packages(), {"requirements": "whole", "requirements-test": "whole"})

    def test_wheels_are_loaded_beside_the_packages(self):
        self.start()
        folder = Path((self.fakes / "tmpdir").read_text().strip())
        self.assertEqual(folder.parent.resolve(), (self.folder / ".deps").resolve())
        self.assertEqual(sorted(path.name for path in folder.parent.iterdir()), ["requirements.log", "setup.lock", "venv"])

    def test_debian_that_cannot_be_reached_is_explained(self):
        (self.fakes / "no-packages").touch()
        self.let_fail("apt-get", 4)
        text, notes = self.start(code=1)
        self.assertEqual(len([line for line in notes if line.startswith("apt-get")]), 4)
        self.assertIn("apt-get update && apt-get install g++ cmake", text)
        self.assertEqual(self.lists(notes), [])

    def test_an_environment_of_an_earlier_version_is_completed(self):
        self.start()
        stamp = self.folder / ".deps" / "venv" / "requirements.sha256"
        stamp.write_text(f"{'0' * 64}  third_party/requirements.txt\n")
        _, notes = self.start()
        self.assertEqual(self.lists(notes), ["requirements.txt alone"])
        self.assertFalse([line for line in notes if line.startswith("python3")])

    def test_an_environment_without_a_stamp_is_made_anew(self):
        self.start()
        (self.folder / ".deps" / "venv" / "requirements.sha256").unlink()
        _, notes = self.start()
        self.assertTrue([line for line in notes if line.startswith("python3 -m venv")])

    def test_a_disk_that_is_too_small(self):
        (self.fakes / "free_mib").write_text("2000\n")
        text, notes = self.start(code=1)
        self.assertIn("needs 2100 MiB of disk", text)
        self.assertIn("has 2000 MiB free", text)
        self.assertEqual(self.lists(notes), [])

    def test_disk_is_asked_for_what_is_missing(self):
        self.add_device("/dev/nvidia0")
        (self.fakes / "free_mib").write_text("5000\n")
        text, notes = self.start("--tests", code=1)
        self.assertIn("needs 7450 MiB of disk", text)  # packages, and the wheels that are loaded
        self.assertEqual(self.lists(notes), [])
        (self.fakes / "free_mib").write_text("8000\n")
        self.start()
        (self.fakes / "free_mib").write_text("1500\n")
        text, notes = self.start("--tests")  # the CUDA libraries are there: few packages, and the build
        self.assertEqual(self.lists(notes), ["requirements-test.txt"])
        self.assertIn("at most 0.1 GB to load", text)
        (self.fakes / "free_mib").write_text("0\n")
        self.start("--tests")  # nothing is missing

    def test_the_estimate_of_a_build_knows_cuda(self):
        self.add_command("nproc", "echo 2\n")
        self.assertIn("program (from nothing about 3 min on 2 cores)", self.start()[0])
        (self.folder / "build" / "built").unlink()
        (self.fakes / "cuda-objects").touch()
        self.assertIn("program (from nothing about 4 min on 2 cores)", self.start()[0])

    def test_a_build_that_fails_shows_its_end(self):
        self.let_fail("cmake", 1)
        text, _ = self.start(code=1)
        self.assertIn("no route to host", text)
        self.assertIn("configure failed after", text)


if __name__ == "__main__":
    unittest.main()
