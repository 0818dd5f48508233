"""Chinese stories told from our own plots: clean text has little simple Chinese, and none for children.

`stories_zh/` holds plots, separated by an empty line: lines `@slot value value ...`, of which one value is drawn for the
whole story, then one line per sentence with interchangeable ways to say it, separated by ` | `.
"""

import random
from dataclasses import dataclass
from pathlib import Path

FOLDER = Path(__file__).parent / "stories_zh"
REQUESTS = ("给我讲个故事。", "讲个故事吧", "请写一个小故事。", "写一个短故事", "我想听故事。", "能讲一个童话吗？")
REQUESTS_ABOUT = ("讲一个{}的故事。", "写一个关于{}的小故事。", "我想听{}的故事", "请给我讲讲{}的故事。")


@dataclass(frozen=True)
class Plot:
    slots: dict[str, list[str]]
    sentences: list[list[str]]

    def story(self, rng: random.Random) -> tuple[str, str]:
        """A telling, and whom it is about."""
        drawn = {slot: rng.choice(values) for slot, values in self.slots.items()}
        text = "".join(rng.choice(ways) for ways in self.sentences)
        for slot, value in drawn.items():
            text = text.replace("{" + slot + "}", value)
        return text, next(iter(drawn.values()))


def plots() -> list[Plot]:
    found = []
    for path in sorted(FOLDER.glob("*.txt")):
        for block in path.read_text(encoding="utf8").split("\n\n"):
            lines = [line.strip() for line in block.splitlines() if line.strip()]
            slots = {line.split()[0][1:]: line.split()[1:] for line in lines if line.startswith("@")}
            sentences = [line.split(" | ") for line in lines if not line.startswith("@")]
            if sentences:
                found.append(Plot(slots, sentences))
    return found


def documents(rng: random.Random, count: int) -> list[str]:
    told = plots()
    return [rng.choice(told).story(rng)[0] + "\n" for _ in range(count)]


def requested(rng: random.Random, count: int) -> list[tuple[str, str]]:
    """Pairs of a request and the story that answers it."""
    told, pairs = plots(), []
    for _ in range(count):
        text, subject = rng.choice(told).story(rng)
        request = rng.choice(REQUESTS_ABOUT).format(subject) if rng.random() < 0.6 else rng.choice(REQUESTS)
        pairs.append((request, text))
    return pairs
