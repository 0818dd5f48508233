"""The whole recipe in toy sizes: interrupted, resumed, and its file read by the engine.

smoke_test.py RECIPE FOVEA_CLI FOLDER
"""

import io
import shutil
import signal
import subprocess
import sys
import tarfile
import time
import unittest
from pathlib import Path

import numpy as np

RECIPE, CLI, FOLDER = Path(sys.argv[1]), sys.argv[2], Path(sys.argv[3])
del sys.argv[1:]
sys.path.insert(0, str(RECIPE))
ROOT = RECIPE.parents[2]


def archive_of_our_own_text(path: Path) -> None:
    """The project's own words as an archive of two domains: enough for a toy tokenizer and a toy model."""
    domains = {
        "books": [line for file in sorted((RECIPE / "chat").glob("*.txt"))
                  for line in file.read_text(encoding="utf8").split("\n\n")],
        "code": [file.read_text(encoding="utf8") for file in sorted((ROOT / "engine").rglob("*.cpp"))],
    }
    with tarfile.open(path, "w:xz") as archive:
        for name, documents in domains.items():
            text = "\n<|endoftext|>\n".join(documents).encode()
            member = tarfile.TarInfo(name + ".txt")
            member.size = len(text)
            archive.addfile(member, io.BytesIO(text))


def command(work: Path) -> list[str]:
    return [sys.executable, str(RECIPE / "make.py"), "--tiny", "--data", str(FOLDER / "texts.tar.xz"), "--work", str(work)]


class Smoke(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        shutil.rmtree(FOLDER, ignore_errors=True)
        FOLDER.mkdir(parents=True)
        archive_of_our_own_text(FOLDER / "texts.tar.xz")
        cls.work = FOLDER / "work"
        first = subprocess.Popen(command(cls.work))
        log, deadline = cls.work / "log.txt", time.time() + 120
        while time.time() < deadline and first.poll() is None and not (log.exists() and "step     2" in log.read_text()):
            time.sleep(0.2)
        first.send_signal(signal.SIGTERM)
        cls.interrupted = first.wait(timeout=120)
        cls.checkpoint_left = (cls.work / "checkpoint.pt").exists()
        cls.resumed = subprocess.run(command(cls.work)).returncode
        cls.log = log.read_text(encoding="utf8")

    def test_an_interrupted_training_goes_on(self):
        self.assertEqual(self.interrupted, 3)
        self.assertTrue(self.checkpoint_left)
        self.assertEqual(self.resumed, 0, self.log)
        self.assertIn("resumed at step", self.log)

    def test_it_learned_something(self):
        first = float(self.log.split("step     1 ")[1].split(" loss ")[1].split()[0])
        last = float(self.log.split("last loss ")[1].split()[0])
        self.assertLess(last, first - 0.05)

    def test_card_is_filled(self):
        for path in self.work.glob("*.md"):
            text = path.read_text(encoding="utf8")
            self.assertNotIn("{", text)
            self.assertIn("qwen3moe", text)
        self.assertEqual(len(list(self.work.glob("*.md"))), 2)

    def test_the_engine_computes_the_same_logits(self):
        import torch

        import export
        from config import TINY
        from model import NO_CUT

        tokens = [(37 * i) % 700 + 3 for i in range(60)]
        for name in (export.MASTER, export.EMBEDDED):
            out = FOLDER / "logits.bin"
            subprocess.run([CLI, "logits", "-m", str(self.work / name), "--tokens", " ".join(map(str, tokens)), "-o", str(out)],
                           check=True)
            engine = np.fromfile(out, dtype=np.float32)[2:].reshape(len(tokens), -1)
            model = export.read_model(self.work / name, TINY.shape, torch.device("cpu"))
            with torch.no_grad():
                one = torch.ones(1)
                ours = model.logits(model.trunk(torch.tensor([tokens]), one * NO_CUT, one)[0])[0].numpy()
            difference = np.square(ours - engine).sum() / np.square(engine).sum()
            self.assertLess(difference, 1e-6, name)


if __name__ == "__main__":
    unittest.main()
