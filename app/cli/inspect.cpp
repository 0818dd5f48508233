// `inspect`: what a model file is and how much memory it will take, without reading a weight.
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <map>
#include <memory>
#include <nlohmann/json.hpp>
#include <span>
#include <type_traits>

#include "app/cli/command.hpp"
#include "app/cli/device_figures.hpp"
#include "app/cli/load.hpp"
#include "app/cli/options.hpp"
#include "engine/io/gguf.hpp"

namespace fovea::cli {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::size_t longest_array = 16;  // longer ones are told as text, shortened

// Scalars and short arrays keep their type; `told` is the summary's text for the rest.
Json metadata_json(const GgufValue& value, const std::string& told) {
  return std::visit(
      [&](const auto& held) -> Json {
        using Held = std::decay_t<decltype(held)>;
        if constexpr (std::is_arithmetic_v<Held> || std::is_same_v<Held, std::string>) {
          return held;
        } else {
          if (held.size() > longest_array) return told;
          Json list = Json::array();
          for (std::size_t i = 0; i < held.size(); ++i) list.push_back(typename Held::value_type(held[i]));
          return list;
        }
      },
      value);
}

std::span<const std::uint64_t> shape_of(const TensorSummary& tensor) {
  return std::span(tensor.shape).first(std::min<std::size_t>(tensor.dimensions, tensor.shape.size()));
}

const ModelCard* card_of(const ModelSummary& model) { return card_for(model.cards, ""); }

Json to_json(const ModelSummary& model, const Gguf& gguf) {
  Json types = Json::object();
  for (const auto& tensor : model.tensors) types[tensor.type] = types.value(tensor.type, 0) + 1;
  Json metadata = Json::object();
  for (const auto& [key, told] : model.metadata) {
    const GgufValue* const value = gguf.find(key);
    metadata[key] = value != nullptr ? metadata_json(*value, told) : Json(told);
  }
  Json estimates = Json::object();
  for (const auto& [kv, estimate] : model.estimates) estimates[std::string(name(kv))] = {{"kv", estimate.kv}, {"total", estimate.total()}};
  Json tensors = Json::array();
  for (const auto& tensor : model.tensors)
    tensors.push_back(
        {{"name", tensor.name}, {"shape", shape_of(tensor)}, {"type", tensor.type}, {"bytes", tensor.bytes}});
  return {{"path", model.path},
          {"name", model.name},
          {"architecture", model.architecture},
          {"parameters", model.parameters},
          {"active_parameters", model.active_parameters},
          {"layers", model.layers},
          {"experts", model.experts},
          {"experts_used", model.experts_used},
          {"context", model.trained_context},
          {"vocabulary", model.vocabulary},
          {"quantization", model.quantization},
          {"chat_format", model.chat ? Json(model.chat_format) : Json(nullptr)},
          {"card", card_of(model) != nullptr ? Json(card_of(model)->path) : Json(nullptr)},
          {"types", std::move(types)},
          {"bytes", model.file_bytes},
          {"estimate",
           {{"weights", model.estimate.weights},
            {"kv", model.estimate.kv},
            {"kv_type", name(model.kv)},
            {"compute", model.estimate.compute},
            {"other", model.estimate.other},
            {"total", model.estimate.total()},
            {"context", model.context}}},
          {"estimates", std::move(estimates)},
          {"adaptation", fits_json(model.fits)},
          {"metadata", std::move(metadata)},
          {"tensors", std::move(tensors)}};
}

double mebibytes(std::uint64_t bytes) { return static_cast<double>(bytes) / (1u << 20); }

void write_text(const ModelSummary& model, StandardOutput& out) {
  out.write(fmt::format("{}: {}\n", printable(model.name), printable(model.path)));
  out.write(fmt::format("architecture {}, {} parameters ({} active), {} layers of width {}, {} query and {} KV heads\n",
                        printable(model.architecture), model.parameters, model.active_parameters, model.layers,
                        model.width, model.query_heads, model.kv_heads));
  out.write(model.experts == 0 ? std::string("dense: no experts\n")
                               : fmt::format("{} experts, {} used per token\n", model.experts, model.experts_used));
  out.write(fmt::format("vocabulary {}, context {}, chat format {}\n", model.vocabulary, model.trained_context,
                        model.chat ? printable(model.chat_format) : "none"));
  out.write(fmt::format("file {:.1f} MiB, mostly {}\n", mebibytes(model.file_bytes), model.quantization));
  if (const ModelCard* const card = card_of(model)) out.write(fmt::format("card {}\n", printable(card->path)));
  out.write(fmt::format(
      "memory at a context of {} (derived, not measured): weights {:.1f} + KV ({}) {:.1f} + compute {:.1f} + "
      "other {:.1f} = {:.1f} MiB\n",
      model.context, mebibytes(model.estimate.weights), name(model.kv), mebibytes(model.estimate.kv),
      mebibytes(model.estimate.compute), mebibytes(model.estimate.other), mebibytes(model.estimate.total())));
  for (const auto& [kv, estimate] : model.estimates)
    if (kv != model.kv) out.write(fmt::format("with --kv {} KV {:.1f}, in all {:.1f} MiB\n", name(kv), mebibytes(estimate.kv), mebibytes(estimate.total())));
  for (const DeviceFit& fit : model.fits) out.write(fit_line(fit));
  out.write(fmt::format("\n{} metadata entries\n", model.metadata.size()));
  for (const auto& [key, value] : model.metadata)
    out.write(fmt::format("  {} = {}\n", printable(key), printable(value)));
  out.write(fmt::format("\n{} tensors\n", model.tensors.size()));
  for (const auto& tensor : model.tensors)
    out.write(fmt::format("  {:<40} {:<6} {:>12} bytes  [{}]\n", printable(tensor.name), tensor.type, tensor.bytes,
                          fmt::join(shape_of(tensor), ", ")));
}

Result<void> run_inspect(const CommonOptions& options, Process& process) {
  FOVEA_ASSIGN(const std::filesystem::path path, model_path(options));
  FOVEA_ASSIGN(const Policy policy, resolve_policy(options.policy));
  FOVEA_ASSIGN(const ModelSummary model, inspect(path, options.context, chosen_kv(policy), sparse_attention(policy), activation_type(policy), top_share(policy), kv_tiers(policy)));
  FOVEA_TRY(check_policy(policy, model));
  if (!options.json) {
    write_text(model, process.out);
    return {};
  }
  FOVEA_ASSIGN(const GgufFile file, GgufFile::open(path));
  process.out.write_json(to_json(model, file.gguf()));
  return {};
}

}  // namespace

void add_inspect(CLI::App& program, Commands& commands) {
  CLI::App* const parser =
      program.add_subcommand("inspect", "Show metadata, tensors and the memory estimate of a model; reads no weights");
  const auto options = std::make_shared<CommonOptions>();
  add_model_option(*parser, *options);
  parser->add_option("MODEL", options->model, "The model, a GGUF file (default: the embedded one)")->excludes("-m");
  add_context_option(*parser, *options);
  add_policy_options(*parser, options->policy);
  add_json_option(*parser, *options);
  commands.push_back({parser, [options](Process& process) { return run_inspect(*options, process); }});
}

}  // namespace fovea::cli
