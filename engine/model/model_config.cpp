#include "engine/model/model_config.hpp"

#include <array>
#include <cmath>
#include <cstring>
#include <optional>
#include <string_view>

#include "engine/io/shown_name.hpp"
#include "engine/tensor/dtype.hpp"

namespace fovea {
namespace {

// What a whole-number key may be. Every later size is a product of these, so the bounds keep products in 64 bits.
struct Range {
  std::string_view key;  // after "<architecture>."
  std::uint32_t ModelConfig::*field;
  std::uint32_t least, most;
  bool required;
};

// Optional keys keep what the field held before: the caller sets defaults between the two tables.
constexpr std::array<Range, 4> required_keys{{
    {"block_count", &ModelConfig::layers, 1, 1024, true},
    {"embedding_length", &ModelConfig::width, 1, 1u << 17, true},
    {"context_length", &ModelConfig::context, 1, 1u << 27, true},
    {"attention.head_count", &ModelConfig::query_heads, 1, 1024, true},
}};
constexpr std::array<Range, 5> defaulted_keys{{
    {"feed_forward_length", &ModelConfig::feed_forward, 1, 1u << 20, false},
    {"attention.head_count_kv", &ModelConfig::kv_heads, 1, 1024, false},
    {"attention.key_length", &ModelConfig::head_width, 2, 1024, false},
    {"expert_count", &ModelConfig::experts, 0, 1024, false},
    {"expert_used_count", &ModelConfig::experts_used, 0, 1024, false},
}};
constexpr std::array<Range, 2> dependent_keys{{
    {"rope.dimension_count", &ModelConfig::rope_width, 2, 1024, false},
    {"expert_feed_forward_length", &ModelConfig::expert_feed_forward, 1, 1u << 20, false},
}};

// Keys that change the computation in ways we do not run, unless they hold a value that changes nothing.
struct Inert {
  std::string_view key;
  std::string_view meaning;
  std::array<double, 2> harmless;
};
constexpr std::array<Inert, 17> inert_keys{{
    {"attention.sliding_window", "a sliding attention window", {0, 0}},
    {"attention.chunk_size", "chunked attention", {0, 0}},
    {"attention.clamp_kqv", "clamped queries, keys and values", {0, 0}},
    {"attention.scale", "an attention scale of its own", {0, 0}},
    {"attention.max_alibi_bias", "ALiBi positions", {0, 0}},
    {"attn_logit_softcapping", "capped attention scores", {0, 0}},
    {"final_logit_softcapping", "capped logits", {0, 0}},
    {"logit_scale", "scaled logits", {0, 1}},
    {"embedding_scale", "scaled embeddings", {0, 1}},
    {"residual_scale", "scaled residuals", {0, 1}},
    {"expert_weights_scale", "scaled expert weights", {0, 1}},
    {"expert_gating_func", "an expert gate other than softmax", {0, 1}},
    {"expert_shared_count", "shared experts", {0, 0}},
    {"expert_shared_feed_forward_length", "shared experts", {0, 0}},
    {"expert_group_count", "expert groups", {0, 1}},
    {"leading_dense_block_count", "dense layers before the mixture layers", {0, 0}},
    {"interleave_moe_layer_step", "dense layers between mixture layers", {0, 1}},
}};

class ConfigReader {
 public:
  explicit ConfigReader(const GgufFile& file) : file_(file), gguf_(file.gguf()) {}

  Result<ModelConfig> read() {
    FOVEA_TRY(read_family());
    for (const Range& range : required_keys) FOVEA_TRY(read_number(range));
    FOVEA_TRY(read_heads_and_experts());
    FOVEA_TRY(refuse_what_we_do_not_run());
    FOVEA_TRY(read_norm_and_rope());
    FOVEA_TRY(read_rope_factors());
    FOVEA_TRY(read_vocabulary());
    const auto name = gguf_.string_value("general.name");
    config_.name = name && !name->empty() ? std::string(*name) : file_.path().stem().string();
    return std::move(config_);
  }

 private:
  [[nodiscard]] std::string key(std::string_view suffix) const {
    return config_.architecture + "." + std::string(suffix);
  }

  [[nodiscard]] tl::unexpected<Error> malformed(std::string why) const {
    return fail(ErrorCode::format, file_.path().string(), std::move(why),
                "convert the model again or choose another file");
  }
  [[nodiscard]] tl::unexpected<Error> unsupported(std::string why) const {
    return fail(ErrorCode::unsupported, file_.path().string(), std::move(why), "choose another model");
  }

  Result<void> read_family() {
    // A part of a model or an adapter has an architecture too; say what it is before complaining about what it lacks.
    if (const auto parts = gguf_.unsigned_value("split.count"); parts && *parts > 1)
      return fail(ErrorCode::unsupported, file_.path().string(),
                  "this is one of " + std::to_string(*parts) + " parts of a model",
                  "merge the parts into one file first");
    if (const auto type = gguf_.string_value("general.type"); type && *type != "model")
      return unsupported("this file holds " + shown_name(*type) + ", not a model");
    const auto architecture = gguf_.string_value("general.architecture");
    if (!architecture) return malformed("the metadata does not say the model's family (general.architecture)");
    config_.architecture = std::string(*architecture);
    if (config_.architecture == "llama") {
      config_.family = Family::llama;
      config_.rope_layout = RopeLayout::neighbours;
    } else if (config_.architecture == "qwen3moe") {
      config_.family = Family::qwen3moe;
      config_.rope_layout = RopeLayout::halves;
      config_.qk_norm = QkNorm::per_head;
    } else if (config_.architecture == "olmoe") {
      config_.family = Family::olmoe;
      config_.rope_layout = RopeLayout::halves;
      config_.qk_norm = QkNorm::full_width;
      config_.normalize_expert_weights = false;
    } else {
      return fail(ErrorCode::unsupported, file_.path().string(),
                  "models of the family " + shown_name(config_.architecture) + " are not run",
                  "choose a model of the families llama (Mixtral included), qwen3moe or olmoe");
    }
    return {};
  }

  Result<void> read_number(const Range& range) {
    const std::string name = key(range.key);
    if (!gguf_.find(name)) {
      if (range.required) return malformed("the metadata lacks " + name);
      return {};
    }
    const auto value = gguf_.unsigned_value(name);
    if (!value) return malformed(name + " is not a whole number");
    if (*value < range.least || *value > range.most)
      return malformed(name + " is " + std::to_string(*value) + ", outside " + std::to_string(range.least) + " to " +
                       std::to_string(range.most));
    config_.*range.field = static_cast<std::uint32_t>(*value);
    return {};
  }

  Result<void> read_heads_and_experts() {
    ModelConfig& c = config_;
    c.kv_heads = c.query_heads;
    c.head_width = c.width / c.query_heads;
    for (const Range& range : defaulted_keys) FOVEA_TRY(read_number(range));
    if (c.query_heads % c.kv_heads != 0)
      return malformed(key("attention.head_count") + " (" + std::to_string(c.query_heads) + ") is not a multiple of " +
                       key("attention.head_count_kv") + " (" + std::to_string(c.kv_heads) + ")");
    if (c.head_width < 2 || c.head_width > 1024 || c.head_width % 2 != 0)
      return malformed("a head is " + std::to_string(c.head_width) + " wide, not an even number between 2 and 1024");
    const auto value_length = gguf_.unsigned_value(key("attention.value_length"));
    if (value_length && *value_length != c.head_width)
      return unsupported("keys and values are of different widths (" + std::to_string(c.head_width) + " and " +
                         std::to_string(*value_length) + ")");

    // Mixture files may name only the width of an expert, or only the other one.
    c.rope_width = c.head_width;
    c.expert_feed_forward = c.feed_forward;
    for (const Range& range : dependent_keys) FOVEA_TRY(read_number(range));
    if (c.feed_forward == 0) c.feed_forward = c.expert_feed_forward;
    if (c.feed_forward == 0) return malformed("the metadata lacks " + key("feed_forward_length"));
    if (c.rope_width > c.head_width || c.rope_width % 2 != 0)
      return malformed(key("rope.dimension_count") + " is " + std::to_string(c.rope_width) +
                       ", not an even number up to the head's width " + std::to_string(c.head_width));
    if (c.experts == 0 && c.family != Family::llama) return malformed("the metadata lacks " + key("expert_count"));
    if (c.experts == 0 && c.experts_used != 0)
      return malformed(key("expert_used_count") + " is given without " + key("expert_count"));
    if (c.experts > 0 && (c.experts_used == 0 || c.experts_used > c.experts))
      return malformed(key("expert_used_count") + " is " + std::to_string(c.experts_used) + " of " +
                       std::to_string(c.experts) + " experts");
    if (c.experts == 0) c.expert_feed_forward = 0;
    return {};
  }

  [[nodiscard]] std::optional<double> number(const std::string& name) const {
    if (const auto real = gguf_.real_value(name)) return real;
    const GgufValue* value = gguf_.find(name);
    if (!value) return std::nullopt;
    if (const auto* natural = std::get_if<std::uint64_t>(value)) return static_cast<double>(*natural);
    if (const auto* integer = std::get_if<std::int64_t>(value)) return static_cast<double>(*integer);
    return std::nullopt;
  }

  Result<void> refuse_what_we_do_not_run() const {
    for (const Inert& inert : inert_keys) {
      const std::string name = key(inert.key);
      if (!gguf_.find(name)) continue;
      const auto value = number(name);
      if (!value || (*value != inert.harmless[0] && *value != inert.harmless[1]))
        return unsupported("it uses " + std::string(inert.meaning) + " (" + name + "), which is not run");
    }
    if (gguf_.bool_value(key("attention.causal")) == false)
      return unsupported("its attention is not causal (" + key("attention.causal") + "), which is not run");
    if (gguf_.bool_value(key("use_parallel_residual")) == true)
      return unsupported("it uses parallel residuals (" + key("use_parallel_residual") + "), which is not run");
    if (const auto normalized = gguf_.bool_value(key("expert_weights_norm"));
        normalized && config_.mixture() && *normalized != config_.normalize_expert_weights)
      return unsupported(key("expert_weights_norm") + " is not what its family computes");
    return {};
  }

  // A real key between bounds; `otherwise` where absent, or an error without it.
  Result<float> real(std::string_view suffix, double least, double most, std::optional<float> otherwise) const {
    const std::string name = key(suffix);
    if (!gguf_.find(name)) {
      if (otherwise) return *otherwise;
      return malformed("the metadata lacks " + name);
    }
    const auto value = gguf_.real_value(name);
    if (!value) return malformed(name + " is not a real number");
    if (!(*value >= least && *value <= most)) return malformed(name + " is out of range");  // NaN too
    return static_cast<float>(*value);
  }

  Result<void> read_norm_and_rope() {
    FOVEA_ASSIGN(config_.norm_epsilon, real("attention.layer_norm_rms_epsilon", 0, 1, std::nullopt));
    FOVEA_ASSIGN(config_.rope_base, real("rope.freq_base", 1, 1e15, 10000.0f));
    const auto scaling = gguf_.string_value(key("rope.scaling.type")).value_or("linear");
    if (scaling == "none") return {};
    if (scaling != "linear")
      return unsupported("its positions are scaled by " + shown_name(scaling) + " (" + key("rope.scaling.type") +
                         "); only linear scaling and Llama 3's frequency factors are run");
    // rope.scale_linear is the older spelling. Zero means "no scaling" in both.
    const std::string_view spelling =
        gguf_.find(key("rope.scaling.factor")) ? "rope.scaling.factor" : "rope.scale_linear";
    FOVEA_ASSIGN(const float factor, real(spelling, 0, 1e6, 1.0f));
    if (factor > 0) config_.rope_scale = factor;
    return {};
  }

  // Llama 3 files carry their frequency divisors as a tensor.
  Result<void> read_rope_factors() {
    const GgufTensor* tensor = gguf_.find_tensor("rope_freqs.weight");
    if (!tensor || config_.family != Family::llama)
      return {};  // elsewhere: refused with the tensors that do not belong
    const std::size_t pairs = config_.rope_width / 2;
    if (tensor->type != DType::F32 || tensor->shape != std::array<std::uint64_t, 4>{pairs, 1, 1, 1})
      return malformed("tensor 'rope_freqs.weight' is not " + std::to_string(pairs) + " numbers of type F32");
    config_.rope_factors.resize(pairs);
    const auto stored = file_.data(*tensor);
    if (stored.size() != pairs * sizeof(float)) return malformed("tensor 'rope_freqs.weight' is cut short");
    std::memcpy(config_.rope_factors.data(), stored.data(), stored.size());
    for (const float factor : config_.rope_factors)
      if (!(factor > 0) || !std::isfinite(factor))
        return malformed("tensor 'rope_freqs.weight' holds a factor that is not a positive number");
    return {};
  }

  Result<void> read_vocabulary() {
    const GgufTensor* embedding = gguf_.find_tensor("token_embd.weight");
    if (!embedding)
      return malformed(gguf_.tensors().empty() ? "it holds a vocabulary and no weights"
                                               : "tensor 'token_embd.weight' is missing");
    constexpr std::uint64_t most = 1u << 22;
    if (embedding->shape[1] > most)
      return malformed("tensor 'token_embd.weight' has " + std::to_string(embedding->shape[1]) + " rows, more than " +
                       std::to_string(most));
    config_.vocabulary = static_cast<std::uint32_t>(embedding->shape[1]);
    // A token without a row would be read beyond the matrix; rows without a token are padding and do no harm.
    const auto* tokens = gguf_.strings("tokenizer.ggml.tokens");
    if (tokens && tokens->size() > config_.vocabulary)
      return malformed("the vocabulary has " + std::to_string(tokens->size()) + " tokens but the embedding only " +
                       std::to_string(config_.vocabulary) + " rows");
    config_.tied_output = gguf_.find_tensor("output.weight") == nullptr;
    return {};
  }

  const GgufFile& file_;
  const Gguf& gguf_;
  ModelConfig config_;
};

}  // namespace

Result<ModelConfig> read_model_config(const GgufFile& file) { return ConfigReader(file).read(); }

}  // namespace fovea
