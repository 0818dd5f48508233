"""Sparse attention of the recipe against loops that follow its definition word by word."""

import math
import sys
import unittest
from pathlib import Path

import numpy as np
import torch

RECIPE = Path(sys.argv.pop(1))
sys.path.insert(0, str(RECIPE))

import sparse  # noqa: E402

WINDOW, PAGE, SHARE = 16, 4, 0.25
HEADS, GROUPS, WIDTH = 4, 2, 8


def heads(length, seed):
    generator = torch.Generator().manual_seed(seed)
    return [torch.randn(1, count, length, WIDTH, generator=generator) * 2 for count in (HEADS, GROUPS, GROUPS)]


def estimated(query, page_keys):
    """log(sum of exp) of a page's scores as its bounds tell it."""
    low, high = page_keys.min(0), page_keys.max(0)
    middle, deviation = (low + high) / 2, (high - low) / sparse.NORMAL_RANGE_32
    estimate = query @ middle + 0.5 * (query**2) @ (deviation**2)
    return min(estimate, np.maximum(query * low, query * high).sum()) + math.log(PAGE)


def by_the_book(query, key, value, position):
    """One position: (outputs per head, mass kept per head, divergence per group)."""
    query, key, value = (part[0].double().numpy() for part in (query, key, value))
    near_from = max(0, position - WINDOW + 1) // PAGE * PAGE
    remote = [page for page in range(1, position // PAGE + 1) if (page + 1) * PAGE <= near_from]
    near = [k for k in range(position + 1) if k >= near_from or k < PAGE]
    outputs, kept_mass, divergences = [], [], []
    for group in range(GROUPS):
        members = range(group * HEADS // GROUPS, (group + 1) * HEADS // GROUPS)
        estimates, masses = [], []
        for head in members:
            q = query[head, position] * WIDTH**-0.5
            scores = key[group, :position + 1] @ q
            logs = [estimated(q, key[group, page * PAGE:(page + 1) * PAGE]) for page in remote]
            logs.append(np.log(np.exp(scores[near]).sum()))
            estimates.append(np.exp(logs) / np.exp(logs).sum())
            mass = np.exp(scores) / np.exp(scores).sum()
            masses.append(mass)
        mean = np.mean(estimates, 0)
        ranked = [int(i) for estimate in estimates for i in np.argsort(-estimate[:-1])[:2]]
        order = sorted(range(len(remote)), key=lambda i: (i not in ranked, -mean[i]))
        chosen = [remote[i] for i in order[:math.ceil(len(remote) * SHARE)]]
        keys = near + [k for page in chosen for k in range(page * PAGE, (page + 1) * PAGE)]
        true = [np.mean([mass[page * PAGE:(page + 1) * PAGE].sum() for mass in masses]) for page in remote]
        true.append(1 - sum(true))
        divergences.append(sum(p * math.log(p / e) for p, e in zip(true, mean)))
        for mass in masses:
            kept_mass.append(mass[keys].sum())
            outputs.append(mass[keys] @ value[group, keys] / mass[keys].sum())
    return np.array(outputs), np.array(kept_mass), np.array(divergences)


class Sparse(unittest.TestCase):
    def test_attention_follows_the_definition(self):
        compared = 0
        for length, seed in ((121, 1), (96, 2)):
            query, key, value = heads(length, seed)
            out = sparse.sparse_attention(WINDOW, PAGE, SHARE, chunk=32)(query, key, value)
            for position in range(length):
                if self.ambiguous(position):
                    continue
                compared += 1
                wanted, _, _ = by_the_book(query, key, value, position)
                np.testing.assert_allclose(out[0, :, position].numpy(), wanted, rtol=2e-4, atol=2e-5)
        self.assertGreater(compared, 80)

    def test_everything_chosen_is_dense_attention(self):
        query, key, value = heads(70, 3)
        out = sparse.sparse_attention(WINDOW, PAGE, 1.0, chunk=32)(query, key, value)
        dense = torch.nn.functional.scaled_dot_product_attention(
            query, key.repeat_interleave(2, 1), value.repeat_interleave(2, 1), is_causal=True)
        torch.testing.assert_close(out, dense, rtol=1e-4, atol=1e-5)

    def test_the_loss_is_what_sparse_attention_misses(self):
        query, key, value = heads(120, 4)
        positions = [p for p in range(60, 120) if not self.ambiguous(p)][:12]
        loss = sparse.summary_loss(query, key, torch.tensor(positions), WINDOW, PAGE, SHARE).item()
        parts = [by_the_book(query, key, value, position) for position in positions]
        wanted = np.mean([divergence for _, _, divergence in parts]) - np.mean([np.log(kept) for _, kept, _ in parts])
        self.assertAlmostEqual(loss, wanted, delta=1e-3 * wanted)

    def test_the_loss_falls_when_it_is_followed(self):
        query, key, _ = heads(256, 5)
        key.requires_grad_(True)
        positions = torch.arange(100, 256, 3)
        before = sparse.summary_loss(query, key, positions, WINDOW, PAGE, SHARE)
        gradient, = torch.autograd.grad(before.sum(), key)
        self.assertTrue(torch.isfinite(gradient).all())
        with torch.no_grad():
            after = sparse.summary_loss(query, key - 0.5 * gradient / gradient.norm(), positions, WINDOW, PAGE, SHARE)
        self.assertLess(after.item(), before.item())

    def test_every_row_has_its_own_loss(self):
        query, key, _ = heads(120, 4)
        other_query, other_key, _ = heads(120, 7)
        positions = torch.arange(60, 120, 5)
        both = sparse.summary_loss(torch.cat((query, other_query)), torch.cat((key, other_key)), positions, WINDOW, PAGE, SHARE)
        first, = sparse.summary_loss(query, key, positions, WINDOW, PAGE, SHARE)
        second, = sparse.summary_loss(other_query, other_key, positions, WINDOW, PAGE, SHARE)
        torch.testing.assert_close(both, torch.stack((first, second)))
        self.assertNotAlmostEqual(first.item(), second.item(), places=3)

    def test_nothing_remote_costs_nothing(self):
        query, key, _ = heads(12, 6)
        self.assertAlmostEqual(sparse.summary_loss(query, key, torch.tensor([3, 11]), WINDOW, PAGE, SHARE).item(), 0, places=5)

    @staticmethod
    def ambiguous(position):
        """Whether the heads' own best pages (up to four here) may be more than may be chosen."""
        remote = (max(0, position - WINDOW + 1) // PAGE) - 1
        return math.ceil(max(0, remote) * SHARE) < 4 and remote > 0


if __name__ == "__main__":
    unittest.main()
