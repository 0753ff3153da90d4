"""scripts/check_layers.py finds every kind of planted violation, and nothing in a clean house."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import check_layers  # noqa: E402

ROOMS = {
    "core": "", "data": "core", "text": "core", "model": "core", "decode": "core model",
    "generate": "core data text decode", "llm": "core data", "judge": "core data llm", "train": "core data text model",
    "pipeline": "core data text model decode generate judge train",
}
CLEAN = {
    "CMakeLists.txt": "# set(ROOMS_WITH_TORCH top core)\nset(ROOMS_WITHOUT_TORCH core data text)  # ground floor first\n"
                      "set(ROOMS_WITH_TORCH {} bench app)\n".format(" ".join(list(ROOMS)[3:])),
    **{f"src/{room}/CMakeLists.txt": f"room({room}  # a room\n  SOURCES a.cpp ${{B}}\n  STANDS_ON {below}\n  USES TorchWheel::torch)\n"
       for room, below in ROOMS.items()},
    "src/app/CMakeLists.txt": "add_executable(thoughtrank main.cpp)\n",
    "include/thoughtrank/core/error.h": "#include <string>\n#include <spdlog/fmt/fmt.h>\n",
    "include/thoughtrank/core/json.h": '#include <nlohmann/json.hpp>\n#include "thoughtrank/core/hash.h"\n',
    "include/thoughtrank/core/hash.h": "#include <sys/types.h>\n",
    "include/thoughtrank/model/llama.h": "#include <ATen/core/Tensor.h>\n",
    "src/core/error.cpp": '#include "thoughtrank/core/error.h"\n#include "core/shorten.h"\n',
    "src/core/shorten.h": "",
    "src/model/llama.cpp": '#include "thoughtrank/core/json.h"\n#include "thoughtrank/core/error.h"\n',
    "src/decode/decoder.cpp": '#include "thoughtrank/model/llama.h"\n',
    "tests/core/error_test.cpp": '#include <gtest/gtest.h>\n#include "core/shorten.h"\n#include "beside.h"\n',
    "tests/core/beside.h": "",
    "tests/decode/decoder_test.cpp": '#include "model/tiny_llama.h"\n',
    "tests/model/tiny_llama.h": "",
    "tests/support/folder.h": '#include <gtest/gtest.h>\n#include "thoughtrank/core/error.h"\n',
    "tests/support/small_llama.h": '#include "support/folder.h"\n#include "thoughtrank/model/llama.h"\n',
    "tests/data/records_test.cpp": '#include "support/folder.h"\n',
    "tests/train/train_test.cpp": '#include "support/small_llama.h"\n',
}


class CheckLayers(unittest.TestCase):
    def plant(self, folder, planted):
        for name, text in {**CLEAN, **planted}.items():
            path = Path(folder) / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")

    def violations(self, planted):
        with tempfile.TemporaryDirectory() as folder:
            self.plant(folder, planted)
            return check_layers.violations(check_layers.House(Path(folder)).read())

    def assert_planted(self, name, line, message):
        found = self.violations({name: f"// first line\n{line}\n"})
        self.assertEqual([v.split(": ")[0] for v in found], [f"{name}:2"], found)
        self.assertIn(message, found[0])

    def test_a_clean_house_has_none(self):
        self.assertEqual(self.violations({}), [])

    def test_includes_that_point_upwards_or_sideways(self):
        upwards = '#include "thoughtrank/model/llama.h"'
        self.assert_planted("src/core/x.cpp", upwards, "core must not include model")
        self.assert_planted("src/generate/x.cpp", upwards, "generate must not include model")
        self.assert_planted("src/judge/x.cpp", '# include "thoughtrank/model/llama.h"', "judge must not")
        self.assert_planted("tests/core/x_test.cpp", upwards, "core must not include model")

    def test_private_headers_stay_in_their_room(self):
        self.assert_planted("src/data/x.cpp", '#include "core/shorten.h"', "private to core")
        self.assert_planted("tests/data/x_test.cpp", '#include "core/shorten.h"', "private to core")
        self.assert_planted("src/data/x.cpp", '#include "../core/shorten.h"', "name the header from")
        found = self.violations({"include/thoughtrank/core/error.h": '#include "core/shorten.h"\n'})
        self.assertIn("a public header must not include the private", found[0])

    def test_third_party_headers_only_where_listed(self):
        for room, header in [
            ("data", "torch/torch.h"), ("generate", "ATen/ATen.h"), ("judge", "c10/core/Device.h"),
            ("data", "curl/curl.h"), ("text", "spdlog/spdlog.h"), ("text", "fmt/format.h"), ("judge", "openssl/evp.h"), ("data", "sentencepiece_processor.h"),
            ("core", "pcre2.h"), ("pipeline", "CLI/CLI.hpp"), ("train", "cuda_runtime.h"), ("core", "gtest/gtest.h"),
        ]:
            self.assert_planted(f"src/{room}/x.cpp", f"#include <{header}>", f"{room} must not include")
        self.assert_planted("src/core/x.cpp", "#include <boost/any.hpp>", "no room's list")
        self.assert_planted("tests/data/x_test.cpp", "#include <torch/torch.h>", "data must not include")

    def test_ours_is_written_with_quotes(self):
        self.assert_planted("src/data/x.cpp", "#include <thoughtrank/core/error.h>", "is ours")

    def test_headers_that_are_not_there(self):
        self.assert_planted("src/data/x.cpp", '#include "thoughtrank/core/none.h"', "is not in include/")
        self.assert_planted("src/data/x.cpp", '#include "data/none.h"', "is not in include/, src/ or tests/")

    def test_tests_stand_on_their_own_floor(self):
        self.assert_planted("tests/core/x_test.cpp", '#include "model/tiny_llama.h"', "must not stand on those of model")

    def test_support_stands_no_higher_than_the_tests_that_include_it(self):
        self.assert_planted("tests/text/x_test.cpp", '#include "support/small_llama.h"', "stands on model: not for text")
        through = {"tests/support/outer.h": '#include "support/small_llama.h"\n'}
        self.assertEqual(self.violations(through), [])
        found = self.violations({**through, "tests/core/x_test.cpp": '#include "support/outer.h"\n'})
        self.assertIn("stands on model: not for core", found[0])

    def test_the_floor_plan_is_what_cmake_says(self):
        upwards = {"src/data/x.cpp": '#include "thoughtrank/model/llama.h"\n'}
        self.assertEqual(len(self.violations(upwards)), 1)
        found = self.violations({**upwards, "src/data/CMakeLists.txt": "room(data SOURCES x.cpp STANDS_ON core model)\n"})
        self.assertEqual(found, ["src/data/CMakeLists.txt:1: data stands on model, which does not come before it"])
        self.assertEqual(self.violations({"src/app/main.cpp": '#include "thoughtrank/model/llama.h"\n'}), [])

    def test_the_picture_counts_includes_of_sources_and_headers(self):
        with tempfile.TemporaryDirectory() as folder:
            self.plant(folder, {"src/decode/more.cpp": '#include "thoughtrank/model/llama.h"\n'})
            rows = check_layers.picture(check_layers.House(Path(folder)).read()).splitlines()
        self.assertEqual(rows[0].split(), [*ROOMS, "app"])
        self.assertEqual([row.split() for row in rows if row.split()[0] == "decode"], [["decode", "2", "·"]])
        self.assertEqual(rows[-1].split(), ["core", "·"])

    def test_a_public_header_that_nobody_needs(self):
        found = self.violations({"include/thoughtrank/core/alone.h": ""})
        self.assertEqual(found, ["include/thoughtrank/core/alone.h:1: no other room includes this header: move it to src/core/"])
        own = {"include/thoughtrank/core/alone.h": "", "tests/model/x_test.cpp": '#include "thoughtrank/core/alone.h"\n',
               "src/core/x.cpp": '#include "thoughtrank/core/alone.h"\n'}
        self.assertEqual(len(self.violations(own)), 1)

    def test_a_file_in_no_room(self):
        found = self.violations({"src/helpers/x.cpp": "#include <string>\n"})
        self.assertIn("in no room", found[0])


if __name__ == "__main__":
    unittest.main()
