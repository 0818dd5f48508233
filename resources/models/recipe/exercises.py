"""Short synthetic documents with one right answer: arithmetic, recall, multi-hop recall, sorting, copying."""

import random

NAMES = ("Ada Bo Cai Dora Eli Fen Gus Hana Ivo Jun Kai Lin Mei Noor Otto Pia Qing Rosa Sun Tao Uma Vera Wei Xia Yan "
         "Zoe Anna Ben Carl Diana Emma Frank Grace Henry Iris Jack Kate Leo Mary Nora").split()
CHINESE_NAMES = "小明 小红 小华 小丽 小刚 小芳 老王 老李 老张 阿强 阿珍 大伟 小雨 小雪 明明 丽丽".split()
THINGS = ("key door lamp book river garden tower wheel mirror bridge clock boat drum shell stone ribbon hat cup bell "
          "basket letter coin ladder map").split()
CHINESE_THINGS = "钥匙 灯 书 镜子 钟 船 鼓 贝壳 石头 帽子 杯子 铃铛 篮子 信 硬币 地图".split()
PLACES = "kitchen garden office school market library station park harbour attic".split()
LETTERS = "abcdefghijklmnopqrstuvwxyz0123456789"


def arithmetic(rng: random.Random) -> str:
    lines = []
    for _ in range(rng.randint(4, 14)):
        a, b = (rng.randint(0, 10 ** rng.randint(1, 3)) for _ in range(2))
        operation = rng.choice("+-*" if max(a, b) < 100 else "+-")
        result = {"+": a + b, "-": a - b, "*": a * b}[operation]
        lines.append(f"{a} {operation} {b} = {result}")
    return "\n".join(lines)


def recall(rng: random.Random) -> str:
    """Who has what, then questions."""
    count = rng.randint(3, 12)
    if rng.random() < 0.3:
        names, things = rng.sample(CHINESE_NAMES, count), [rng.choice(CHINESE_THINGS) for _ in range(count)]
        facts = "".join(f"{name}有{thing}。" for name, thing in zip(names, things))
        asked = [f"问：{names[i]}有什么？答：{things[i]}。" for i in rng.sample(range(count), min(count, 4))]
    else:
        names, things = rng.sample(NAMES, count), [rng.choice(THINGS) for _ in range(count)]
        facts = " ".join(f"{name} has the {thing}." for name, thing in zip(names, things))
        asked = [f"Question: What does {names[i]} have? Answer: the {things[i]}."
                 for i in rng.sample(range(count), min(count, 4))]
    return "\n".join([facts, *asked])


def two_hops(rng: random.Random) -> str:
    """A thing is with a person, the person at a place: where is the thing?"""
    count = rng.randint(2, 6)
    names, things = rng.sample(NAMES, count), rng.sample(THINGS, count)
    places = [rng.choice(PLACES) for _ in range(count)]
    facts = [f"{name} has the {thing}." for name, thing in zip(names, things)]
    facts += [f"{name} is in the {place}." for name, place in zip(names, places)]
    rng.shuffle(facts)
    asked = [f"Question: Where is the {things[i]}? Answer: {names[i]} has the {things[i]}, and {names[i]} is in the "
             f"{places[i]}, so it is in the {places[i]}." for i in rng.sample(range(count), min(count, 3))]
    return "\n".join([" ".join(facts), *asked])


def ordering(rng: random.Random) -> str:
    words = [rng.choice(THINGS + NAMES) for _ in range(rng.randint(4, 10))]
    return f"Words: {' '.join(words)}\nSorted: {' '.join(sorted(words))}\nReversed: {' '.join(words[::-1])}"


def copying(rng: random.Random) -> str:
    text = "".join(rng.choice(LETTERS) for _ in range(rng.randint(8, 40)))
    return f"Copy: {text}\nCopy: {text}"


def documents(rng: random.Random, count: int) -> list[str]:
    kinds = (arithmetic, recall, two_hops, ordering, copying)
    return [rng.choices(kinds, weights=(30, 28, 14, 14, 14))[0](rng) + "\n" for _ in range(count)]
