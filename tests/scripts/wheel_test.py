"""scripts/wheel.sh makes a file that pip installs in a clean environment, with a command that runs a round."""
import base64
import csv
import hashlib
import os
import re
import subprocess
import sys
import tempfile
import unittest
import venv
import zipfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT / "scripts"), str(ROOT / "tests" / "app")]
import make_wheel  # noqa: E402
import program  # noqa: E402, makes the files of a small run

BUILD = Path(os.environ["THOUGHTRANK"]).parent
SITE_PACKAGES = Path(os.environ["TORCH_WHEEL"]).parent


class Environment:
    """A fresh virtual environment, in which the torch that is here already is installed, or none."""

    def __init__(self, folder, has_torch):
        venv.create(folder, symlinks=True)
        self.bin, self.has_torch = folder / "bin", has_torch
        if has_torch:
            own, = folder.glob("lib/python3*/site-packages")
            (own / "torch_of_the_build.pth").write_text(f"{SITE_PACKAGES}\n")

    def run(self, *words):
        env = {"PATH": f"{self.bin}:/usr/bin:/bin", "HOME": str(self.bin.parent)}
        return subprocess.run(list(map(str, words)), capture_output=True, text=True, timeout=300, env=env, check=False)

    def install(self, wheel):
        """By this Python's pip. What the wheel depends on must be there: without an index nothing is loaded."""
        options = [] if self.has_torch else ["--no-deps"]
        return self.run(sys.executable, "-m", "pip", "--python", self.bin / "python", "install", "--no-index", *options, wheel)


class Wheel(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="wheel test ")
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        made = subprocess.run([ROOT / "scripts" / "wheel.sh", "--build", BUILD, cls.folder / "out"],
                              capture_output=True, text=True, check=False)
        if made.returncode:
            raise AssertionError(f"wheel.sh failed:\n{made.stdout}{made.stderr}")
        cls.wheel, = (cls.folder / "out").glob("*.whl")
        cls.said = made.stdout

    def installed(self, name, has_torch=True):
        environment = Environment(self.folder / name, has_torch)
        done = environment.install(self.wheel)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return environment

    def test_the_name_says_version_and_system(self):
        said = subprocess.run([os.environ["THOUGHTRANK"], "--version"], capture_output=True, text=True, check=True).stdout
        self.assertEqual(self.wheel.name, f"thoughtrank-{said.strip()}-py3-none-manylinux_2_35_x86_64.whl")

    def test_it_says_what_the_cpu_alone_needs(self):
        needs = subprocess.run(["ldd", os.environ["THOUGHTRANK"]], capture_output=True, text=True, check=True).stdout
        if "libtorch_cuda" in needs:
            self.assertNotIn("--no-deps", self.said)
            return
        packages = self.said.partition("pip install --no-deps FILE ")[2].split()
        self.assertEqual([package.split("==")[0] for package in packages],
                         ["torch", "nvidia-cuda-cupti", "nvidia-cuda-runtime"])
        folders = {SITE_PACKAGES / "torch/lib", SITE_PACKAGES / "nvidia/cu13/lib"}  # what these three bring
        for path in re.findall(r"=> (\S+) \(0x", needs):
            self.assertTrue(Path(path).resolve().parent in folders or SITE_PACKAGES not in Path(path).resolve().parents, path)

    def test_the_record_has_every_file(self):
        with zipfile.ZipFile(self.wheel) as wheel:
            record, = [name for name in wheel.namelist() if name.endswith(".dist-info/RECORD")]
            rows = {name: (digest, size) for name, digest, size in csv.reader(wheel.read(record).decode().splitlines())}
            self.assertEqual(set(rows), set(wheel.namelist()))
            for name in set(rows) - {record}:
                digest = base64.urlsafe_b64encode(hashlib.sha256(wheel.read(name)).digest()).decode().rstrip("=")
                self.assertEqual(rows[name], (f"sha256={digest}", str(wheel.getinfo(name).file_size)), name)
            metadata = wheel.read(record.replace("RECORD", "METADATA")).decode()
        pinned = re.search(r"^torch==.*$", (ROOT / "third_party" / "requirements.txt").read_text(), re.MULTILINE)[0]
        self.assertIn(f"Requires-Dist: {pinned}\n", metadata)

    def test_it_runs_a_round_in_a_clean_environment(self):
        environment = self.installed("environment")
        command = environment.bin / "thoughtrank"
        self.assertIn("doctor", environment.run(command, "--help").stdout)
        done = environment.run(command, "doctor", "--model", program.TINY)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertIn(str(environment.bin.parent), done.stdout)  # the templates are those of the wheel
        done = environment.run(command, "run", "--config", program.write_run(self.folder), "--set", "rounds=1")
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        self.assertTrue(list(self.folder.glob("run/round-01/checkpoint/model.safetensors")))

    def test_without_torch_it_says_what_to_do(self):
        environment = self.installed("without", has_torch=False)
        done = environment.run(environment.bin / "thoughtrank", "--help")
        self.assertEqual(done.returncode, 66)
        self.assertRegex(done.stderr, r"^thoughtrank: this Python finds no torch: pip install torch==[\d.]+\n$")

    def test_the_same_bundle_gives_the_same_bytes(self):
        bundle = self.folder / "bundle"
        (bundle / "bin").mkdir(parents=True)
        (bundle / "bin" / "thoughtrank").write_bytes(b"x")
        written = []
        for name in ["one", "two"]:
            (self.folder / name).mkdir()
            written.append(make_wheel.write_wheel(bundle, self.folder / name).read_bytes())
            (bundle / "bin" / "thoughtrank").touch()
        self.assertEqual(*written)


if __name__ == "__main__":
    unittest.main()
