"""Sparse attention as the engine's design has it, in plain PyTorch for the evaluation: a local window, the first page,
and a quarter of the remaining pages, chosen per query and group of heads from page summaries. Nothing is skipped
here, only masked."""

import math

import torch
import torch.nn.functional as F

DENSE_LAYERS = 2  # the first ones are never sparse, as the engine's default
# Expected range of 32 draws of a normal distribution: turns (max - min) into a standard deviation.
NORMAL_RANGE_32 = 4.1


def sparse_attention(window: int = 512, page: int = 32, share: float = 0.25, chunk: int = 256):
    """(query, key, value) of (1, H, T, D) -> attention over the chosen pages."""

    def attend(query, key, value):
        _, heads, length, width = query.shape
        groups = key.shape[1]
        per_group = heads // groups
        scaled = query.float() * width ** -0.5
        keys = key.float().repeat_interleave(per_group, 1)
        values = value.float().repeat_interleave(per_group, 1)
        low, high = page_bounds(keys, page)
        out = torch.empty_like(scaled)
        for start in range(0, length, chunk):
            rows = slice(start, min(start + chunk, length))
            out[:, :, rows] = attend_rows(scaled[:, :, rows], keys, values, low, high, start, groups, window, page,
                                          share)
        return out.to(query.dtype)

    return attend


def page_bounds(keys, page):
    """Smallest and largest key of every page per channel, (1, H, pages, D); the last page may be short."""
    length = keys.shape[2]
    pages = -(-length // page)
    padded = torch.cat([keys, keys[:, :, -1:].expand(-1, -1, pages * page - length, -1)], 2)
    padded = padded.view(*keys.shape[:2], pages, page, keys.shape[-1])
    return padded.amin(3), padded.amax(3)


def page_scores(query, low, high):
    """Estimated log-mean-exp of a page's scores: middle of the range plus half the variance, never above the largest
    score that the bounds allow."""
    middle, deviation = (low + high) / 2, (high - low) / NORMAL_RANGE_32
    estimate = query @ middle.mT + 0.5 * query.square() @ deviation.square().mT
    bound = query.clamp(min=0) @ high.mT + query.clamp(max=0) @ low.mT
    return torch.minimum(estimate, bound)


def summary_loss(query, key, positions, window: int = 512, page: int = 32, share: float = 0.25):
    """What sparse attention would cost the queries at `positions`, in two parts, each a mean over a row's queries and heads
    in nats: the divergence KL(true | estimated) of the mass of remote pages, which keeps the keys of a page such that their
    bounds describe them; and -log of the mass that the chosen pages hold, the divergence of sparse from dense
    attention, which keeps attention to what is found.

    query (B, H, T, D), key (B, G, T, D) as attention takes them; positions (S) int64. Returns their sum by row, (B)."""
    groups, length = key.shape[1], key.shape[2]
    scaled = query[:, :, positions].unflatten(1, (groups, -1)) * query.shape[-1] ** -0.5  # (B, G, heads of a group, S, D)
    low, high = (bound[:, :, None] for bound in page_bounds(key.float(), page))
    pages = low.shape[3]
    position, key_position = positions[:, None], torch.arange(length, device=key.device)[None]
    near_from = near_begin(position, window, page)
    remote = remote_pages(near_from, pages, page)
    scores = (scaled.flatten(2, 3) @ key.mT).unflatten(2, scaled.shape[2:4]).float()
    scores = scores.masked_fill(key_position > position, -torch.inf)
    mass = F.pad(scores.softmax(-1), (0, pages * page - length)).unflatten(-1, (pages, page)).sum(-1)
    near = (key_position >= near_from) | (key_position < page)
    near_score = scores.detach().masked_fill(~near, -torch.inf).logsumexp(-1, keepdim=True)
    estimate = (page_scores(scaled.float(), low, high) + math.log(page)).masked_fill(~remote, -torch.inf)
    estimate = torch.cat((estimate, near_score), -1).softmax(-1)

    chosen = chosen_pages(estimate[..., :-1].detach(), remote, share)[:, :, None]
    missed = (mass * (remote & ~chosen)).sum(-1)
    true = torch.cat((mass * remote, (mass * ~remote).sum(-1, keepdim=True)), -1).mean(2).detach()
    divergence = (true * ((true + 1e-9) / (estimate.mean(2) + 1e-9)).log()).sum(-1)
    return divergence.flatten(1).mean(1) - torch.log1p(-missed.clamp(max=0.999)).flatten(1).mean(1)


def near_begin(position, window, page):
    """The window begins at a page border, so that a page is wholly near or wholly remote."""
    return ((position - window + 1).clamp(min=0) // page) * page


def remote_pages(near_from, pages, page):
    """Page 0 is always kept and so never among them."""
    page_index = torch.arange(pages, device=near_from.device)[None]
    return (page_index >= 1) & ((page_index + 1) * page <= near_from)


def chosen_pages(mass, remote, share):
    """The remote pages that a group of heads reads: the share with the largest mean mass.

    mass (B, G, heads of a group, S, P); remote (S, P). Returns (B, G, S, P)."""
    budget = torch.ceil(remote.sum(-1) * share).long()
    shared = mass.mean(2)
    # Each head's own two best pages are in, whatever the group says.
    best = mass.topk(min(2, mass.shape[-1]), -1).indices
    shared = shared.masked_fill(F.one_hot(best, mass.shape[-1]).amax((2, 4)).bool(), torch.inf)
    shared = shared.masked_fill(~remote, -torch.inf)
    rank = shared.argsort(-1, descending=True).argsort(-1)
    return (rank < budget[:, None]) & remote


def attend_rows(query, keys, values, low, high, start, groups, window, page, share):
    length, pages = keys.shape[2], low.shape[2]
    device = query.device
    position = torch.arange(start, start + query.shape[2], device=device)[:, None]
    key_position = torch.arange(length, device=device)[None]
    scores = (query @ keys.mT).masked_fill(key_position > position, -torch.inf)

    near_from = near_begin(position, window, page)
    near = key_position >= near_from
    remote = remote_pages(near_from, pages, page)

    estimate = (page_scores(query, low, high) + math.log(page)).masked_fill(~remote, -torch.inf)
    near_mass = scores.masked_fill(~near & (key_position >= page), -torch.inf).logsumexp(-1, keepdim=True)
    mass = (estimate - torch.logaddexp(near_mass, estimate.logsumexp(-1, keepdim=True))).exp()
    chosen = chosen_pages(mass.unflatten(1, (groups, -1)), remote, share)
    chosen[..., 0] = True
    kept = chosen.repeat_interleave(page, -1)[..., :length] | near
    kept = kept.repeat_interleave(query.shape[1] // groups, 1)
    return scores.masked_fill(~kept, -torch.inf).softmax(-1) @ values
