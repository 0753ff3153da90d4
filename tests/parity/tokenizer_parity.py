#!/usr/bin/env python3
"""Compares thoughtrank's token ids with the reference implementations; exits 1 on any difference.

    tests/parity/tokenizer_parity.py [--texts 2000] [--model DIR …] [--templates DIR] -- COMMAND …

COMMAND is `build/thoughtrank tokenize`: with `--model DIR` it reads {"text": …} lines and writes {"ids": […]};
`--special` parses special tokens, `--decode` turns {"ids": …} into {"text": …}. `--template-command` is a program of the
same kind for prompts ({"system", "user"} lines, with --template NAME --templates DIR); without it prompts are left out.

Compared for each model and for the tokenizers of tests/fixtures/make_tokenizer_fixtures.py (trained anew with larger vocabularies):
ids of random mixed-script texts and of 100 kB runs, with special tokens as plain text and parsed; decoded texts, of those ids
and of random ids; the round trip decode(encode(text)) == text. The round trip leaves out what the reference cannot give
back either: characters a vocabulary lacks, "\u2581" where it stands for a space, and a first space after Metaspace.
"""

import argparse
import json
import random
import subprocess
import sys
import tempfile
import time
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "fixtures"))
import make_tokenizer_fixtures as fixtures  # noqa: E402

RUNS = ["a", " ", "\n", "1", "\u20ac", "ab ", "\U0001F600", "\u180e", " \n", "\r\n", "<", "'s", "\u0301", "!", "\t"]


def ask(command, rows, *options):
    text = "".join(json.dumps(row) + "\n" for row in rows)
    done = subprocess.run([*command, *options], input=text.encode(), stdout=subprocess.PIPE, check=False)
    replies = done.stdout.decode().split("\n")[:-1]
    if done.returncode != 0 or len(replies) != len(rows):
        sys.exit(f"tokenizer_parity: {' '.join(command)} {' '.join(options)} gave {len(replies)} replies for "
                 f"{len(rows)} lines, exit {done.returncode}")
    return [json.loads(reply) for reply in replies]


class Tally:
    def __init__(self, name):
        self.name = name
        self.compared = {}
        self.different = 0

    def compare(self, what, ours, theirs, about):
        self.compared[what] = self.compared.get(what, 0) + 1
        if ours == theirs:
            return
        self.different += 1
        if self.different <= 5:
            print(f"{self.name}: {what} differ for {about[:200]!r}\n  ours   {str(ours)[:300]}\n"
                  f"  theirs {str(theirs)[:300]}")


def round_trips(folder, text, decoded):
    """Does the reference's own decoding give the text back? Then ours must."""
    return decoded == text if (Path(folder) / "tokenizer.json").exists() else fixtures.SPACE not in text


def compare_texts(command, folder, texts, tally):
    reference = fixtures.Reference(folder)
    texts = [text for text in texts if reference.is_comparable(text)]
    rows = [{"text": text} for text in texts]
    model = ["--model", str(folder)]
    plain = [reply["ids"] for reply in ask(command, rows, *model)]
    for text, ids in zip(texts, plain):
        tally.compare("ids", ids, reference.encode(text, special=False), text)
    if reference.json is not None:
        for text, reply in zip(texts, ask(command, rows, *model, "--special")):
            tally.compare("special ids", reply["ids"], reference.encode(text, special=True), text)
    decoded = ask(command, [{"ids": ids} for ids in plain], *model, "--decode")
    for text, ids, reply in zip(texts, plain, decoded):
        theirs = reference.decode(ids)
        tally.compare("decoded texts", reply["text"], theirs, text)
        if round_trips(folder, text, theirs):
            tally.compare("round trips", reply["text"], text, text)


def compare_random_ids(command, folder, count, tally):
    reference = fixtures.Reference(folder)
    if reference.json is None:  # sentencepiece replaces broken characters in its own way
        return
    rng = random.Random(3)
    size = reference.json.get_vocab_size()
    rows = [{"ids": [rng.randrange(size) for _ in range(rng.randint(1, 20))]} for _ in range(count)]
    for row, reply in zip(rows, ask(command, rows, "--model", str(folder), "--decode")):
        tally.compare("decoded random ids", reply["text"], reference.decode(row["ids"]), str(row["ids"]))


def read_jinja(template_file, bos, eos):
    import yaml
    jinja = yaml.safe_load(template_file.read_text(encoding="utf-8"))["jinja"]
    return jinja.replace("%bos%", bos).replace("%eos%", eos)


def compare_prompts(command, folder, template, templates, count, tally):
    """encode_prompt against transformers' apply_chat_template of the template's Jinja text."""
    from transformers import PreTrainedTokenizerFast
    reference = fixtures.Reference(folder)
    tokenizer = PreTrainedTokenizerFast(tokenizer_file=str(Path(folder) / "tokenizer.json"))
    leading = reference.json.encode("", add_special_tokens=True).ids
    eos = json.loads((Path(folder) / "config.json").read_text())["eos_token_id"]
    jinja = read_jinja(Path(templates) / f"{template}.yaml",
                       "".join(map(reference.json.id_to_token, leading)), reference.json.id_to_token(eos))
    added = [token.content for token in reference.json.get_added_tokens_decoder().values()]
    rng = random.Random(5)
    rows = []
    while len(rows) < count:
        system, user = rng.choice(["", fixtures.random_text(rng)]), fixtures.random_text(rng, 200)
        if reference.is_comparable(system + user) and not any(t in system + user for t in added):
            rows.append({"system": system, "user": user})
    replies = ask(command, rows, "--model", str(folder), "--template", template, "--templates", str(templates))
    for row, reply in zip(rows, replies):
        messages = [{"role": "system", "content": row["system"]}] if row["system"] else []
        messages.append({"role": "user", "content": row["user"]})
        theirs = tokenizer.apply_chat_template(messages, chat_template=jinja, add_generation_prompt=True,
                                               return_dict=False)
        tally.compare("prompts", reply["ids"], theirs, row["user"])


TEMPLATES_OF = {"llama3_style": ["llama3", "plain"], "llama2_style": ["zephyr", "plain"],
                "metaspace": ["zephyr", "plain"], "gpt2_style": ["plain"], "SmolLM2": ["smollm2", "chatml", "plain"]}


def templates_for(folder):
    return next((names for key, names in TEMPLATES_OF.items() if folder.name.startswith(key)), [])


def compare_folder(folder, arguments):
    started = time.monotonic()
    tally = Tally(folder.name)
    rng = random.Random(1)
    texts = [fixtures.random_text(rng) for _ in range(arguments.texts)]
    texts += [run * (100_000 // len(run.encode())) for run in RUNS] + [""]
    compare_texts(arguments.command, folder, texts, tally)
    compare_random_ids(arguments.command, folder, arguments.texts // 4, tally)
    if arguments.template_command:
        for template in templates_for(folder):
            compare_prompts([arguments.template_command], folder, template, arguments.templates,
                            arguments.texts // 8, tally)
    counts = ", ".join(f"{count} {what}" for what, count in tally.compared.items())
    print(f"{folder.name}: {counts}; {tally.different} different ({time.monotonic() - started:.1f} s)")
    return tally


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--texts", type=int, default=2000, help="random texts for each tokenizer")
    parser.add_argument("--model", action="append", default=[], help="further model folders")
    parser.add_argument("--templates", default=str(ROOT / "configs" / "templates"))
    parser.add_argument("--template-command", help="a program that encodes prompts")
    parser.add_argument("command", nargs="+", help="the tokenize command, after --")
    arguments = parser.parse_args()
    tallies = []
    with tempfile.TemporaryDirectory() as scratch:
        for name, make in fixtures.MAKERS.items():
            folder = Path(scratch) / name
            folder.mkdir()
            make(folder, 1500)
            tallies.append(compare_folder(folder, arguments))
        tallies += [compare_folder(Path(model), arguments) for model in arguments.model]
    texts = sum(tally.compared["ids"] for tally in tallies)
    different = sum(tally.different for tally in tallies)
    print(f"{texts} texts on {len(tallies)} tokenizers: {different} differences")
    sys.exit(1 if different else 0)


if __name__ == "__main__":
    main()
