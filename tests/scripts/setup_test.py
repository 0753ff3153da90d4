"""scripts/setup.sh among commands that only take notes: what it installs and builds where, and how it takes failures."""
import os
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
HAS_DRIVER = Path("/proc/driver/nvidia/version").exists()

# Each command appends its line to $NOTES. A command fails as often as the number in $FAKES/NAME.fails says.
FAKE = """#!/bin/bash
echo "${0##*/} $*" >>"$NOTES"
left=$(cat "$FAKES/${0##*/}.fails" 2>/dev/null || echo 0)
if ((left > 0)); then
  echo $((left - 1)) >"$FAKES/${0##*/}.fails"
  echo "ERROR: no route to host"
  exit 1
fi
"""
BODIES = {
    "apt-get": "",
    "sudo": '"$@"\n',
    "sleep": "",
    "df": 'echo Avail; cat "$FAKES/free_gib" 2>/dev/null || echo 100\n',
    "dpkg-query": 'if [[ -e "$FAKES/no-packages" ]]; then exit 1; fi; printf installed\n',
    "cmake": "mkdir -p build; touch build/CMakeCache.txt\n",
    "ninja": '[[ " $* " != *" -n "* || ! -e build/built ]] || echo "ninja: no work to do."\n'
             '[[ " $* " == *" -n "* ]] || touch build/built\n',
    # The interpreter makes environments whose own interpreter, `python`, has pip.
    "python3": 'mkdir -p "$3/bin" && cp "$FAKES/pip" "$3/bin/python"\n',
    "pip": '[[ $2 != pip ]] || { mkdir -p .deps/venv/lib/python3.11/site-packages/torch/lib &&\n'
           '  touch .deps/venv/lib/python3.11/site-packages/torch/lib/libtorch_cpu.so; }\n',
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
        for name in ["setup.sh", "common.sh"]:
            shutil.copy(ROOT / "scripts" / name, self.folder / "scripts")
        shutil.copytree(ROOT / "third_party", self.folder / "third_party")

    def add_command(self, name, body=""):
        (self.fakes / name).write_text(FAKE + body)
        (self.fakes / name).chmod(0o755)

    def fail(self, name, times):
        (self.fakes / f"{name}.fails").write_text(str(times))

    def start(self, *words, code=0, **env):
        """What setup.sh prints, and the lines of the commands that it starts."""
        self.notes.write_text("")
        env = {"PATH": f"{self.fakes}:/usr/bin:/bin", "NOTES": str(self.notes), "FAKES": str(self.fakes), **env}
        done = subprocess.run(["bash", self.folder / "scripts" / "setup.sh", *words], env=env, capture_output=True, text=True,
                              timeout=120, check=False)
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

    @unittest.skipIf(HAS_DRIVER, "this machine has an NVIDIA driver")
    def test_without_a_driver_only_a_run(self):
        _, notes = self.start()
        self.assertEqual(self.lists(notes), ["requirements.txt alone"])
        self.assertEqual(self.options(notes), {"-DTHOUGHTRANK_CUDA=OFF", "-DTHOUGHTRANK_TESTS=OFF"})
        self.assertEqual(self.targets(notes), ["thoughtrank"])
        self.assertFalse([line for line in notes if line.startswith("apt-get")])

    def test_with_a_driver_everything_of_cuda(self):
        self.add_command("nvidia-smi")
        _, notes = self.start()
        self.assertEqual(self.lists(notes), ["requirements.txt alone", "requirements-cuda.txt"])
        self.assertEqual(self.options(notes), {"-DTHOUGHTRANK_CUDA=ON", "-DTHOUGHTRANK_TESTS=OFF"})

    def test_the_environment_has_the_last_word(self):
        self.add_command("nvidia-smi")
        _, notes = self.start(THOUGHTRANK_CUDA="OFF")
        self.assertEqual(self.lists(notes), ["requirements.txt alone"])
        self.assertIn("-DTHOUGHTRANK_CUDA=OFF", self.options(notes))
        (self.fakes / "nvidia-smi").unlink()
        _, notes = self.start(THOUGHTRANK_CUDA="ON")
        self.assertEqual(self.lists(notes), ["requirements-cuda.txt"])
        self.assertIn("-DTHOUGHTRANK_CUDA=ON", self.options(notes))
        text, _ = self.start(THOUGHTRANK_CUDA="yes", code=1)
        self.assertIn("THOUGHTRANK_CUDA is 'yes', expected ON, OFF or AUTO", text)

    @unittest.skipIf(HAS_DRIVER, "this machine has an NVIDIA driver")
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
        self.fail("python", 2)
        text, notes = self.start()
        self.assertEqual(len(self.lists(notes)), 3)
        self.assertIn("Python packages with libtorch", text)
        self.assertEqual([line for line in notes if line.startswith("sleep") and line != "sleep 1"], ["sleep 5", "sleep 20"])

    def test_a_download_that_fails_is_explained(self):
        self.fail("python", 4)
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

    def test_debian_that_cannot_be_reached_is_explained(self):
        (self.fakes / "no-packages").touch()
        self.fail("apt-get", 4)
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
        (self.fakes / "free_gib").write_text("2\n")
        text, notes = self.start(code=1)
        self.assertIn("GiB of disk", text)
        self.assertEqual(self.lists(notes), [])

    def test_a_build_that_fails_shows_its_end(self):
        self.fail("cmake", 1)
        text, _ = self.start(code=1)
        self.assertIn("no route to host", text)
        self.assertIn("configure failed after", text)


if __name__ == "__main__":
    unittest.main()
