#!/usr/bin/env python3
"""Trains on preference pairs with us and with TRL's DPO loss + torch.optim.AdamW and compares the losses.

    tests/parity/dpo_parity.py [--model tests/data/tiny-llama] [--steps 10] [--dump-training build/tests/train/dump_training]

TRL (package `trl`, with accelerate and datasets) is needed for this script only. The loss is TRL's own code,
DPOTrainer._compute_loss with loss types sigmoid + sft; its model is transformers'. Four pairs of random tokens of
different lengths, float32, learning rate 1e-3, no clipping. Each loss and reward margin must agree to 1e-5.
Prints one JSON object; exits 1 when one differs by more.
"""

import argparse
import collections
import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import torch
from transformers import AutoModelForCausalLM
from trl.trainer.dpo_trainer import DPOTrainer

BETA, NLL = 0.5, 0.7
LEARNING_RATE = 1e-3
BETAS, EPS = (0.9, 0.95), 1e-8
TOLERANCE = 1e-5


def random_pairs(vocabulary):
    """[(prompt ids, chosen ids, rejected ids)]"""
    generator = torch.Generator().manual_seed(1)
    lengths = [(5, 9, 12), (8, 14, 6), (3, 7, 7), (11, 5, 16)]
    return [[torch.randint(0, vocabulary, (n,), generator=generator).tolist() for n in each] for each in lengths]


def our_metrics(program, model, pairs, steps):
    lines = ""
    for n, (prompt, chosen, rejected) in enumerate(pairs):
        row = {"prompt_id": str(n), "round": 1, "prompt": "", "chosen": "", "rejected": "", "prompt_ids": prompt}
        row |= {"chosen_ids": chosen, "rejected_ids": rejected, "utility_gap": 1.0}
        row |= {"chosen_spans": [[len(prompt), len(prompt) + len(chosen), 1.0]]}
        row |= {"rejected_spans": [[len(prompt), len(prompt) + len(rejected), 1.0]]}
        lines += json.dumps(row) + "\n"
    command = [program, model, str(LEARNING_RATE), str(steps), "float32", str(BETA), str(NLL)]
    done = subprocess.run(command, input=lines, stdout=subprocess.PIPE, text=True, check=True)
    rows = [json.loads(line) for line in done.stdout.splitlines()]
    return [row["loss"] for row in rows], [row["reward_margin"] for row in rows]


def batch_of(pairs):
    """TRL's batch: all chosen sequences, then all rejected ones, padded on the right."""
    rows = [prompt + chosen for prompt, chosen, _ in pairs] + [prompt + rejected for prompt, _, rejected in pairs]
    prompts = [len(prompt) for prompt, _, _ in pairs] * 2
    ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.long)
    attention, completion = torch.zeros_like(ids), torch.zeros_like(ids)
    for n, row in enumerate(rows):
        ids[n, : len(row)] = torch.tensor(row)
        attention[n, : len(row)] = 1
        completion[n, prompts[n] : len(row)] = 1
    return {"input_ids": ids, "attention_mask": attention, "completion_mask": completion}


def with_log_probabilities(model):
    """The model as TRL calls it: log-probabilities of the labels, 0 where a label is -100."""

    def forward(input_ids, attention_mask, labels, **_):
        logits = model(input_ids=input_ids, attention_mask=attention_mask, use_cache=False).logits[:, :-1]
        targets = labels[:, 1:]
        picked = logits.log_softmax(-1).gather(2, targets.clamp(min=0).unsqueeze(2)).squeeze(2)
        log_probs = picked * (targets != -100)
        unused = torch.zeros_like(log_probs)
        return SimpleNamespace(log_probs=log_probs, entropy=unused, mean_logits=unused, is_top1=unused.bool())

    forward.training = True
    return forward


def trl_trainer(model, batch):
    """What DPOTrainer._compute_loss looks at."""
    alone = SimpleNamespace(gather_for_metrics=lambda tensor: tensor, gather=lambda tensor: tensor, device="cpu")
    with torch.no_grad():
        labels = batch["input_ids"].masked_fill(batch["completion_mask"] == 0, -100)
        logps = model(batch["input_ids"], batch["attention_mask"], labels).log_probs.sum(1)
    batch["ref_chosen_logps"], batch["ref_rejected_logps"] = logps.chunk(2)
    return SimpleNamespace(
        model=model,
        accelerator=alone,
        aux_loss_enabled=False,
        ld_alpha=None,
        precompute_ref_logps=True,
        f_divergence_type="reverse_kl",
        beta=BETA,
        loss_types=["sigmoid", "sft"],
        loss_weights=[1.0, NLL],
        use_weighting=False,
        label_smoothing=0.0,
        _metrics={"train": collections.defaultdict(list)},
        _total_train_tokens=0,
        _tp_size=1,
    )


def trl_metrics(model_dir, pairs, steps):
    network = AutoModelForCausalLM.from_pretrained(model_dir, dtype=torch.float32)
    optimizer = torch.optim.AdamW(network.parameters(), lr=LEARNING_RATE, betas=BETAS, eps=EPS, weight_decay=0.0)
    batch = batch_of(pairs)
    trainer = trl_trainer(with_log_probabilities(network), batch)
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = DPOTrainer._compute_loss(trainer, trainer.model, batch, return_outputs=False)
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses, trainer._metrics["train"]["rewards/margins"]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--model", type=Path, default=Path("tests/data/tiny-llama"))
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--dump-training", default="build/tests/train/dump_training", help="our program (tests/train)")
    arguments = parser.parse_args()
    pairs = random_pairs(json.loads((arguments.model / "config.json").read_text())["vocab_size"])
    ours = our_metrics(arguments.dump_training, arguments.model, pairs, arguments.steps)
    theirs = trl_metrics(arguments.model, pairs, arguments.steps)
    result = {"ours": ours[0], "trl": theirs[0], "margins": ours[1], "trl_margins": theirs[1]}
    differences = [abs(a - b) for mine, other in zip(ours, theirs) for a, b in zip(mine, other, strict=True)]
    result["largest_difference"] = max(differences)
    result["passed"] = result["largest_difference"] <= TOLERANCE
    print(json.dumps(result, indent=2))
    sys.exit(0 if result["passed"] else 1)


if __name__ == "__main__":
    main()
