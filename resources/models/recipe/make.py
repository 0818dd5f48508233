#!/usr/bin/env python3
"""Makes the embedded model: texts -> tokens -> training -> GGUF -> measurements -> card.

    python3 make.py --data core.tar.xz --work build/model [--eval FOLDER] [--minutes N] [--tiny]

Every stage leaves a mark in the work folder and is skipped when it is done; training goes on from its last checkpoint.
So the same command resumes whatever was interrupted. Needs PyTorch 2.8 or newer, tokenizers and numpy; one GPU with
32 GB for the full size, a CPU for --tiny.
"""

import argparse
import dataclasses
import sys
import time
from pathlib import Path

import torch

import card
import corpus
import evaluate
import even
import export
import train
from config import FULL, TINY


def main() -> int:
    arguments = parse()
    recipe = TINY if arguments.tiny else FULL
    if arguments.minutes:
        recipe = dataclasses.replace(recipe, minutes=arguments.minutes)
    work = arguments.work
    work.mkdir(parents=True, exist_ok=True)
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    if device.type == "cpu" and not arguments.tiny:
        print("make.py: no GPU is visible to PyTorch; the full size would take weeks on a CPU. Use --tiny to try.",
              file=sys.stderr)
        return 1
    started = time.time()

    def say(line: str) -> None:
        line = f"[{time.time() - started:6.0f}] {line}"
        print(line, flush=True)
        with open(work / "log.txt", "a", encoding="utf8") as log:
            log.write(line + "\n")

    stages = (
        ("prepared", lambda: corpus.prepare(arguments.data, work, recipe, say)),
        ("trained", lambda: train.train(work, recipe, device, say)),
        ("exported", lambda: export.export(work, recipe, device, evaluate.measure_mixed_loss(work, recipe),
                                           even.evener(work, recipe, say), say)),
        ("evaluated", lambda: evaluate.evaluate(work, recipe, arguments.eval, device, say)),
        ("described", lambda: card.write(work, recipe)),
    )
    for mark, stage in stages:
        if (work / mark).exists():
            continue
        say(f"stage: {mark}")
        if stage() is False:
            return 3
        (work / mark).touch()
    say(f"done: {work / export.EMBEDDED}, {work / export.MASTER}, {work / card.FILES['en']}")
    return 0


def parse():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data", type=Path, required=True, help="archive of DOMAIN.txt files")
    parser.add_argument("--work", type=Path, required=True, help="folder for everything that is made")
    parser.add_argument("--eval", type=Path, help="folder of held-out texts, NAME.txt")
    parser.add_argument("--minutes", type=float, help="training time instead of the recipe's")
    parser.add_argument("--tiny", action="store_true", help="toy sizes: shows that the recipe runs")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
