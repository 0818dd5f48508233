// The bench of single kernels: its device and buffers, how it times, and what it times. Names of kernels tell their shapes.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "engine/gpu/device.hpp"
#include "engine/kernels/attention.hpp"
#include "engine/kernels/device_matrix.hpp"
#include "engine/kernels/dot.hpp"
#include "engine/kernels/kernel_recorder.hpp"
#include "engine/kernels/product_tile.hpp"
#include "engine/kernels/sparse_attention.hpp"
#include "engine/tensor/dtype.hpp"

namespace fovea {

struct BenchOptions {
  std::int32_t device = -1;
  std::uint64_t megabytes = 1024;  // of weights that the products walk through
  std::uint32_t repeats = 9;
  std::uint32_t warm_up = 300;  // ms
  std::vector<std::string> only;
  std::vector<std::string> match;  // parts of the names to time
};

class Bench {
 public:
  [[nodiscard]] static Result<Bench> create(const BenchOptions& options);
  [[nodiscard]] Result<void> run();

 private:
  explicit Bench(const BenchOptions& options) : options_(options) {}
  using Record = std::function<Result<void>(KernelRecorder&, std::uint32_t turn)>;

  // Whether kernels named PREFIX and this number can match: what they need takes seconds to make.
  [[nodiscard]] bool timed(const std::string& prefix, std::uint32_t number) const {
    return std::ranges::none_of(options_.match, [&](const std::string& part) { return part.starts_with(prefix) && part != prefix + std::to_string(number); });
  }
  [[nodiscard]] bool wanted(const std::string& part) const {
    return options_.only.empty() || std::ranges::find(options_.only, part) != options_.only.end();
  }
  [[nodiscard]] std::uint64_t region() const { return options_.megabytes << 20; }
  [[nodiscard]] Result<gpu::Buffer> filled(std::uint64_t bytes, std::uint32_t word, gpu::MemoryUse use);
  [[nodiscard]] Result<void> set_state(std::uint32_t position, std::uint32_t tokens);
  // `chain` recordings behind barriers, timed as one stretch; prints the median of the repeats. An idle GPU runs at a
  // fraction of its clock and takes its time to wake, so the stretch is repeated for a while before it counts.
  [[nodiscard]] Result<void> time(const std::string& name, std::uint32_t chain, double bytes, double operations, const Record& record);

  // Activations as decoding has them: words.
  [[nodiscard]] DotInput input() const { return {.address = input_.address(), .rounded = true}; }
  [[nodiscard]] DeviceMatrix matrix(DType type, std::uint32_t rows, std::uint32_t columns, std::uint32_t matrices = 1) const {
    return {weights_.address(), type, columns, rows, matrices, static_cast<std::uint32_t>(row_bytes(type, columns))};
  }
  // The matrix that turn `turn` reads, so that no two turns near one another read the same bytes.
  [[nodiscard]] DeviceMatrix at_turn(DeviceMatrix matrix, std::uint32_t turn) const {
    const std::uint64_t bytes = (matrix.matrix_bytes() * matrix.matrices + 255) / 256 * 256, places = region() / bytes;
    matrix.address += turn % std::max<std::uint64_t>(places, 1) * bytes;
    return matrix;
  }
  [[nodiscard]] std::uint32_t chain_of(double bytes) const {
    return static_cast<std::uint32_t>(std::clamp(static_cast<double>(region()) / bytes, 4.0, 100.0));
  }

  // kernel_bench.cpp
  [[nodiscard]] Result<void> steps();
  [[nodiscard]] Result<void> streams();

  // product_bench.cpp
  [[nodiscard]] Result<void> matvecs();
  // The products of a decoded token of llama-8b, and the like of smaller models, in other shapes and forms than the engine's:
  // subgroups of a workgroup, rows of each, workgroups at most, activations held in registers, weights through shared memory.
  [[nodiscard]] Result<void> product_shapes();
  // One token's feed-forward in other shapes.
  [[nodiscard]] Result<void> expert_shapes(std::uint32_t experts, std::uint32_t slots, std::uint32_t hidden, std::uint32_t width, const char* what);
  // One token's feed-forward: the router's logits are all equal, so that the first experts are chosen.
  [[nodiscard]] Result<void> experts();
  [[nodiscard]] Result<void> prefill();
  // What the prompt's products are made of: halves of activations and of weights, and tiles in every form and shape that
  // the device runs, of weights as stored and as halves.
  [[nodiscard]] Result<void> tiles();
  // `paired`: of gate and up, each of the size of `weights`.
  [[nodiscard]] Result<void> tile(const TileShape& shape, const DeviceMatrix& weights, std::uint32_t tokens, bool paired);

  // A prompt's experts in tiles of every form and shape: tokens choose evenly among them.
  [[nodiscard]] Result<void> expert_tiles();
  // What stands around these products.
  [[nodiscard]] Result<void> expert_steps(std::uint32_t experts, std::uint32_t slots, std::uint32_t hidden, std::uint32_t width, std::uint32_t tokens, const char* what);

  // choice_bench.cpp
  // A prompt's choice of experts under a policy, with and without a wished mean number, and the walk over numbers alone.
  [[nodiscard]] Result<void> expert_choice();

  // attention_bench.cpp
  // A layer's heads, and queries after `position` keys.
  struct PromptShape {
    std::uint32_t query_heads, kv_heads, width;
    const char* what;
  };
  struct Prompt {
    std::uint32_t position, tokens;
  };
  static constexpr std::array kPromptShapes{PromptShape{32, 8, 128, "llama-8b"}, PromptShape{32, 4, 128, "qwen3-30b-a3b"},
                                            PromptShape{16, 16, 128, "olmoe-1b-7b"}};
  // One layer of decode attention at a depth, over pages in the weights' region.
  [[nodiscard]] Result<void> attention();
  // One layer of prompt attention over pages in the weights' region; operations of the keys that queries see alone.
  [[nodiscard]] Result<void> prompt(const std::string& name, const PromptShape& shape, Prompt at, DType kv,
                                    const std::function<Result<void>(KernelRecorder&, const AttentionArgs&)>& record);
  // As the engine runs it, and one query an invocation.
  [[nodiscard]] Result<void> prompt_attention();
  // Tiles of all kinds that the device runs, also such as the engine does not choose.
  [[nodiscard]] Result<void> attention_tiles();

  // sparse_bench.cpp
  // Layers of a decoded token or a prompt with random bounds of pages and queries.
  struct SparseLayers;
  [[nodiscard]] Result<SparseLayers> sparse_layers(const PromptShape& shape, Prompt at);
  [[nodiscard]] PageChoiceArgs sparse_choice(const SparseLayers& layers, std::uint32_t turn, const PageRule& rule) const;
  // Runs it untimed.
  [[nodiscard]] Result<void> once(const Record& record);
  // Choices, attention over the pages chosen and dense attention, of a decoded token and of a prompt.
  [[nodiscard]] Result<void> sparse();
  [[nodiscard]] Result<void> sparse_decode(std::uint32_t depth);
  [[nodiscard]] Result<void> sparse_prompt(const PromptShape& shape, Prompt at);

  BenchOptions options_;
  bool dry_ = false, asleep_ = true;
  std::unique_ptr<gpu::Device> device_;
  gpu::Buffer weights_, input_, output_, scratch_, state_;
};

}  // namespace fovea
