"""Hidden facts stand where they are said to stand, and are tokenized as a reader of the text would."""

import random
import sys
import unittest
from pathlib import Path

import numpy as np

RECIPE = Path(sys.argv.pop(1))
sys.path.insert(0, str(RECIPE))

import chat  # noqa: E402
import corpus  # noqa: E402
import facts  # noqa: E402
import wordings  # noqa: E402
from config import TINY  # noqa: E402


class Facts(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        texts = {"chat_authored": [answer for path in sorted((RECIPE / "chat").glob("*.txt"))
                          for _, answers in chat.records(path) for answer in answers]}
        cls.tokenizer = corpus.train_tokenizer(texts, TINY, random.Random(1))
        cls.writer = facts.FactWriter(cls.tokenizer)
        cls.filler = np.array(cls.tokenizer.encode("a").ids, dtype=np.int64)[0]

    def test_parts_encoded_apart_are_the_tokens_of_the_whole(self):
        rng = random.Random(3)
        for _ in range(500):
            chinese, has_subject = rng.random() < 0.4, rng.random() < 0.8
            words = wordings.wording(rng, chinese, has_subject)
            subject = wordings.subjects(rng, chinese, 1)[0] if has_subject else ""
            value = wordings.value(rng, chinese)
            for template in (words.statement, words.question):
                piece = self.writer.piece(template, subject, value)
                whole = "\n" + template.replace("{s}", subject).replace("{v}", value)
                self.assertEqual(piece.tokens.tolist(), self.tokenizer.encode(whole).ids, whole)
                found = self.tokenizer.decode(piece.tokens[piece.start:piece.start + piece.length].tolist())
                self.assertEqual(found.strip(), value)

    def test_what_is_asked_for_was_stated_before_and_weighs_more(self):
        for seed in range(200):
            rng = np.random.default_rng(seed)
            row = np.full(2000, self.filler)
            weights = np.ones(1999, dtype=np.float32)
            self.writer.hide(row, weights, rng, 4)
            heavy = np.flatnonzero(weights > 1)
            self.assertGreater(len(heavy), 0)
            runs = np.split(heavy, np.flatnonzero(np.diff(heavy) > 1) + 1)
            for run in runs:
                value = self.tokenizer.decode(row[run + 1].tolist()).strip()
                self.assertIn(value, self.tokenizer.decode(row[:run[0] + 1].tolist()))

    def test_evaluation_row_names_the_digits(self):
        rng = np.random.default_rng(5)
        for words in (wordings.PLAIN, wordings.UNSEEN):
            row = np.full(1500, self.filler)
            asked = self.writer.evaluation_row(row, rng, 6, words)
            self.assertEqual(len(asked), 6 * facts.DIGITS)
            text = self.tokenizer.decode(row.tolist())
            for run in asked.reshape(6, -1):
                number = self.tokenizer.decode(row[run].tolist())
                self.assertRegex(number, r"^\d{5}$")
                self.assertEqual(text.count(number), 2)

    def test_the_unseen_wording_stays_unseen(self):
        rng = random.Random(7)
        seen = "".join(part for _ in range(5000) for words in [wordings.wording(rng, False, True)]
                       for part in (words.statement, words.question))
        self.assertNotIn("figure", seen)
        self.assertNotIn("wall", seen)


if __name__ == "__main__":
    unittest.main()
