"""`cmake --install` leaves a program that starts from its prefix and finds libtorch and its own configs."""
import os
import subprocess
import tempfile
import unittest
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
BUILD = Path(os.environ["THOUGHTRANK"]).parent
MODEL = ROOT / "tests" / "data" / "tiny-llama"


class Install(unittest.TestCase):
    def setUp(self):
        holder = tempfile.TemporaryDirectory(prefix="install test ")
        self.addCleanup(holder.cleanup)
        self.folder = Path(holder.name)

    def install(self, prefix, **env):
        done = subprocess.run(["cmake", "--install", BUILD, "--prefix", prefix], capture_output=True, text=True,
                              env={**os.environ, **env}, check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)

    def start(self, program, *words):
        done = subprocess.run([program, *words], capture_output=True, text=True, cwd=self.folder, env={"PATH": "/usr/bin:/bin"},
                              check=False)
        self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
        return done.stdout

    def test_the_program_starts_from_its_prefix(self):
        prefix = self.folder / "prefix"
        self.install(prefix)
        program = prefix / "bin" / "thoughtrank"
        self.assertIn("doctor", self.start(program, "--help"))
        told = self.start(program, "doctor", "--model", MODEL)
        self.assertIn(str(prefix / "lib/thoughtrank/configs/templates"), told)
        for name in ["lib/thoughtrank/configs/prices.yaml", "lib/thoughtrank/configs/quickstart.yaml",
                     "lib/thoughtrank/configs/study.yaml", "lib/thoughtrank/scripts/noisy_judge.py",
                     "share/doc/thoughtrank/LICENSE"]:
            self.assertTrue((prefix / name).is_file(), name)

    def test_it_looks_for_libraries_where_torch_is_only(self):
        self.install(self.folder / "prefix")
        wheel = Path(os.environ["TORCH_WHEEL"])
        for program in [Path(os.environ["THOUGHTRANK"]), self.folder / "prefix/lib/thoughtrank/bin/thoughtrank"]:
            text = subprocess.run(["readelf", "--dynamic", "--wide", program], capture_output=True, text=True, check=True).stdout
            path, = [line.split("[")[1].rstrip("]") for line in text.splitlines() if "RUNPATH" in line or "RPATH" in line]
            for folder in path.split(":"):  # an empty one would be the working directory
                self.assertTrue(folder.startswith(str(wheel.parent)), f"{program}: {path}")
            self.assertIn(f"{wheel}/lib", path.split(":"))
            self.assertEqual("libcudart" in text, any("nvidia" in folder for folder in path.split(":")))

    def test_a_package_is_made_under_destdir(self):
        self.install("/usr", DESTDIR=str(self.folder / "root"))
        link = self.folder / "root" / "usr" / "bin" / "thoughtrank"
        self.assertEqual(os.readlink(link), "../lib/thoughtrank/bin/thoughtrank")
        self.assertIn("doctor", self.start(link, "--help"))

    @unittest.skipUnless((BUILD / "build.ninja").is_file(), "not built by ninja")
    def test_ninja_tells_what_there_is_to_build(self):
        """scripts/setup.sh asks so; a glob that is looked up at each start would end the answer there."""
        said = subprocess.run(["ninja", "-C", BUILD, "-n", "thoughtrank"], capture_output=True, text=True, check=True).stdout
        self.assertNotIn("Re-checking globbed directories", said)


if __name__ == "__main__":
    unittest.main()
