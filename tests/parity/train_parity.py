#!/usr/bin/env python3
"""Trains a model for a few steps with us and with transformers + torch.optim.AdamW and compares the losses.

    tests/parity/train_parity.py [--model models/SmolLM2-135M-Instruct] [--steps 10] [--dump-training build/tests/train/dump_training]

Two rows of 128 tokens, loss on the last 96, float32, constant learning rate 1e-5, no clipping. The relative
difference of each loss must stay within 1e-4 for the first ten steps and 1e-2 for the next ten.
Prints one JSON object; exits 1 when a loss differs by more.
"""

import argparse
import json
import subprocess
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

ROWS, TOKENS, PROMPT = 2, 128, 32
LEARNING_RATE = 1e-5
BETAS, EPS = (0.9, 0.95), 1e-8


def tolerance(step):
    return 1e-4 if step < 10 else 1e-2


def random_ids(vocabulary):
    generator = torch.Generator().manual_seed(1)
    return torch.randint(0, vocabulary, (ROWS, TOKENS), generator=generator)


def our_losses(program, model, ids, steps):
    rows = [
        {
            "prompt_id": str(n),
            "round": 1,
            "branch": 0,
            "prompt": "",
            "completion": "",
            "input_ids": row.tolist(),
            "spans": [[PROMPT, TOKENS, 1.0]],
            "weight": 1.0,
        }
        for n, row in enumerate(ids)
    ]
    lines = "".join(json.dumps(row) + "\n" for row in rows)
    command = [program, model, str(LEARNING_RATE), str(steps), "float32"]
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True)
    return [json.loads(line)["loss"] for line in done.stdout.splitlines()]


def their_losses(model_dir, ids, steps):
    model = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, betas=BETAS, eps=EPS, weight_decay=0.0)
    labels = ids.clone()
    labels[:, :PROMPT] = -100
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = model(input_ids=ids, labels=labels, use_cache=False).loss
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("models/SmolLM2-135M-Instruct"))
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--dump-training", default="build/tests/train/dump_training", help="our program (tests/train)")
    arguments = parser.parse_args()
    ids = random_ids(json.loads((arguments.model / "config.json").read_text())["vocab_size"])
    ours = our_losses(arguments.dump_training, arguments.model, ids, arguments.steps)
    theirs = their_losses(arguments.model, ids, arguments.steps)
    differences = [abs(a / b - 1) for a, b in zip(ours, theirs, strict=True)]
    passed = all(difference <= tolerance(step) for step, difference in enumerate(differences))
    result = {"ours": ours, "transformers": theirs, "relative_difference": differences, "passed": passed}
    print(json.dumps(result, indent=2))
    sys.exit(0 if passed else 1)


if __name__ == "__main__":
    main()
