"""The sentences that state a fact and ask for it, and what they speak of. `facts.py` hides them in texts."""

import random
from dataclasses import dataclass

import exercises

CITIES = ("Berlin Lagos Lima Oslo Paris Tokyo Cairo Delhi Rome Seoul Boston Dublin Geneva Havana Kyoto Lisbon London "
          "Madrid Manila Moscow Nairobi Prague Riga Sydney Vienna Warsaw Zurich").split()
COLOURS = "red blue green silver golden black white purple orange grey".split()
ANIMALS = "falcon wolf otter tiger panda raven horse turtle spider whale eagle lynx beaver heron".split()
SYLLABLES = "ba dor el fin gar hal ix jo kel lu mor na ost pri qua rin sol tu vek wan yor zan".split()
ADJECTIVES = ("secret", "secret", "secret", "magic", "special", "special magic", "hidden", "lucky", "", "")
NOUNS = ("number", "number", "number", "code", "key", "pass key", "passkey", "password", "PIN", "access code")
CHINESE_CITIES = "北京 上海 广州 成都 西安 杭州 南京 武汉 昆明 拉萨 青岛 苏州".split()
CHINESE_ADJECTIVES = ("秘密", "秘密", "神奇", "特别", "幸运", "隐藏", "", "")
CHINESE_NOUNS = ("数字", "号码", "密码", "口令", "编号", "代码")
OWNED = ("phone number", "ticket number", "order number", "serial number", "room number", "account number", "badge number",
         "locker code", "door code", "gate code", "ID", "score", "house number", "lottery number", "postal code")
VERBS = ("wrote down", "chose", "remembered", "found", "painted", "whispered", "counted up to", "was given", "drew",
         "asked for", "dreamt of", "sold", "saved", "shouted", "carved")
WHERE = ("", "", " on the door", " in a book", " under the bridge", " at the station", " last summer", " on a stone",
         " in the garden", " before breakfast", " with a smile", " for luck")
OPENINGS = ("", "", "", "", "Remember this: ", "Note: ", "Important: ", "By the way, ", "Do not forget: ")
CLOSINGS = ("", "", "", "", " Remember it.", " Keep it in mind.", " It will be asked for later.")
CHINESE_OPENINGS = ("", "", "", "请记住：", "注意：", "重要：", "顺便说一句，")


@dataclass(frozen=True)
class Wording:
    """Statement and question with {s} for the subject and {v} for the value."""

    statement: str
    question: str


# What the evaluation uses: the plainest wording, and one that training never sees, about people it never hears of.
PLAIN = Wording("The secret number of {s} is {v}.", "The secret number of {s} is {v}.")
UNSEEN = Wording("The figure that {s} wrote on the wall was {v}.", "The figure that {s} wrote on the wall was {v}.")
UNSEEN_NAMES = "Victor Sofia Hassan Yuki Olga Pedro Amara Liam Nadia Tomas Ingrid Rafael".split()


def wording(rng: random.Random, chinese: bool, subject: bool) -> Wording:
    if chinese:
        return chinese_wording(rng, subject)
    if subject and rng.random() < 0.35:
        return free_wording(rng)
    return english_wording(rng, subject)


def free_wording(rng: random.Random) -> Wording:
    """Sentences of many shapes, asked for by their own beginning."""
    owned, verb, where = rng.choice(OWNED), rng.choice(VERBS), rng.choice(WHERE)
    fact = rng.choice((
        f"{{s}}'s {owned} is {{v}}.", f"The {owned} of {{s}} is {{v}}.", f"{{s}} {verb} the number {{v}}{where}.",
        f"{{s}} {verb} {{v}}{where}.", f"The number that {{s}} {verb}{where} is {{v}}.", "{s}: {v}", "{s} = {v}",
        "{s} -> {v}", '"{s}": {v},', "To open the safe of {s}, dial {v}.", "{s} lives at number {v}.",
        f"In {{s}}, the {owned} is {{v}}."))
    return Wording(fact, fact)


def english_wording(rng: random.Random, subject: bool) -> Wording:
    thing = " ".join(part for part in (rng.choice(ADJECTIVES), rng.choice(NOUNS)) if part)
    if not subject:
        named = "the " + thing
    elif rng.random() < 0.7:
        named = f"the {thing} {rng.choice(('of', 'of', 'for'))} {{s}}"
    else:
        named = f"{{s}}'s {thing}"
    fact = f"{named[0].upper()}{named[1:]} is {{v}}."
    ask = f"What is {named}?"
    question = rng.choice((
        fact, fact, fact, f"Question: {ask}\nAnswer: {{v}}.", f"{ask} {{v}}.", f"{ask} {fact}",
        f"Q: {ask}\nA: {fact}", f"As said above, {named} is {{v}}.",
        f"<|im_start|>user\n{ask}<|im_end|>\n<|im_start|>assistant\n{fact}<|im_end|>",
        f"<|im_start|>user\n{ask}<|im_end|>\n<|im_start|>assistant\n{{v}}<|im_end|>"))
    opening = rng.choice(OPENINGS)
    stated = opening + (fact[0].lower() + fact[1:] if opening.endswith(", ") else fact)
    return Wording(stated + rng.choice(CLOSINGS), question)


def chinese_wording(rng: random.Random, subject: bool) -> Wording:
    named = ("{s}的" if subject else "") + rng.choice(CHINESE_ADJECTIVES) + rng.choice(CHINESE_NOUNS)
    fact, ask = f"{named}是{{v}}。", f"{named}是多少？"
    question = rng.choice((
        fact, fact, f"问：{ask}\n答：{{v}}。", f"{ask}{{v}}。", f"{ask}{fact}", f"前面说过，{fact}",
        f"<|im_start|>user\n{ask}<|im_end|>\n<|im_start|>assistant\n{fact}<|im_end|>"))
    return Wording(rng.choice(CHINESE_OPENINGS) + fact, question)


def subjects(rng: random.Random, chinese: bool, count: int, words: list[str] = ()) -> list[str]:
    """Distinct people, things, places, animals, invented names and `words` of the text: of one kind, as lists of facts
    mostly are, or mixed. Fewer than `count` where there are not so many."""

    def borrowed(rng):
        word = rng.choice(words)
        return word.capitalize() if rng.random() < 0.5 else word

    kinds = (chinese_name,) if chinese else (person, person, thing, city, animal, invented, invented, room)
    if words:
        kinds += (borrowed,) if chinese else (borrowed, borrowed, borrowed)
    kind = rng.choice(kinds)
    mixed = rng.random() < 0.3
    found: list[str] = []
    for _ in range(20 * count):
        name = (rng.choice(kinds) if mixed else kind)(rng)
        if name not in found:
            found.append(name)
        if len(found) == count:
            break
    return found


def person(rng):
    return rng.choice(exercises.NAMES)


def thing(rng):
    return "the " + rng.choice(exercises.THINGS + exercises.PLACES)


def city(rng):
    return rng.choice(CITIES)


def animal(rng):
    return f"the {rng.choice(COLOURS)} {rng.choice(ANIMALS)}"


def invented(rng):
    return "".join(rng.choice(SYLLABLES) for _ in range(rng.randint(2, 3))).capitalize()


def room(rng):
    return f"{rng.choice(('room', 'box', 'project', 'agent'))} {rng.randint(1, 99)}"


def chinese_name(rng):
    return rng.choice(exercises.CHINESE_NAMES + CHINESE_CITIES)


def value(rng: random.Random, chinese: bool) -> str:
    """Mostly five digits; sometimes fewer or more, or a word."""
    kind = rng.random()
    if kind < 0.8:
        return "".join(rng.choice("0123456789") for _ in range(5))
    if kind < 0.92 or chinese:
        return "".join(rng.choice("0123456789") for _ in range(rng.randint(3, 8)))
    return rng.choice(exercises.THINGS + ANIMALS + COLOURS)
