"""Sparse attention as the engine's design has it, in plain PyTorch for the evaluation: a local window, the first page,
and a quarter of the remaining pages, chosen per query and group of heads from page summaries. Nothing is skipped
here, only masked."""

import torch
import torch.nn.functional as F

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


def attend_rows(query, keys, values, low, high, start, groups, window, page, share):
    length, pages = keys.shape[2], low.shape[2]
    device = query.device
    position = torch.arange(start, start + query.shape[2], device=device)[:, None]
    key_position = torch.arange(length, device=device)[None]
    scores = (query @ keys.mT).masked_fill(key_position > position, -torch.inf)

    # The window begins at a page border, so that a page is wholly near or wholly remote; page 0 is always kept.
    near_from = ((position - window + 1).clamp(min=0) // page) * page
    near = key_position >= near_from
    page_index = torch.arange(pages, device=device)[None]
    remote = (page_index >= 1) & ((page_index + 1) * page <= near_from)
    budget = torch.ceil(remote.sum(-1) * share).long()

    estimate = (page_scores(query, low, high) + torch.log(torch.tensor(float(page)))).masked_fill(~remote, -torch.inf)
    near_mass = scores.masked_fill(~near & (key_position >= page), -torch.inf).logsumexp(-1, keepdim=True)
    mass = (estimate - torch.logaddexp(near_mass, estimate.logsumexp(-1, keepdim=True))).exp()
    grouped = mass.unflatten(1, (groups, -1))
    shared = grouped.mean(2)
    # Each head's own two best pages are in, whatever the group says.
    best = grouped.topk(min(2, pages), -1).indices
    shared = shared.masked_fill(F.one_hot(best, pages).amax((2, 4)).bool(), torch.inf)
    shared = shared.masked_fill(~remote, -torch.inf)
    rank = shared.argsort(-1, descending=True).argsort(-1)
    chosen = (rank < budget[:, None]) & remote
    chosen[..., 0] = True
    kept = chosen.repeat_interleave(page, -1)[..., :length] | near
    kept = kept.repeat_interleave(query.shape[1] // groups, 1)
    return scores.masked_fill(~kept, -torch.inf).softmax(-1) @ values
