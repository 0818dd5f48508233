"""Hidden facts: numbers and words stated somewhere in a text and asked for later, and spans repeated from far back.

This is what teaches the model to look back over thousands of tokens, and what the evaluation measures.
"""

import random
import re
from dataclasses import dataclass

import numpy as np

import exercises
import wordings
from wordings import Wording

DIGITS = 5
VALUE_WEIGHT = 4.0  # of an asked-for token in the loss


@dataclass(frozen=True)
class Piece:
    """A sentence as tokens, and where in it the value stands."""

    tokens: np.ndarray
    start: int
    length: int


class FactWriter:
    """Overwrites stretches of a row of tokens with facts and the questions about them."""

    def __init__(self, tokenizer):
        self.tokenizer = tokenizer
        self.repeat = self._tokens("\nAgain: ")
        self.new_line, self.blank, self.full_stop = (self._tokens(text) for text in ("\n", " ", "."))

    def _tokens(self, text: str) -> np.ndarray:
        return np.array(self.tokenizer.encode(text).ids, dtype=np.int64)

    def piece(self, template: str, subject: str, value: str, after: str = "") -> Piece:
        """The parts are encoded apart: the qwen2 split never joins a value to what stands before or behind it, as long
        as the blank before a word goes with the word."""
        before, behind = ("\n" + template.replace("{s}", subject) + after).split("{v}")
        if value[0].isalpha() and before.endswith(" "):
            before, value = before[:-1], " " + value
        parts = [self._tokens(part) for part in (before, value, behind)]
        return Piece(np.concatenate(parts), len(parts[0]), len(parts[1]))

    def hide(self, row: np.ndarray, weights: np.ndarray, rng: np.random.Generator, count: int) -> None:
        """Hides `count` facts in the row; every one is asked for at the end, half of them also on the way there.

        weights[i] belongs to the prediction of row[i + 1]; the values in the answers count several times.
        """
        facts = self._draw(row, random.Random(int(rng.integers(2 ** 62))), count)
        room = len(row) - sum(len(question.tokens) for _, question in facts)
        longest = max(len(statement.tokens) for statement, _ in facts)
        if room < 2 * longest * count:
            return
        taken = np.zeros(room, dtype=bool)
        hidden = []
        for statement, question in facts:
            start = int(rng.integers(0, room - longest))
            if not place(row, taken, start, statement.tokens):
                continue  # on another fact: not hidden, so not asked for
            hidden.append(question)
            if rng.random() < 0.5:
                asked = int(rng.integers(start + len(statement.tokens), room))
                if place(row, taken, asked, question.tokens):
                    self._weigh(weights, asked, question)
        position = len(row) - sum(len(question.tokens) for question in hidden)
        for i in rng.permutation(len(hidden)):
            row[position:position + len(hidden[i].tokens)] = hidden[i].tokens
            self._weigh(weights, position, hidden[i])
            position += len(hidden[i].tokens)

    def _draw(self, row: np.ndarray, rng: random.Random, count: int) -> list[tuple[Piece, Piece]]:
        """(statement, question) of distinct subjects; half of the time all in the same words, so that only the subject
        tells them apart; sometimes a number behind a few words of the row itself, or in a sentence made of such."""
        kind = rng.random()
        if kind < 0.25:
            return [self._of_the_row(row, rng) for _ in range(count)]
        if kind < 0.5:
            return self._in_words_of_the_row(row, rng, count)
        chinese = rng.random() < 0.25
        if count == 1 and rng.random() < 0.4:
            named = [""]
        else:
            named = wordings.subjects(rng, chinese, count, self._words(row, rng))
        one = wordings.wording(rng, chinese, named != [""]) if rng.random() < 0.5 else None
        facts = []
        for subject in named:
            words = one or wordings.wording(rng, chinese, subject != "")
            value = wordings.value(rng, chinese)
            facts.append((self.piece(words.statement, subject, value, "\n"),
                          self.piece(words.question, subject, value)))
        return facts

    def _of_the_row(self, row: np.ndarray, rng: random.Random) -> tuple[Piece, Piece]:
        return self._numbered(self._stretch(row, rng, 4, 12), rng)

    def _in_words_of_the_row(self, row: np.ndarray, rng: random.Random, count: int) -> list[tuple[Piece, Piece]]:
        """Numbers of several subjects, all behind the same few words of the row with the subject among them: no
        sentence and no name that could be learned by heart."""
        before, between = self._stretch(row, rng, 1, 5), self._stretch(row, rng, 1, 6)
        subjects = wordings.subjects(rng, False, count, self._words(row, rng))
        return [self._numbered(np.concatenate([before, self._tokens(" " + subject), between]), rng)
                for subject in subjects]

    def _numbered(self, words: np.ndarray, rng: random.Random) -> tuple[Piece, Piece]:
        before = np.concatenate([self.new_line, words, self.blank])
        digits = self._tokens("".join(rng.choice("0123456789") for _ in range(DIGITS)))
        question = Piece(np.concatenate([before, digits, self.full_stop]), len(before), DIGITS)
        return Piece(np.concatenate([question.tokens, self.new_line]), len(before), DIGITS), question

    @staticmethod
    def _stretch(row: np.ndarray, rng: random.Random, shortest: int, longest: int) -> np.ndarray:
        length = rng.randint(shortest, longest)
        start = rng.randrange(len(row) - length)
        return row[start:start + length]

    def _words(self, row: np.ndarray, rng: random.Random) -> list[str]:
        """Some words of the row, to name facts after."""
        text = self.tokenizer.decode(self._stretch(row, rng, 100, 100).tolist())
        return sorted(set(re.findall(r"[A-Za-z]{3,12}|[\u4e00-\u9fff]{2,3}", text)))

    def _weigh(self, weights, position, question):
        start = position + question.start - 1
        weights[max(start, 0):start + question.length] = VALUE_WEIGHT

    def repeat_span(self, row: np.ndarray, rng: np.random.Generator) -> None:
        """Repeats 24 to 96 tokens from anywhere in the row at its end."""
        length = int(rng.integers(24, 97))
        end = len(row) - length - len(self.repeat)
        if end < 2 * length:
            return
        start = int(rng.integers(0, end - length))
        row[end:] = np.concatenate([self.repeat, row[start:start + length]])

    def evaluation_row(self, row: np.ndarray, rng: np.random.Generator, count: int, words: Wording) -> np.ndarray:
        """Hides `count` five-digit facts, one in each stretch of the row, asks for all at the end in another order;
        returns the positions of the digits asked for."""
        pieces = []
        names = wordings.UNSEEN_NAMES if words == wordings.UNSEEN else exercises.NAMES
        for subject in rng.permutation(names)[:count]:
            value = "".join(str(digit) for digit in rng.integers(0, 10, DIGITS))
            pieces.append((self.piece(words.statement, str(subject), value, "\n"),
                           self.piece(words.question, str(subject), value)))
        room = len(row) - sum(len(question.tokens) for _, question in pieces)
        stretch = room // count
        for i, (statement, _) in enumerate(pieces):
            start = i * stretch + int(rng.integers(0, stretch - len(statement.tokens)))
            row[start:start + len(statement.tokens)] = statement.tokens
        positions, position = [], room
        for i in rng.permutation(count):
            question = pieces[i][1]
            row[position:position + len(question.tokens)] = question.tokens
            positions.append(position + question.start + np.arange(DIGITS))
            position += len(question.tokens)
        return np.concatenate(positions)


def place(row, taken, start: int, tokens: np.ndarray) -> bool:
    """Writes tokens at `start` unless an earlier fact or question stands there."""
    end = start + len(tokens)
    if end > len(taken) or taken[start:end].any():
        return False
    row[start:end] = tokens
    taken[start:end] = True
    return True
