#include "engine/decoder/device_weights.hpp"

#include <algorithm>
#include <array>
#include <cmath>
#include <numbers>
#include <utility>

#include "engine/tensor/eight_rows.hpp"

namespace fovea {
namespace {

constexpr std::uint64_t kAlignment = 256;
constexpr std::uint64_t kBlockBytes = 256ull << 20;  // tensors share buffers of about this size
constexpr std::uint64_t kPadding = 64;               // kernels may read a few bytes past the last block of a row

// One tensor on its way: where its bytes come from and who is told the address.
struct Placement {
  std::span<const std::byte> bytes;
  std::uint64_t* address = nullptr;  // null: directly behind the one before, as further rows of its matrix
};

DeviceMatrix describe(const WeightView& view) {
  DeviceMatrix matrix;
  matrix.type = view.type;
  matrix.columns = view.columns;
  matrix.rows = view.rows;
  matrix.matrices = view.matrices;
  matrix.row_bytes = static_cast<std::uint32_t>(row_bytes(view.type, view.columns));
  return matrix;
}

// Collects what must be placed; addresses are filled in once the buffers exist.
class Placements {
 public:
  void matrix(DeviceMatrix& target, const WeightView& view) {
    target = describe(view);
    all_.push_back({view.bytes, &target.address});
  }
  // Matrices over the same input become one with all their rows where their types agree: one product instead of three.
  // `target` must not move afterwards.
  void stacked(std::vector<DeviceMatrix>& target, const std::array<const WeightView*, 3>& views) {
    const bool one = std::all_of(views.begin(), views.end(), [&](const WeightView* view) { return view->type == views[0]->type; });
    target.resize(one ? 1 : views.size());
    for (std::size_t i = 0; i < views.size(); ++i) {
      if (one && i > 0) {
        target[0].rows += views[i]->rows;
        all_.push_back({views[i]->bytes, nullptr});
      } else {
        matrix(target[i], *views[i]);
      }
    }
  }
  // One more matrix behind those that were placed last.
  void behind(std::span<const std::byte> bytes) { all_.push_back({bytes, nullptr}); }
  void vector(std::uint64_t& target, const WeightView& view) { all_.push_back({view.bytes, &target}); }
  void bytes(std::uint64_t& target, std::span<const std::byte> bytes) { all_.push_back({bytes, &target}); }

  [[nodiscard]] Result<std::vector<gpu::Buffer>> place(gpu::Device& device, const std::function<void(double)>& progress,
                                                       const std::stop_token& stop) const {
    std::uint64_t total = 0, done = 0;
    for (const Placement& placement : all_) total += placement.bytes.size();
    std::vector<gpu::Buffer> buffers;
    for (std::size_t first = 0; first < all_.size();) {
      // Offsets of as many placements as share one buffer; a stack of rows stays together.
      std::vector<std::uint64_t> offsets;
      std::uint64_t size = 0;
      for (std::size_t i = first; i < all_.size(); ++i) {
        const bool follows = all_[i].address == nullptr;
        if (!follows && !offsets.empty() && size + all_[i].bytes.size() > kBlockBytes) break;
        offsets.push_back(follows ? offsets.back() + all_[i - 1].bytes.size() : size);
        size = (offsets.back() + all_[i].bytes.size() + kPadding + kAlignment - 1) / kAlignment * kAlignment;
      }
      FOVEA_ASSIGN(gpu::Buffer buffer, device.create_buffer(size, gpu::MemoryUse::weights));
      for (const std::uint64_t offset : offsets) {
        if (stop.stop_requested()) return fail(ErrorCode::cancelled, "loading the model", "it was stopped", "open it again when wanted");
        const Placement& placement = all_[first++];
        FOVEA_TRY(device.upload(buffer, offset, placement.bytes));
        if (placement.address != nullptr) *placement.address = buffer.address() + offset;
        done += placement.bytes.size();
        if (progress) progress(static_cast<double>(done) / static_cast<double>(total));
      }
      buffers.push_back(std::move(buffer));
    }
    return buffers;
  }

 private:
  std::vector<Placement> all_;
};

}  // namespace

std::vector<std::uint64_t> rope_turns(const ModelConfig& config) {
  const std::uint32_t pairs = config.rope_width / 2;
  std::vector<std::uint64_t> turns(pairs);
  for (std::uint32_t i = 0; i < pairs; ++i) {
    const double factor = config.rope_factors.empty() ? 1.0 : static_cast<double>(config.rope_factors[i]);
    const double frequency = std::pow(static_cast<double>(config.rope_base), -2.0 * i / config.rope_width) /
                             (static_cast<double>(config.rope_scale) * factor);
    const double turn = frequency / (2.0 * std::numbers::pi);
    turns[i] = static_cast<std::uint64_t>(std::ldexp(turn - std::floor(turn), 64));
  }
  return turns;
}

Result<DeviceWeights> DeviceWeights::upload(gpu::Device& device, const ModelConfig& config, const ModelWeights& weights,
                                            const std::function<void(double)>& progress, std::stop_token stop,
                                            std::span<const FurtherExpert> further, bool output_in_eights) {
  DeviceWeights result;
  Placements placements;
  placements.matrix(result.token_embedding, weights.token_embedding);
  placements.vector(result.output_norm, weights.output_norm);
  if (!config.tied_output) placements.matrix(result.output, weights.output);
  std::vector<std::byte> eights;
  const WeightView& output = config.tied_output ? weights.token_embedding : weights.output;
  if (output_in_eights && lies_in_eights(output.type, output.columns, output.rows)) {
    eights.resize(eight_rows_bytes(output.columns, output.rows));
    lay_in_eights(output.bytes, output.columns, output.rows, eights);
    result.output_eights = {.columns = output.columns, .rows = output.rows};
    placements.bytes(result.output_eights.address, eights);
  }
  const std::vector<std::uint64_t> turns = rope_turns(config);
  placements.bytes(result.turns, std::as_bytes(std::span(turns)));
  result.layers.resize(weights.layers.size());
  for (std::size_t i = 0; i < weights.layers.size(); ++i) {
    const LayerWeights& from = weights.layers[i];
    DeviceLayer& to = result.layers[i];
    placements.vector(to.attention_norm, from.attention_norm);
    placements.vector(to.feed_forward_norm, from.feed_forward_norm);
    if (from.query_norm) placements.vector(to.query_norm, *from.query_norm);
    if (from.key_norm) placements.vector(to.key_norm, *from.key_norm);
    placements.stacked(to.qkv, {&from.query, &from.key, &from.value});
    placements.matrix(to.attention_output, from.attention_output);
    if (from.router) placements.matrix(to.router, *from.router);
    if (!further.empty()) {
      placements.behind(further[i].router);
      ++to.router.rows;
    }
    const auto experts = [&](DeviceMatrix& target, const WeightView& view, std::span<const std::byte> FurtherExpert::* one) {
      placements.matrix(target, view);
      if (further.empty()) return;
      placements.behind(further[i].*one);
      ++target.matrices;
    };
    experts(to.gate, from.gate, &FurtherExpert::gate);
    experts(to.up, from.up, &FurtherExpert::up);
    experts(to.down, from.down, &FurtherExpert::down);
    if (from.gate.type != from.up.type)
      return fail(ErrorCode::unsupported, "layer " + std::to_string(i),
                  "its gate weights are " + std::string(name(from.gate.type)) + " and its up weights " + std::string(name(from.up.type)),
                  "use a file in which both have one type");
  }
  FOVEA_ASSIGN(result.blocks_, placements.place(device, progress, stop));
  if (config.tied_output) result.output = result.token_embedding;
  return result;
}

}  // namespace fovea
