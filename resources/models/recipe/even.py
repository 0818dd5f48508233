"""Routers evened on held-out text, once the weights are those of the file that ships.

Training holds the load even over its own rows. Over text that it has not seen, through rounded weights and without
dropout, the worst layer's load varied by a tenth in half of the trainings. The usual correction, a bias on each expert that
only the choice sees (Wang et al., 2024, "Auxiliary-loss-free load balancing"), has no place in a `qwen3moe` file. But
the router reads normed states, which share a direction u with x . u close to 1 for every token x: b_e * u added to the
row of expert e moves its logit by about b_e. So the bias is found as theirs is, step by step from the load's excess,
and written into the router's rows.
"""

from pathlib import Path

import torch
import torch.nn.functional as F

import evaluate
from config import Recipe
from model import Model

STEPS = 150  # of the search for a layer's biases
RATE = 0.3  # of the first step: logits per unit of excess load; falls to a tenth
ROUNDS = 3  # over all layers: what one layer's router changes is the next layers' input
RIDGE = 1e-4  # of the states' mean square: keeps u from leaning on channels that hardly vary


def evener(work: Path, recipe: Recipe, say):
    """`even_out` over the held-out parts of the corpus that the recipe names; over all where there is none of them."""
    texts = evaluate.evaluation_texts(work, None)
    named = {name: ids for name, ids in texts.items() if name in recipe.evened_over}
    return lambda model: even_out(model, named or texts, recipe, say)


@torch.no_grad()
def even_out(model: Model, texts: dict, recipe: Recipe, say) -> None:
    """Changes the routers of `model` such that every text of `texts` (token ids by name) having the same share, each
    expert of a layer is called equally often."""
    for number in range(ROUNDS):
        states = router_inputs(model, texts, recipe)
        variations = []
        for block, of_layer in zip(model.blocks, states):
            before = variation(loads(of_layer, block.experts.router, recipe.shape.experts_used))
            block.experts.router += bias_rows(of_layer, block.experts.router, recipe.shape.experts_used)
            after = variation(loads(of_layer, block.experts.router, recipe.shape.experts_used))
            variations.append(f"{before:.3f} to {after:.3f}")
        say(f"routers evened, round {number + 1}: load CV by layer {', '.join(variations)}")


def router_inputs(model: Model, texts: dict, recipe: Recipe) -> list[list[torch.Tensor]]:
    """What the router of every layer reads: by layer, by text, (N, d) float32."""
    states = [[] for _ in model.blocks]
    hooks = [block.experts.register_forward_pre_hook(
        lambda _, inputs, kept=kept: kept.append(inputs[0].flatten(0, -2).float()))
        for block, kept in zip(model.blocks, states)]
    length, of_text = recipe.phases[0].length, []
    for ids in texts.values():
        count = 0
        for window in evaluate.windows(ids, length, recipe.evaluation_windows):
            evaluate.run(model, window)
            count += 1
        of_text.append(count)
    for hook in hooks:
        hook.remove()
    by_text = []
    for kept in states:
        parts = iter(kept)
        by_text.append([torch.cat([next(parts) for _ in range(count)]) for count in of_text if count])
    return by_text


def bias_rows(states: list[torch.Tensor], router, used: int):
    """What to add to the router (E, d) so that its load over `states` is even."""
    everything = torch.cat(states)
    square = everything.T @ everything / len(everything)
    ridge = RIDGE * square.diagonal().mean() * torch.eye(len(square), device=square.device)
    direction = torch.linalg.solve(square + ridge, everything.mean(0))
    logits = [part @ router.T for part in states]
    levels = [(part @ direction)[:, None] for part in states]
    bias = torch.zeros(len(router), device=router.device)
    best, least = bias, float("inf")
    for step in range(STEPS):
        load = torch.stack([share(logit + level * bias, used) for logit, level in zip(logits, levels)]).mean(0)
        if variation(load) < least:
            best, least = bias, variation(load)
        bias = bias - RATE * (1 - 0.9 * step / STEPS) * (load * len(load) - 1)
        bias = bias - bias.mean()
    return best[:, None] * direction


def share(logits, used: int):
    """Share of the calls that each expert gets, (E)."""
    return F.one_hot(logits.topk(used, -1).indices, logits.shape[-1]).float().mean((0, 1))


def loads(states: list[torch.Tensor], router, used: int):
    return torch.stack([share(part @ router.T, used) for part in states]).mean(0)


def variation(load) -> float:
    return (load.std(unbiased=False) / load.mean()).item()
