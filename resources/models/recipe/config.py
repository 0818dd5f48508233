"""Sizes and training choices, in one place. `FULL` is the model that ships; `TINY` runs in a minute on a CPU."""

from dataclasses import dataclass, field


@dataclass(frozen=True)
class Shape:
    """The `qwen3moe` architecture. Every width that a K-quant packs is a multiple of 256."""

    vocabulary: int = 16384
    width: int = 512
    layers: int = 6
    query_heads: int = 8
    kv_heads: int = 2
    head_width: int = 64
    experts: int = 16
    experts_used: int = 4
    expert_width: int = 256
    rope_base: float = 1e6
    norm_epsilon: float = 1e-6
    context: int = 16384


@dataclass(frozen=True)
class Phase:
    """A part of the training: from `start` (fraction of the time) on, `rows` sequences of `length` tokens a step."""

    start: float
    rows: int
    length: int
    hidden_facts: float  # share of rows in which facts are hidden and asked for
    quantized_experts: bool  # train through the 4-bit grid the experts ship in
    sampled_queries: int  # per row, on which it is measured what page summaries miss (sparse.py); 0: not at all


@dataclass(frozen=True)
class Recipe:
    shape: Shape = Shape()
    minutes: float = 13.0  # README.md, *Not too long*
    # 131,072 tokens a step in both phases. The long phase runs at the low end of the learning rate's decay: the loss
    # rises when 16k rows, of which a step holds only eight, meet a high rate.
    phases: tuple[Phase, ...] = (
        Phase(0.0, 64, 2048, 0.25, False, 0),
        Phase(0.68, 8, 16384, 0.60, True, 128),
    )
    warmup_steps: int = 200
    decay_from: float = 0.12  # fraction of the time after which the learning rate falls in a straight line to ~0
    matrix_rate: float = 0.02  # Muon: attention and experts
    # Every text is seen some twenty times, so it has to be made hard to learn by heart: trials.py says how much it gains.
    matrix_decay: float = 0.4
    dropout: float = 0.1  # of what a block adds to the stream
    vector_rate: float = 3e-3  # Adam: embedding and norms
    router_rate: float = 2e-3

    # Routing: half of the rows see all experts used, the others a cut at this cumulative mass.
    mass_cut: tuple[float, float] = (0.60, 0.97)
    target_load_cv: float = 0.04  # over everything
    # Within one text, of the most uneven eighth of a batch: experts may specialise, but not to the point where only the
    # training's own mix is even. Chinese would go to 0.8, English stay at 0.3.
    target_row_cv: float = 0.32
    target_experts_at_80: float = 2.8
    # Held-out texts over which the shipped file's routers are evened (even.py): every kind of running text once, where the
    # training's domains hold three of Chinese.
    evened_over: tuple[str, ...] = ("books", "stories", "code", "legal_en", "medical", "chinese_classical")

    # Of what page summaries miss (sparse.py), per layer, in the long phase: what is above `most_missed` is a loss, whose
    # weight rises in the first `summary_rise` of the time after the phase's start. Without a floor, or from the beginning,
    # the model learns not to look far back at all: facts are no longer found, and code loses 12 %. Far above it the pull
    # weakens, so that what a layer learns from the text is not lost to it (README.md, *A soft pull*).
    summary_weight: float = 3.0
    summary_rise: float = 0.08
    most_missed: float = 0.018  # nats
    summary_softness: float = 0.02  # nats above `most_missed` at which the pull is half as strong

    # A domain's share of the rows is proportional to tokens ** size_exponent times its factor; `fixed_shares` come off the top.
    size_exponent: float = 0.65
    factors: dict = field(default_factory=lambda: {"stories": 1.7, "stories_simple": 1.4, "books": 1.6, "code": 1.1, "docs_en": 0.8,
                                                   "chinese_classical": 1.8, "chinese_modern": 0.8, "legal_zh": 0.7, "dialogue": 0.7})
    fixed_shares: dict = field(default_factory=lambda: {"chat_authored": 0.04, "chat_derived": 0.045,
                                                        "exercises": 0.03, "chinese_stories": 0.03})
    # The tokenizer learns from this many million characters of a domain (from all there are, if fewer; of the written
    # conversations, several times): as much of Chinese as there is, so that it is not cut into single characters.
    tokenizer_sample: dict = field(default_factory=lambda: {
        "books": 5, "stories": 5, "stories_simple": 4, "code": 2, "legal_en": 4, "medical": 4, "docs_en": 2.5,
        "encyclopedic": 3, "math": 2, "dialogue": 1, "chinese_classical": 14, "chinese_modern": 14, "legal_zh": 14,
        "chat_authored": 5.6})
    validation_tokens: int = 131_073  # at most, per domain, whole documents where they are short enough
    exercise_documents: int = 60_000
    chinese_stories: int = 20_000  # tellings of the plots in stories_zh
    evaluation_windows: int = 16
    fact_rows: int = 24  # rows per length in the evaluation of hidden facts, eight facts in each
    answer_tokens: int = 60  # of an answer in the card
    seed: int = 1


FULL = Recipe()

TINY = Recipe(
    shape=Shape(vocabulary=768, width=256, layers=2, query_heads=4, kv_heads=2, experts=4, experts_used=2,
                expert_width=256, context=512),
    minutes=0.4,
    phases=(Phase(0.0, 4, 128, 0.3, False, 0), Phase(0.6, 1, 512, 0.5, True, 8)),
    warmup_steps=5, tokenizer_sample={"books": 0.06, "code": 0.06, "chat_authored": 0.06}, validation_tokens=4_097, exercise_documents=300, chinese_stories=40,
    evaluation_windows=2, fact_rows=1, answer_tokens=4,
)
