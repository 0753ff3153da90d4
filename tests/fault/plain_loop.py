"""The habit that the sweep of R1 and R2 is held against: a training loop that writes model and optimizer into
checkpoint-N with the libraries' own calls, and goes on from the newest checkpoint-N that it finds.

    plain_loop.py FOLDER MODEL
"""
import sys
from pathlib import Path

import torch
from transformers import AutoModelForCausalLM

STEPS, SAVE_EVERY = 12, 3


def newest(folder):
    found = sorted(folder.glob("checkpoint-*"), key=lambda path: int(path.name.rpartition("-")[2]))
    return found[-1] if found else None


def save(folder, step, model, optimizer):
    checkpoint = folder / f"checkpoint-{step}"
    model.save_pretrained(checkpoint)
    torch.save(optimizer.state_dict(), checkpoint / "optimizer.pt")
    (checkpoint / "trainer_state.json").write_text(f'{{"global_step": {step}}}')


def main(folder, start):
    torch.manual_seed(0)
    torch.set_num_threads(1)
    last = newest(folder)
    step = int(last.name.rpartition("-")[2]) if last else 0
    model = AutoModelForCausalLM.from_pretrained(last or start, dtype=torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    if last:
        optimizer.load_state_dict(torch.load(last / "optimizer.pt"))
    rows = torch.randint(0, model.config.vocab_size, (STEPS, 32), generator=torch.Generator().manual_seed(1))
    while step < STEPS:
        loss = model(input_ids=rows[step:step + 1], labels=rows[step:step + 1]).loss
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
        step += 1
        if step % SAVE_EVERY == 0:
            save(folder, step, model, optimizer)


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2])
