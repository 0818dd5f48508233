#include "engine/model/model_weights.hpp"

#include <string>
#include <unordered_set>

#include "engine/io/shown_name.hpp"

namespace fovea {
namespace {

// Finds the tensors a model must have, checks them, and remembers which were used: whatever is left over would change
// the result if it were understood, so it is refused and never ignored.
class WeightReader {
 public:
  WeightReader(const GgufFile& file, const ModelConfig& config) : file_(file), c_(config) {}

  Result<ModelWeights> read() {
    ModelWeights weights;
    FOVEA_TRY(refuse_split_experts());
    FOVEA_ASSIGN(weights.token_embedding, matrix("token_embd.weight", c_.width, c_.vocabulary));
    FOVEA_ASSIGN(weights.output_norm, vector("output_norm.weight", c_.width));
    if (c_.tied_output) {
      weights.output = weights.token_embedding;
    } else {
      FOVEA_ASSIGN(weights.output, matrix("output.weight", c_.width, c_.vocabulary));
    }
    weights.layers.reserve(c_.layers);
    for (std::uint32_t i = 0; i < c_.layers; ++i) {
      FOVEA_ASSIGN(LayerWeights one, layer("blk." + std::to_string(i) + "."));
      weights.layers.push_back(std::move(one));
    }
    if (!c_.rope_factors.empty()) used_.insert(file_.gguf().find_tensor("rope_freqs.weight"));
    FOVEA_TRY(refuse_unused());
    return weights;
  }

 private:
  Result<LayerWeights> layer(const std::string& prefix) {
    LayerWeights w;
    const std::uint32_t query_width = c_.query_heads * c_.head_width, kv_width = c_.kv_heads * c_.head_width;
    FOVEA_ASSIGN(w.attention_norm, vector(prefix + "attn_norm.weight", c_.width));
    FOVEA_ASSIGN(w.query, matrix(prefix + "attn_q.weight", c_.width, query_width));
    FOVEA_ASSIGN(w.key, matrix(prefix + "attn_k.weight", c_.width, kv_width));
    FOVEA_ASSIGN(w.value, matrix(prefix + "attn_v.weight", c_.width, kv_width));
    FOVEA_ASSIGN(w.attention_output, matrix(prefix + "attn_output.weight", query_width, c_.width));
    if (c_.qk_norm != QkNorm::none) {
      const bool per_head = c_.qk_norm == QkNorm::per_head;
      FOVEA_ASSIGN(w.query_norm, vector(prefix + "attn_q_norm.weight", per_head ? c_.head_width : query_width));
      FOVEA_ASSIGN(w.key_norm, vector(prefix + "attn_k_norm.weight", per_head ? c_.head_width : kv_width));
    }
    FOVEA_ASSIGN(w.feed_forward_norm, vector(prefix + "ffn_norm.weight", c_.width));
    if (c_.mixture()) {
      FOVEA_ASSIGN(w.router, matrix(prefix + "ffn_gate_inp.weight", c_.width, c_.experts));
      FOVEA_ASSIGN(w.gate, matrix(prefix + "ffn_gate_exps.weight", c_.width, c_.expert_feed_forward, c_.experts));
      FOVEA_ASSIGN(w.up, matrix(prefix + "ffn_up_exps.weight", c_.width, c_.expert_feed_forward, c_.experts));
      FOVEA_ASSIGN(w.down, matrix(prefix + "ffn_down_exps.weight", c_.expert_feed_forward, c_.width, c_.experts));
    } else {
      FOVEA_ASSIGN(w.gate, matrix(prefix + "ffn_gate.weight", c_.width, c_.feed_forward));
      FOVEA_ASSIGN(w.up, matrix(prefix + "ffn_up.weight", c_.width, c_.feed_forward));
      FOVEA_ASSIGN(w.down, matrix(prefix + "ffn_down.weight", c_.feed_forward, c_.width));
    }
    return w;
  }

  Result<WeightView> matrix(const std::string& name, std::uint32_t columns, std::uint32_t rows,
                            std::uint32_t matrices = 1) {
    FOVEA_ASSIGN(WeightView view, shaped(name, columns, rows, matrices));
    const DTypeTraits& type = traits(view.type);
    if (!type.runs)
      return fail(ErrorCode::unsupported, file_.path().string(),
                  "tensor " + shown_name(name) + " is of type " + std::string(type.name) + ", which is not run",
                  "choose a file in F32, F16, BF16, Q8_0, Q5_0, Q4_0, Q6_K, Q5_K or Q4_K");
    if (columns % type.block_length != 0)
      return malformed("tensor " + shown_name(name) + " has rows that end inside a block");
    // Two 16-bit weights share a 32-bit word on the device.
    if (type.block_bytes == 2 && columns % 2 != 0)
      return fail(ErrorCode::unsupported, file_.path().string(),
                  "tensor " + shown_name(name) + " has rows of an odd number of 16-bit weights", "use a file in F32");
    return view;
  }

  Result<WeightView> vector(const std::string& name, std::uint32_t length) {
    FOVEA_ASSIGN(WeightView view, shaped(name, length, 1, 1));
    if (view.type != DType::F32)
      return fail(ErrorCode::unsupported, file_.path().string(),
                  "tensor " + shown_name(name) + " is of type " + std::string(fovea::name(view.type)) + ", not F32",
                  "convert the model again with its norms in F32");
    return view;
  }

  Result<WeightView> shaped(const std::string& name, std::uint32_t columns, std::uint32_t rows,
                            std::uint32_t matrices) {
    const GgufTensor* tensor = file_.gguf().find_tensor(name);
    if (!tensor) return malformed("tensor " + shown_name(name) + " is missing");
    const std::array<std::uint64_t, 4> expected{columns, rows, matrices, 1};
    if (tensor->shape != expected)
      return malformed("tensor " + shown_name(name) + " is " + shape(tensor->shape) + ", not " + shape(expected) +
                       " as the metadata says");
    const auto bytes = file_.data(*tensor);
    if (bytes.size() != tensor->bytes) return malformed("tensor " + shown_name(name) + " is not inside the file");
    used_.insert(tensor);
    return WeightView{tensor->type, columns, rows, matrices, bytes, tensor};
  }

  static std::string shape(const std::array<std::uint64_t, 4>& lengths) {
    std::size_t last = 4;
    while (last > 1 && lengths[last - 1] == 1) --last;
    std::string text;
    for (std::size_t i = 0; i < last; ++i) text += (i ? " x " : "") + std::to_string(lengths[i]);
    return text;
  }

  // Mixtral files of 2023 keep each expert in a tensor of its own: blk.0.ffn_gate.3.weight.
  Result<void> refuse_split_experts() const {
    if (!c_.mixture()) return {};
    for (const char* part : {"blk.0.ffn_gate.0.weight", "blk.0.ffn_up.0.weight", "blk.0.ffn_down.0.weight"})
      if (file_.gguf().find_tensor(part))
        return fail(ErrorCode::unsupported, file_.path().string(),
                    "it keeps every expert in a tensor of its own (" + shown_name(part) + "), as files of 2023 did",
                    "use a newer conversion of this model");
    return {};
  }

  Result<void> refuse_unused() const {
    for (const GgufTensor& tensor : file_.gguf().tensors()) {
      if (used_.contains(&tensor)) continue;
      const std::string named = "tensor " + shown_name(tensor.name);
      if (tensor.name.ends_with(".bias"))
        return fail(ErrorCode::unsupported, file_.path().string(),
                    named + " is a bias, and models with biases are not run", "choose another model");
      return fail(ErrorCode::unsupported, file_.path().string(),
                  named + " has no place in a model of the family " + c_.architecture + " as it is run here",
                  "choose another model");
    }
    return {};
  }

  [[nodiscard]] tl::unexpected<Error> malformed(std::string why) const {
    return fail(ErrorCode::format, file_.path().string(), std::move(why), "download the file again or choose another");
  }

  const GgufFile& file_;
  const ModelConfig& c_;
  std::unordered_set<const GgufTensor*> used_;
};

}  // namespace

Result<ModelWeights> read_model_weights(const GgufFile& file, const ModelConfig& config) {
  return WeightReader(file, config).read();
}

}  // namespace fovea
