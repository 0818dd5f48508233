#include "engine/session/escort.hpp"

#include <fmt/format.h>

#include <string>

#include "engine/io/shown_name.hpp"

namespace fovea {
namespace {

// One of several things of equal size that lie one after another.
std::span<const std::byte> one_of(std::span<const std::byte> all, std::uint32_t which, std::uint32_t count) {
  const std::size_t bytes = all.size() / count;
  return all.subspan(which * bytes, bytes);
}

// A tensor of one expert, or one row of a router: as long as the model's own would be.
Result<std::span<const std::byte>> read_one(const GgufFile& file, const std::string& name, const WeightView& own, bool row) {
  const std::string what = "side file " + shown_name(file.path().string());
  const auto refuse = [&](const std::string& why) {
    return fail(ErrorCode::format, what, why, "give one with the tensors of one expert in the model's own shapes and types");
  };
  const GgufTensor* tensor = file.gguf().find_tensor(name);
  if (tensor == nullptr) return refuse("it has no tensor " + name);
  const std::uint64_t rows = row ? 1 : own.rows;
  if (tensor->type != own.type || tensor->shape[0] != own.columns || tensor->shape[1] != rows || tensor->shape[2] != 1 || tensor->shape[3] != 1)
    return refuse(fmt::format("{} is not {} of {} by {}", name, fovea::name(own.type), own.columns, rows));
  return file.data(*tensor);
}

}  // namespace

Result<EscortWeights> escort_weights(const ExpertEscort& escort, const ModelWeights& model) {
  EscortWeights weights;
  if (!escort.file.empty()) {
    FOVEA_ASSIGN(weights.file, GgufFile::open(escort.file));
  }
  for (std::size_t layer = 0; layer < model.layers.size(); ++layer) {
    const LayerWeights& own = model.layers[layer];
    if (!own.router || (!weights.file && escort.copy_of >= own.gate.matrices))
      return fail(ErrorCode::usage, "the escort", fmt::format("the model has no expert {} to copy", escort.copy_of), "name one that it has");
    FurtherExpert expert;
    if (!weights.file) {
      const auto copy = [&](const WeightView& view) { return one_of(view.bytes, escort.copy_of, view.matrices); };
      expert = {copy(own.gate), copy(own.up), copy(own.down), one_of(own.router->bytes, escort.copy_of, own.router->rows)};
    } else {
      const auto take = [&](const char* name, const WeightView& view, bool row, std::span<const std::byte>& target) -> Result<void> {
        FOVEA_ASSIGN(target, read_one(*weights.file, fmt::format("blk.{}.{}.weight", layer, name), view, row));
        return {};
      };
      FOVEA_TRY(take("ffn_gate_exps", own.gate, false, expert.gate));
      FOVEA_TRY(take("ffn_up_exps", own.up, false, expert.up));
      FOVEA_TRY(take("ffn_down_exps", own.down, false, expert.down));
      FOVEA_TRY(take("ffn_gate_inp", *own.router, true, expert.router));
    }
    weights.layers.push_back(expert);
  }
  return weights;
}

}  // namespace fovea
