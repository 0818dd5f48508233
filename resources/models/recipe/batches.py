"""Training batches, made ahead of the GPU by threads."""

from collections import deque
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import torch

from config import Phase, Recipe
from corpus import END_OF_TEXT
from facts import FactWriter

# Domains of documents much shorter than a row: rows are filled with documents drawn one by one, so that the neighbours
# of a document change and a conversation is often the first thing in a row, as it is when somebody asks.
SHORT_DOCUMENTS = {"chat_authored", "chat_derived", "chinese_stories", "dialogue", "exercises", "math", "stories_simple"}
GOLDEN = 0.6180339887498949
# Balance of the experts is wanted over these in equal parts, and over all others together in the same part twice.
BALANCED = ("books", "stories", "code", "legal_en", "medical", "chinese_classical")


def shares(tokens: dict[str, np.ndarray], recipe: Recipe) -> dict[str, float]:
    """The part of the rows drawn from each domain."""
    free = {name: recipe.factors.get(name, 1.0) * len(ids) ** recipe.size_exponent
            for name, ids in tokens.items() if name not in recipe.fixed_shares}
    fixed = {name: share for name, share in recipe.fixed_shares.items() if name in tokens}
    scale = (1.0 - sum(fixed.values())) / sum(free.values())
    return {**{name: weight * scale for name, weight in free.items()}, **fixed}


def balance_weights(share: dict[str, float]) -> dict[str, float]:
    """What a row of a domain counts in the experts' load, so that the load is that of an even mix of domains."""
    balanced = [name for name in BALANCED if name in share]
    others = sum(part for name, part in share.items() if name not in balanced)
    parts = len(balanced) + 2
    return {name: (1.0 / parts / part if name in balanced else 2.0 / parts / others) for name, part in share.items()}


class Batches:
    """Rows of one phase. `next()` returns tokens (rows, length + 1) int64, the weight of each prediction
    (rows, length), and the weight of each row in the balance of the experts (rows), all on the device."""

    def __init__(self, tokens: dict[str, np.ndarray], tokenizer, recipe: Recipe, phase: Phase, seed: int, device):
        self.tokens, self.phase, self.device = tokens, phase, device
        share = shares(tokens, recipe)
        self.names = list(share)
        self.probabilities = np.array([share[name] for name in self.names])
        self.probabilities /= self.probabilities.sum()
        self.rows_drawn = 0
        weight = balance_weights(share)
        self.balance = np.array([weight[name] for name in self.names], dtype=np.float32)
        self.starts = {name: np.concatenate([[0], np.flatnonzero(ids == END_OF_TEXT)[:-1] + 1])
                       for name, ids in tokens.items()}
        self.facts = FactWriter(tokenizer)
        self.seeds = np.random.SeedSequence(seed)
        self.pool = ThreadPoolExecutor(8)
        self.queue = deque(self._submit() for _ in range(8))

    def next(self):
        self.queue.append(self._submit())
        return [part.to(self.device, non_blocking=True) for part in self.queue.popleft().result()]

    def close(self):
        self.pool.shutdown(cancel_futures=True)

    def _submit(self):
        domains = self._domains(self.phase.rows)
        return self.pool.submit(self._make, np.random.default_rng(self.seeds.spawn(1)[0]), domains)

    def _domains(self, rows: int) -> np.ndarray:
        """The domains of the next rows. Multiples of the golden ratio fill [0, 1) evenly, so that even a few batches
        hold every domain in its share, and the experts' load is not swayed by chance."""
        points = (self.rows_drawn + np.arange(rows)) * GOLDEN % 1.0
        self.rows_drawn += rows
        return np.minimum(np.searchsorted(np.cumsum(self.probabilities), points, side="right"), len(self.names) - 1)

    def _make(self, rng: np.random.Generator, domains: np.ndarray):
        rows, length = self.phase.rows, self.phase.length
        batch = np.empty((rows, length + 1), dtype=np.int64)
        weights = np.ones((rows, length), dtype=np.float32)
        for row, weight, domain in zip(batch, weights, domains):
            name = self.names[domain]
            self._fill(row, name, rng)
            if rng.random() < self.phase.hidden_facts:
                if rng.random() < 0.12:
                    self.facts.repeat_span(row, rng)
                else:
                    most = 5 if length < 4096 else 14
                    self.facts.hide(row, weight, rng, int(rng.integers(1, most + 1)))
        parts = [torch.from_numpy(part) for part in (batch, weights, self.balance[domains])]
        return [part.pin_memory() for part in parts] if self.device.type == "cuda" else parts

    def _fill(self, row: np.ndarray, name: str, rng: np.random.Generator) -> None:
        ids, starts = self.tokens[name], self.starts[name]
        if name in SHORT_DOCUMENTS:
            filled = 0
            while filled < len(row):
                i = int(rng.integers(len(starts)))
                end = starts[i + 1] if i + 1 < len(starts) else len(ids)
                piece = ids[starts[i]:min(end, starts[i] + len(row) - filled)]
                row[filled:filled + len(piece)] = piece
                filled += len(piece)
            return
        begin = int(rng.integers(len(ids)))  # anywhere: what every row began with would be learned by heart
        row[:] = np.take(ids, np.arange(begin, begin + len(row)), mode="wrap")


def held_out_batch(tokens: dict[str, np.ndarray], phase: Phase, device):
    """A fixed batch in the shape of a phase: as many rows as there are, domain after domain, of tokens never trained on.
    Returns tokens (rows, length + 1) and the domain of each row."""
    enough = {name: ids for name, ids in tokens.items() if len(ids) > phase.length}
    if not enough:
        return None, []
    names = [list(enough)[i % len(enough)] for i in range(phase.rows)]
    batch = np.empty((phase.rows, phase.length + 1), dtype=np.int64)
    for i, name in enumerate(names):
        start = i // len(enough) * phase.length
        batch[i] = np.take(enough[name], np.arange(start, start + phase.length + 1), mode="wrap")
    return torch.from_numpy(batch).to(device), names
