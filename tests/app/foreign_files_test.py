"""Files as other tools leave them: `plan` names what they are, and the command that its error gives makes them readable.
(`doctor` takes what `plan` takes, and measures nothing.)"""
import bz2
import gzip
import json
import lzma
import os
import re
import shlex
import shutil
import subprocess
import unittest
from pathlib import Path

from program import ROOT, TINY, ProgramTest, run, write_run

PYTHON = ROOT / ".deps" / "venv" / "bin"
COMMAND = re.compile(r"(?:Convert it|Convert the file|Unpack it|Rename them|Then rename it|Take the rows of '\w+'|"
                     r"Take the first question of each conversation|leave out such keys): (.*)")
QUESTIONS = [f"What is {n} and {n + 1}, \u00e9 \"quoted\"?" for n in range(6)]
ROWS = [{"id": n, "prompt": question, "answer": 2 * n + 1} for n, question in enumerate(QUESTIONS)]


def lines(rows):
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)


def shell(line):
    """Runs a command of an error message as a user pastes it; torch's Python first, if it is there."""
    env = {**os.environ, "PATH": f"{PYTHON}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-o", "pipefail", "-c", line], env=env, capture_output=True, text=True, timeout=300)
    if done.returncode != 0:
        raise AssertionError(f"{line}\n{done.stdout}{done.stderr}")


class PromptFiles(ProgramTest):
    def convert(self, name, data, says):
        """The file `name` of these bytes is refused with a command that makes a file `plan` takes; its rows."""
        config = write_run(self.folder)
        path = self.folder / name
        path.write_bytes(data if isinstance(data, bytes) else data.encode())
        said = self.expect(65, "plan", "--config", config, "--set", f"prompts.path={path}", says=says).stderr
        command = COMMAND.search(said)
        self.assertIsNotNone(command, said)
        shell(command[1])
        made = Path(shlex.split(command[1])[-1])
        self.expect(0, "doctor", "--config", config, "--set", f"prompts.path={made}")
        return [json.loads(line) for line in made.read_text().split("\n") if line]

    def test_text_in_other_encodings_and_archives(self):
        text = lines(ROWS)
        for name, data, says in [("a.jsonl", text.encode("utf-16"), "UTF-16"), ("b.jsonl", text.encode("utf-16-le"), "UTF-16"),
                                 ("c.jsonl", text.encode("utf-16-be"), "UTF-16"), ("d.jsonl", text.encode("utf-32"), "UTF-32"),
                                 ("e.jsonl", gzip.compress(text.encode()), "gzip"),
                                 ("f.jsonl.gz", gzip.compress(text.encode()), "gzip"),
                                 ("g.jsonl.bz2", bz2.compress(text.encode()), "bzip2"),
                                 ("h.jsonl.xz", lzma.compress(text.encode()), "xz")]:
            with self.subTest(name):
                self.assertEqual(self.convert(name, data, says), ROWS)

    def test_other_documents(self):
        for name, data, says in [("a.jsonl", json.dumps(ROWS, indent=1), "JSON array"), ("b.json", json.dumps(ROWS), "JSON array"),
                                 ("c.json", lines(ROWS), "mv "), ("d.jsonl", json.dumps({"v": 1, "data": ROWS}), "'v', 'data'"),
                                 ("it's e.jsonl", json.dumps({"v": 1, "data": ROWS}, indent=2), "'v', 'data'")]:
            with self.subTest(name):
                self.assertEqual(self.convert(name, data, says), ROWS)

    @unittest.skipUnless(shutil.which("jq"), "jq is not installed")
    def test_objects_over_several_lines(self):
        self.assertEqual(self.convert("a.jsonl", "".join(json.dumps(row, indent=2) + "\n" for row in ROWS), "several lines"), ROWS)

    def test_rows_of_other_tools(self):
        turns = [[{"from": "system", "value": "Be brief."}, {"from": "human", "value": question}, {"from": "gpt", "value": "So."}]
                 for question in QUESTIONS]
        chats = [[{"role": "user", "content": question}, {"role": "assistant", "content": "So."}] for question in QUESTIONS]
        for name, rows, says in [("sharegpt.jsonl", [{"id": f"c{n}", "conversations": t} for n, t in enumerate(turns)], "ShareGPT"),
                                 ("roles.jsonl", [{"conversations": chat} for chat in chats], "ShareGPT"),
                                 ("chats.jsonl", [{"messages": chat} for chat in chats], "Several turns"),
                                 ("alpaca.jsonl", [{"instruction": q, "input": "", "output": "So."} for q in QUESTIONS], "Alpaca"),
                                 ("problems.jsonl", [{"Problem": q, "level": 3} for q in QUESTIONS], "'Problem', 'level'"),
                                 ("texts.jsonl", QUESTIONS, "a text alone")]:
            with self.subTest(name):
                self.assertEqual([row["prompt"] for row in self.convert(name, lines(rows), says)], QUESTIONS)
        rows = self.convert("input.jsonl", lines({"instruction": q, "input": "x", "output": "y"} for q in QUESTIONS), "Alpaca")
        self.assertEqual(rows[0]["prompt"], QUESTIONS[0] + "\n\nx")
        self.assertEqual(rows[0]["answer"], "y")

    def test_tables(self):
        quoted = [question.replace('"', '""') for question in QUESTIONS]
        for name, mark, header in [("a.csv", ",", "question"), ("b.tsv", "\t", "text"), ("c.csv", ";", "Aufgabe"),
                                   ("d.jsonl", ",", "query")]:
            with self.subTest(name):
                table = f"{header}{mark}level\r\n" + "".join(f'"{question}"{mark}3\r\n' for question in quoted)
                rows = self.convert(name, table, f"'{header}', 'level'")
                self.assertEqual([row.get("prompt", row.get("question")) for row in rows], QUESTIONS)

    def test_repeats_are_dropped_where_the_error_says(self):
        config = write_run(self.folder)
        path = self.folder / "prompts.jsonl"
        path.write_text(lines(ROWS + ROWS[:2] + ROWS[:1]))
        self.expect(65, "plan", "--config", config, says="3 of 9 rows")
        shown = self.expect(0, "plan", "--config", config, "--set", "prompts.drop_repeats=true").stdout
        self.assertIn("6", shown)


class TrainingFiles(ProgramTest):
    def convert(self, rows, says):
        """`train --data` refuses the rows with a command that makes a file it takes; its rows."""
        config = write_run(self.folder)
        path, out = self.folder / "rows.jsonl", self.folder / "trained"
        path.write_text(lines(rows))
        words = ["train", "-q", "--config", config, "--set", "train.epochs=1", "--out", out, "--data"]
        said = self.expect(65, *words, path, says=says).stderr
        self.assertFalse(out.exists())
        command = COMMAND.search(said)
        self.assertIsNotNone(command, said)
        shell(command[1])
        made = Path(shlex.split(command[1])[-1])
        self.expect(0, *words, made)
        shutil.rmtree(out)
        return [json.loads(line) for line in made.read_text().split("\n") if line]

    def test_conversations_keep_their_turns(self):
        chat = [{"role": "system", "content": "Be brief."}, {"role": "user", "content": QUESTIONS[0]},
                {"role": "assistant", "content": "So."}, {"role": "user", "content": "And?"},
                {"role": "assistant", "content": "Then so."}]
        speakers = {"system": "system", "user": "human", "assistant": "gpt"}
        turns = [{"from": speakers[turn["role"]], "value": turn["content"]} for turn in chat]
        for rows in ([{"id": "c1", "conversations": turns}], [{"conversation": chat}]):
            self.assertEqual(self.convert(rows, "ShareGPT"), [{"messages": chat}])

    def test_pairs_of_texts(self):
        pairs = [{"prompt": question, "completion": "So."} for question in QUESTIONS]
        for rows, says in [([{"instruction": q, "input": "", "output": "So."} for q in QUESTIONS], "Alpaca"),
                           ([{"Problem": q, "solution": "So."} for q in QUESTIONS], "'Problem', 'solution'"),
                           ([{**pair, "source": "exam"} for pair in pairs], "unknown key 'source'")]:
            with self.subTest(says):
                self.assertEqual(self.convert(rows, says), pairs)


@unittest.skipUnless(PYTHON.exists(), "needs .deps with torch")
class Weights(ProgramTest):
    def make_model(self):
        model = self.folder / "model"
        shutil.copytree(TINY, model)
        return model

    def python(self, code, *words):
        subprocess.run([PYTHON / "python", "-c", code, *words], check=True)

    def convert(self, model, code, says):
        """plan refuses the model with a command, after which it takes it."""
        config = write_run(self.folder)
        words = ["plan", "--config", config, "--set", f"model.path={model}"]
        done = run(*words)
        self.assertEqual(done.returncode, code, done.stderr)
        self.assertIn(says, done.stderr)
        shell(COMMAND.search(done.stderr)[1])
        self.expect(0, "doctor", *words[1:])

    def test_a_pickle_in_the_folder(self):
        model = self.make_model()
        self.python("import sys, torch; from safetensors.torch import load_file; "
                    "torch.save(load_file(sys.argv[1]), sys.argv[2])", model / "model.safetensors", model / "pytorch_model.bin")
        (model / "model.safetensors").unlink()
        (model / "training_args.bin").write_bytes(b"PK")
        self.convert(model, 66, "pickle")

    def test_names_of_wrappers(self):
        for expression in ["'base_model.model.' + k", "k.removeprefix('model.')",
                           "'module.' + k.replace('.self_attn', '._orig_mod.self_attn')"]:
            with self.subTest(expression):
                model = self.make_model()
                self.python(f"import sys; from safetensors.torch import load_file, save_file; save_file({{{expression}: v for k, v "
                            "in load_file(sys.argv[1]).items()}, sys.argv[1], metadata={'format': 'pt'})", model / "model.safetensors")
                self.convert(model, 65, "The names have")
                shutil.rmtree(model)


class Paths(ProgramTest):
    def test_a_name_of_the_hub(self):
        config = write_run(self.folder)
        config.write_text(config.read_text().replace(str(TINY), "meta-llama/Llama-3.2-3B"))
        said = run("plan", "--config", "round.yaml", cwd=self.folder)
        self.assertEqual(said.returncode, 66)
        self.assertIn("hf download meta-llama/Llama-3.2-3B --local-dir models/Llama-3.2-3B,", said.stderr)
        self.expect(66, "sample", "--model", "meta-llama/Llama-3.2-3B", "a", says="hf auth login")

    def test_plan_needs_no_tmpdir(self):
        config = write_run(self.folder)
        self.expect(0, "plan", "--config", config, env={"TMPDIR": str(self.folder / "gone")})

    def test_files_that_are_something_else(self):
        config = write_run(self.folder)
        model = self.folder / "model"
        shutil.copytree(TINY, model)
        pointer = "version https://git-lfs.github.com/spec/v1\noid sha256:" + "0" * 64 + "\nsize 269060552\n"
        words = ["plan", "--config", config, "--set", f"model.path={model}"]
        for name in ["model.safetensors", "tokenizer.json", "config.json"]:
            with self.subTest(name):
                kept = (model / name).read_bytes()
                (model / name).write_text(pointer)
                self.expect(65, *words, says="Git LFS")
                (model / name).unlink()
                (model / name).symlink_to("../blobs/gone")
                self.expect(66, *words, says="../blobs/gone")
                (model / name).unlink()
                (model / name).write_bytes(kept)
        config.write_bytes(config.read_text().encode("utf-16"))
        self.expect(78, "plan", "--config", config, says="UTF-16")


if __name__ == "__main__":
    unittest.main()
