"""The questions and answers written for the model: well formed, and none of the card's questions among them."""

import random
import re
import sys
import unittest
from pathlib import Path

RECIPE = Path(sys.argv.pop(1))
sys.path.insert(0, str(RECIPE))

import chat  # noqa: E402
import plots  # noqa: E402


class Conversations(unittest.TestCase):
    def test_every_line_is_a_question_or_an_answer(self):
        files = sorted((RECIPE / "chat").glob("*.txt"))
        self.assertGreaterEqual(len(files), 4)
        for path in files:
            for number, line in enumerate(path.read_text(encoding="utf8").splitlines(), 1):
                self.assertRegex(line, r"^(Q: \S.*|A: \S.*|)$", f"{path.name}:{number}")

    def test_every_record_has_both(self):
        for path in sorted((RECIPE / "chat").glob("*.txt")):
            blocks = [block for block in path.read_text(encoding="utf8").split("\n\n") if block.strip()]
            self.assertEqual(len(blocks), len(chat.records(path)), path.name)

    def test_the_cards_questions_are_never_trained_on(self):
        text = "".join(chat.authored(random.Random(1)))
        asked = {chat.normalized(turn.split("<|im_end|>")[0])
                 for turn in text.split("<|im_start|>user\n")[1:]}
        self.assertGreater(len(asked), 1000)
        for question in chat.CARD_QUESTIONS:
            self.assertFalse(chat.normalized(question) in asked, question)

    def test_pairs_from_the_texts(self):
        self.assertEqual(chat.from_dialogue("User: a\nUser: b\nAssistant: c\nUser: d"),
                         ["<|im_start|>user\na b<|im_end|>\n<|im_start|>assistant\nc<|im_end|>\n"])
        self.assertEqual(chat.from_medical("T\n\nQuestion: What is (are) X?\nAnswer: X is bad. And more"),
                         ["<|im_start|>user\nWhat is X?<|im_end|>\n<|im_start|>assistant\nX is bad.<|im_end|>\n"])
        self.assertEqual(chat.from_medical("no question here"), [])

    def test_plots_are_well_formed(self):
        told = plots.plots()
        blocks = [block for path in sorted((RECIPE / "stories_zh").glob("*.txt"))
                  for block in path.read_text(encoding="utf8").split("\n\n") if block.strip()]
        self.assertEqual(len(told), len(blocks))
        self.assertGreaterEqual(len(told), 160)
        for plot in told:
            first = plot.sentences[0][0]
            used = set(re.findall(r"\{(\w+)\}", " ".join(way for ways in plot.sentences for way in ways)))
            self.assertEqual(used, set(plot.slots), first)
            self.assertTrue(all(len(values) >= 4 for values in plot.slots.values()), first)
            self.assertTrue(6 <= len(plot.sentences) <= 9 and all(len(ways) == 4 for ways in plot.sentences), first)

    def test_stories_are_told_without_gaps(self):
        rng = random.Random(2)
        for request, story in plots.requested(rng, 500):
            self.assertNotRegex(story, r"[{}|@]")
            self.assertTrue(60 < len(story) < 400, story)
            self.assertNotIn("{", request)


if __name__ == "__main__":
    unittest.main()
