#!/usr/bin/env python3
"""Writes small tokenizers of every style thoughtrank reads, with golden ids of the reference implementations.

    scripts/make_tokenizer_fixtures.py [OUT=tests/data/tokenizers]

Everything is trained on generated words of many scripts: nothing is downloaded. Each folder gets golden.jsonl:
{"text", "ids" (special tokens are plain text), "special_ids" (they are parsed), "decoded" (of ids)}.
"""

import contextlib
import json
import random
import shutil
import sys
import unicodedata
from pathlib import Path

import sentencepiece
from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, processors, trainers

LLAMA3_PATTERN = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}{1,3}|"
                  r" ?[^\s\p{L}\p{N}]+[\r\n]*|\s*[\r\n]+|\s+(?!\S)|\s+")
LLAMA3_SPECIAL = ["<|begin_of_text|>", "<|end_of_text|>", "<|start_header_id|>",
                  "<|end_header_id|>", "<|eot_id|>"]
SPACE = "\u2581"

# Code points to draw from: scripts, white space, digits, emoji with joiners, combining marks, controls.
ALPHABETS = [
    [chr(c) for c in range(0x61, 0x7B)],
    [chr(c) for c in range(0x41, 0x5B)],
    list(" \t\n\r\u00a0\u1680\u180e\u2003\u2028\u3000\u200b\u200d\ufeff"),
    list("0123456789\u0663\u0967\u00b2\u2167\u00bd\uff15"),
    list("!\"#$%&'()*+,-./:;<=>?@[\\]^_`{|}~\u2026\u201c\u00ab\u2014"),
    [chr(c) for c in range(0xC0, 0x180)],
    [chr(c) for c in range(0x3B1, 0x3C9)] + [chr(c) for c in range(0x430, 0x450)],
    [chr(c) for c in range(0x5D0, 0x5EB)] + [chr(c) for c in range(0x627, 0x64B)],
    [chr(c) for c in range(0x905, 0x93A)] + list("\u093e\u093f\u0940\u094d"),
    [chr(c) for c in range(0x4E00, 0x4F00)] + [chr(c) for c in range(0x3041, 0x3097)],
    [chr(c) for c in range(0xAC00, 0xAC80)],
    list("\U0001F600\U0001F468\U0001F469\U0001F467\u200d\ufe0f\U0001F3FD\u2764\U0001F1E9\U0001F1EA"),
    list("\u0301\u0308\u0327\u20dd\u0e31\u0e34\u064b"),
    [chr(c) for c in list(range(0, 9)) + [11, 12, 14, 27, 127, 0x85, 0x9F]],
    list("\u017f\u212a\u2581\ufffd\U000e0041\U00010330\U00040000\U0010fffd"),
]
SNIPPETS = ["'s", "'S", "'ll", "'LL", "I'm", " don't", "'\u017f", "\r\n", "\n\n", "  ", "    ", "http://a.b/c?d=1",
            "<thought>", "</thought>", "<|", "|>", "<|im_start|>", "<|eot_id|>", "</s>", "<s>", "<0x0A>", "<pad>", "```",
            "1234567", "3.14", "\u0000", "\u180e ", "def f(x):\n    return x\n"]


def random_text(rng, length=60):
    """A few runs, each from one alphabet, or a snippet, or one character many times."""
    text = ""
    while len(text) < rng.randint(1, length):
        kind = rng.random()
        if kind < 0.25:
            text += rng.choice(SNIPPETS)
        elif kind < 0.4:
            text += rng.choice(rng.choice(ALPHABETS)) * rng.randint(1, 12)
        else:
            alphabet = rng.choice(ALPHABETS[:2] if kind < 0.6 else ALPHABETS)
            text += "".join(rng.choice(alphabet) for _ in range(rng.randint(1, 8)))
            text += rng.choice(["", " ", " ", "\n"])
    return text


def make_corpus(seed=7, lines=1500):
    """Lines of generated words: syllables repeat, so that merges of several levels are learnt."""
    rng = random.Random(seed)
    words = []
    for weight, alphabet in [(300, ALPHABETS[0]), (40, ALPHABETS[6]), (30, ALPHABETS[8]),
                             (30, ALPHABETS[9]), (20, ALPHABETS[7])]:
        syllables = ["".join(rng.choice(alphabet) for _ in range(rng.randint(1, 3))) for _ in range(60)]
        words += ["".join(rng.choice(syllables) for _ in range(rng.randint(1, 4))) for _ in range(weight)]
    words += ["I'm", "don't", "(", ")", ",", ".", "12", "2024", "  ", "\t", "    return", "</", "<thought>", ">"]
    return [" ".join(rng.choice(words) for _ in range(rng.randint(3, 12))) for _ in range(lines)]


def write_json(path, value, indent=None):
    path.write_text(json.dumps(value, ensure_ascii=False, indent=indent) + "\n", encoding="utf-8")


def write_config(folder, bos, eos, eos_id, **more):
    write_json(folder / "config.json", {"model_type": "llama", "eos_token_id": eos_id})
    write_json(folder / "tokenizer_config.json",
               {"tokenizer_class": "PreTrainedTokenizerFast", "bos_token": bos, "eos_token": eos, **more})


def train_byte_level(pre_tokenizer, vocabulary, ignore_merges):
    tokenizer = Tokenizer(models.BPE(ignore_merges=ignore_merges))
    tokenizer.pre_tokenizer = pre_tokenizer
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.train_from_iterator(make_corpus(), trainers.BpeTrainer(
        vocab_size=vocabulary, show_progress=False,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet()))
    return tokenizer


def make_llama3_style(folder, vocabulary):
    tokenizer = train_byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(LLAMA3_PATTERN), behavior="isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)]), vocabulary, True)
    tokenizer.add_special_tokens(LLAMA3_SPECIAL)
    tokenizer.add_tokens(["<pad>"])
    bos = LLAMA3_SPECIAL[0]
    tokenizer.post_processor = processors.Sequence([
        processors.ByteLevel(trim_offsets=False),
        processors.TemplateProcessing(single=f"{bos} $A", pair=f"{bos} $A {bos} $B",
                                      special_tokens=[(bos, tokenizer.token_to_id(bos))])])
    tokenizer.save(str(folder / "tokenizer.json"))
    write_config(folder, bos, "<|end_of_text|>", tokenizer.token_to_id("<|end_of_text|>"))


def make_gpt2_style(folder, vocabulary):
    """A prefix space, Digits in front, string merges as older files have them, lstrip and rstrip."""
    from tokenizers import AddedToken
    tokenizer = train_byte_level(pre_tokenizers.Sequence([
        pre_tokenizers.Digits(individual_digits=False),
        pre_tokenizers.ByteLevel(add_prefix_space=True, use_regex=True)]), vocabulary, False)
    tokenizer.add_special_tokens(["</s>", AddedToken("<pad>", lstrip=True, rstrip=True, special=True)])
    path = folder / "tokenizer.json"
    tokenizer.save(str(path))
    value = json.loads(path.read_text())
    value["model"]["merges"] = [" ".join(pair) for pair in value["model"]["merges"]]
    write_json(path, value)
    write_config(folder, "</s>", "</s>", tokenizer.token_to_id("</s>"))


def train_sentencepiece(folder, vocabulary):
    corpus = folder / "corpus.txt"
    corpus.write_text("\n".join(make_corpus()), encoding="utf-8")
    with contextlib.chdir(folder):  # the model keeps the names it was given: none of this machine
        sentencepiece.SentencePieceTrainer.train(
            input="corpus.txt", model_prefix="tokenizer", vocab_size=vocabulary, model_type="bpe",
            byte_fallback=True, normalization_rule_name="identity", remove_extra_whitespaces=False,
            character_coverage=0.995, split_digits=True, minloglevel=2, num_threads=1)
    corpus.unlink()
    (folder / "tokenizer.vocab").unlink()
    return sentencepiece.SentencePieceProcessor(model_file=str(folder / "tokenizer.model"))


def merges_of(pieces, scores):
    """All ways to make a piece of two others, the best pieces first."""
    ids = {piece: i for i, piece in enumerate(pieces)}
    merges = []
    for piece, score in zip(pieces, scores):
        pairs = [(piece[:i], piece[i:]) for i in range(1, len(piece))]
        pairs = [p for p in pairs if p[0] in ids and p[1] in ids]
        merges += [(-score, p) for p in sorted(pairs, key=lambda p: (ids[p[0]], ids[p[1]]))]
    return [list(pair) for _, pair in sorted(merges, key=lambda m: m[0])]


def make_llama2_style(folder, vocabulary, metaspace=None):
    processor = train_sentencepiece(folder, vocabulary)
    count = processor.get_piece_size()
    pieces = [processor.id_to_piece(i) for i in range(count)]
    (folder / "tokenizer.model").unlink()
    merge = merges_of(pieces[259:], [processor.get_score(i) for i in range(259, count)])
    prepend = {"type": "Sequence", "normalizers": [
        {"type": "Prepend", "prepend": SPACE},
        {"type": "Replace", "pattern": {"String": " "}, "content": SPACE}]}
    flags = {"single_word": False, "lstrip": False, "rstrip": False, "normalized": False, "special": True}
    write_json(folder / "tokenizer.json", {
        "version": "1.0", "truncation": None, "padding": None,
        "added_tokens": [{"id": i, "content": pieces[i], **flags} for i in range(3)],
        "normalizer": None if metaspace else prepend,
        "pre_tokenizer": {"type": "Metaspace", "replacement": SPACE, "prepend_scheme": metaspace, "split": False}
                         if metaspace else None,
        "post_processor": {
            "type": "TemplateProcessing",
            "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}],
            "pair": [{"Sequence": {"id": "A", "type_id": 0}}, {"Sequence": {"id": "B", "type_id": 1}}],
            "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
        "decoder": {"type": "Sequence", "decoders": [
            {"type": "Replace", "pattern": {"String": SPACE}, "content": " "}, {"type": "ByteFallback"},
            {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
        "model": {"type": "BPE", "dropout": None, "unk_token": "<unk>", "continuing_subword_prefix": None,
                  "end_of_word_suffix": None, "fuse_unk": True, "byte_fallback": True, "ignore_merges": False,
                  "vocab": {piece: i for i, piece in enumerate(pieces)}, "merges": merge}})
    write_config(folder, "<s>", "</s>", 2)


def make_sentencepiece_model(folder, vocabulary):
    processor = train_sentencepiece(folder, vocabulary)
    size = processor.get_piece_size()
    write_config(folder, "<s>", "</s>", 2, add_bos_token=True, added_tokens_decoder={
        str(size + 1): {"content": "<|im_start|>", "lstrip": False, "normalized": False, "rstrip": False,
                        "single_word": False, "special": True}})
    write_json(folder / "added_tokens.json", {"<pad>": size, "<|im_start|>": size + 1})


MAKERS = {
    "llama3_style": make_llama3_style,
    "gpt2_style": make_gpt2_style,
    "llama2_style": make_llama2_style,
    "metaspace": lambda folder, vocabulary: make_llama2_style(folder, vocabulary, metaspace="first"),
    "sentencepiece": make_sentencepiece_model,
}


class Reference:
    """The reference implementation for a folder: tokenizers, or sentencepiece for tokenizer.model."""

    def __init__(self, folder):
        path = Path(folder) / "tokenizer.json"
        self.json = Tokenizer.from_file(str(path)) if path.exists() else None
        if self.json is None:
            self.model = sentencepiece.SentencePieceProcessor(model_file=str(Path(folder) / "tokenizer.model"))

    def encode(self, text, special):
        if self.json is None:
            return self.model.encode(text)
        self.json.encode_special_tokens = not special
        return self.json.encode(text, add_special_tokens=False).ids

    def is_comparable(self, text):
        """Added tokens that are not special are plain text for thoughtrank, but never for tokenizers. Characters of
        the newest Unicode versions may have different properties in the two libraries."""
        plain = [] if self.json is None else [
            token.content for token in self.json.get_added_tokens_decoder().values() if not token.special]
        return not any(token in text for token in plain) and all(
            unicodedata.category(c) != "Cn" or c in "\U00040000\U0010fffd" for c in text)

    def decode(self, ids):
        if self.json is None:
            return self.model.decode(ids)
        return self.json.decode(ids, skip_special_tokens=False)


def golden_rows(folder, count=80):
    reference = Reference(folder)
    rng = random.Random(11)
    rows = []
    while len(rows) < count:
        text = random_text(rng)
        if not reference.is_comparable(text):
            continue
        ids = reference.encode(text, special=False)
        row = {"text": text, "ids": ids, "decoded": reference.decode(ids)}
        if reference.json:
            row["special_ids"] = reference.encode(text, special=True)
        rows.append(row)
    return rows


def main():
    here = Path(__file__).resolve().parent.parent
    out = Path(sys.argv[1]) if len(sys.argv) == 2 else here / "tests" / "data" / "tokenizers"
    for name, make in MAKERS.items():
        folder = out / name
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)
        make(folder, 600)
        lines = [json.dumps(row, ensure_ascii=False) for row in golden_rows(folder)]
        (folder / "golden.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
        print(f"wrote {folder}")


if __name__ == "__main__":
    main()
