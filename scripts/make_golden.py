#!/usr/bin/env python3
"""Makes the tiny models and the golden numbers under tests/data with transformers and PyTorch.

    scripts/make_golden.py [--smollm2 models/SmolLM2-135M-Instruct]

Two tiny random Llamas, as Hugging Face folders:
    tiny-llama          tied embeddings, plain rotary embedding, float32, one weight file, with a tokenizer:
                        a whole folder that the program runs on
    tiny-llama3         untied, rotary scaling "llama3", head_dim that is not width / heads, float16 in shards,
                        config.json with the older key names
and for each golden/NAME.safetensors:
    ids (T), offsets (documents + 1), prompt_lengths (documents)
    logits (T, V), logits_bfloat16 (T, V)      each document run by itself
    loss (1), grad.PARAMETER                   token mean over the tokens behind the prompt of each document
    train.losses, train.grad_norms (10)        AdamW as in TRAINING below, all documents in each step
    rope.positions, rope.cos, rope.sin
For SmolLM2 golden/smollm2.json: last logits of 8 prompts at fixed vocabulary positions, the top 5 and logsumexp.
"""

import argparse
import hashlib
import json
import shutil
from pathlib import Path

import torch
from safetensors.torch import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoModelForCausalLM, AutoTokenizer, LlamaConfig, LlamaForCausalLM

DATA = Path(__file__).resolve().parent.parent / "tests" / "data"
VOCABULARY = 320
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
DOCUMENT_LENGTHS = [19, 30]
PROMPT_LENGTHS = [4, 7]
TRAINING = {"lr": 1e-3, "betas": (0.9, 0.95), "eps": 1e-8, "weight_decay": 0.1}  # every parameter decays
CLIP = 1.0
STEPS = 10
ROPE_POSITIONS = [*range(32), 100, 511, 1000, 2047]

CORPUS = [
    "Think before you answer: the thought comes first, the answer comes after it.",
    "What is the capital of France? The capital of France is Paris.",
    "There are sixty-two branches, one for each letter and each digit of the alphabet.",
    "A judge reads the answers and ranks them from the best to the worst.",
    "The model is trained on the winner, and then the next round begins with it.",
    "<thought>I should count the words of this sentence and then write the number.</thought>",
    "Two and two make four; three times seven is twenty-one; ten minus six is four.",
    "Write a short poem about the sea, the wind and the light in the morning.",
]

PROMPTS = [
    "The capital of France is",
    "def fibonacci(n):\n    if n < 2:\n        return",
    "Once upon a time, in a small village by the sea,",
    "2 + 2 =",
    "<|im_start|>user\nName three colours.<|im_end|>\n<|im_start|>assistant\n",
    "Der schnelle braune Fuchs springt über den",
    "1, 1, 2, 3, 5, 8, 13,",
    "The quick brown fox jumps over the lazy dog. " * 12,
]


def plain_config():
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=64,
        intermediate_size=128,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=2,
        max_position_embeddings=2048,
        rms_norm_eps=1e-5,
        rope_parameters={"rope_type": "default", "rope_theta": 10000.0},
        tie_word_embeddings=True,
        bos_token_id=0,
        eos_token_id=0,
    )


def llama3_config():
    rope = {
        "rope_type": "llama3",
        "rope_theta": 500000.0,
        "factor": 8.0,
        "low_freq_factor": 1.0,
        "high_freq_factor": 4.0,
        "original_max_position_embeddings": 512,
    }
    return LlamaConfig(
        vocab_size=VOCABULARY,
        hidden_size=48,
        intermediate_size=80,
        num_hidden_layers=2,
        num_attention_heads=4,
        num_key_value_heads=1,
        head_dim=16,
        max_position_embeddings=4096,
        rms_norm_eps=1e-6,
        rope_parameters=rope,
        tie_word_embeddings=False,
        bos_token_id=0,
        eos_token_id=[0, 2],
    )


def random_llama(config, seed):
    """Weights large enough that every part of the network shows in the logits."""
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config)
    with torch.no_grad():
        for weight in model.parameters():
            if weight.dim() == 1:
                weight.copy_(1 + 0.1 * torch.randn_like(weight))
            else:
                weight.copy_(torch.randn_like(weight) * weight.shape[1] ** -0.5)
    return model


def write_json(path, value):
    path.write_text(json.dumps(value, indent=2) + "\n")


def write_with_older_keys(folder):
    """config.json as transformers 4 wrote it."""
    path = folder / "config.json"
    config = json.loads(path.read_text())
    rope = config.pop("rope_parameters")
    config["rope_theta"] = rope.pop("rope_theta")
    config["rope_scaling"] = rope
    config["torch_dtype"] = config.pop("dtype")
    write_json(path, dict(sorted(config.items())))


def write_tokenizer(folder):
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=SPECIAL_TOKENS,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    tokenizer.train_from_iterator(CORPUS, trainer)
    assert tokenizer.get_vocab_size() == VOCABULARY, tokenizer.get_vocab_size()
    tokenizer.save(str(folder / "tokenizer.json"))
    config = {
        "tokenizer_class": "PreTrainedTokenizerFast",
        "bos_token": SPECIAL_TOKENS[0],
        "eos_token": SPECIAL_TOKENS[0],
        "pad_token": SPECIAL_TOKENS[2],
        "clean_up_tokenization_spaces": False,
        "model_max_length": 2048,
    }
    write_json(folder / "tokenizer_config.json", config)
    write_json(folder / "generation_config.json", {"bos_token_id": 0, "eos_token_id": [0, 2], "pad_token_id": 2})
    text = CORPUS[0] + " Überraschung 42\n"
    loaded = AutoTokenizer.from_pretrained(folder)
    assert loaded.decode(loaded(text).input_ids) == text


def write_models():
    plain = fresh_folder("tiny-llama")
    random_llama(plain_config(), seed=1).save_pretrained(plain)
    write_tokenizer(plain)

    llama3 = fresh_folder("tiny-llama3")
    random_llama(llama3_config(), seed=2).to(torch.float16).save_pretrained(llama3, max_shard_size="60KB")
    write_with_older_keys(llama3)
    assert len(list(llama3.glob("*.safetensors"))) > 1
    return [plain, llama3]


def fresh_folder(name):
    folder = DATA / name
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    return folder


def load(folder, dtype):
    return AutoModelForCausalLM.from_pretrained(folder, dtype=dtype, attn_implementation="eager").eval()


def random_documents(seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randint(0, VOCABULARY, (n,), generator=generator) for n in DOCUMENT_LENGTHS]


def token_mean_loss(model, documents):
    """Mean cross-entropy over the tokens behind each document's prompt."""
    losses = []
    for ids, prompt_length in zip(documents, PROMPT_LENGTHS):
        logits = model(ids[None]).logits[0]
        losses.append(
            torch.nn.functional.cross_entropy(
                logits[prompt_length - 1 : -1], ids[prompt_length:], reduction="none"
            )
        )
    return torch.cat(losses).mean()


def golden_forward(folder, documents):
    golden = {}
    with torch.no_grad():
        for dtype, key in [(torch.float32, "logits"), (torch.bfloat16, "logits_bfloat16")]:
            model = load(folder, dtype)
            golden[key] = torch.cat([model(ids[None]).logits[0] for ids in documents])
        rotary = load(folder, torch.float32).model.rotary_emb
        cos, sin = rotary(torch.zeros(1), torch.tensor([ROPE_POSITIONS]))
    golden["rope.positions"] = torch.tensor(ROPE_POSITIONS)
    golden["rope.cos"], golden["rope.sin"] = cos[0].clone(), sin[0].clone()
    return golden


def golden_gradients(folder, documents):
    model = load(folder, torch.float32)
    loss = token_mean_loss(model, documents)
    loss.backward()
    golden = {f"grad.{name}": weight.grad for name, weight in model.named_parameters()}
    golden["loss"] = loss.detach().reshape(1)
    return golden


def golden_training(folder, documents):
    model = load(folder, torch.float32)
    optimizer = torch.optim.AdamW(model.parameters(), **TRAINING)
    losses, norms = [], []
    for _ in range(STEPS):
        optimizer.zero_grad()
        loss = token_mean_loss(model, documents)
        loss.backward()
        norms.append(torch.nn.utils.clip_grad_norm_(model.parameters(), CLIP).item())
        optimizer.step()
        losses.append(loss.item())
    return {"train.losses": torch.tensor(losses), "train.grad_norms": torch.tensor(norms)}


def write_golden(folder):
    documents = random_documents(seed=3)
    ends = torch.tensor(DOCUMENT_LENGTHS).cumsum(0)
    golden = {
        "ids": torch.cat(documents),
        "offsets": torch.cat([torch.zeros(1, dtype=torch.int64), ends]),
        "prompt_lengths": torch.tensor(PROMPT_LENGTHS),
    }
    golden |= golden_forward(folder, documents)
    golden |= golden_gradients(folder, documents)
    golden |= golden_training(folder, documents)
    path = DATA / "golden" / f"{folder.name}.safetensors"
    path.parent.mkdir(exist_ok=True)
    save_file({name: tensor.contiguous() for name, tensor in golden.items()}, path, {"format": "pt"})
    print(f"{folder.name}: loss {golden['loss'].item():.4f} -> {golden['train.losses'][-1].item():.4f} in {STEPS} steps")


def write_smollm2_golden(folder):
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = load(folder, torch.float32)
    positions = [(n * 769 + 11) % model.config.vocab_size for n in range(64)]
    rows = []
    for prompt in PROMPTS:
        ids = tokenizer(prompt, add_special_tokens=False).input_ids
        with torch.no_grad():
            logits = model(torch.tensor([ids])).logits[0, -1]
        top = logits.topk(5)
        rows.append(
            {
                "ids": ids,
                "logits": logits[positions].tolist(),
                "top_ids": top.indices.tolist(),
                "top_logits": top.values.tolist(),
                "logsumexp": logits.logsumexp(0).item(),
            }
        )
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    golden = {"model_sha256": weights, "positions": positions, "prompts": rows}
    (DATA / "golden" / "smollm2.json").write_text(json.dumps(golden) + "\n")
    print(f"smollm2: {len(rows)} prompts")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    default = DATA.parent.parent / "models" / "SmolLM2-135M-Instruct"
    parser.add_argument("--smollm2", type=Path, default=default, help="folder made by scripts/fetch_smollm2.py")
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    for folder in write_models():
        write_golden(folder)
    if arguments.smollm2.is_dir():
        write_smollm2_golden(arguments.smollm2)
    else:
        print(f"smollm2: skipped, {arguments.smollm2} is not there (scripts/fetch_smollm2.py makes it)")


if __name__ == "__main__":
    main()
