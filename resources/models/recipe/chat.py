"""Conversations in the chat template: our own questions and answers, and pairs found in the texts."""

import random
import re
from pathlib import Path

import plots

FOLDER = Path(__file__).parent / "chat"
TURN = "<|im_start|>{role}\n{text}<|im_end|>\n"
# What `tokenizer.chat_template` of the exported file renders; tests compare the two.
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] + '<|im_end|>' + "
    "'\n' }}{% endfor %}{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
SYSTEM_PROMPTS = ("You are a helpful assistant.", "You are a small and friendly assistant. Answer briefly.",
                  "你是一个乐于助人的助手。", "请简短地回答问题。")

STORY_REQUESTS = ("Tell me a story.", "Tell me a short story.", "Write a short story.", "Can you tell me a story?",
                  "I would like to hear a story.")
STORY_REQUESTS_ABOUT = ("Tell me a story about a {}.", "Write a short story about a {}.", "Can you tell me a story about a {}?",
                        "I want a story about a {}.")
SUBJECTS = ("dog cat bird bear rabbit bunny frog fish mouse duck pony horse lion monkey turtle butterfly bee tree flower "
            "princess king dragon robot train boat car ball kite girl boy").split()
LONGEST_STORY = 900  # characters, of those told on request
CHINESE_STORY_REQUESTS = 1500

# Asked in the card and never trained on: `authored` drops any record that asks one of them.
CARD_QUESTIONS = (
    "What should I wear when it is snowing outside?",
    "How do I cook rice?",
    "Why is the sky blue?",
    "I can't sleep at night. What can I do?",
    "What is the capital of Italy?",
    "Can you suggest a good gift for my mother?",
    "How do plants grow?",
    "你好，你叫什么名字？",
    "感冒了应该怎么办？",
    "中国最长的河是哪一条？",
    "怎么才能学好英语？",
    "晚饭吃什么好？",
)


def render(turns: list[tuple[str, str]]) -> str:
    return "".join(TURN.format(role=role, text=text) for role, text in turns)


def normalized(question: str) -> str:
    return re.sub(r"\W+", "", question).lower()


def records(path: Path) -> list[tuple[list[str], list[str]]]:
    """The records of one file of `chat/`: (phrasings of a question, answers)."""
    found = []
    for block in path.read_text(encoding="utf8").split("\n\n"):
        lines = [line.strip() for line in block.splitlines() if line.strip()]
        questions = [line[2:].strip() for line in lines if line.startswith("Q:")]
        answers = [line[2:].strip() for line in lines if line.startswith("A:")]
        if questions and answers:
            found.append((questions, answers))
    return found


def pair_count() -> int:
    """Question-and-answer pairs written for the model, phrasings counted."""
    return sum(len(questions) * len(answers) for path in FOLDER.glob("*.txt") for questions, answers in records(path))


def as_typed(question: str, rng: random.Random) -> str:
    """The same question as somebody in a hurry types it, or somebody polite."""
    kind = rng.random()
    if kind < 0.35:
        return question.lower().rstrip("?.!？。！")
    if kind < 0.5:
        return question.rstrip("?.!？。！")
    chinese = bool(re.search("[\u4e00-\u9fff]", question))
    opening = rng.choice(("你好，", "请问", "请问一下，", "我想知道，") if chinese
                         else ("Hi! ", "Hello, ", "Hey, ", "Quick question: ", "Please help me. ", "I want to know: "))
    return opening + question


def authored(rng: random.Random) -> list[str]:
    """Every phrasing with every answer, some after a system prompt, some as a second turn of a conversation."""
    held_out = {normalized(question) for question in CARD_QUESTIONS}
    pairs: dict[str, list[tuple[str, str]]] = {}
    for path in sorted(FOLDER.glob("*.txt")):
        for questions, answers in records(path):
            kept = [question for question in questions if normalized(question) not in held_out]
            pairs.setdefault(path.stem, []).extend((question, answer) for question in kept for answer in answers)
    conversations = []
    for of_file in pairs.values():
        for question, answer in of_file:
            turns = [("user", question), ("assistant", answer)]
            conversations.append(render(turns))
            typed = as_typed(question, rng)  # with a greeting in front it may become one of the card's questions
            if rng.random() < 0.4 and normalized(typed) not in held_out:
                conversations.append(render([("user", typed), ("assistant", answer)]))
            if rng.random() < 0.15:
                conversations.append(render([("system", rng.choice(SYSTEM_PROMPTS)), *turns]))
            if rng.random() < 0.25:
                earlier_question, earlier_answer = rng.choice(of_file)
                conversations.append(render([("user", earlier_question), ("assistant", earlier_answer), *turns]))
    rng.shuffle(conversations)
    return conversations


def first_sentences(text: str, limit: int) -> str:
    """The beginning of `text` up to the last sentence end within `limit` characters, or nothing."""
    text = re.sub(r"\s+", " ", text).strip()
    ends = [match.end() for match in re.finditer(r"[.!?](?=\s|$)|[。！？]", text[:limit])]
    return text[:ends[-1]].strip() if ends else ""


def from_medical(document: str) -> list[str]:
    match = re.search(r"Question: (.+?)\nAnswer: (.+)", document, re.S)
    if not match:
        return []
    question = match.group(1).replace("What is (are)", "What is").strip()
    answer = re.sub(r"^(Key Points\s*-?|Summary :)\s*", "", match.group(2))
    answer = first_sentences(answer, 320)
    if not answer:
        return []
    return [render([("user", question if question.endswith("?") else question + "?"), ("assistant", answer)])]


def from_math(document: str) -> list[str]:
    match = re.search(r"Question: (.+?)\nAnswer: (.+)", document, re.S)
    if not match:
        return []
    return [render([("user", match.group(1).strip()), ("assistant", match.group(2).strip())])]


def from_dialogue(document: str) -> list[str]:
    """`User:` and `Assistant:` lines; consecutive lines of one speaker are one turn; ends on the assistant."""
    turns: list[tuple[str, str]] = []
    for line in document.splitlines():
        match = re.match(r"(User|Assistant): ?(.+)", line)
        if not match:
            continue
        role = match.group(1).lower()
        if turns and turns[-1][0] == role:
            turns[-1] = (role, turns[-1][1] + " " + match.group(2).strip())
        else:
            turns.append((role, match.group(2).strip()))
    while turns and turns[0][0] != "user":
        turns.pop(0)
    while turns and turns[-1][0] != "assistant":
        turns.pop()
    return [render(turns)] if turns else []


def from_dictionary(document: str, rng: random.Random) -> list[str]:
    """WordNet lines: `word, synonym (noun): gloss; "example"`. One in three becomes a question."""
    forms = ("What does {} mean?", "What is the meaning of the word {}?", "Define {}.", "What is {}?")
    found = []
    for line in document.splitlines():
        match = re.match(r"([a-z][a-z' -]+)[^(]*\((noun|verb|adj|adv)\): ([^;\"]{15,200})", line)
        if match and rng.random() < 0.33:
            word, kind, gloss = match.group(1).strip(), match.group(2), match.group(3).strip(" ;")
            kind = {"adj": "adjective", "adv": "adverb"}.get(kind, kind)
            answer = f"The {kind} {word} means: {gloss}."
            found.append(render([("user", rng.choice(forms).format(word)), ("assistant", answer)]))
    return found


def from_simple_story(story: str, rng: random.Random) -> list[str]:
    """A request, and the story; half of the time for what it is about, when its beginning tells."""
    if len(story) > LONGEST_STORY or rng.random() < 0.5:
        return []
    about = [subject for subject in SUBJECTS if re.search(rf"\b{subject}\b", story[:200])]
    request = rng.choice(STORY_REQUESTS_ABOUT).format(about[0]) if about and rng.random() < 0.7 else rng.choice(STORY_REQUESTS)
    return [render([("user", request), ("assistant", story.strip())])]


def sums(rng: random.Random) -> list[str]:
    """Small sums, asked and answered in both languages."""
    found = []
    for a in range(0, 21):
        for b in range(0, 21):
            for sign, result in (("+", a + b), ("-", a - b)):
                if result < 0 or rng.random() < 0.4:
                    continue
                word, chinese = ("plus", "加") if sign == "+" else ("minus", "减")
                asked = rng.choice((f"What is {a} {sign} {b}?", f"{a}{sign}{b}", f"{a} {sign} {b} = ?", f"What is {a} {word} {b}?",
                                    f"How much is {a}{sign}{b}?", f"{a}{chinese}{b}等于多少？", f"{a}{sign}{b}等于几？"))
                in_chinese = re.search("[\u4e00-\u9fff]", asked)
                answer = f"{a}{chinese}{b}等于{result}。" if in_chinese else f"{a} {sign} {b} is {result}."
                found.append(render([("user", asked), ("assistant", answer)]))
    return found


def derived(documents: dict[str, list[str]], rng: random.Random) -> list[str]:
    """Conversations out of the texts of the corpus that already are questions and answers."""
    found = []
    for document in documents.get("medical", []):
        found += from_medical(document)
    for document in documents.get("math", []):
        found += from_math(document)
    for document in documents.get("dialogue", []):
        found += from_dialogue(document)
    for document in documents.get("encyclopedic", []):
        found += from_dictionary(document, rng)
    found += sums(rng)
    for story in documents.get("stories_simple", []):
        found += from_simple_story(story, rng)
    found += [render([("user", request), ("assistant", story)])
              for request, story in plots.requested(rng, CHINESE_STORY_REQUESTS)]
    rng.shuffle(found)
    return found
