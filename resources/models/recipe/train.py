"""The training loop: two phases, one learning rate that falls to zero, routing kept balanced and worth choosing."""

import json
import os
import signal
import time
from pathlib import Path

import torch

import corpus
from batches import Batches, held_out_batch
from config import Phase, Recipe
from model import NO_CUT, Model, token_losses
from optimizer import Optimizer

LOGIT_SQUARE_WEIGHT = 1e-4  # ST-MoE's z-loss (Zoph et al., 2022): keeps the router's logits small
CHECKPOINT_SECONDS = 150
HELD_OUT_STEPS = 500
SURELY_REMOTE = 640  # queries from here on have pages outside the window


class RoutingControl:
    """Three slow controllers per layer, on the device, without a wait for it.

    Load: the balance loss E * sum_e load_e * probability_e (Fedus et al., 2021) over the load of the last ~20 steps,
    not of one batch: experts may specialise within a batch as long as the whole is even (Qiu et al., 2025). Its
    weight rises while the coefficient of variation is above the target and falls below it.
    Specialisation: the same loss row by row, of the rows that are too uneven, with a weight steered by the variation
    within the most uneven eighth. Without it an expert ends up with one kind of text, and any mix of texts but the
    training's own is uneven.
    Sharpness: a weight on the entropy of the experts' weights, of either sign, that steers the mean number of experts
    which hold 0.8 of the mass, so that the number of experts per token is a real choice.
    """

    def __init__(self, recipe: Recipe, device):
        layers, experts = recipe.shape.layers, recipe.shape.experts
        self.recipe = recipe
        self.load = torch.full((layers, experts), 1.0 / experts, device=device)
        self.slow_load = self.load.clone()  # less swayed by which texts came by: what the weight is steered by
        self.experts_at_80 = torch.full((layers,), recipe.target_experts_at_80, device=device)
        self.balance = torch.full((layers,), 0.005, device=device)
        self.sharpen = torch.zeros(layers, device=device)
        self.row_cv = torch.full((layers,), recipe.target_row_cv, device=device)
        self.row_balance = torch.full((layers,), 1e-4, device=device)

    def loss(self, routings):
        total = 0.0
        for layer, routing in enumerate(routings):
            uneven = self.recipe.shape.experts * (self.load[layer] * routing.probability).sum()
            total = total + self.balance[layer] * uneven + self.sharpen[layer] * routing.entropy
            total = total + LOGIT_SQUARE_WEIGHT * routing.logit_square
        uneven_rows = torch.stack([routing.uneven_rows for routing in routings])
        excess = (uneven_rows - (1 + self.recipe.target_row_cv ** 2)).clamp(min=0).mean(-1)
        return total + (self.row_balance * excess).sum()

    @torch.no_grad()
    def update(self, routings) -> None:
        now = torch.stack([(routing.load + routing.load_kept) / 2 for routing in routings])
        self.load.lerp_(now, 0.05)
        self.slow_load.lerp_(now, 0.01)
        self.experts_at_80.lerp_(torch.stack([routing.experts_at_80 for routing in routings]), 0.05)
        high = self.load_cv() > self.recipe.target_load_cv
        self.balance.mul_(torch.where(high, 1.01, 0.995)).clamp_(1e-3, 0.2)
        row_cv = torch.stack([routing.row_cv for routing in routings])
        self.row_cv.lerp_(row_cv.topk(max(1, row_cv.shape[-1] // 8)).values.mean(-1), 0.05)
        self.row_balance.mul_(torch.where(self.row_cv > self.recipe.target_row_cv, 1.01, 0.99)).clamp_(1e-4, 0.3)
        error = self.experts_at_80 - self.recipe.target_experts_at_80
        self.sharpen.add_(2e-5 * error.clamp(-1, 1)).clamp_(-0.03, 0.03)

    def load_cv(self):
        return self.slow_load.std(-1, unbiased=False) / self.slow_load.mean(-1)

    def state(self):
        return [self.load, self.slow_load, self.experts_at_80, self.balance, self.sharpen,
                self.row_cv, self.row_balance]

    def restore(self, state):
        for mine, saved in zip(self.state(), state):
            mine.copy_(saved)


def rate_scale(recipe: Recipe, step: int, progress: float) -> float:
    warm = min(1.0, (step + 1) / recipe.warmup_steps)
    fall = 1.0 if progress < recipe.decay_from else (1.0 - progress) / (1.0 - recipe.decay_from)
    return warm * max(0.005, fall)


def choose_attention(recipe: Recipe, say) -> None:
    """Times the attention kernels that PyTorch has for this GPU and leaves on the fastest."""
    from torch.nn.attention import SDPBackend, sdpa_kernel

    s, length = recipe.shape, recipe.phases[-1].length

    def heads(count):  # in the memory order that the model hands over
        return torch.randn(2, length, count, s.head_width, device="cuda", dtype=torch.bfloat16).transpose(
            1, 2).requires_grad_()

    query, key = heads(s.query_heads), heads(s.kv_heads)

    def milliseconds(backend):
        with sdpa_kernel(backend):
            for repetition in range(4):
                if repetition == 2:
                    torch.cuda.synchronize()
                    start = time.time()
                out = torch.nn.functional.scaled_dot_product_attention(query, key, key, is_causal=True, enable_gqa=True)
                out.backward(query.detach())
            torch.cuda.synchronize()
        return (time.time() - start) * 500

    took = {}
    for backend in (SDPBackend.FLASH_ATTENTION, SDPBackend.CUDNN_ATTENTION):
        try:
            took[backend] = milliseconds(backend)
        except RuntimeError:
            continue
    if took:
        best = min(took, key=took.get)
        torch.backends.cuda.enable_flash_sdp(best == SDPBackend.FLASH_ATTENTION)
        torch.backends.cuda.enable_cudnn_sdp(best == SDPBackend.CUDNN_ATTENTION)
    say("attention, ms: " + ", ".join(f"{backend.name} {ms:.1f}" for backend, ms in took.items()))


class Stop:
    """Set by an interrupt: the step under way ends, the state is saved."""

    def __init__(self):
        self.asked = False
        for name in (signal.SIGTERM, signal.SIGINT):
            signal.signal(name, self._ask)

    def _ask(self, *_):
        self.asked = True


def save(path: Path, state) -> None:
    torch.save(state, path.with_suffix(".partial"))
    os.replace(path.with_suffix(".partial"), path)


def train(work: Path, recipe: Recipe, device: torch.device, say) -> bool:
    """Trains until the recipe's minutes are spent; False if it was interrupted before. Leaves work/model.pt."""
    torch.manual_seed(recipe.seed)
    torch.set_float32_matmul_precision("high")  # the router's products in TF32
    on_gpu = device.type == "cuda"
    model = Model(recipe.shape).to(device)
    optimizer = Optimizer(model, recipe)
    control = RoutingControl(recipe, device)
    step, seen, spent = 0, 0, 0.0
    checkpoint = work / "checkpoint.pt"
    if checkpoint.exists():
        state = torch.load(checkpoint, map_location=device, weights_only=True)
        model.load_state_dict(state["model"])
        optimizer.restore(state["optimizer"])
        control.restore(state["control"])
        step, seen, spent = state["step"], state["seen"], state["spent"]
        say(f"resumed at step {step}, {spent:.0f} s")

    losses_of = token_losses
    if on_gpu:
        choose_attention(recipe, say)
        losses_of = torch.compile(token_losses, dynamic=False)
        for block in model.blocks:
            block.compile(dynamic=False)

    tokens, tokenizer = corpus.load_tokens(work, "train"), corpus.load_tokenizer(work)
    held_out_tokens = corpus.load_tokens(work, "valid")
    seconds = recipe.minutes * 60
    keep = torch.tensor(1.0 - recipe.dropout, device=device)
    stop, started, saved, batches, phase = Stop(), time.time() - spent, time.time(), None, None
    while not stop.asked and (progress := (time.time() - started) / seconds) < 1:
        now = [p for p in recipe.phases if p.start <= progress][-1]
        compiles, begun = now != phase, time.time()
        if compiles:
            if batches:
                batches.close()
            phase = now
            batches = Batches(tokens, tokenizer, recipe, phase, recipe.seed + step, device)
            held_out = held_out_batch(held_out_tokens, phase, device)
            if step == 0:
                report_shares(batches, say)
        batch, weights, row_weight = batches.next()
        low, high = recipe.mass_cut
        cut = torch.rand(phase.rows, device=device) * (high - low) + low
        cut = torch.where(torch.rand(phase.rows, device=device) < 0.5, NO_CUT, cut)
        sampled = sample_queries(phase, device)
        states, routings = model.trunk(batch[:, :-1], cut, row_weight, phase.quantized_experts, keep, sampled=sampled)
        losses = losses_of(states, model.output_norm, model.embedding, recipe.shape.norm_epsilon, batch[:, 1:])
        loss = (losses * weights).sum() / weights.sum()
        missed = torch.stack([routing.missed for routing in routings])  # (layers, rows)
        summary_weight = recipe.summary_weight * min(1.0, (progress - phase.start) / recipe.summary_rise)
        excess = (missed.mean(-1) - recipe.most_missed).clamp(min=0)
        too_much = (recipe.summary_softness * torch.log1p(excess / recipe.summary_softness)).sum()
        (loss + control.loss(routings) + summary_weight * too_much).backward()
        scale = rate_scale(recipe, step, progress)
        optimizer.step(scale)
        control.update(routings)
        if compiles and on_gpu:  # the minutes are those of training, without the compiler's
            torch.cuda.synchronize()
            started += time.time() - begun
        step, seen = step + 1, seen + phase.rows * phase.length
        if step % 100 == 0 or step in (1, 2, 10, 30):
            report(say, step, seen, time.time() - started, losses, scale, control, routings, missed.mean(-1), phase)
            if not torch.isfinite(loss):
                raise SystemExit("the loss is no longer a number: lower matrix_rate or vector_rate in config.py")
        if step % HELD_OUT_STEPS == 0:
            report_held_out(say, model, losses_of, held_out, phase)
        if time.time() - saved > CHECKPOINT_SECONDS or stop.asked:
            spent, saved = time.time() - started, time.time()
            save(checkpoint, {"model": model.state_dict(), "optimizer": optimizer.state(), "control": control.state(),
                              "step": step, "seen": seen, "spent": spent})
    if batches:
        batches.close()
    if stop.asked:
        say(f"interrupted at step {step}; the same command goes on from here")
        return False
    save(work / "model.pt", {"model": model.state_dict()})
    (work / "training.json").write_text(json.dumps({"steps": step, "tokens": seen, "seconds": time.time() - started}))
    checkpoint.unlink(missing_ok=True)
    say(f"trained: {step} steps, {seen / 1e6:.0f} M tokens, {time.time() - started:.0f} s, last loss {loss.item():.4f}")
    return True


def sample_queries(phase: Phase, device):
    """Positions at which attention is measured, or None; in a row of the toy sizes they cannot all be remote."""
    if phase.sampled_queries == 0:
        return None
    return torch.randint(min(SURELY_REMOTE, phase.length - 1), phase.length, (phase.sampled_queries,), device=device)


def report_shares(batches: Batches, say) -> None:
    for name, share in zip(batches.names, batches.probabilities):
        say(f"{name:18} {len(batches.tokens[name]) / 1e6:6.2f} M tokens, {100 * share:4.1f} % of the rows")


def report_held_out(say, model, losses_of, held_out, phase) -> None:
    """Through the compiled functions as training runs them (a mode without gradients would be compiled anew)."""
    batch, names = held_out
    if batch is None:
        return
    everything = torch.full((len(names),), NO_CUT, device=batch.device)
    states, _ = model.trunk(batch[:, :-1], everything, torch.ones_like(everything), phase.quantized_experts,
                            torch.ones((), device=batch.device))
    losses = losses_of(states, model.output_norm, model.embedding, model.shape.norm_epsilon, batch[:, 1:])
    by_row = losses.detach().mean(-1).tolist()
    of_domain = {name: [loss for loss, n in zip(by_row, names) if n == name] for name in names}
    say("held out: " + ", ".join(f"{name} {sum(rows) / len(rows):.3f}" for name, rows in of_domain.items()))


def report(say, step, seen, seconds, losses, scale, control, routings, missed, phase) -> None:
    cv = control.load_cv()
    kept = torch.stack([routing.kept for routing in routings]).mean()
    say(f"step {step:5} {seconds:5.0f} s {seen / 1e6:6.1f} M tokens {seen / seconds / 1e3:5.0f} k/s loss "
        f"{losses.mean().item():.4f} rate {scale:.3f} T {phase.length} load CV mean {cv.mean().item():.3f} max "
        f"{cv.max().item():.3f} experts at 0.8 {control.experts_at_80.mean().item():.2f} kept {kept.item():.2f} "
        f"balance {control.balance.mean().item():.4f} row CV {control.row_cv.mean().item():.2f} max "
        f"{control.row_cv.max().item():.2f} row balance {control.row_balance.mean().item():.4f} sharpen {control.sharpen.mean().item():+.4f} "
        f"missed {' '.join(f'{part:.3f}' for part in missed.tolist())}")
