"""The model card, in English and Chinese, from what was measured. Nothing in it is typed in by hand but the words."""

import json
from pathlib import Path

import chat
import export
import plots
from config import Recipe

FILES = {"en": Path(export.EMBEDDED).stem + ".md", "zh": Path(export.EMBEDDED).stem + ".zh_CN.md"}

ENGLISH = """# {name}

A small mixture-of-experts language model, trained from scratch by the Fovea project with the recipe in
`resources/models/recipe`. It exists to be looked at: it writes short simple English and some Chinese, finds facts
thousands of tokens back, spreads its work over sixteen experts a layer, and can run with one to four of them.

| | |
|---|---|
| architecture | qwen3moe, {layers} layers, width {width}, {heads} query and {kv} key/value heads of {head} |
| experts | {experts} per layer, width {expert_width}, up to {used} used per token |
| parameters | {parameters:.1f} M, about {active:.1f} M used per token |
| vocabulary | {vocabulary} tokens, byte-level BPE, qwen2 pre-tokenizer |
| context | {context} tokens |
| training | {tokens:.0f} M tokens in {minutes:.0f} minutes on one GPU: {long_share:.0f} % of the time at 16,384 tokens, the rest at 2,048 |
| file | {mix}; {size:.1f} MiB |

## Data

Only text whose licence allows it: books out of copyright, open-licence story collections, code and manuals under
permissive licences, public statutes, medical questions of the NIH, dictionaries, classical Chinese literature, open
Chinese documentation, and, written for this model, some {chat} question-and-answer pairs and {plots} plots of simple
Chinese stories. Every source with its licence stands in `resources/models/recipe/SOURCES.md`.

## Measured

Mean cross-entropy per token on held-out text, windows of 2,048 tokens, by number of experts used per token; weights
as this file holds them. *Mass 0.8*: as many experts as hold 0.8 of the router's mass.

{losses}

| routing over the same texts in equal parts | |
|---|---|
| variation of the experts' load (std / mean), worst layer | {cv:.3f} |
| least used expert, share of the mean load | {least:.2f} |
| experts that hold 0.8 of the mass, mean | {at80:.2f} |

| five-digit facts hidden in a text and asked for at its end | digits / whole numbers right, dense | sparse attention |
|---|---|---|
{facts}

*Unseen*: in words and about people that training never used. Digits are counted given the digits before them.

Sparse attention here is a window of 512 tokens and a quarter of the remaining pages of 32, first two layers dense, as
`sparse.py` of the recipe computes it; training kept page summaries telling (`summary_loss`). Perplexity against dense at 10,240 tokens: {sparse}.

Types tried for the file, by mean loss on held-out text: {mixes}.

## Asked in the chat template

Temperature 0, at most {answer_tokens} tokens, unedited. None of these questions is in the training text in these words; most have
close relatives there.

{chat_table}

## What it cannot do

- It knows very little, and says wrong things in good grammar. Do not use it for advice of any kind, medical and
  legal least of all.
- No reasoning, no arithmetic beyond small sums, no reliable code. Its English is better than its Chinese, and its
  Chinese leans on classical literature, law and manuals, because that is what clean text there was.
- A conversation of more than a few turns falls apart.
- Books out of copyright carry the views of their time; nothing was done to remove them.

## Licence

The model is offered under the same licence as the project. Its training texts keep their owners' licences, listed
with the attributions they ask for in `resources/models/recipe/SOURCES.md`.
"""

CHINESE = """# {name}

由 Fovea 项目从零训练的小型混合专家语言模型，训练方法全部在 `resources/models/recipe`。它是为了被观察而做的：能写简短的英文
和一些中文，能找到几千个词元之前的事实，每层把工作分给十六个专家，每个词元可以用一到四个专家。

| | |
|---|---|
| 架构 | qwen3moe，{layers} 层，宽度 {width}，{heads} 个查询头、{kv} 个键值头，每头 {head} |
| 专家 | 每层 {experts} 个，宽度 {expert_width}，每个词元最多用 {used} 个 |
| 参数 | {parameters:.1f} M，每个词元约用 {active:.1f} M |
| 词表 | {vocabulary} 个词元，字节级 BPE，qwen2 预切分 |
| 上下文 | {context} 个词元 |
| 训练 | 一块 GPU {minutes:.0f} 分钟，{tokens:.0f} M 词元；{long_share:.0f} % 的时间用 16,384 长度，其余 2,048 |
| 文件 | {mix}；{size:.1f} MiB |

## 数据

只用许可明确的文本：版权已过期的书籍、开放许可的故事、宽松许可的代码与手册、公开的法律、NIH 的医学问答、词典、中国古典文学、
开放的中文文档，以及为本模型编写的约 {chat} 组问答和 {plots} 个简单中文故事的情节。每个来源及其许可见 `resources/models/recipe/SOURCES.md`。

## 实测

留出文本上每个词元的平均交叉熵，窗口 2,048，按每个词元使用的专家数；权重与本文件所存一致。*权重 0.8*：用到占路由权重 0.8 的专家为止。

{losses}

| 在同样的文本上（各占相同份额）的路由 | |
|---|---|
| 专家负载的变异（标准差／均值），最差的一层 | {cv:.3f} |
| 用得最少的专家，占平均负载 | {least:.2f} |
| 占权重 0.8 的专家数，平均 | {at80:.2f} |

| 藏在文本里、在结尾被问到的五位数字 | 正确的数位／整个数字，稠密 | 稀疏注意力 |
|---|---|---|
{facts}

*新句式*：训练中从未用过的句式和人名。数位在给出前面数位的条件下计算。

这里的稀疏注意力：窗口 512，其余每页 32 个键中取四分之一的页，前两层稠密，按 `sparse.py` 计算；训练时有一项损失让每页的摘要说得准（`summary_loss`）。10,240 个词元时困惑度相对稠密的变化：{sparse}。

试过的文件类型及留出文本上的平均损失：{mixes}。

## 用对话模板提问

温度 0，最多 {answer_tokens} 个词元，未经修改。训练文本里没有这些原句，但多数有相近的问法。

{chat_table}

## 它做不到的

- 它知道得很少，会用通顺的句子说错话。不要拿它当任何建议，尤其是医疗和法律。
- 不会推理，只会很小的算术，写的代码不可靠。英文比中文好；中文偏向古典文学、法律和手册，因为干净的文本只有这些。
- 多轮对话很快就会散掉。
- 旧书带着当时的观念，没有做过清除。

## 许可

模型与项目采用同一许可。训练文本保留各自的许可，署名要求见 `resources/models/recipe/SOURCES.md`。
"""

WORDS = {
    "en": {"text": "text", "mass": "mass 0.8", "facts": "{:,} tokens, {} facts", "unseen": " (unseen)", "not recorded": "not recorded"},
    "zh": {"text": "文本", "mass": "权重 0.8", "facts": "{:,} 个词元，{} 个数字", "unseen": "（新句式）", "not recorded": "未记录"},
}


def write(work: Path, recipe: Recipe) -> None:
    results = json.loads((work / "evaluation.json").read_text(encoding="utf8"))
    exported = json.loads((work / "export.json").read_text(encoding="utf8"))
    for language, template in (("en", ENGLISH), ("zh", CHINESE)):
        values = filled(work, recipe, results, exported, WORDS[language])
        (work / FILES[language]).write_text(template.format(**values), encoding="utf8")


def filled(work: Path, recipe: Recipe, results: dict, exported: dict, words: dict) -> dict:
    s, routing = recipe.shape, results["routing"]
    training = json.loads((work / "training.json").read_text(encoding="utf8"))
    attention = 2 * s.width * s.head_width * (s.query_heads + s.kv_heads)
    expert = 3 * s.width * s.expert_width
    embedding = s.vocabulary * s.width
    per_layer = attention + s.experts * s.width
    return {
        "name": export.NAME, "layers": s.layers, "width": s.width, "heads": s.query_heads, "kv": s.kv_heads,
        "head": s.head_width, "experts": s.experts, "expert_width": s.expert_width, "used": s.experts_used,
        "parameters": (embedding + s.layers * (per_layer + s.experts * expert)) / 1e6,
        "active": (embedding + s.layers * (per_layer + s.experts_used * expert)) / 1e6,
        "vocabulary": s.vocabulary, "context": s.context, "tokens": training["tokens"] / 1e6,
        "minutes": training["seconds"] / 60, "long_share": 100 * (1 - recipe.phases[-1].start),
        "mix": exported["chosen"], "size": (work / export.EMBEDDED).stat().st_size / 2**20,
        "chat": chat.pair_count(), "plots": len(plots.plots()), "answer_tokens": recipe.answer_tokens,
        "losses": loss_table(results["loss"], words),
        "cv": max(routing["cv_by_layer"]), "least": min(routing["smallest_over_mean"]),
        "at80": routing["experts_at_mass_0.8"],
        "facts": fact_rows(results, words),
        "sparse": ", ".join(f"{name} {100 * row['perplexity_delta']:+.2f} %"
                            for name, row in results["sparse_against_dense"].items()) or words["not recorded"],
        "mixes": ", ".join(f"{name} {row['loss']:.4f} ({row['bytes'] / 2**20:.1f} MiB)"
                           for name, row in exported["tried"].items()),
        "chat_table": "\n".join(["| | |", "|---|---|"] + [f"| {cell(question)} | {cell(answer)} |"
                                                         for question, answer in results["chat"]]),
    }


def loss_table(losses: dict, words: dict) -> str:
    columns = list(next(iter(losses.values())))
    titles = {"mass_0.8": words["mass"], **{f"k{k}": str(k) for k in range(1, 99)}}
    lines = [f"| {words['text']} | " + " | ".join(titles[column] for column in columns) + " |", "|---" * (len(columns) + 1) + "|"]
    lines += [f"| {name} | " + " | ".join(f"{row[column]:.3f}" for column in columns) + " |"
              for name, row in losses.items()]
    return "\n".join(lines)


def fact_rows(results: dict, words: dict) -> str:
    lines = []
    for key, dense in results.items():
        if not key.startswith("facts_") or key.endswith("_sparse"):
            continue
        _, length, kind = key.split("_")
        sparse = results.get(f"facts_{length}_sparse") if kind == "dense" else None
        label = words["facts"].format(int(length), dense["facts"]) + ("" if kind == "dense" else words["unseen"])
        lines.append(f"| {label} | {shares(dense)} | {shares(sparse) if sparse else words['not recorded']} |")
    return "\n".join(lines)


def shares(result: dict) -> str:
    return f"{100 * result['digits']:.1f} % / {100 * result['numbers']:.1f} %"


def cell(text: str) -> str:
    return " ".join(text.replace("|", "\\|").split()) or "(no answer)"
