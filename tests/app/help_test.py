"""`help TOPIC` and what stands under --help: the lists in them are those of the program, and a terminal can show them."""
import json
import re
import unittest

from documents import HELP
from program import ROOT, ProgramTest

TOPICS = ["batches", "config", "exit-codes", "gpu", "judge", "memory", "resume", "run-folder", "training"]


class Topics(ProgramTest):
    def test_the_list_names_each_with_a_line(self):
        lines = self.expect(0, "help").stdout.splitlines()
        shown = dict(re.match(r"  (\S+) +(\S.*)", line).groups() for line in lines[: len(TOPICS)])
        self.assertEqual(list(shown), TOPICS)
        self.assertEqual([path.stem for path in sorted(HELP.glob("*.md"))], TOPICS)
        for topic, title in shown.items():
            first = self.expect(0, "help", topic).stdout.splitlines()[0]
            self.assertEqual(first, f"# {title}")

    def test_texts_fit_a_terminal_and_are_filled_in(self):
        for topic in TOPICS:
            text = self.expect(0, "help", topic).stdout
            with self.subTest(topic):
                self.assertNotIn("```", text)
                self.assertIsNone(re.search(r"@[A-Z ]+@", text), "a list was left out")
                wide = [line for line in text.splitlines() if len(line) > 100]
                self.assertEqual(wide, [])

    def test_code_is_indented(self):
        self.assertIn("\n    thoughtrank generate --config round.yaml\n", self.expect(0, "help", "batches").stdout)

    def test_an_unknown_topic_is_guessed_at(self):
        self.expect(64, "help", "jugde", says="no topic 'jugde' (did you mean 'judge'?)")
        self.expect(64, "help", "exit", says="did you mean 'exit-codes'?")
        self.expect(64, "help", "xyzzy", says="there are batches, config,")
        self.assertNotIn("did you mean", self.expect(64, "help", "xyzzy").stderr)
        self.expect(64, "help", "judge", "memory")
        self.expect(64, "help", "judge", "--config", "x", says="help reads no config")


class Lists(ProgramTest):
    def test_the_exit_codes_are_those_of_the_program(self):
        header = (ROOT / "include/thoughtrank/core/error.h").read_text(encoding="utf-8")
        codes = [int(code) for code in re.findall(r"^  k[A-Za-z]+ = (\d+),", header, re.M)]
        self.assertGreater(len(codes), 10)
        text = self.expect(0, "help", "exit-codes").stdout
        self.assertEqual([int(code) for code in re.findall(r"^ +(\d+)  \w", text, re.M)], codes)
        page = self.expect(0, "man").stdout.split(".SH EXIT STATUS")[1].split(".SH")[0]
        self.assertEqual([int(code) for code in re.findall(r"^(\d+)$", page, re.M)], codes)

    def test_config_has_every_key_with_its_default_and_what_it_may_be(self):
        text = self.expect(0, "help", "config").stdout
        shown = re.findall(r"^  ([a-z0-9_.]+): (.*)\n      (\S.*(?:\n      \S.*)*)", text, re.M)
        keys = {key: (value, " ".join(meaning.split())) for key, value, meaning in shown}
        listed = [re.match(r"(\S+): (.*?) +# default", line).groups()
                  for line in self.expect(0, "config", "show").stdout.splitlines()]
        self.assertEqual([(key, value) for key, value, _ in shown], listed)
        for key, node in self.schema_fields(json.loads(self.expect(0, "config", "schema").stdout)):
            self.assertTrue(keys[key][1].startswith(node["description"].strip()), key)
            for word in node.get("enum", []):
                self.assertIn(word, keys[key][1], key)

    def schema_fields(self, node, prefix=""):
        for name, inner in node["properties"].items():
            if "properties" in inner:
                yield from self.schema_fields(inner, f"{prefix}{name}.")
            else:
                yield prefix + name, inner


class Footers(ProgramTest):
    def commands(self):
        return [path.stem for path in sorted((HELP / "commands").glob("*.md")) if path.stem != "thoughtrank"]

    def words(self, name):
        """judge-test is a command, bench-decode is one below bench."""
        return name.split("-") if name.startswith(("bench-", "config-")) else [name]

    def test_each_command_shows_its_text_and_the_common_options(self):
        self.assertGreater(len(self.commands()), 18)
        for name in self.commands():
            shown = self.expect(0, *self.words(name), "--help").stdout
            prose = [line for line in (HELP / "commands" / f"{name}.md").read_text(encoding="utf-8").splitlines()
                     if line and not line.startswith("```")]
            with self.subTest(name):
                for line in prose:
                    self.assertIn(line, shown)
                self.assertIn("Every command takes --config FILE", shown)
                self.assertNotIn("```", shown)

    def test_the_program_shows_the_order_of_work(self):
        shown = self.expect(0, "--help").stdout
        order = [shown.index(f"thoughtrank {name} ") for name in ("init", "doctor", "plan", "run", "status", "inspect")]
        self.assertEqual(order, sorted(order))

    def test_lines_fit_a_terminal(self):
        for path in (HELP / "commands").glob("*.md"):
            is_code = False
            for line in path.read_text(encoding="utf-8").splitlines():
                is_code ^= line.startswith("```")
                self.assertLessEqual(len(line) + (4 if is_code else 0), 100, f"{path.name}: {line}")


if __name__ == "__main__":
    unittest.main()
