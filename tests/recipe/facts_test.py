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

    def test_sentences_of_the_rows_words_differ_in_the_subject_alone(self):
        row = np.array(self.tokenizer.encode("the cat and the dog went over the hill to see the sea " * 40).ids)
        rng = random.Random(4)
        for _ in range(50):
            pairs = self.writer._in_words_of_the_row(row, rng, 4)
            texts, ends = [], []
            for statement, question in pairs:
                value = statement.tokens[statement.start:statement.start + statement.length].tolist()
                self.assertRegex(self.tokenizer.decode(value), r"^\d{5}$")
                self.assertEqual(statement.tokens[:len(question.tokens)].tolist(), question.tokens.tolist())
                texts.append(self.tokenizer.decode(question.tokens[:question.start].tolist()))
                ends.append(question.tokens[question.start - 2:question.start].tolist())
            self.assertEqual(len(set(texts)), len(texts))
            self.assertTrue(all(end == ends[0] for end in ends), texts)

    def test_words_of_a_row_are_words_it_holds(self):
        text = "Zebras drink 12 cups of green tea, 小明 says. " * 30
        words = self.writer._words(np.array(self.tokenizer.encode(text).ids), random.Random(1))
        self.assertGreater(len(words), 3)
        self.assertTrue(all(word in text for word in words), words)

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
