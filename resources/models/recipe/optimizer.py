"""Muon for matrices, Adam for everything else.

Muon: momentum, then the nearest semi-orthogonal matrix by a Newton-Schulz iteration (K. Jordan et al., 2024,
https://kellerjordan.github.io/posts/muon/), so that every direction of a matrix moves at the same rate.
"""

import torch

from config import Recipe
from model import Model

NEWTON_SCHULZ = (3.4445, -4.7750, 2.0315)


def orthogonalized(matrices: torch.Tensor, steps: int = 5) -> torch.Tensor:
    """(M, rows, columns), rows <= columns -> singular values near 1 (bfloat16 on a GPU)."""
    a, b, c = NEWTON_SCHULZ
    x = matrices.bfloat16() if matrices.is_cuda else matrices
    x = x / (x.norm(dim=(-2, -1), keepdim=True) + 1e-7)
    for _ in range(steps):
        gram = x @ x.mT
        x = a * x + (b * gram + c * (gram @ gram)) @ x
    return x


class Muon:
    """Matrices of one shape are iterated together; `out_in` is output width over input width of the map."""

    def __init__(self, matrices: list[tuple[torch.nn.Parameter, float]], decay: float, momentum: float = 0.95):
        self.matrices, self.decay, self.momentum = matrices, decay, momentum
        self.velocity = [torch.zeros_like(parameter) for parameter, _ in matrices]

    @torch.no_grad()
    def step(self, rate: float) -> None:
        groups: dict[tuple, list[int]] = {}
        torch._foreach_mul_(self.velocity, self.momentum)
        torch._foreach_add_(self.velocity, [parameter.grad for parameter, _ in self.matrices])
        for i, (parameter, _) in enumerate(self.matrices):
            groups.setdefault(tuple(sorted(parameter.shape[-2:])), []).append(i)
        for (rows, columns), members in groups.items():
            stacked = []
            for i in members:
                parameter = self.matrices[i][0]
                ahead = parameter.grad + self.momentum * self.velocity[i]  # Nesterov
                ahead = ahead.reshape(-1, *parameter.shape[-2:])
                stacked.append(ahead if ahead.shape[-2] == rows else ahead.mT)
            updates = orthogonalized(torch.cat(stacked)).split([len(part) for part in stacked])
            for i, update in zip(members, updates):
                parameter, out_in = self.matrices[i]
                update = update if parameter.shape[-2] == rows else update.mT
                parameter.mul_(1 - rate * self.decay)
                parameter.add_(update.reshape(parameter.shape).to(parameter.dtype), alpha=-rate * max(1, out_in) ** 0.5)

    def state(self):
        return self.velocity

    def restore(self, velocity):
        for mine, saved in zip(self.velocity, velocity):
            mine.copy_(saved)


class Optimizer:
    def __init__(self, model: Model, recipe: Recipe):
        matrices, routers, others = [], [], [model.embedding, model.output_norm]
        for block in model.blocks:
            attention, experts = block.attention, block.experts
            matrices += [(p, p.shape[0] / p.shape[1])
                         for p in (attention.query, attention.key, attention.value, attention.output)]
            matrices += [(p, p.shape[2] / p.shape[1]) for p in (experts.gate, experts.up, experts.down)]
            routers.append(experts.router)
            others += [block.attention_norm, block.experts_norm, attention.query_norm, attention.key_norm]
        self.recipe, self.clipped = recipe, routers + others
        self.muon = Muon(matrices, recipe.matrix_decay)
        self.adam = torch.optim.AdamW(
            [{"params": others, "peak": recipe.vector_rate}, {"params": routers, "peak": recipe.router_rate}],
            betas=(0.9, 0.95), weight_decay=0.0, fused=model.embedding.is_cuda)

    def step(self, scale: float) -> None:
        """scale: the schedule's fraction of the peak rates."""
        torch.nn.utils.clip_grad_norm_(self.clipped, 1.0)
        for group in self.adam.param_groups:
            group["lr"] = group["peak"] * scale
        self.adam.step()
        self.adam.zero_grad(set_to_none=True)
        self.muon.step(self.recipe.matrix_rate * scale)
        for parameter, _ in self.muon.matrices:
            parameter.grad = None

    def state(self):
        return {"muon": self.muon.state(), "adam": self.adam.state_dict()}

    def restore(self, state):
        self.muon.restore(state["muon"])
        self.adam.load_state_dict(state["adam"])
