"""From the archive of texts to token files: clean, split, train the tokenizer, encode.

The archive holds DOMAIN.txt files, documents separated by a line `<|endoftext|>`. Left behind in the work folder:
tokenizer.json, and for each domain tokens/DOMAIN.train.u16 and tokens/DOMAIN.valid.u16: token ids as little-endian
16-bit numbers, every document followed by END_OF_TEXT.
"""

import hashlib
import os
import random
import re
import tarfile
import time
from pathlib import Path

import numpy as np

import chat
import exercises
import plots
from config import Recipe

END_OF_TEXT, TURN_START, TURN_END = 0, 1, 2
SPECIAL_TOKENS = ["<|endoftext|>", "<|im_start|>", "<|im_end|>"]
# The split that llama.cpp and Fovea apply for `tokenizer.ggml.pre = qwen2`.
QWEN2_SPLIT = (r"(?i:'s|'t|'re|'ve|'m|'ll|'d)|[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|"
               r"\s*[\r\n]+|\s+(?!\S)|\s+")
# Left out for their licences; SOURCES.md gives the reasons. Whole domains, sources by their name in
# DOMAIN.files.tsv, and single documents by what stands in their first 1,500 characters.
LEFT_OUT_DOMAINS = {"science"}
LEFT_OUT_SOURCES = {"vue_zh.txt", "novel_yongzhengjianxia.txt", "se_a-a-milne_winnie-the-pooh.txt", "va_gov_content.txt"}
LEFT_OUT_DOCUMENTS = {
    "chinese_modern": re.compile(r"\*\*推荐语|原文地址[:：]|^> ?作者[:：]|，作者：|原文链接|转载|^附录|^许地山生平大事年表", re.M),
    "docs_en": re.compile(r"Reprinted from the May 2000|by Professor Joe Kimble|published this October 2002 article|"
                          r"workers' compensation claims-administration|Portions Copyright 2007"),
    "legal_en": re.compile(r"libscie"),
}
SIMPLE_STORY = 4_000  # characters at most
SAMPLED_PIECE = 60_000  # characters of one document that the tokenizer learns from
LONGEST_PIECE = 400_000  # characters given to the tokenizer at once


def read_archive(path: Path) -> dict[str, list[str]]:
    """Documents by domain, without what is left out and without exact duplicates."""
    texts = {}
    with tarfile.open(path) as archive:
        for member in archive:
            name = os.path.basename(member.name)
            if member.isfile() and name.endswith((".txt", ".files.tsv")):
                texts[name] = archive.extractfile(member).read().decode("utf8", errors="ignore")
    domains = {}
    for name, text in sorted(texts.items()):
        domain = name[:-4]
        if name.endswith(".txt") and domain not in LEFT_OUT_DOMAINS:
            documents = [document.strip() for document in text.split("<|endoftext|>")]
            sources = sources_of(documents, texts.get(domain + ".files.tsv", ""))
            domains[domain] = distinct(allowed(domain, documents, sources))
    if not domains:
        raise SystemExit(f"{path} holds no DOMAIN.txt: is it the archive of training texts?")
    split_simple_stories(domains)
    return domains


def sources_of(documents: list[str], listing: str) -> list[str]:
    """The source of every document, from the listing `NAME<tab>BYTES` in the order of the text. The bytes of a source
    are those of its documents without what separates them; without a listing all sources are unnamed."""
    sources, i = [], 0
    for line in listing.splitlines():
        name, size = line.split("\t")[:2]
        taken = 0
        while i < len(documents) and taken + len(documents[i].encode()) <= int(size) + 16:
            taken += len(documents[i].encode())
            sources.append(name)
            i += 1
    return sources + [""] * (len(documents) - len(sources))


def allowed(domain: str, documents: list[str], sources: list[str]) -> list[str]:
    pattern = LEFT_OUT_DOCUMENTS.get(domain)
    return [document for document, source in zip(documents, sources)
            if source not in LEFT_OUT_SOURCES and not (pattern and pattern.search(document[:1500]))]


def distinct(documents: list[str]) -> list[str]:
    seen, kept = set(), []
    for document in documents:
        digest = hashlib.blake2b(document.encode(), digest_size=16).digest()
        if document and digest not in seen:
            seen.add(digest)
            kept.append(document + "\n")
    return kept


def split_simple_stories(domains: dict[str, list[str]]) -> None:
    """Short stories in simple words become a domain of their own: it is from them that a model this small learns to
    tell one from beginning to end, and among whole books they would drown."""
    stories = domains.pop("stories", [])
    domains["stories_simple"] = [story for story in stories if len(story) <= SIMPLE_STORY]
    domains["stories"] = [story for story in stories if len(story) > SIMPLE_STORY]


def train_tokenizer(domains: dict[str, list[str]], recipe: Recipe, rng: random.Random):
    """Byte-level BPE on the recipe's sample of every domain."""
    from tokenizers import Regex, Tokenizer, decoders, models, pre_tokenizers, trainers

    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence([
        pre_tokenizers.Split(Regex(QWEN2_SPLIT), "isolated"),
        pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)])
    tokenizer.decoder = decoders.ByteLevel()

    def sample():
        for name, millions in recipe.tokenizer_sample.items():
            left, documents = int(millions * 1e6), domains.get(name, [])
            rounds = 3 if name == "chat_authored" else 1
            for document in rounds * rng.sample(documents, len(documents)):
                if left <= 0:
                    break
                yield document[:SAMPLED_PIECE]
                left -= len(document[:SAMPLED_PIECE])

    tokenizer.train_from_iterator(sample(), trainers.BpeTrainer(
        vocab_size=recipe.shape.vocabulary, special_tokens=SPECIAL_TOKENS, max_token_length=24,
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(), show_progress=False))
    if tokenizer.get_vocab_size() != recipe.shape.vocabulary:
        raise SystemExit(f"the texts gave {tokenizer.get_vocab_size()} tokens where the shape asks for "
                         f"{recipe.shape.vocabulary}: use more text or a smaller vocabulary")
    return tokenizer


def encode(documents: list[str], tokenizer) -> np.ndarray:
    """All documents as one array, each followed by END_OF_TEXT."""
    pieces, last = [], []
    for document in documents:
        starts = range(0, len(document), LONGEST_PIECE)
        pieces += [document[i:i + LONGEST_PIECE] for i in starts]
        last += [i + LONGEST_PIECE >= len(document) for i in starts]
    encoded = []
    for encoding, ends_document in zip(tokenizer.encode_batch(pieces), last):
        encoded.append(np.array(encoding.ids, dtype=np.uint16))
        if ends_document:
            encoded.append(np.array([END_OF_TEXT], dtype=np.uint16))
    return np.concatenate(encoded)


def prepare(archive: Path, work: Path, recipe: Recipe, say) -> None:
    started = time.time()
    rng = random.Random(recipe.seed)
    domains = read_archive(archive)
    domains["chat_authored"] = chat.authored(rng)
    domains["chinese_stories"] = plots.documents(rng, recipe.chinese_stories)
    domains["chat_derived"] = chat.derived(domains, rng)
    domains = {name: documents for name, documents in domains.items() if documents}
    for name, documents in domains.items():
        say(f"{name:18} {len(documents):7} documents {sum(map(len, documents)) / 1e6:7.2f} M characters")
    tokenizer = train_tokenizer(domains, recipe, rng)
    tokenizer.save(str(work / "tokenizer.json"))
    say(f"tokenizer after {time.time() - started:.0f} s")
    domains["exercises"] = exercises.documents(rng, recipe.exercise_documents)

    folder = work / "tokens"
    folder.mkdir(exist_ok=True)
    for name, documents in domains.items():
        # Shuffled, so that what is held out comes from every source of the domain and not from its last.
        documents = rng.sample(documents, len(documents))
        ids = encode(documents, tokenizer)
        held_out = min(len(ids) // 40, recipe.validation_tokens)
        ids[:len(ids) - held_out].tofile(folder / f"{name}.train.u16")
        ids[len(ids) - held_out:].tofile(folder / f"{name}.valid.u16")
        say(f"{name:18} {len(ids):9} tokens, {held_out} held out, after {time.time() - started:.0f} s")


def load_tokenizer(work: Path):
    from tokenizers import Tokenizer

    return Tokenizer.from_file(str(work / "tokenizer.json"))


def load_tokens(work: Path, part: str) -> dict[str, np.ndarray]:
    """Token arrays by domain; `part` is train or valid."""
    return {path.name.split(".")[0]: np.fromfile(path, dtype=np.uint16)
            for path in sorted((work / "tokens").glob(f"*.{part}.u16"))}
