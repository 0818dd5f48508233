"""The `qwen3moe` architecture: pre-norm attention with normed queries and keys, then a mixture of experts.

Shapes: B rows, T tokens a row, N = B * T; the rest are the letters of config.Shape. Weights are kept in float32 and
used in bfloat16 on a GPU, in float32 on a CPU; router and rotation run in float32.
"""

from dataclasses import dataclass

import torch
import torch.nn as nn
import torch.nn.functional as F

from config import Shape
from quantize import fake_quantize
from sparse import DENSE_LAYERS, summary_loss

GROUPED_ON_GPU = getattr(torch, "_grouped_mm", None) or getattr(F, "grouped_mm", None)  # renamed in PyTorch 2.10

# Given to a block instead of a cut: all experts that the model uses.
NO_CUT = 2.0


def rms_norm(x, weight, epsilon):
    return F.rms_norm(x, (x.shape[-1],), weight.to(x.dtype), epsilon)


def rotate(x, cos, sin):
    """Rotary embedding of (B, T, H, head width), halves paired (NeoX order, as qwen3moe in GGUF)."""
    first, second = x.float().chunk(2, -1)
    return torch.cat((first * cos - second * sin, second * cos + first * sin), -1).to(x.dtype)


def rotary_tables(shape: Shape, length: int, device):
    half = torch.arange(0, shape.head_width, 2, device=device).float() / shape.head_width
    angle = torch.arange(length, device=device).float()[:, None] * shape.rope_base ** -half
    return angle.cos()[:, None, :], angle.sin()[:, None, :]


def drop(x, keep):
    """Dropout that keeps a share `keep` of x, a tensor on x's device so that one compiled graph serves every share;
    None for no dropout."""
    if keep is None:
        return x
    return x * ((torch.rand_like(x, dtype=torch.float32) < keep) / keep).to(x.dtype)


def dense_attention(query, key, value):
    """Causal attention of (B, H, T, D) over grouped keys and values."""
    if not query.is_cuda:  # where grouped heads have no fast kernel
        key, value = (part.repeat_interleave(query.shape[1] // key.shape[1], 1) for part in (key, value))
    return F.scaled_dot_product_attention(query, key, value, is_causal=True, enable_gqa=True)


class Dispatch(torch.autograd.Function):
    """x (N, d) -> the slots (N * k, d), sorted by expert. The gradient is a gather too: no atomic additions."""

    @staticmethod
    def forward(ctx, x, token_of_slot, slot_of_choice):
        ctx.save_for_backward(slot_of_choice)
        return x[token_of_slot]

    @staticmethod
    def backward(ctx, gradient):
        slot_of_choice, = ctx.saved_tensors
        return gradient[slot_of_choice].sum(1), None, None


class Combine(torch.autograd.Function):
    """Slots (N * k, d) -> the sum of each token's slots (N, d)."""

    @staticmethod
    def forward(ctx, slots, token_of_slot, slot_of_choice):
        ctx.save_for_backward(token_of_slot)
        return slots[slot_of_choice].sum(1)

    @staticmethod
    def backward(ctx, gradient):
        token_of_slot, = ctx.saved_tensors
        return gradient[token_of_slot], None, None


def grouped_product(x, weight, ends):
    """x (slots, in) sorted by expert, weight (E, in, out), ends (E) int32: last slot of each expert, exclusive."""
    if x.is_cuda:
        return GROUPED_ON_GPU(x, weight, offs=ends)
    bounds = [0, *ends.tolist()]
    return torch.cat([x[bounds[e]:bounds[e + 1]] @ weight[e] for e in range(weight.shape[0])])


@dataclass
class Routing:
    """What one layer's router did with N tokens. `probability`, `uneven_rows`, `entropy` and `logit_square` carry
    gradients."""

    probability: torch.Tensor  # (E) mean softmax, weighted by the rows' weight
    load: torch.Tensor  # (E) share of the calls with all experts used, weighted likewise
    load_kept: torch.Tensor  # (E) the same after the cut
    uneven_rows: torch.Tensor  # (B) E * sum_e load_e * probability_e of each row: 1 when even, about 1 + row_cv ** 2
    row_cv: torch.Tensor  # (B) variation of the load within a row
    entropy: torch.Tensor  # mean entropy of the normalised weights of the experts used
    logit_square: torch.Tensor  # mean squared logsumexp
    experts_at_80: torch.Tensor  # mean number of experts that hold 0.8 of the used experts' mass
    kept: torch.Tensor  # mean number of experts after the cut
    missed: torch.Tensor | None = None  # (B) sparse.summary_loss of the layer's attention, with gradient; 0 unless asked for


class Attention(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        s, query, kv = shape, shape.query_heads * shape.head_width, shape.kv_heads * shape.head_width
        self.shape = shape
        self.query = nn.Parameter(torch.randn(query, s.width) * s.width ** -0.5)
        self.key = nn.Parameter(torch.randn(kv, s.width) * s.width ** -0.5)
        self.value = nn.Parameter(torch.randn(kv, s.width) * s.width ** -0.5)
        self.output = nn.Parameter(torch.zeros(s.width, query))
        self.query_norm = nn.Parameter(torch.ones(s.head_width))
        self.key_norm = nn.Parameter(torch.ones(s.head_width))

    def forward(self, x, cos, sin, attend, sampled=None):
        """Also how badly page summaries find what the queries at the positions `sampled` look at, for a loss."""
        s, (rows, length, _) = self.shape, x.shape
        stacked = torch.cat((self.query, self.key, self.value)).to(x.dtype)
        heads = F.linear(x, stacked).view(rows, length, -1, s.head_width)
        query, key, value = heads.split((s.query_heads, s.kv_heads, s.kv_heads), 2)
        query = rotate(rms_norm(query, self.query_norm, s.norm_epsilon), cos, sin)
        key = rotate(rms_norm(key, self.key_norm, s.norm_epsilon), cos, sin)
        query, key = query.transpose(1, 2), key.transpose(1, 2)
        mixed = attend(query, key, value.transpose(1, 2))
        missed = x.new_zeros(rows, dtype=torch.float32) if sampled is None else summary_loss(query, key, sampled)
        return F.linear(mixed.transpose(1, 2).reshape(rows, length, -1), self.output.to(x.dtype)), missed


class Experts(nn.Module):
    """Weights are (E, in, out); GGUF stores them (E, out, in)."""

    def __init__(self, shape: Shape):
        super().__init__()
        s = shape
        self.shape = shape
        self.router = nn.Parameter(torch.randn(s.experts, s.width) * 0.02)
        self.gate = nn.Parameter(torch.randn(s.experts, s.width, s.expert_width) * s.width ** -0.5)
        self.up = nn.Parameter(torch.randn(s.experts, s.width, s.expert_width) * s.width ** -0.5)
        self.down = nn.Parameter(torch.zeros(s.experts, s.expert_width, s.width))

    def forward(self, x, cut, row_weight, quantized: bool, most: int | None = None):
        """x (B, T, d); cut (B): cumulative mass after which no further expert is used; most: a static number instead.

        Weights are the softmax over all experts, top k taken and normalised to 1 (`norm_topk_prob` of Qwen3)."""
        s, (rows, length, width) = self.shape, x.shape
        flat = x.reshape(-1, width)
        logits = F.linear(flat.float(), self.router)
        probability = logits.softmax(-1)
        weight, choice = probability.topk(s.experts_used, -1)
        weight = weight / weight.sum(-1, keepdim=True)
        before = weight.cumsum(-1) - weight  # mass of the experts ranked higher
        keep = before < cut.repeat_interleave(length)[:, None]
        if most is not None:
            keep = keep & (torch.arange(s.experts_used, device=x.device) < most)
        kept_weight = weight * keep
        kept_weight = kept_weight / kept_weight.sum(-1, keepdim=True)

        order = choice.reshape(-1).argsort(stable=True)
        token_of_slot = order // s.experts_used
        slot_of_choice = torch.empty_like(order).scatter_(0, order, torch.arange(order.numel(), device=x.device))
        slot_of_choice = slot_of_choice.view(-1, s.experts_used)
        chosen = F.one_hot(choice, s.experts).float()  # (N, k, E)
        ends = chosen.sum((0, 1)).cumsum(0).to(torch.int32)

        gate, up, down = (self._weights(w, x.dtype, quantized) for w in (self.gate, self.up, self.down))
        slots = Dispatch.apply(flat, token_of_slot, slot_of_choice)
        both = grouped_product(slots, torch.cat((gate, up), -1), ends)
        hidden = F.silu(both[:, :s.expert_width]) * both[:, s.expert_width:]
        hidden = hidden * kept_weight.reshape(-1)[order][:, None].to(x.dtype)
        out = Combine.apply(grouped_product(hidden, down, ends), token_of_slot, slot_of_choice)

        with torch.no_grad():
            token_weight = row_weight.repeat_interleave(length)[:, None]
            load = (chosen.sum(1) * token_weight).sum(0)
            load_kept = ((chosen * keep[..., None]).sum(1) * token_weight).sum(0)
            row_load = chosen.view(rows, length * s.experts_used, s.experts).mean(1)
            row_cv = row_load.std(-1, unbiased=False) * s.experts
        row_probability = probability.view(rows, length, s.experts).mean(1)
        entropy = -(weight * (weight + 1e-9).log()).sum(-1).mean()
        return out.view(rows, length, width), Routing(
            probability=(probability * token_weight).sum(0) / token_weight.sum(),
            load=load / load.sum(), load_kept=load_kept / load_kept.sum(),
            uneven_rows=s.experts * (row_load * row_probability).sum(-1), row_cv=row_cv, entropy=entropy,
            logit_square=logits.logsumexp(-1).square().mean(),
            experts_at_80=(before < 0.8).float().sum(-1).mean(), kept=keep.float().sum(-1).mean())

    def _weights(self, weight, dtype, quantized):
        if quantized:  # blocks run along the input dimension
            weight = fake_quantize(weight.transpose(1, 2), "Q4_K").transpose(1, 2)
        return weight.to(dtype)


class Block(nn.Module):
    def __init__(self, shape: Shape):
        super().__init__()
        self.epsilon = shape.norm_epsilon
        self.attention_norm = nn.Parameter(torch.ones(shape.width))
        self.attention = Attention(shape)
        self.experts_norm = nn.Parameter(torch.ones(shape.width))
        self.experts = Experts(shape)

    def forward(self, x, cos, sin, cut, row_weight, quantized, keep=None, attend=dense_attention, most=None,
                sampled=None):
        out, missed = self.attention(rms_norm(x, self.attention_norm, self.epsilon), cos, sin, attend, sampled)
        x = x + drop(out, keep)
        out, routing = self.experts(rms_norm(x, self.experts_norm, self.epsilon), cut, row_weight, quantized, most)
        return x + drop(out, keep), (routing.probability, routing.load, routing.load_kept, routing.uneven_rows,
                                     routing.row_cv, routing.entropy, routing.logit_square, routing.experts_at_80,
                                     routing.kept, missed)


class Model(nn.Module):
    """Embedding and output matrix are one."""

    def __init__(self, shape: Shape):
        super().__init__()
        self.shape = shape
        self.embedding = nn.Parameter(torch.randn(shape.vocabulary, shape.width) * 0.02)
        self.blocks = nn.ModuleList(Block(shape) for _ in range(shape.layers))
        self.output_norm = nn.Parameter(torch.ones(shape.width))
        self._tables = {}

    def trunk(self, tokens, cut, row_weight, quantized=False, keep=None, attend_in_layer=None, most=None,
              sampled=None):
        """tokens (B, T) -> states before the output norm (B, T, d), Routing per layer.

        keep: share that dropout leaves of what a block adds. attend_in_layer: layer -> attention function, for the
        evaluation of sparse attention. sampled: positions at which `Routing.missed` is measured, in the
        layers that may be sparse."""
        length = tokens.shape[1]
        if length not in self._tables:
            self._tables = {length: rotary_tables(self.shape, length, tokens.device)}
        cos, sin = self._tables[length]
        x = F.embedding(tokens, self.embedding).to(torch.bfloat16 if tokens.is_cuda else torch.float32)
        routings = []
        for layer, block in enumerate(self.blocks):
            attend = attend_in_layer(layer) if attend_in_layer else dense_attention
            x, routing = block(x, cos, sin, cut, row_weight, quantized, keep, attend, most,
                               sampled if layer >= DENSE_LAYERS else None)
            routings.append(Routing(*routing))
        return x, routings

    def logits(self, states):
        return F.linear(rms_norm(states, self.output_norm, self.shape.norm_epsilon),
                        self.embedding.to(states.dtype)).float()


def token_losses(states, output_norm, embedding, epsilon, targets):
    """Cross-entropy of every prediction, (B, T) float32. Compiled by the trainer: the logits stay in bfloat16."""
    logits = F.linear(rms_norm(states, output_norm, epsilon), embedding.to(states.dtype))
    losses = F.cross_entropy(logits.float().view(-1, logits.shape[-1]), targets.reshape(-1), reduction="none")
    return losses.view(targets.shape)
