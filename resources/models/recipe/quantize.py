"""Block quantisation of weights in GGUF's formats, vectorised over all blocks, on the CPU or a GPU.

Words used here. A *block* is what the format stores as one unit, and is cut into *groups* of consecutive weights:

    format  block  groups   weight of code q                       codes     sub-scales
    Q8_0       32  1 x 32   d q                                    -127..127
    Q4_K      256  8 x 32   (d scale) q - (dmin minimum)           0..15     6 bits each, unsigned
    Q5_K      256  8 x 32   (d scale) q - (dmin minimum)           0..31     6 bits each, unsigned
    Q6_K      256  16 x 16  (d scale) q                            -32..31   8 bits, signed

`d` and `dmin` are halves. All products above are exact in float32 (11 + 7 + 6 bits at most), so a decoded weight is
rounded at most once, in the subtraction: every decoder gets the same bits, fused multiply-adds or not.

`encode` searches for the codes with the least squared error; `fake_quantize` takes them from the range of the weights
alone, fast enough for each step of a training. `encode(..., method="range")` is the latter's result in storable form.

Shapes: B blocks, G groups in a block, K weights in a group.
"""

from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor


@dataclass(frozen=True)
class Format:
    """How GGUF stores a type: its number, and `block` weights in `block_bytes` bytes."""

    id: int
    block: int
    block_bytes: int


FORMATS: dict[str, Format] = {
    "F32": Format(0, 1, 4),
    "F16": Format(1, 1, 2),
    "Q8_0": Format(8, 32, 34),
    "Q4_K": Format(12, 256, 144),
    "Q5_K": Format(13, 256, 176),
    "Q6_K": Format(14, 256, 210),
}


@dataclass(frozen=True)
class Grid:
    """The values that a block format can take."""

    groups: int
    lowest: int  # code
    highest: int  # code
    highest_scale: int  # sub-scales are integers up to this; without sub-scales 1
    signed_scales: bool  # may a sub-scale be negative
    has_minima: bool


GRIDS: dict[str, Grid] = {
    "Q8_0": Grid(groups=1, lowest=-127, highest=127, highest_scale=1, signed_scales=False, has_minima=False),
    "Q4_K": Grid(groups=8, lowest=0, highest=15, highest_scale=63, signed_scales=False, has_minima=True),
    "Q5_K": Grid(groups=8, lowest=0, highest=31, highest_scale=63, signed_scales=False, has_minima=True),
    "Q6_K": Grid(groups=16, lowest=-32, highest=31, highest_scale=127, signed_scales=True, has_minima=False),
}

HALF_MAX = 65504.0  # greatest finite half
HALF_NORMAL_MIN = 2.0**-14  # least normal half; below it halves are multiples of the next number
HALF_UNIT = 2.0**-24

# The search. Steps tried for a group: its range divided by the greatest code plus each of these. Mostly below 0, where
# the codes do not use the whole of their range: what matters is how the values happen to fall on the grid.
STEP_OFFSETS = [fifth / 5 for fifth in range(-20, 5)]
GROUP_ROUNDS = 3  # times a group's codes and its scale and minimum are fitted to each other
BLOCK_ROUNDS = 3  # times sub-scales and super-scales are fitted to each other
CHUNK_WEIGHTS = 1 << 21  # searched at once, which bounds the memory for temporaries


@dataclass
class Encoded:
    """A quantised tensor, as integers and halves: what a GGUF file stores, before its bits are packed.

    F32 and F16 have nothing but `codes`, which are the values in that type.
    """

    type: str
    shape: tuple[int, ...]
    codes: Tensor  # [B, G, K] uint8 (Q4_K, Q5_K) or int8; F32, F16: [B]
    d: Tensor | None = None  # [B] half
    dmin: Tensor | None = None  # [B] half; Q4_K, Q5_K
    scales: Tensor | None = None  # [B, G] uint8 (Q4_K, Q5_K) or int8 (Q6_K)
    minima: Tensor | None = None  # [B, G] uint8; Q4_K, Q5_K


@dataclass
class Fit:
    """`Encoded` as floats while it is worked on; all values are representable in the format."""

    codes: Tensor  # [B, G, K]
    d: Tensor  # [B, 1]
    dmin: Tensor  # [B, 1]
    scales: Tensor  # [B, G]
    minima: Tensor  # [B, G]

    def step(self) -> Tensor:
        """[B, G, 1]: distance of two neighbouring values."""
        return (self.d * self.scales).unsqueeze(-1)

    def minimum(self) -> Tensor:
        """[B, G, 1]: what code 0 stands below zero."""
        return (self.dmin * self.minima).unsqueeze(-1)

    def values(self) -> Tensor:
        """[B, G, K]: the decoded weights."""
        return self.step() * self.codes - self.minimum()


def encode(weight: Tensor, type: str, importance: Tensor | None = None, method: str = "search") -> Encoded:
    """Quantise `weight` [..., n_in] (any float type; taken as float32).

    `importance` (broadcastable to `weight`, not negative) weighs the squared error of each weight; given the mean
    square of the activation that each input channel meets, the sum is the expected squared error of the product.
    `method`: "search" for the least error, "range" for what `fake_quantize` does (which ignores `importance`).

    Values beyond what the format can hold saturate. ValueError: an unknown type or method, a last dimension that is no
    multiple of the block, weights or importance that are not finite, importance below zero.
    """
    _check_shape(weight.shape, type)
    if method not in ("search", "range"):
        raise ValueError(f"unknown quantisation method {method!r}")
    weight = weight.detach().float()
    if not bool(torch.isfinite(weight).all()):
        raise ValueError("cannot quantise NaN or infinite weights")
    if importance is not None:
        importance = importance.detach().to(weight.device).float()
        if not bool((torch.isfinite(importance) & (importance >= 0)).all()):
            raise ValueError("importance must be finite and not negative")
        importance = importance.broadcast_to(weight.shape)

    shape = tuple(weight.shape)
    if type == "F32":
        return Encoded(type, shape, weight.reshape(-1).clone())
    if type == "F16":
        return Encoded(type, shape, _round_to_half(weight).reshape(-1).half())

    grid = GRIDS[type]
    blocks = _in_blocks(weight, type)
    if method == "range":
        return _storable(_fit_range(blocks, grid), type, shape)
    if importance is not None:
        importance = _in_blocks(importance, type)
    chunk = CHUNK_WEIGHTS // FORMATS[type].block
    parts = []
    for start in range(0, max(len(blocks), 1), chunk):
        part = slice(start, start + chunk)
        fit = _search(blocks[part], None if importance is None else _relative(importance[part]), grid)
        parts.append(_storable(fit, type, shape))
    if len(parts) == 1:
        return parts[0]
    joined = {name: None if getattr(parts[0], name) is None else torch.cat([getattr(part, name) for part in parts])
              for name in ("codes", "d", "dmin", "scales", "minima")}
    return Encoded(type, shape, **joined)


def decode(encoded: Encoded) -> Tensor:
    """The float32 weights [*encoded.shape], bit for bit what a reader of the packed form computes."""
    codes = encoded.codes.float()
    if encoded.type not in GRIDS:
        return codes.reshape(encoded.shape)
    step = encoded.d.float()[:, None, None]
    if encoded.scales is not None:
        step = step * encoded.scales.float()[..., None]
    values = step * codes
    if encoded.minima is not None:
        values = values - encoded.dmin.float()[:, None, None] * encoded.minima.float()[..., None]
    return values.reshape(encoded.shape)


def fake_quantize(weight: Tensor, type: str) -> Tensor:
    """`weight` [..., n_in] moved to the grid of `type` by its range alone; the gradient passes straight through.

    Free of branches on data and of precision that a compiler may drop: `torch.compile` fuses it, with the same result.
    The result has the type of `weight`; in float32 it equals `decode(encode(weight, type, method="range"))`.
    """
    _check_shape(weight.shape, type)
    values = weight.detach().float()
    if type == "F16":
        values = _round_to_half(values)
    elif type != "F32":
        # Leading dimensions stay apart: a transposed weight would be copied to join them.
        groups = GRIDS[type].groups
        blocks = values.unflatten(-1, (-1, groups, FORMATS[type].block // groups))
        values = _fit_range(blocks, GRIDS[type]).values().flatten(-3)
    # The difference is zero and only carries the gradient: `weight + (values - weight)` would round away from the grid.
    return values.to(weight.dtype) + (weight - weight.detach())


# --- The bytes of a file -------------------------------------------------------------------------------------------


def pack(encoded: Encoded) -> np.ndarray:
    """The blocks in GGUF's layout, [bytes] uint8."""
    codes = encoded.codes
    if encoded.type not in GRIDS:
        return _bytes_of(codes).reshape(-1).cpu().numpy()
    d = _bytes_of(encoded.d)
    blocks = len(codes)
    if encoded.type == "Q8_0":
        fields = [d, codes.reshape(blocks, 32).view(torch.uint8)]
    elif encoded.type == "Q6_K":
        # Of every half of a block, four runs of 32 codes share 64 bytes of low and 32 bytes of high bits.
        runs = (codes.to(torch.int16) + 32).to(torch.uint8).reshape(blocks, 2, 4, 32)
        low = (runs[:, :, :2] & 15) | ((runs[:, :, 2:] & 15) << 4)
        high = runs >> 4
        high = high[:, :, 0] | (high[:, :, 1] << 2) | (high[:, :, 2] << 4) | (high[:, :, 3] << 6)
        fields = [low.reshape(blocks, 128), high.reshape(blocks, 64), encoded.scales.view(torch.uint8), d]
    else:
        pairs = codes.reshape(blocks, 4, 2, 32)  # two groups share 32 bytes
        nibbles = ((pairs[:, :, 0] & 15) | ((pairs[:, :, 1] & 15) << 4)).reshape(blocks, 128)
        scales, minima = encoded.scales, encoded.minima
        # Groups 0-3 have their six bits in one byte; the two upper bits of groups 4-7 fill up those bytes.
        sixes = torch.cat([
            scales[:, :4] | ((scales[:, 4:] >> 4) << 6),
            minima[:, :4] | ((minima[:, 4:] >> 4) << 6),
            (scales[:, 4:] & 15) | ((minima[:, 4:] & 15) << 4),
        ], dim=1)
        fields = [d, _bytes_of(encoded.dmin), sixes]
        if encoded.type == "Q5_K":
            fifth = (codes >> 4).reshape(blocks, 8, 32)
            bytes_of_bits = fifth[:, 0]
            for group in range(1, 8):
                bytes_of_bits = bytes_of_bits | (fifth[:, group] << group)
            fields.append(bytes_of_bits)
        fields.append(nibbles)
    return torch.cat(fields, dim=1).reshape(-1).cpu().numpy()


def unpack(raw: bytes | np.ndarray, type: str, shape: tuple[int, ...]) -> Encoded:
    """The inverse of `pack`, from blocks anyone wrote; `shape` is the tensor's, last dimension within rows."""
    _check_shape(shape, type)
    form = FORMATS[type]
    blocks = int(np.prod(shape, dtype=np.int64)) // form.block
    stored = torch.from_numpy(np.frombuffer(raw, dtype=np.uint8).copy())
    if stored.numel() != blocks * form.block_bytes:
        raise ValueError(f"{stored.numel()} bytes for {tuple(shape)} in {type}, not {blocks * form.block_bytes}")
    shape = tuple(shape)
    if type in ("F32", "F16"):
        return Encoded(type, shape, stored.view(torch.float32 if type == "F32" else torch.float16))
    stored = stored.reshape(blocks, form.block_bytes)

    def half_at(offset: int) -> Tensor:
        return stored[:, offset : offset + 2].contiguous().view(torch.float16).reshape(blocks)

    if type == "Q8_0":
        return Encoded(type, shape, stored[:, 2:].contiguous().view(torch.int8).reshape(blocks, 1, 32), half_at(0))
    if type == "Q6_K":
        low = stored[:, :128].reshape(blocks, 2, 2, 32)
        high = stored[:, 128:192].reshape(blocks, 2, 1, 32)
        runs = torch.cat([low & 15, low >> 4], dim=2)
        runs = runs | (torch.cat([(high >> shift) & 3 for shift in (0, 2, 4, 6)], dim=2) << 4)
        codes = (runs.to(torch.int16) - 32).to(torch.int8).reshape(blocks, 16, 16)
        return Encoded(type, shape, codes, half_at(208), scales=stored[:, 192:208].contiguous().view(torch.int8))
    sixes, nibbles = stored[:, 4:16], stored[:, form.block_bytes - 128 :].reshape(blocks, 4, 32)
    scales = torch.cat([sixes[:, :4] & 63, (sixes[:, 8:] & 15) | ((sixes[:, :4] >> 6) << 4)], dim=1)
    minima = torch.cat([sixes[:, 4:8] & 63, (sixes[:, 8:] >> 4) | ((sixes[:, 4:8] >> 6) << 4)], dim=1)
    codes = torch.stack([nibbles & 15, nibbles >> 4], dim=2).reshape(blocks, 8, 32)
    if type == "Q5_K":
        fifth = torch.stack([(stored[:, 16:48] >> group) & 1 for group in range(8)], dim=1)
        codes = codes | (fifth << 4)
    return Encoded(type, shape, codes, half_at(0), half_at(2), scales, minima)


# --- Codes from the range ------------------------------------------------------------------------------------------


def _fit_range(blocks: Tensor, grid: Grid) -> Fit:
    """The finest grid that still reaches both ends of each group. `blocks`: [..., G, K], with any dimensions for B."""
    return _with_codes(blocks, grid, *_super_scales(*_range_of_groups(blocks, grid), grid))


def _range_of_groups(blocks: Tensor, grid: Grid) -> tuple[Tensor, Tensor]:
    """Step and minimum ([B, G] each) with which the codes just cover each group of `blocks` [B, G, K]."""
    low, high = blocks.amin(-1), blocks.amax(-1)
    # Multiplied by constants, never divided: a GPU's compiled float32 division may differ in the last bit.
    if not grid.has_minima:
        step = torch.maximum(high * (1 / grid.highest), low * (1 / grid.lowest))
        return step, torch.zeros_like(step)
    minimum = (-low).clamp(min=0)  # the stored minimum cannot lift code 0 above zero
    return (high + minimum) * (1 / grid.highest), minimum


def _super_scales(step: Tensor, minimum: Tensor, grid: Grid) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """d, dmin [B, 1], scales and minima [B, G] whose products are near `step` and `minimum` [B, G]."""
    d = _half_to_reach(step, grid.highest_scale)
    if grid.highest_scale == 1:
        scales = torch.ones_like(step)
    else:
        scales = _nearest_multiples(step, d, -grid.highest_scale if grid.signed_scales else 0, grid.highest_scale)
    if not grid.has_minima:
        return d, torch.zeros_like(d), scales, torch.zeros_like(minimum)
    dmin = _half_to_reach(minimum, grid.highest_scale)
    return d, dmin, scales, _nearest_multiples(minimum, dmin, 0, grid.highest_scale)


def _half_to_reach(values: Tensor, highest: int) -> Tensor:
    """The half [B, 1] of which `highest` reach the greatest of `values` [B, G].

    Small halves are coarse, and rounding down would cut off the greatest values: nearly half a unit is added, which
    larger halves do not notice. Added before the product: compiled the other way round, the two might be fused.
    """
    greatest = values.abs().amax(-1, keepdim=True)
    return _round_to_half((greatest + highest * 0.999 * HALF_UNIT / 2) * (1 / highest))


def _nearest_multiples(values: Tensor, unit: Tensor, lowest: int, highest: int) -> Tensor:
    return torch.round(values * _reciprocal(unit)).clamp(lowest, highest)


def _with_codes(blocks: Tensor, grid: Grid, d: Tensor, dmin: Tensor, scales: Tensor, minima: Tensor) -> Fit:
    fit = Fit(blocks, d, dmin, scales, minima)
    fit.codes = _nearest_codes(blocks, fit.step(), fit.minimum(), grid)
    return fit


def _nearest_codes(blocks: Tensor, step: Tensor, minimum: Tensor, grid: Grid) -> Tensor:
    """[B, G, K], for `step` and `minimum` [B, G, 1]."""
    return _nearest_multiples(blocks + minimum, step, grid.lowest, grid.highest)


def _reciprocal(x: Tensor) -> Tensor:
    """1 / x, and 0 where x is (all but) 0. Divided in float64, which compilers round correctly, unlike float32."""
    is_zero = x.abs() < 1e-30
    return torch.where(is_zero, 0.0, 1.0 / torch.where(is_zero, 1.0, x).double()).float()


def _round_to_half(x: Tensor) -> Tensor:
    """The nearest finite half to each float32, as float32.

    Done on the bits, since `torch.compile` removes a pair of conversions to a narrower type and back.
    """
    bits = x.view(torch.int32)
    normal = ((bits + 0xFFF + ((bits >> 13) & 1)) & ~0x1FFF).view(torch.float32)
    subnormal = torch.round(x * (1 / HALF_UNIT)) * HALF_UNIT
    return torch.where(x.abs() < HALF_NORMAL_MIN, subnormal, normal).clamp(-HALF_MAX, HALF_MAX)


# --- Codes from a search -------------------------------------------------------------------------------------------


def _search(blocks: Tensor, importance: Tensor | None, grid: Grid) -> Fit:
    """The fit with the least weighted squared error that was found. `blocks`, `importance`: [B, G, K].

    First each group gets a real step and minimum of its own, then these become products of a super-scale and integers,
    and the two are improved in turn, with the codes following.
    """
    # Beyond this every format saturates; it keeps squares finite.
    blocks = blocks.clamp(-1e12, 1e12)
    start = _fit_range(blocks, grid)
    best_error = _squared_error(start.values(), blocks, importance).sum(-1, keepdim=True)

    d, dmin, scales, minima = _super_scales(*_fit_groups(blocks, importance, grid), grid)
    best = start
    for _ in range(BLOCK_ROUNDS):
        scales, minima = _nearby_integers(blocks, importance, grid, d, dmin, scales, minima)
        fit = _with_codes(blocks, grid, d, dmin, scales, minima)
        best, best_error = _better_of(best, best_error, fit, blocks, importance)
        d, dmin = _fit_super_scales(blocks, importance, fit)
    fit = _with_codes(blocks, grid, d, dmin, scales, minima)
    return _better_of(best, best_error, fit, blocks, importance)[0]


def _fit_groups(blocks: Tensor, importance: Tensor | None, grid: Grid) -> tuple[Tensor, Tensor]:
    """Step and minimum ([B, G] each, real numbers) with the least error found for each group."""
    first_step, first_minimum = (value.unsqueeze(-1) for value in _range_of_groups(blocks, grid))
    best_step, best_minimum = first_step, first_minimum
    best_error = torch.full_like(first_step, torch.inf)

    def keep_better(step: Tensor, minimum: Tensor, codes: Tensor) -> None:
        nonlocal best_step, best_minimum, best_error
        error = _squared_error(step * codes - minimum, blocks, importance).unsqueeze(-1)
        is_better = error < best_error
        best_step = torch.where(is_better, step, best_step)
        best_minimum = torch.where(is_better, minimum, best_minimum)
        best_error = torch.where(is_better, error, best_error)

    if grid.has_minima:
        span, levels = first_step * grid.highest, grid.highest
    else:
        # The code range reaches further down than up: a negative step lets the greater end of the group use that.
        low, high = blocks.amin(-1, keepdim=True), blocks.amax(-1, keepdim=True)
        span, levels = torch.maximum(high, -low), -grid.lowest
        if grid.signed_scales:
            span = torch.where(high > -low, -span, span)
    for offset in STEP_OFFSETS:
        step = span * (1 / (levels + offset))
        codes = _nearest_codes(blocks, step, first_minimum, grid)
        step, minimum = _least_squares(blocks, importance, codes, step, first_minimum, grid)
        keep_better(step, minimum, codes)
    for _ in range(GROUP_ROUNDS):
        codes = _nearest_codes(blocks, best_step, best_minimum, grid)
        step, minimum = _least_squares(blocks, importance, codes, best_step, best_minimum, grid)
        keep_better(step, minimum, codes)
    return best_step.squeeze(-1), best_minimum.squeeze(-1)


def _least_squares(blocks: Tensor, importance: Tensor | None, codes: Tensor, step: Tensor, minimum: Tensor,
                   grid: Grid) -> tuple[Tensor, Tensor]:
    """The best step and minimum for given codes; those passed in where the codes do not determine any. [B, G, 1]."""
    q = codes if importance is None else importance * codes
    x = blocks if importance is None else importance * blocks
    qq, xq = (q * codes).sum(-1, keepdim=True), (x * codes).sum(-1, keepdim=True)
    through_zero = torch.where(qq > 0, xq / qq.clamp(min=1e-30), step)
    if not grid.has_minima:
        return through_zero, minimum
    total = float(blocks.shape[-1]) if importance is None else importance.sum(-1, keepdim=True)
    q, x = q.sum(-1, keepdim=True), x.sum(-1, keepdim=True)
    determinant = total * qq - q * q
    is_determined = determinant > 1e-6 * total * qq
    fitted_step = (total * xq - x * q) / torch.where(is_determined, determinant, 1.0)
    fitted_minimum = (fitted_step * q - x) / total
    # A minimum cannot be negative: the best line is then the one through zero.
    is_positive = fitted_minimum > 0
    fitted_step = torch.where(is_positive, fitted_step, through_zero)
    return (torch.where(is_determined, fitted_step, step),
            torch.where(is_determined, fitted_minimum.clamp(min=0), minimum))


def _nearby_integers(blocks: Tensor, importance: Tensor | None, grid: Grid, d: Tensor, dmin: Tensor, scales: Tensor,
                     minima: Tensor) -> tuple[Tensor, Tensor]:
    """Of the sub-scales and minima at most 1 from those given, the pair with the least error in each group."""
    best_scales, best_minima = scales, minima
    best_error = torch.full_like(scales, torch.inf)
    lowest = -grid.highest_scale if grid.signed_scales else 0
    for scale_offset in (0, -1, 1) if grid.highest_scale > 1 else (0,):
        for minimum_offset in (0, -1, 1) if grid.has_minima else (0,):
            tried_scales = (scales + scale_offset).clamp(lowest, grid.highest_scale)
            tried_minima = (minima + minimum_offset).clamp(0, grid.highest_scale)
            fit = _with_codes(blocks, grid, d, dmin, tried_scales, tried_minima)
            error = _squared_error(fit.values(), blocks, importance)
            is_better = error < best_error
            best_scales = torch.where(is_better, tried_scales, best_scales)
            best_minima = torch.where(is_better, tried_minima, best_minima)
            best_error = torch.where(is_better, error, best_error)
    return best_scales, best_minima


def _fit_super_scales(blocks: Tensor, importance: Tensor | None, fit: Fit) -> tuple[Tensor, Tensor]:
    """The best halves d and dmin ([B, 1] each) for given integers; those of `fit` where these do not determine any."""
    a = (fit.scales.unsqueeze(-1) * fit.codes).flatten(1)
    b = fit.minima.unsqueeze(-1).expand_as(fit.codes).flatten(1)
    x = blocks.flatten(1)
    weighted = (lambda t: t) if importance is None else (lambda t: importance.flatten(1) * t)
    aa, ab, bb = ((weighted(s) * t).sum(-1, keepdim=True) for s, t in ((a, a), (a, b), (b, b)))
    xa, xb = ((weighted(x) * t).sum(-1, keepdim=True) for t in (a, b))
    determinant = aa * bb - ab * ab
    has_both = determinant > 1e-6 * aa * bb
    safe = torch.where(has_both, determinant, 1.0)
    d = torch.where(has_both, (bb * xa - ab * xb) / safe, fit.d)
    dmin = torch.where(has_both, (ab * xa - aa * xb) / safe, fit.dmin)
    only_d = (bb == 0) & (aa > 0)
    d = torch.where(only_d, xa / aa.clamp(min=1e-30), d)
    return _round_to_half(d), _round_to_half(dmin.clamp(min=0))


def _better_of(best: Fit, best_error: Tensor, fit: Fit, blocks: Tensor,
               importance: Tensor | None) -> tuple[Fit, Tensor]:
    """Per block the fit with the lower error, and that error [B, 1]."""
    error = _squared_error(fit.values(), blocks, importance).sum(-1, keepdim=True)
    is_better = error < best_error
    chosen = Fit(torch.where(is_better.unsqueeze(-1), fit.codes, best.codes),
                 *(torch.where(is_better, getattr(fit, name), getattr(best, name))
                   for name in ("d", "dmin", "scales", "minima")))
    return chosen, torch.where(is_better, error, best_error)


def _squared_error(values: Tensor, blocks: Tensor, importance: Tensor | None) -> Tensor:
    """[B, G]: the (weighted) sum over each group."""
    error = (values - blocks).square()
    return (error if importance is None else importance * error).sum(-1)


def _relative(importance: Tensor) -> Tensor:
    """Importance [B, G, K] over its mean in the block: only ratios count, and sums stay in range.

    A floor gives weights that never met an activation a say where nothing else decides.
    """
    mean = importance.mean((1, 2), keepdim=True)
    return torch.where(mean > 0, importance / torch.where(mean > 0, mean, 1.0), 1.0).clamp(min=1e-4)


# --- Shapes and storage --------------------------------------------------------------------------------------------


def _check_shape(shape: tuple[int, ...], type: str) -> None:
    if type not in FORMATS:
        raise ValueError(f"cannot quantise to {type!r}; known types: {', '.join(FORMATS)}")
    block = FORMATS[type].block
    if len(shape) == 0 or shape[-1] % block != 0:
        raise ValueError(f"the last dimension of a {type} tensor must be a multiple of {block}; shape {tuple(shape)}")


def _in_blocks(weight: Tensor, type: str) -> Tensor:
    """[..., n_in] to [B, G, K]."""
    groups = GRIDS[type].groups
    return weight.reshape(-1, groups, FORMATS[type].block // groups)


def _storable(fit: Fit, type: str, shape: tuple[int, ...]) -> Encoded:
    grid = GRIDS[type]
    codes = fit.codes.to(torch.int8 if grid.lowest < 0 else torch.uint8)
    encoded = Encoded(type, shape, codes, fit.d.reshape(-1).half())
    if grid.highest_scale > 1:
        encoded.scales = fit.scales.to(torch.int8 if grid.signed_scales else torch.uint8)
    if grid.has_minima:
        encoded.dmin = fit.dmin.reshape(-1).half()
        encoded.minima = fit.minima.to(torch.uint8)
    return encoded


def _bytes_of(values: Tensor) -> Tensor:
    """[n] of any type to [n, bytes of one] uint8, little-endian as the machines this runs on."""
    return values.contiguous().reshape(-1, 1).view(torch.uint8)
