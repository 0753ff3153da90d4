"""The texts: every command of README.md and src/app/help is run on the tiny model, every option is named in them, and
they keep their size. A command that is neither run here nor listed as run elsewhere fails."""
import contextlib
import os
import re
import shutil
import subprocess
import tempfile
import unittest
from pathlib import Path

from documents import ELSEWHERE, HELP, SUBSTITUTIONS, commands_of, documents, is_elsewhere
from program import CONFIG, PROGRAM, ROOT, TINY, ProgramTest, mock_judge, rows_of, run, serve_batch, write_run

STUDY = """\
study_dir: ../runs/study
config: quickstart.yaml
seeds: 2
tasks: [{name: sums, set: [rounds=1]}]
arms: [{name: recipe}, {name: chance, set: [select.control=random_winner]}]
"""
SERVER = ("kind: openai, model: mock, base_url: {url}, timeout_s: 20, max_usd: 50, "
          "price: {{input_per_million: 1, output_per_million: 1}}")


def tiny_config(name, prompts, judge="kind: likelihood"):
    """The tests' tiny run as runs/NAME, with any winner good enough."""
    text = CONFIG.format(model=TINY).replace("run_dir: run\n", f"run_dir: runs/{name}\n")
    text = text.replace("path: prompts.jsonl", f"path: {prompts}").replace("kind: likelihood", judge)
    return text + "select: {min_confidence: 0, max_regret: 100}\n"


def make_workplace(folder, prompts, url):
    """A folder in which the texts' commands find what they name; `url`: the judge's server that some of them ask."""
    server = SERVER.format(url=url)
    by_file = folder.name == "batches"
    configs = {"round.yaml": tiny_config("batches", prompts, server) if by_file else tiny_config("first", prompts),
               "new.yaml": tiny_config("fork", prompts).replace("rounds: 2", "rounds: 3"),
               "configs/quickstart.yaml": tiny_config("quickstart", prompts),
               "configs/study.yaml": STUDY,
               "configs/llama-3.2-3b.yaml": tiny_config("llama", prompts, server)}
    for name, text in configs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    for name, target in {"build/thoughtrank": PROGRAM, "models/SmolLM2-135M-Instruct": TINY}.items():
        (folder / name).parent.mkdir()
        (folder / name).symlink_to(target)


class Commands(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        stack = contextlib.ExitStack()
        cls.addClassCleanup(stack.close)
        cls.url = stack.enter_context(mock_judge("--taste", "sober"))
        cls.base = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="docs-test-")))
        write_run(cls.base)
        make_workplace(cls.base / "finished", cls.base / "prompts.jsonl", cls.url)
        done = run("run", "-q", "--config", cls.base / "finished" / "round.yaml")
        assert done.returncode == 0, done.stderr
        cls.prompt = rows_of(cls.base / "finished/runs/first/round-01/prompts.jsonl")[0]["prompt_id"]

    def workplace(self, name):
        """A folder for one text's commands, with a finished run in it."""
        folder = self.base / name
        make_workplace(folder, self.base / "prompts.jsonl", self.url)
        shutil.copytree(self.base / "finished" / "runs", folder / "runs")
        return folder

    def run_line(self, folder, line):
        words = line
        for pattern, replacement in SUBSTITUTIONS:
            words = re.sub(pattern, replacement.replace("URL", self.url).replace("PROMPT", self.prompt), words)
        if "--import results.jsonl" in words:  # between the commands the provider does its work
            serve_batch(folder / "batch.jsonl", folder / "results.jsonl")
        env = {**os.environ, "PATH": f"{folder / 'build'}:{os.environ['PATH']}"}
        done = subprocess.run(["bash", "-o", "pipefail", "-c", words], cwd=folder, env=env, capture_output=True,
                              text=True, timeout=600)
        self.assertEqual(done.returncode, 0, f"{line}\n{words}\n{done.stdout}\n{done.stderr}")

    def test_every_command_of_every_text_runs(self):
        ran = 0
        for document in documents():
            lines = [line for line in commands_of(document) if not is_elsewhere(line)]
            if not lines:
                continue
            folder = self.workplace(("command-" if document.parent.name == "commands" else "") + document.stem)
            for line in lines:
                with self.subTest(text=document.name, command=line):
                    self.run_line(folder, line)
                    ran += 1
        self.assertGreater(ran, 50)

    def test_what_is_run_elsewhere_is_still_in_a_text_and_there(self):
        lines = [line for document in documents() for line in commands_of(document)]
        for command, where in ELSEWHERE.items():
            with self.subTest(command):
                self.assertTrue(any(line.startswith(command) for line in lines), "in no text any more")
                self.assertTrue((ROOT / where).is_file(), where)

    def test_a_command_that_does_not_work_is_seen(self):
        folder = self.workplace("control")
        for line in ("thoughtrank run --config nowhere.yaml", "thoughtrank no-such-command", "no-such-program"):
            with self.assertRaises(AssertionError):
                self.run_line(folder, line)


class Completeness(ProgramTest):
    def commands(self):
        """"bench decode" -> its options; "" -> those of the program. The manual page is made of the same tree as --help."""
        page = self.expect(0, "man").stdout.replace("\\-", "-")
        names = re.findall(r"^\.SS thoughtrank ([a-z -]+?)(?: -| \[?[A-Z]|$)", page, re.M)
        parts = re.split(r"^\.SS .*\n", page.split(".SH CONFIG FILE")[0], flags=re.M)
        self.assertEqual(len(parts), len(names) + 1)
        return {name: re.findall(r"\\fB(--[a-z-]+)\\fR", part) for name, part in zip(["", *names], parts)}

    def test_every_command_is_in_the_readme_and_has_a_text(self):
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        commands = set(self.commands()) - {""}
        self.assertLessEqual({"run", "judge-test", "bench decode", "config show", "help", "completion"}, commands)
        self.assertGreater(len(commands), 20)
        for name in commands:
            self.assertIn(f"`{name}", readme, name)
            texts = [HELP / "commands" / f"{words}.md" for words in (name.replace(" ", "-"), name.split()[0])]
            self.assertTrue(any(text.is_file() for text in texts), name)

    def test_every_option_is_named_in_a_text(self):
        texts = "\n".join(path.read_text(encoding="utf-8") for path in documents())
        options = self.commands()
        self.assertIn("--verify-tokens", options["generate"])
        for command, names in options.items():
            for name in names:
                self.assertTrue(re.search(rf"{name}(?![a-z-])", texts), f"{command} {name}")

    def test_help_and_manual_page_name_the_same(self):
        for command in ("run", "bench decode", "ask"):
            shown = self.expect(0, *command.split(), "--help").stdout.split("Options:\n")[1].split("\n\n")[0]
            found = set(re.findall(r"^  (?:-\w,)?(--[a-z-]+)", shown, re.M)) - {"--help"}
            self.assertEqual(found, set(self.commands()[command]))

    def test_every_topic_that_is_mentioned_is_there(self):
        sources = [*documents(), *ROOT.glob("src/**/*.cpp"), *ROOT.glob("include/**/*.h"),
                   *ROOT.glob("tests/*/README.md"), ROOT / "src/README.md"]
        found = set()
        for path in sources:
            found |= set(re.findall(r"(?:`|thoughtrank )help ([a-z-]+)", path.read_text(encoding="utf-8")))
        self.assertGreater(len(found), 6)
        for topic in sorted(found):
            self.expect(0, "help", topic)

    def test_every_command_that_is_mentioned_is_there(self):
        names = {name.split()[0] for name in self.commands() if name}
        for path in documents():
            for name in re.findall(r"`(?:build/)?thoughtrank ([a-z-]+)", path.read_text(encoding="utf-8")):
                self.assertIn(name, names, path.name)

    def test_sizes(self):
        self.assertLessEqual((ROOT / "README.md").stat().st_size, 12_000)
        for path in HELP.rglob("*.md"):
            self.assertTrue(path.read_text(encoding="utf-8").endswith("\n"), path)

    def test_links_lead_somewhere(self):
        for path in [ROOT / "README.md", ROOT / "src/README.md", *ROOT.glob("tests/*/README.md")]:
            for target in re.findall(r"\]\(([^)#]+)", path.read_text(encoding="utf-8")):
                if "://" not in target:
                    self.assertTrue((path.parent / target).exists(), f"{path}: {target}")


if __name__ == "__main__":
    unittest.main()
