#!/usr/bin/env python3
"""Checks that transformers takes a checkpoint as it is, and computes what thoughtrank does.

    tests/parity/check_checkpoint.py CHECKPOINT_DIR --prompts RUN/round-NN/prompts.jsonl
                                [--dump-logits build/tests/train/dump_logits] [--new-tokens 96]

1. AutoModelForCausalLM and AutoTokenizer load it without a warning about weights.
2. apply_chat_template(add_generation_prompt=True) of the prompts gives their token_ids.
3. Plain text encodes as with the folder's own tokenizer.json.
4. Logits of 8 prompts in float32 equal ours to 1e-4.
5. generate(), with the head of a thought forced, writes a thought and an answer: "</thought>" is forced after it as
   in the recipe where the model does not close by itself.
Prints one JSON object; exits 1 when a check fails.
"""

import argparse
import json
import logging
import subprocess
import sys
from pathlib import Path

import torch
from tokenizers import Tokenizer
from transformers import AutoModelForCausalLM, AutoTokenizer
from transformers.utils import logging as transformers_logging

LOGIT_TOLERANCE = 1e-4
LOGIT_PROMPTS = 8
LOGIT_TOKENS = 48  # of each prompt at most
TEXTS = ["Hello, world!", " two  spaces\n\nand lines", "Zahlen 1234567, Ümläute, 日本語, 🙂", "def f(x):\n\treturn x"]


class Warnings(logging.Handler):
    """Keeps what transformers logs."""

    def __init__(self):
        super().__init__(logging.WARNING)
        self.messages = []

    def emit(self, record):
        self.messages.append(record.getMessage())


def load(folder):
    warnings = Warnings()
    transformers_logging.disable_progress_bar()
    logging.getLogger("transformers").addHandler(warnings)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model, info = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32, output_loading_info=True)
    found = warnings.messages + [f"{key}: {sorted(value)}" for key, value in info.items() if value]
    return model.eval(), tokenizer, found


def read_rows(path):
    return [json.loads(line) for line in path.read_text().splitlines()]


def messages_of(prompt):
    system = [{"role": "system", "content": prompt["system"]}] if prompt["system"] else []
    return system + [{"role": "user", "content": prompt["prompt"]}]


def differing_prompts(tokenizer, prompts):
    def ids_of(prompt):
        return tokenizer.apply_chat_template(messages_of(prompt), add_generation_prompt=True, return_dict=False)

    return [prompt["prompt_id"] for prompt in prompts if ids_of(prompt) != prompt["token_ids"]]


def differing_texts(tokenizer, folder):
    if not (folder / "tokenizer.json").is_file():
        return []
    own = Tokenizer.from_file(str(folder / "tokenizer.json"))
    return [text for text in TEXTS if tokenizer(text).input_ids != own.encode(text).ids]


def our_logits(program, folder, sequences):
    lines = "".join(json.dumps({"ids": ids}) + "\n" for ids in sequences)
    done = subprocess.run([program, folder], input=lines, capture_output=True, text=True, check=True)
    return [torch.tensor(json.loads(line)["logits"]) for line in done.stdout.splitlines()]


def largest_logit_difference(model, folder, prompts, program):
    sequences = [prompt["token_ids"][:LOGIT_TOKENS] for prompt in prompts[:LOGIT_PROMPTS]]
    differences = []
    for ids, ours in zip(sequences, our_logits(program, folder, sequences), strict=True):
        with torch.no_grad():
            theirs = model(torch.tensor([ids])).logits[0]
        differences.append((ours - theirs).abs().max())
    return torch.stack(differences).max().item()  # NaN stays NaN, as in no max() of Python's


def generate_text(model, tokenizer, prompt, tags, new_tokens):
    """Thought and answer, greedily, with the open tag forced and the close tag where it did not come."""
    def continued(ids, count):
        given = torch.tensor([ids])
        out = model.generate(given, attention_mask=torch.ones_like(given), max_new_tokens=count, do_sample=False)
        return out[0].tolist()

    start = len(prompt["token_ids"])
    ids = prompt["token_ids"] + tokenizer.encode(tags[0], add_special_tokens=False)
    ids = continued(ids, new_tokens // 2)
    if tags[1] not in tokenizer.decode(ids[start:]):
        ends = {ids[-1]} & set(eos_ids(model))
        ids = ids[: len(ids) - len(ends)] + tokenizer.encode(tags[1], add_special_tokens=False)
    text = tokenizer.decode(continued(ids, new_tokens)[start:], skip_special_tokens=True)
    thought, _, answer = text.removeprefix(tags[0]).partition(tags[1])
    return {"thought": thought, "answer": answer}


def eos_ids(model):
    eos = model.generation_config.eos_token_id
    return eos if isinstance(eos, list) else [eos]


def parse_arguments():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("checkpoint", type=Path)
    parser.add_argument("--prompts", "--ids-file", type=Path, required=True, help="round-NN/prompts.jsonl")
    parser.add_argument("--dump-logits", default="build/tests/train/dump_logits", help="our program (tests/train)")
    parser.add_argument("--tags", nargs=2, default=["<thought>", "</thought>"])
    parser.add_argument("--new-tokens", type=int, default=96)
    return parser.parse_args()


def main():
    arguments = parse_arguments()
    prompts = read_rows(arguments.prompts)
    model, tokenizer, warnings = load(arguments.checkpoint)
    result = {
        "warnings": warnings,
        "prompts": len(prompts),
        "logit_prompts": len(prompts[:LOGIT_PROMPTS]),
        "prompts_that_render_differently": differing_prompts(tokenizer, prompts),
        "texts_that_encode_differently": differing_texts(tokenizer, arguments.checkpoint),
        "largest_logit_difference": largest_logit_difference(
            model, arguments.checkpoint, prompts, arguments.dump_logits
        ),
        "generated": generate_text(model, tokenizer, prompts[0], arguments.tags, arguments.new_tokens),
    }
    failed = [key for key in result if key.startswith(("warnings", "prompts_that", "texts_that")) and result[key]]
    if not result["largest_logit_difference"] <= LOGIT_TOLERANCE:
        failed.append("largest_logit_difference")
    if not all(result["generated"].values()):
        failed.append("generated")
    print(json.dumps(result | {"failed": failed}, indent=2, ensure_ascii=False))
    sys.exit(1 if failed else 0)


if __name__ == "__main__":
    main()
