"""What the written file can do: losses by domain and number of experts, routing, long context, hidden facts, sparse
attention, conversations. Everything is measured on the weights as the file holds them."""

import json
from pathlib import Path

import numpy as np
import torch
import torch.nn.functional as F

import chat
import corpus
import export
import wordings
from config import Recipe
from facts import FactWriter
from model import NO_CUT, Model, dense_attention
from sparse import DENSE_LAYERS, sparse_attention

SPARSE_WINDOWS = 6  # of 10,240 tokens
TOKENS_PER_FACT = 1024  # a row of 8k holds eight facts, and so does a longer one
PROMPTS = ("Once upon a time, there was a little", "The old man looked at the sea and",
           "def read_file(path):", "春天来了，", "话说")


@torch.no_grad()
def run(model: Model, ids, cut=NO_CUT, most=None, attend_in_layer=None):
    """Token ids of one window (T + 1) -> losses (T), predictions (T), routings."""
    device = model.embedding.device
    tokens = torch.from_numpy(np.asarray(ids, dtype=np.int64)).to(device)[None]
    cuts = torch.full((1,), float(cut), device=device)
    states, routings = model.trunk(tokens[:, :-1], cuts, torch.ones(1, device=device),
                                   attend_in_layer=attend_in_layer, most=most)
    losses, predictions = [], []
    for part in range(0, states.shape[1], 4096):
        logits = model.logits(states[:, part:part + 4096])[0]
        losses.append(F.cross_entropy(logits, tokens[0, 1:][part:part + 4096], reduction="none"))
        predictions.append(logits.argmax(-1))
    return torch.cat(losses), torch.cat(predictions), routings


def windows(ids, length: int, count: int):
    """Up to `count` windows of length + 1 tokens, side by side from the beginning."""
    last = min(count, (len(ids) - 1) // length)
    return [ids[i * length:i * length + length + 1] for i in range(last)]


def mean_loss(model: Model, ids, length: int, count: int, **how) -> float:
    return float(np.mean([run(model, window, **how)[0].mean().item() for window in windows(ids, length, count)]))


def evaluation_texts(work: Path, folder: Path | None) -> dict[str, np.ndarray]:
    """Held-out tokens by name: the texts of `folder`, or the parts of the corpus that were never trained on."""
    if folder and folder.is_dir():
        tokenizer = corpus.load_tokenizer(work)
        return {path.stem: np.array(tokenizer.encode(path.read_text(encoding="utf8", errors="ignore")).ids)
                for path in sorted(folder.glob("*.txt"))}
    return {name: ids for name, ids in corpus.load_tokens(work, "valid").items()
            if name not in ("chat_authored", "chat_derived", "chinese_stories", "exercises", "dialogue", "math")}


def measure_mixed_loss(work: Path, recipe: Recipe):
    """The measure by which `export` chooses: mean loss over the held-out part of every domain of running text."""
    texts = evaluation_texts(work, None)
    length = recipe.phases[0].length

    def measure(model: Model) -> float:
        return float(np.mean([mean_loss(model, ids, length, recipe.evaluation_windows) for ids in texts.values()
                              if len(ids) > length]))

    return measure


def losses_by_domain(model, texts, recipe) -> dict:
    length, count = recipe.phases[0].length, recipe.evaluation_windows
    table = {}
    for name, ids in texts.items():
        if len(ids) <= length:
            continue
        row = {f"k{k}": mean_loss(model, ids, length, count, most=k) for k in range(1, recipe.shape.experts_used + 1)}
        row["mass_0.8"] = mean_loss(model, ids, length, count, cut=0.8)
        table[name] = row
    return table


def routing_over(model, texts, recipe) -> dict:
    """Load of every expert over the same number of windows of each text, and the number of experts at mass 0.8."""
    length = recipe.phases[0].length
    load, at_80, count, single = 0, 0, 0, {}
    for name, ids in texts.items():
        if len(ids) <= length:
            continue
        own = 0
        for window in windows(ids, length, recipe.evaluation_windows):
            routings = run(model, window, cut=0.8)[2]
            own = own + torch.stack([routing.load for routing in routings])
            at_80 = at_80 + torch.stack([routing.kept for routing in routings])
            count += 1
        load = load + own
        single[name] = variation(own)
    return {"cv_by_layer": variation(load), "cv_by_layer_of_one_text": single,
            "smallest_over_mean": (load.amin(-1) / load.mean(-1)).tolist(),
            "experts_at_mass_0.8_by_layer": (at_80 / count).tolist(),
            "experts_at_mass_0.8": (at_80 / count).mean().item()}


def variation(load) -> list[float]:
    return (load.std(-1, unbiased=False) / load.mean(-1)).tolist()


def sparse_in_layer(layer: int):
    return dense_attention if layer < DENSE_LAYERS else sparse_attention()


def sparse_against_dense(model, texts, length: int) -> dict:
    table = {}
    for name, ids in texts.items():
        if len(ids) <= length:
            continue
        dense = mean_loss(model, ids, length, SPARSE_WINDOWS)
        sparse = mean_loss(model, ids, length, SPARSE_WINDOWS, attend_in_layer=sparse_in_layer)
        table[name] = {"dense": dense, "sparse": sparse, "perplexity_delta": float(np.expm1(sparse - dense))}
    return table


def hidden_facts(model, texts, writer, length: int, rows: int, attend_in_layer=None, words=wordings.PLAIN) -> dict:
    """Share of digits predicted right, given the digits before; of first digits, where nothing before helps to tell
    the numbers apart; and of whole numbers."""
    rng = np.random.default_rng(2024)
    background = np.concatenate([ids[:200_000] for ids in texts.values()])
    facts = min(8, max(1, length // TOKENS_PER_FACT))
    digits, firsts, numbers = [], [], []
    for _ in range(rows):
        start = int(rng.integers(0, len(background) - length - 1))
        row = background[start:start + length + 1].astype(np.int64)
        asked = writer.evaluation_row(row, rng, facts, words)
        predictions = run(model, row, attend_in_layer=attend_in_layer)[1].cpu().numpy()
        right = (predictions[asked - 1] == row[asked]).reshape(facts, -1)
        digits.append(right.mean())
        firsts.append(right[:, 0].mean())
        numbers.append(right.all(-1).mean())
    return {"digits": float(np.mean(digits)), "first_digits": float(np.mean(firsts)), "numbers": float(np.mean(numbers)), "facts": rows * facts}


@torch.no_grad()
def continue_text(model, tokenizer, prompt: str, most_tokens: int, temperature: float = 0.0) -> str:
    generator = torch.Generator(device=model.embedding.device).manual_seed(1)
    ids = tokenizer.encode(prompt).ids
    prompt_length = len(ids)
    while len(ids) < prompt_length + most_tokens:
        tokens = torch.tensor([ids], device=model.embedding.device)
        one = torch.ones(1, device=tokens.device)
        logits = model.logits(model.trunk(tokens, one * NO_CUT, one)[0][:, -1])[0]
        if temperature > 0:
            values, candidates = (logits / temperature).topk(40)
            ids.append(candidates[torch.multinomial(values.softmax(-1), 1, generator=generator)].item())
        else:
            ids.append(logits.argmax().item())
        if ids[-1] in (corpus.END_OF_TEXT, corpus.TURN_END):
            ids.pop()
            break
    return tokenizer.decode(ids[prompt_length:], skip_special_tokens=False)


def evaluate(work: Path, recipe: Recipe, eval_folder: Path | None, device, say) -> None:
    model = export.read_model(work / export.EMBEDDED, recipe.shape, device)
    tokenizer = corpus.load_tokenizer(work)
    texts = evaluation_texts(work, eval_folder)
    results = {"file": export.EMBEDDED, "texts": sorted(texts)}

    def note(name, value):
        results[name] = value
        (work / "evaluation.json").write_text(json.dumps(results, indent=1, ensure_ascii=False))
        say(f"{name}: {json.dumps(value, ensure_ascii=False)}")

    note("tokens_per_byte", tokens_per_byte(tokenizer, eval_folder))
    note("loss", losses_by_domain(model, texts, recipe))
    note("routing", routing_over(model, texts, recipe))
    writer = FactWriter(tokenizer)
    full = recipe.shape.context >= 16384
    for length in (8192, 15000) if full else (recipe.shape.context - 8,):
        note(f"facts_{length}_dense", hidden_facts(model, texts, writer, length, recipe.fact_rows))
    if full:
        note("facts_8192_sparse", hidden_facts(model, texts, writer, 8192, recipe.fact_rows, sparse_in_layer))
        note("facts_15000_sparse", hidden_facts(model, texts, writer, 15000, recipe.fact_rows, sparse_in_layer))
        note("facts_8192_unseen", hidden_facts(model, texts, writer, 8192, recipe.fact_rows,
                                                       words=wordings.UNSEEN))
    note("sparse_against_dense", sparse_against_dense(model, texts, 10240 if full else recipe.shape.context))
    note("chat", [[question, continue_text(model, tokenizer, asked(question), recipe.answer_tokens)]
                  for question in chat.CARD_QUESTIONS])
    note("continuations", [[prompt, continue_text(model, tokenizer, prompt, 2 * recipe.answer_tokens, 0.7)] for prompt in PROMPTS])


def asked(question: str) -> str:
    return chat.render([("user", question)]) + "<|im_start|>assistant\n"


def tokens_per_byte(tokenizer, folder: Path | None) -> dict:
    """Losses per token of two tokenizers compare only beside this."""
    if not folder or not folder.is_dir():
        return {}
    sizes = {}
    for path in sorted(folder.glob("*.txt")):
        text = path.read_text(encoding="utf8", errors="ignore")
        sizes[path.stem] = len(tokenizer.encode(text).ids) / len(text.encode())
    return sizes
