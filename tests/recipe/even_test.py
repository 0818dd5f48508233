"""Evened routers: the load becomes even, and no more changes than a bias on every expert would."""

import sys
import unittest
from pathlib import Path

import torch

RECIPE = Path(sys.argv.pop(1))
sys.path.insert(0, str(RECIPE))

import even  # noqa: E402

WIDTH, EXPERTS, USED = 48, 16, 4


def skewed(seed):
    """States of two texts of unlike length with a common part, and a router that prefers some experts."""
    generator = torch.Generator().manual_seed(seed)
    common = torch.randn(WIDTH, generator=generator)
    states = [torch.randn(count, WIDTH, generator=generator) + common + 0.3 * torch.randn(WIDTH, generator=generator)
              for count in (250, 750)]
    router = 0.2 * torch.randn(EXPERTS, WIDTH, generator=generator)
    return states, router + 0.3 * torch.randn(EXPERTS, 1, generator=generator) * common / common.square().sum()


class Evened(unittest.TestCase):
    def test_the_load_over_texts_of_equal_share_is_even(self):
        for seed in range(2):
            states, router = skewed(seed)
            self.assertGreater(even.variation(even.loads(states, router, USED)), 0.2)
            evened = router + even.bias_rows(states, router, USED)
            self.assertLess(even.variation(even.loads(states, evened, USED)), 0.02)
            by_text = torch.stack([even.share(part @ evened.T, USED) for part in states])
            self.assertAlmostEqual(by_text[0].sum().item(), 1.0, places=5)

    def test_what_is_added_acts_as_a_bias(self):
        states, router = skewed(9)
        rows = even.bias_rows(states, router, USED)
        self.assertEqual(torch.linalg.matrix_rank(rows, atol=1e-4).item(), 1)
        moved = torch.cat(states) @ rows.T  # (N, E): of every expert, nearly the same for every token
        self.assertGreater(moved.mean(0).abs().max().item(), 0.05)
        self.assertLess((moved.std(0) / (moved.mean(0).abs() + 1e-3)).median().item(), 0.5)

    def test_an_even_router_stays_as_it_is(self):
        states, router = skewed(3)
        evened = router + even.bias_rows(states, router, USED)
        again = evened + even.bias_rows(states, evened, USED)
        self.assertLessEqual(even.variation(even.loads(states, again, USED)),
                             even.variation(even.loads(states, evened, USED)))


if __name__ == "__main__":
    unittest.main()
