"""What the program says of a GPU that will not do: one line with the mend and exit code 78, before any work (the driver's
library is a made-up one, tests/model/fake_nvml.cpp); and which type it takes where bfloat16 is withheld from a CPU."""
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

    def test_bfloat16_that_is_withheld_from_the_products_is_not_chosen(self):
        for settings in ({"ONEDNN_MAX_CPU_ISA": "AVX2"}, {"ONEDNN_MAX_CPU_ISA": "avx512_core"}, {"DNNL_MAX_CPU_ISA": "AVX2"},
                         {"THOUGHTRANK_INSTRUCTION_SET": "portable"}):
            with self.subTest(settings):
                said = self.expect(0, "doctor", env=settings).stdout
                self.assertIn("bfloat16 not in hardware (float32 is used)", said)


if __name__ == "__main__":
    unittest.main()
