#!/usr/bin/env python3
"""How the strength of the regularisation was chosen: small models on a part of the tokens, side by side on one GPU.

    python3 trials.py --work build/model --minutes 2.5 matrix_decay=0.1 matrix_decay=0.5 matrix_decay=0.5,dropout=0.1

Every argument is one variant of config.FULL, trained on one document in eight (which a run sees about as often as the
full training sees the whole) and measured on the held-out tokens. The work folder must be prepared (make.py does it).
"""

import argparse
import dataclasses
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import torch

import corpus
import evaluate
import train
from config import FULL, Phase, Shape
from model import Model

ONE_IN = 8
SHAPE = Shape(width=256, layers=4, query_heads=4, kv_heads=1, expert_width=128)
PHASES = (Phase(0.0, 16, 2048, 0.0, False, 0),)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--work", type=Path, required=True)
    parser.add_argument("--minutes", type=float, default=2.5)
    parser.add_argument("--alone", action="store_true", help="run the one variant in this process")
    parser.add_argument("variants", nargs="+", help="NAME=VALUE[,NAME=VALUE...] of config.Recipe")
    arguments = parser.parse_args()
    if arguments.alone:
        trial(arguments.work, arguments.variants[0], arguments.minutes)
        return
    part = write_part(arguments.work)
    started = [subprocess.Popen([sys.executable, __file__, "--alone", "--work", part, "--minutes",
                                 str(arguments.minutes), variant]) for variant in arguments.variants]
    if any([process.wait() for process in started]):
        raise SystemExit("a trial failed: its message is above")
    results = [json.loads((part / variant / "result.json").read_text()) for variant in arguments.variants]
    for result in sorted(results, key=lambda result: result["mean"]):
        print(f"{result['variant']:36} held out {result['mean']:.4f}  {result['steps']} steps  "
              + " ".join(f"{name} {loss:.3f}" for name, loss in result["losses"].items()), flush=True)


def write_part(work: Path) -> Path:
    """One document in eight of every domain, as token files in a folder of its own."""
    part, rng = work / "trials", np.random.default_rng(1)
    (part / "tokens").mkdir(parents=True, exist_ok=True)
    for name, ids in corpus.load_tokens(work, "train").items():
        documents = np.split(ids, np.flatnonzero(ids == corpus.END_OF_TEXT) + 1)
        taken = rng.permutation(len(documents))[:max(1, len(documents) // ONE_IN)]
        np.concatenate([documents[i] for i in taken]).tofile(part / "tokens" / f"{name}.train.u16")
    for name, ids in corpus.load_tokens(work, "valid").items():
        ids.tofile(part / "tokens" / f"{name}.valid.u16")
    (part / "tokenizer.json").write_bytes((work / "tokenizer.json").read_bytes())
    return part


def trial(part: Path, variant: str, minutes: float) -> None:
    overrides = dict(setting.split("=") for setting in variant.split(","))
    recipe = dataclasses.replace(FULL, shape=SHAPE, phases=PHASES, minutes=minutes,
                                 **{name: float(value) for name, value in overrides.items()})
    folder = part / variant
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    folder.mkdir(exist_ok=True)
    for name in ("tokens", "tokenizer.json"):
        if not (folder / name).exists():
            (folder / name).symlink_to(part.resolve() / name)
    train.train(folder, recipe, device, lambda line: None)
    model = Model(recipe.shape).to(device)
    model.load_state_dict(torch.load(folder / "model.pt", map_location=device, weights_only=True)["model"])
    losses = {name: evaluate.mean_loss(model, ids, 2048, 16)
              for name, ids in evaluate.evaluation_texts(folder, None).items() if len(ids) > 2048}
    steps = json.loads((folder / "training.json").read_text())["steps"]
    (folder / "result.json").write_text(json.dumps(
        {"variant": variant, "mean": float(np.mean(list(losses.values()))), "steps": steps, "losses": losses}))


if __name__ == "__main__":
    main()
