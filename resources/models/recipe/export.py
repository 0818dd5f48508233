"""From the trained weights to GGUF: names, layouts, metadata, and the choice of types for the embedded file."""

import json
from pathlib import Path

import torch

import chat
import gguf
from config import Recipe, Shape
from corpus import END_OF_TEXT, SPECIAL_TOKENS, TURN_END
from model import Model
from quantize import decode, encode, pack

ARCHITECTURE = "qwen3moe"
NAME = "Fovea MoE 50M"
EMBEDDED_LIMIT = 32 * 1024 * 1024
MASTER, EMBEDDED = "fovea-moe-50m-F16.gguf", "fovea-moe-50m-Q4_K.gguf"

# Types by kind of matrix; norms and routers stay in F32 everywhere. `range` quantises the experts by the grid they
# were trained through, `search` looks for a better one.
MIXES = {
    "F16": {"embedding": "F16", "attention": "F16", "experts": "F16", "down": "F16", "method": "search"},
    "Q8_0": {"embedding": "Q8_0", "attention": "Q8_0", "experts": "Q8_0", "down": "Q8_0", "method": "search"},
    "Q4_K range, Q6_K": {"embedding": "Q6_K", "attention": "Q6_K", "experts": "Q4_K", "down": "Q4_K",
                         "method": "range"},
    "Q4_K search, Q6_K": {"embedding": "Q6_K", "attention": "Q6_K", "experts": "Q4_K", "down": "Q4_K",
                          "method": "search"},
    "Q4_K range, attention Q8_0": {"embedding": "Q6_K", "attention": "Q8_0", "experts": "Q4_K", "down": "Q4_K",
                                   "method": "range"},
    "Q4_K range, embedding Q8_0": {"embedding": "Q8_0", "attention": "Q6_K", "experts": "Q4_K", "down": "Q4_K",
                                   "method": "range"},
    "Q4_K range, down Q5_K": {"embedding": "Q6_K", "attention": "Q6_K", "experts": "Q4_K", "down": "Q5_K",
                              "method": "range"},
}


def named_weights(model: Model) -> list[tuple[str, str, torch.Tensor]]:
    """(GGUF name, kind, float32 weight in GGUF's layout: rows of input channels)."""
    weights = [("token_embd.weight", "embedding", model.embedding), ("output_norm.weight", "norm", model.output_norm)]
    for layer, block in enumerate(model.blocks):
        prefix, attention, experts = f"blk.{layer}.", block.attention, block.experts
        weights += [
            (prefix + "attn_norm.weight", "norm", block.attention_norm),
            (prefix + "attn_q.weight", "attention", attention.query),
            (prefix + "attn_k.weight", "attention", attention.key),
            (prefix + "attn_v.weight", "attention", attention.value),
            (prefix + "attn_output.weight", "attention", attention.output),
            (prefix + "attn_q_norm.weight", "norm", attention.query_norm),
            (prefix + "attn_k_norm.weight", "norm", attention.key_norm),
            (prefix + "ffn_norm.weight", "norm", block.experts_norm),
            (prefix + "ffn_gate_inp.weight", "norm", experts.router),
            (prefix + "ffn_gate_exps.weight", "experts", experts.gate.transpose(1, 2)),
            (prefix + "ffn_up_exps.weight", "experts", experts.up.transpose(1, 2)),
            (prefix + "ffn_down_exps.weight", "down", experts.down.transpose(1, 2)),
        ]
    return [(name, kind, weight.detach().float().contiguous()) for name, kind, weight in weights]


def load_named(model: Model, weights: dict[str, torch.Tensor]) -> None:
    """The inverse of `named_weights`: decoded weights back into a model."""
    for name, kind, own in named_weights_in_place(model):
        value = weights[name]
        own.data.copy_(value.transpose(1, 2) if kind in ("experts", "down") else value)


def named_weights_in_place(model: Model):
    names = [(name, kind) for name, kind, _ in named_weights(model)]
    own = [model.embedding, model.output_norm]
    for block in model.blocks:
        a, e = block.attention, block.experts
        own += [block.attention_norm, a.query, a.key, a.value, a.output, a.query_norm, a.key_norm, block.experts_norm,
                e.router, e.gate, e.up, e.down]
    return [(name, kind, parameter) for (name, kind), parameter in zip(names, own)]


def encoded(model: Model, mix: dict) -> list[tuple[str, str, object]]:
    """(name, type, Encoded) of every tensor in this mix of types."""
    tensors = []
    for name, kind, weight in named_weights(model):
        type_name = mix.get(kind, "F32")
        method = mix["method"] if type_name == "Q4_K" else "search"
        tensors.append((name, type_name, encode(weight, type_name, method=method)))
    return tensors


def metadata(shape: Shape, tokenizer_file: Path, file_type: int) -> list[tuple[str, str, object]]:
    tokenizer = json.loads(tokenizer_file.read_text(encoding="utf8"))["model"]
    tokens = [token for token, _ in sorted(tokenizer["vocab"].items(), key=lambda item: item[1])]
    merges = [merge if isinstance(merge, str) else " ".join(merge) for merge in tokenizer["merges"]]
    a = ARCHITECTURE + "."
    return [
        ("general.architecture", "string", ARCHITECTURE),
        ("general.name", "string", NAME),
        ("general.author", "string", "the Fovea project"),
        ("general.description", "string", "A small mixture-of-experts trained by the Fovea project from openly "
                                          "licensed text: simple English, some Chinese, facts from far back."),
        ("general.file_type", "u32", file_type),
        ("general.quantization_version", "u32", 2),
        (a + "block_count", "u32", shape.layers),
        (a + "context_length", "u32", shape.context),
        (a + "embedding_length", "u32", shape.width),
        (a + "feed_forward_length", "u32", shape.expert_width * shape.experts_used),
        (a + "attention.head_count", "u32", shape.query_heads),
        (a + "attention.head_count_kv", "u32", shape.kv_heads),
        (a + "attention.key_length", "u32", shape.head_width),
        (a + "attention.value_length", "u32", shape.head_width),
        (a + "attention.layer_norm_rms_epsilon", "f32", shape.norm_epsilon),
        (a + "rope.freq_base", "f32", shape.rope_base),
        (a + "expert_count", "u32", shape.experts),
        (a + "expert_used_count", "u32", shape.experts_used),
        (a + "expert_feed_forward_length", "u32", shape.expert_width),
        ("tokenizer.ggml.model", "string", "gpt2"),
        ("tokenizer.ggml.pre", "string", "qwen2"),
        ("tokenizer.ggml.tokens", "string[]", tokens),
        ("tokenizer.ggml.token_type", "i32[]", [3 if token in SPECIAL_TOKENS else 1 for token in tokens]),
        ("tokenizer.ggml.merges", "string[]", merges),
        ("tokenizer.ggml.bos_token_id", "u32", END_OF_TEXT),
        ("tokenizer.ggml.eos_token_id", "u32", TURN_END),
        ("tokenizer.ggml.padding_token_id", "u32", END_OF_TEXT),
        ("tokenizer.ggml.add_bos_token", "bool", False),
        ("tokenizer.chat_template", "string", chat.TEMPLATE),
    ]


FILE_TYPES = {"F16": 1, "Q8_0": 7}  # llama.cpp's LLAMA_FTYPE; 15 is Q4_K_M


def write(path: Path, model: Model, mix_name: str, shape: Shape, tokenizer_file: Path) -> int:
    tensors = [(name, value.shape, type_name, pack(value))
               for name, type_name, value in encoded(model, MIXES[mix_name])]
    gguf.write(path, metadata(shape, tokenizer_file, FILE_TYPES.get(mix_name, 15)), tensors)
    return path.stat().st_size


def decoded_model(model: Model, mix_name: str) -> Model:
    """A copy whose weights are what the file's blocks say."""
    copy = Model(model.shape).to(model.embedding.device)
    load_named(copy, {name: decode(value) for name, _, value in encoded(model, MIXES[mix_name])})
    return copy


def read_model(path: Path, shape: Shape, device) -> Model:
    """The model of a written file."""
    _, tensors = gguf.read(path)
    model = Model(shape).to(device)
    load_named(model, {name: torch.from_numpy(gguf.dequantize(raw, type_name, dims)).to(device)
                       for name, (type_name, dims, raw) in tensors.items()})
    return model


def export(work: Path, recipe: Recipe, device, measure, even_out, say) -> None:
    """Tries the mixes of types, keeps of those that fit the limit the one with the lowest loss by `measure`, evens its
    routers by `even_out`, and writes the embedded file and the master."""
    model = Model(recipe.shape).to(device)
    model.load_state_dict(torch.load(work / "model.pt", map_location=device, weights_only=True)["model"])
    tokenizer_file = work / "tokenizer.json"
    tried = {}
    for name in MIXES:
        size = write(work / "candidate.gguf", model, name, recipe.shape, tokenizer_file)
        tried[name] = {"bytes": size, "loss": measure(decoded_model(model, name))}
    for name, result in tried.items():
        say(f"{name:28} {result['bytes'] / 2**20:6.2f} MiB, mean loss {result['loss']:.4f}")
    fitting = {name: result for name, result in tried.items()
               if result["bytes"] <= EMBEDDED_LIMIT and name not in FILE_TYPES}
    if not fitting:
        raise SystemExit("no mix of types fits into 32 MiB")
    best = min(fitting, key=lambda name: fitting[name]["loss"])
    rounded = decoded_model(model, best)
    even_out(rounded)
    for block, evened in zip(model.blocks, rounded.blocks):
        block.experts.router.data.copy_(evened.experts.router)
    write(work / EMBEDDED, model, best, recipe.shape, tokenizer_file)
    write(work / MASTER, model, "F16", recipe.shape, tokenizer_file)
    (work / "candidate.gguf").unlink()
    evened_loss = measure(rounded)
    (work / "export.json").write_text(json.dumps({"chosen": best, "tried": tried, "loss_evened": evened_loss}, indent=1))
    say(f"embedded file: {best}, mean loss with evened routers {evened_loss:.4f}")
