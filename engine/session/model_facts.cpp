#include "engine/session/model_facts.hpp"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <string>
#include <system_error>
#include <type_traits>
#include <variant>

#include <fmt/format.h>

#include "engine/decoder/activations.hpp"
#include "engine/decoder/decoder.hpp"
#include "engine/decoder/kv_tiers.hpp"
#include "engine/kernels/attention_top.hpp"
#include "engine/kernels/eight_rows.hpp"
#include "engine/kernels/sample.hpp"
#include "engine/model/model_weights.hpp"
#include "engine/semantic_router/side_file.hpp"
#include "engine/session/device_fits.hpp"
#include "engine/session/engine.hpp"
#include "engine/session/model_card.hpp"
#include "engine/tensor/eight_rows.hpp"
#include "engine/text/chat_template.hpp"

namespace fovea {
namespace {

constexpr std::size_t kShownElements = 8;       // of an array
constexpr std::size_t kShownBytes = 4096;       // of a string

template <class T>
std::string shown(const T& value) {
  if constexpr (std::is_same_v<T, std::string>) {
    return value.size() <= kShownBytes ? value : value.substr(0, kShownBytes) + fmt::format(" … ({} bytes)", value.size());
  } else if constexpr (std::is_same_v<T, bool>) {
    return value ? "true" : "false";
  } else {
    return fmt::format("{}", value);
  }
}

template <class T>
std::string shown(const std::vector<T>& values) {
  std::string text = "[";
  for (std::size_t i = 0; i < std::min(values.size(), kShownElements); ++i) {
    const T element = values[i];
    text += (i > 0 ? ", " : "") + shown(element);
  }
  return text + (values.size() > kShownElements ? fmt::format(", … {} in all]", values.size()) : "]");
}

MemoryBytes estimate_run(const GgufFile& file, const ModelConfig& config, std::uint32_t context, KvType kv,
                         const std::optional<SparseAttention>& attention, std::optional<double> top_share, const gpu::DeviceFacts& facts, const KvTiers& tiers) {
  const std::uint32_t suitable = suitable_batch(facts, config, context);
  const std::uint32_t batch = kv == KvType::tiered ? tiered_batch(suitable) : suitable;
  MemoryEstimate base = estimate_memory(file, config, context, batch, element_type(kv));
  const TierShape shape = kv == KvType::tiered ? TierShape(config, context, tiers) : TierShape();
  if (kv == KvType::tiered) base.kv = shape.bytes();
  const PageSelection::Bytes pages = page_bytes(config, context, attention, facts);
  return {.weights = base.weights, .kv = base.kv + pages.bounds,
          .compute = pages.scratch + shape.staged_bytes + (top_share ? attention_top_bytes(config.query_heads, context, batch) : 0) +
                     Activations::bytes(facts, config, batch, 1) + sample_scratch_bytes(config.vocabulary),
          .other = std::uint64_t{context} * 4};
}

// What the model's side file says of itself, where there is one.
void find_semantic_router(ModelSummary& summary) {
  const std::filesystem::path path = semantic_router_path(summary.path);
  std::error_code unreadable;
  if (summary.experts == 0 || !std::filesystem::exists(path, unreadable)) return;
  const Result<SemanticRouter> router = read_semantic_router(path);
  summary.semantic_router_problem = router ? mismatch(router->facts, summary) : router.error().sentence();
  if (router && summary.semantic_router_problem.empty()) summary.semantic_router = std::make_shared<const SemanticRouterFacts>(router->facts);
}

}  // namespace

DeviceSummary summarize(const gpu::DeviceFacts& facts) {
  return {.index = facts.index, .name = facts.name, .type = facts.type, .driver = facts.driver, .api = facts.api,
          .memory_bytes = facts.memory_bytes, .subgroup = facts.subgroup, .cooperative_matrix = facts.cooperative_matrix,
          .integer_dot = facts.integer_dot, .chosen = facts.chosen, .why = facts.why,
          .timestamps = facts.timestamps};
}

PageSelection::Bytes page_bytes(const ModelConfig& config, std::uint32_t context, const std::optional<SparseAttention>& attention,
                                const gpu::DeviceFacts& facts) {
  return attention ? PageSelection::bytes(config, context, suitable_batch(facts, config, context), *attention) : PageSelection::Bytes{};
}

std::vector<KernelTime> kernel_times(const std::vector<gpu::TagTime>& tags) {
  std::vector<KernelTime> times;
  for (const gpu::TagTime& tag : tags) times.push_back({tag.tag, tag.microseconds, tag.count});
  return times;
}

ModelSummary summarize(const GgufFile& file, const ModelConfig& config, std::uint32_t context, std::optional<KvType> kv,
                       std::optional<ActivationType> activations, const std::optional<SparseAttention>& wanted, std::optional<double> top_share, const gpu::DeviceFacts& facts,
                       const KvTiers& tiers) {
  const Gguf& gguf = file.gguf();
  ModelSummary summary;
  if (wanted) summary.attention = fitted(*wanted, config.layers);
  const std::optional<SparseAttention>& attention = summary.attention;
  summary.path = file.path().string();
  summary.name = config.name;
  summary.architecture = config.architecture;
  summary.file_bytes = file.file_bytes();
  const ParameterCount parameters = count_parameters(gguf, config);
  summary.parameters = parameters.total;
  summary.active_parameters = parameters.active;
  summary.layers = config.layers;
  summary.width = config.width;
  summary.query_heads = config.query_heads;
  summary.kv_heads = config.kv_heads;
  summary.head_width = config.head_width;
  summary.experts = config.experts;
  summary.experts_used = config.experts_used;
  summary.vocabulary = config.vocabulary;
  summary.trained_context = config.context;
  summary.context = context;
  const ChatFormat chat = recognise_chat_format(gguf.string_value("tokenizer.chat_template").value_or(""));
  summary.chat = chat != ChatFormat::none;
  summary.chat_format = std::string(name(chat));
  const std::uint64_t eights = output_eights_bytes(file, config, facts, activations);
  const auto estimated = [&](KvType type) {
    MemoryBytes bytes = estimate_run(file, config, context, type, attention, top_share, facts, tiers);
    bytes.weights += eights;
    return bytes;
  };
  const MemoryBytes f16 = estimated(KvType::f16);
  summary.kv = kv.value_or(suitable_kv(facts, f16));
  summary.fits = device_fits(facts, config, context, summary.kv, kv.has_value(), f16, activations, eights > 0);
  summary.kv_tiers = tiers;
  summary.top_share = top_share;
  summary.estimate = estimated(summary.kv);
  for (const KvType type : {KvType::f16, KvType::q8_0, KvType::tiered})
    summary.estimates.emplace_back(type, type == summary.kv ? summary.estimate : estimated(type));
  summary.device_room = usable_memory(facts);

  std::map<std::string, std::uint64_t> bytes_of_type;
  for (const GgufTensor& tensor : gguf.tensors()) {
    bytes_of_type[std::string(name(tensor.type))] += tensor.bytes;
    summary.tensors.push_back({tensor.name, std::string(name(tensor.type)), tensor.shape, tensor.dimensions, tensor.bytes});
  }
  const auto most = std::max_element(bytes_of_type.begin(), bytes_of_type.end(),
                                     [](const auto& a, const auto& b) { return a.second < b.second; });
  if (most != bytes_of_type.end()) summary.quantization = most->first;
  for (const auto& [key, value] : gguf.metadata())
    summary.metadata.push_back({key, std::visit([](const auto& v) { return shown(v); }, value)});
  summary.cards = read_model_cards(file.path());
  find_semantic_router(summary);
  return summary;
}

std::uint64_t output_eights_bytes(const GgufFile& file, const ModelConfig& config, const gpu::DeviceFacts& facts,
                                  std::optional<ActivationType> activations) {
  const GgufTensor* tensor = file.gguf().find_tensor(config.tied_output ? "token_embd.weight" : "output.weight");
  if (activations || tensor == nullptr || !gains_by_eight_rows(facts, tensor->type, config.width, config.vocabulary)) return 0;
  return eight_rows_bytes(config.width, config.vocabulary);
}

DType element_type(KvType kv) { return kv == KvType::q8_0 ? DType::Q8_0 : DType::F16; }

Result<std::uint32_t> choose_context(const ModelConfig& config, std::uint32_t wanted) {
  // Rotary positions have no hard end, and the smallest models say contexts that their own demonstrations exceed.
  const std::uint32_t most = std::max(config.context, kLeastContext);
  if (wanted == 0) return std::min(most, kDefaultContext);
  if (wanted > most)
    return fail(ErrorCode::usage, "the context", fmt::format("{} tokens were asked for and the model was trained for {}", wanted, config.context),
                fmt::format("ask for at most {}", most));
  return wanted;
}

Result<ModelSummary> inspect(const std::filesystem::path& model, std::uint32_t context, std::optional<KvType> kv,
                             const std::optional<SparseAttention>& attention, std::optional<ActivationType> activations, std::optional<double> top_share,
                             const KvTiers& tiers, std::int32_t index) {
  FOVEA_ASSIGN(const GgufFile file, GgufFile::open(model));
  FOVEA_ASSIGN(const ModelConfig config, read_model_config(file));
  FOVEA_TRY(read_model_weights(file, config));
  FOVEA_ASSIGN(const std::uint32_t positions, choose_context(config, context));
  gpu::DeviceFacts facts;  // the estimate is for the device that would be chosen; without one, for a CPU driver
  facts.cpu = true;
  facts.subgroup = 8;
  bool known = false;
  if (const auto devices = gpu::list_devices())
    for (const gpu::DeviceFacts& device : *devices)
      if (index < 0 ? device.chosen : device.index == static_cast<std::uint32_t>(index)) {
        facts = device;
        known = true;
      }
  ModelSummary summary = summarize(file, config, positions, kv, activations, attention, top_share, facts, tiers);
  if (known) summary.device = summarize(facts);
  return summary;
}

}  // namespace fovea
