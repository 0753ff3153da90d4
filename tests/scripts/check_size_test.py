"""scripts/check_size.py measures C++, Python and bash functions rightly, on planted cases."""
import sys
import tempfile
import unittest
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "scripts"))
import check_size  # noqa: E402

# Each case: one function, its first and last line. The traps of brace matching.
CPP_CASES = [
    ("int f() { return 1; }\n", 1, 1),
    ("// {\nint f() {\n  return '{' + 1'000; /* } */\n}\n", 2, 4),
    ('#define OPEN {\nvoid f() {\n  puts("}{\\"}");\n}\n', 2, 4),
    ('void f() {\n  puts(R"x(})" })x");\n}\n', 1, 3),
    ("namespace a {\nstruct B : C {\n  int x = 1;\n  int f() const noexcept {\n  }\n};\n}\n", 4, 5),
    ("class A {\n public:\n  explicit A(int x) : x_(x), y_{2}, z_{3} {\n    go();\n  }\n  int x_, y_{}, z_;\n};\n", 3, 5),
    ("template <class T, class U = std::vector<int>>\nauto f(T t = {})\n    -> std::vector<U> {\n}\n", 1, 4),
    ("constexpr Rule kRule = {.low = 1};\nconstexpr auto kAll = std::tuple{\n  F{\"a\"},\n};\nint f()\n{\n}\n", 5, 7),
    ("enum class E { a, b };\nextern \"C\" {\nvoid f() {\n}\n}\n", 3, 4),
    ("TEST_F(A, B) {\n  const auto g = [&](int x) {\n    return x;\n  };\n}\n", 1, 5),
    ("A::A(A&& other) noexcept : x_(std::move(other.x_)) {\n}\n", 1, 2),
    ("A::operator bool() && {\n}\n", 1, 2),
]


class CheckSize(unittest.TestCase):
    def test_cpp_functions_are_found_with_their_lines(self):
        for text, first, last in CPP_CASES:
            found = [case[:2] for case in check_size.cpp_functions(text)]
            self.assertEqual(found, [(first, last)], text)

    def test_several_functions_one_after_another(self):
        text = "".join(case[0] for case in CPP_CASES)
        self.assertEqual(len(check_size.cpp_functions(text)), len(CPP_CASES))

    def measured(self, files, rooms="none"):
        """What check_size measures in a tree of these files, and its rooms."""
        with tempfile.TemporaryDirectory() as folder:
            for name, text in {"CMakeLists.txt": f"set(ROOMS_WITHOUT_TORCH {rooms})\n", **files}.items():
                path = Path(folder) / name
                path.parent.mkdir(parents=True, exist_ok=True)
                path.write_text(text, encoding="utf-8")
            measured = check_size.measure(Path(folder))
            return measured, check_size.rooms_of(Path(folder), measured)

    def violations(self, name, text):
        return check_size.violations(*self.measured({name: text}))

    def test_limits_are_exact(self):
        forms = [
            ("src/core/a.cpp", "int f() {\n", "  go();\n", "}\n"),
            ("include/a/a.h", "inline int f() {\n", "  go();\n", "}\n"),
            ("tests/a/a_test.cu", "TEST(A, B) {\n", "  go();\n", "}\n"),
            ("scripts/a.py", "def f():\n", "    go()\n", "    go()\n"),
            ("scripts/a.sh", "f() {\n", "  go\n", "}\n"),
            (".ci/run", "#!/usr/bin/env bash\nf() {\n", "  go\n", "}\n"),
        ]
        for name, head, line, end in forms:
            self.assertEqual(self.violations(name, head + line * 58 + end), [], name)
            found = self.violations(name, head + line * 59 + end)
            self.assertEqual(len(found), 1, name)
            self.assertIn("61 lines, a function has at most 60", found[0])

    def test_files_have_at_most_400_lines(self):
        self.assertEqual(self.violations("src/a/a.cpp", "int a;\n" * 400), [])
        self.assertEqual(
            self.violations("src/a/a.cpp", "int a;\n" * 401), ["src/a/a.cpp:1: 401 lines, a file has at most 400"]
        )
        self.assertEqual(self.violations("tests/data/golden.jsonl", "{}\n" * 500), [])

    def test_a_room_has_a_line_of_tests_for_two_of_code(self):
        tree = {
            "src/data/CMakeLists.txt": "room(data)\n",
            "src/data/deep/a.cpp": "int a;\n" * 6,
            "include/thoughtrank/data/a.h": "int a;\n" * 4,
            "tests/data/deep/a_test.cpp": "int a;\n" * 3,
            "tests/data/a_test.py": "a = 1\n" * 2,
            "tests/data/golden/many.jsonl": "{}\n" * 99,
            "tests/database/a_test.cpp": "int a;\n" * 99,
        }
        self.assertEqual(check_size.violations(*self.measured(tree, "core data")), [])
        found = check_size.violations(*self.measured({**tree, "src/data/b.cpp": "int b;\n"}, "core data"))
        self.assertEqual(found, ["tests/data: 5 lines of tests for 11 of code, half of that is wanted"])

    def test_the_table_tells_medians_and_ninth_deciles_of_code(self):
        function = "void f() {\n" + "  go();\n" * 8 + "}\n"
        tree = {
            "src/data/CMakeLists.txt": "room(data)\n",
            "src/data/a.cpp": "void f() { go(); }\n" * 8,
            "src/data/b.cpp": function * 2,
            "include/thoughtrank/data/a.h": "\n" * 3,
            "tests/data/a_test.cpp": function,
        }
        rows = check_size.table(self.measured(tree, "data")[1]).splitlines()
        self.assertEqual(rows[1].split(), "data 3 31 8 20 10 1 10 10 1 10 0.32".split())
        self.assertEqual(rows[2].split()[1:], rows[1].split()[1:])


if __name__ == "__main__":
    unittest.main()
