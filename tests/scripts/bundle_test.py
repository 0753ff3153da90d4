"""scripts/bundle.sh makes a folder that starts elsewhere, needs no newer symbols, and fails with a mend without torch."""
import json
import os
import shutil
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path

HERE = Path(__file__).resolve().parent
ROOT = HERE.parents[1]
sys.path[:0] = [str(ROOT / "scripts"), str(HERE)]
import check_bundle  # noqa: E402
import clean_root  # noqa: E402

PROGRAM = Path(os.environ["THOUGHTRANK"])
SITE_PACKAGES = Path(os.environ["TORCH_WHEEL"]).parent
MODEL = ROOT / "tests" / "data" / "tiny-llama"

# What readelf prints of a file that needs the given version of libc.
VERSIONS = """
Version needs section '.gnu.version_r' contains 1 entry:
 Addr: 0x00000000000006c8  Offset: 0x000006c8  Link: 7 (.dynstr)
  000000: Version: 1  File: {library}  Cnt: 2
  0x0010:   Name: GLIBC_2.2.5  Flags: none  Version: 3
  0x0020:   Name: {version}  Flags: none  Version: 2
"""


class Checks(unittest.TestCase):
    def test_a_newer_symbol_is_found(self):
        for library, version in [("libc.so.6", "GLIBC_2.36"), ("libc.so.6", "GLIBC_ABI_DT_RELR"),
                                 ("libstdc++.so.6", "GLIBCXX_3.4.31"), ("libstdc++.so.6", "CXXABI_1.3.14"),
                                 ("libgcc_s.so.1", "GCC_13.0.0"), ("libm.so.6", "GLIBC_3.0")]:
            text = VERSIONS.format(library=library, version=version)
            self.assertEqual(check_bundle.too_new(text), [f"needs {version} of {library}"])

    def test_the_newest_allowed_is_allowed(self):
        for library, version in [("libc.so.6", "GLIBC_2.35"), ("libstdc++.so.6", "GLIBCXX_3.4.30"),
                                 ("libcurl.so.4", "CURL_OPENSSL_4"), ("libc.so.6", "GLIBC_2.4")]:
            self.assertEqual(check_bundle.too_new(VERSIONS.format(library=library, version=version)), [])

    def test_missing_libraries_and_foreign_folders_are_found(self):
        text = (" 0x01 (NEEDED)  Shared library: [libzstd.so.1]\n 0x01 (NEEDED)  Shared library: [libc.so.6]\n"
                " 0x01 (NEEDED)  Shared library: [libtorch_cuda.so]\n 0x0f (RPATH)  Library rpath: [$ORIGIN/../lib:/opt/x]\n")
        found = check_bundle.unmet_needs(text, bundled=set())
        self.assertEqual(found, ["needs libzstd.so.1, which is in neither bundle, torch nor system",
                                 "looks for libraries in '/opt/x'"])
        self.assertEqual(len(check_bundle.unmet_needs(text, bundled={"libzstd.so.1"})), 1)

    def test_an_empty_folder_is_no_bundle(self):
        with tempfile.TemporaryDirectory() as folder:
            self.assertEqual(len(check_bundle.problems(folder)), 1)


class Bundle(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        holder = tempfile.TemporaryDirectory(prefix="bundle test ")
        cls.addClassCleanup(holder.cleanup)
        cls.folder = Path(holder.name)
        made = subprocess.run([ROOT / "scripts" / "bundle.sh", "--build", PROGRAM.parent, cls.folder / "out"],
                              capture_output=True, text=True, check=False)
        if made.returncode:
            raise AssertionError(f"bundle.sh failed:\n{made.stdout}{made.stderr}")
        cls.bundle = cls.folder / "moved"
        (cls.folder / "out" / "thoughtrank-linux-x86_64").rename(cls.bundle)

    def start(self, *words, **env):
        return subprocess.run([self.bundle / "thoughtrank", *words], capture_output=True, text=True, check=False,
                              cwd=self.folder, env={"PATH": "/usr/bin:/bin", **env})

    def test_archive_holds_the_folder(self):
        archive = self.folder / "out" / "thoughtrank-linux-x86_64.tar.gz"
        self.assertLess(archive.stat().st_size, check_bundle.LARGEST_BYTES)
        listed = subprocess.run(["tar", "-tzf", archive], capture_output=True, text=True, check=True).stdout
        for name in ["thoughtrank", "bin/thoughtrank", "configs/quickstart.yaml", "configs/study.yaml",
                     "scripts/noisy_judge.py", "scripts/gpu_check.sh", "tests/benchmarks/decode_torch.py", "README.md",
                     "LICENSE", "licences/libcurl4"]:
            self.assertIn(f"thoughtrank-linux-x86_64/{name}\n", listed)
        self.assertIn("pip install torch", (self.bundle / "README.md").read_text())

    def test_checked_as_a_whole(self):
        self.assertEqual(check_bundle.problems(self.bundle), [])
        (self.bundle / "lib" / "libfmt.so.9").rename(self.folder / "libfmt")
        self.addCleanup((self.folder / "libfmt").rename, self.bundle / "lib" / "libfmt.so.9")
        self.assertIn("libfmt.so.9", check_bundle.problems(self.bundle)[0])

    def test_starts_from_a_moved_folder_and_a_link(self):
        done = self.start("config", "schema", TORCH_WHEEL=str(SITE_PACKAGES / "torch"))
        self.assertEqual(done.returncode, 0, done.stderr)
        self.assertIn("prompts", json.loads(done.stdout)["properties"])
        link = self.folder / "link"
        link.symlink_to(self.bundle / "thoughtrank")
        words = [link, "--help"]
        done = subprocess.run(words, capture_output=True, env={"PATH": "/usr/bin:/bin", "TORCH_WHEEL": str(SITE_PACKAGES / "torch")},
                              check=False)
        self.assertEqual(done.returncode, 0, done.stderr)

    def test_without_torch_it_says_what_to_do(self):
        done = self.start("--help", TORCH_WHEEL=str(self.folder))
        self.assertEqual(done.returncode, 66)
        self.assertIn("pip install torch==2.11.0", done.stderr)
        self.assertEqual(len(done.stderr.splitlines()), 1)

    def test_another_torch_is_refused(self):
        torch = self.folder / "other" / "torch"
        (torch / "lib").mkdir(parents=True)
        (torch / "lib" / "libtorch_cpu.so").touch()
        (torch / "version.py").write_text("__version__ = '2.10.0+cu128'\n")
        (torch / "__init__.py").touch()
        done = self.start("--help", PYTHONPATH=str(self.folder / "other"))  # found as python3 would import it
        self.assertEqual(done.returncode, 78)
        self.assertIn("expected torch 2.11.0+cu130, found 2.10.0+cu128", done.stderr)

    @unittest.skipIf(clean_root.why_not(), f"no root of one's own here: {clean_root.why_not()}")
    def test_starts_in_a_clean_root(self):
        root = clean_root.CleanRoot(self.folder / "root", SITE_PACKAGES)
        shutil.copytree(self.bundle, root.root / "opt" / "thoughtrank")
        shutil.copytree(MODEL, root.root / "opt" / "model")
        program = "/opt/thoughtrank/thoughtrank"
        for words, text_in, says in [
            (["--help"], "", "bench"),
            (["doctor", "--model", "/opt/model"], "", "ok    tokenizer"),
            (["tokenize", "--model", "/opt/model"], '{"text":"Think before you answer"}\n', '{"ids":['),
            (["bench", "decode", "--model", "/opt/model", "--dtype", "float32", "--prompt-tokens", "4", "--new-tokens", "2",
              "--threads", "1"], "", '"tokens_per_s"'),
        ]:
            done = root.run(program, *words, text_in=text_in)
            self.assertEqual(done.returncode, 0, f"{words}: {done.stdout}{done.stderr}")
            self.assertIn(says, done.stdout)
        without = root.run(program, "--help", path="/usr/bin")
        self.assertEqual(without.returncode, 66, without.stderr)
        self.check_where_libraries_come_from(root)

    def check_where_libraries_come_from(self, root):
        paths = f"{root.venv_packages}/torch/lib:{root.venv_packages}/nvidia/cu13/lib"  # as the launcher sets them
        traced = root.run("env", "LD_TRACE_LOADED_OBJECTS=1", f"LD_LIBRARY_PATH={paths}",
                          "/opt/thoughtrank/bin/thoughtrank").stdout
        self.assertNotIn("not found", traced)
        for line in traced.splitlines():
            name, _, path = (part.strip() for part in line.partition("=>"))
            is_ours = path.startswith(("/opt/thoughtrank/", clean_root.VENV))
            self.assertTrue(is_ours or Path(name.split()[0]).name in clean_root.BASE_LIBRARIES or not path, line)


if __name__ == "__main__":
    unittest.main()
