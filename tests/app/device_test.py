"""What the program says of a GPU that will not do: one line with the mend and exit code 78, before any work. The driver's
library is a made-up one (tests/model/fake_nvml.cpp)."""
import os
import unittest

from program import TINY, ProgramTest

CASES = {
    "an old driver": ({"FAKE_NVML_DRIVER": "535.183.01"}, "driver 535.183.01 is too old for CUDA 13: install 580"),
    "a card too old": ({"FAKE_NVML_CAPABILITY": "75"}, "compute capability 7.5"),
    "a driver at odds with its module": ({"FAKE_NVML_INIT": "18"}, "does not answer: Driver/library version mismatch"),
    "no card": ({"FAKE_NVML_CARDS": "0"}, "there is no cuda:0"),
}


class Device(ProgramTest):
    def refused(self, words, says, **settings):
        env = {"LD_LIBRARY_PATH": os.environ["FAKE_NVML_FOLDER"], **settings}
        return self.expect(78, *words, says=says, env=env)

    def bench(self, says, **settings):
        done = self.refused(["bench", "decode", "--model", TINY, "--device", "cuda"], says, **settings)
        self.assertEqual(len(done.stderr.splitlines()), 1, done.stderr)

    def test_what_will_not_do_is_refused_in_one_line(self):
        if "built without" in self.refused(["doctor"], "gpu", FAKE_NVML_CARDS="0").stdout:
            self.bench("built without CUDA kernels")
            return
        for name, (settings, says) in CASES.items():
            with self.subTest(name):
                self.bench(says, **settings)
                self.refused(["doctor"], says, **settings)


if __name__ == "__main__":
    unittest.main()
