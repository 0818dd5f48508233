// Times single kernels on a device, from its own timestamps: what a step costs, what memory gives, and what fraction of it
// each product reaches. Weights are read from a region larger than any cache, one matrix after another.
//
//   kernel_bench [--device N] [--megabytes M] [--repeats R] [--warm-up MS] [--only step,stream,matvec,shapes,experts,prefill,tiles,attention,
//                prompt-attention,attention-tiles] [--match PART,...]
#include <fmt/format.h>

#include <CLI/CLI.hpp>
#include <algorithm>
#include <array>
#include <chrono>
#include <functional>
#include <span>
#include <string>
#include <utility>
#include <vector>

#include "engine/kernels/attention.hpp"
#include "engine/kernels/attention_tile.hpp"
#include "engine/kernels/dot.hpp"
#include "engine/kernels/experts.hpp"
#include "engine/kernels/linear.hpp"
#include "engine/kernels/product_tile.hpp"
#include "engine/tensor/kv_row.hpp"
#include "shaders/interface/kv_page.h"
#include "shaders/interface/product_tile.h"
#include "shaders/interface/step_state.h"

namespace fovea {
namespace {

struct Options {
  std::int32_t device = -1;
  std::uint64_t megabytes = 1024;  // of weights that the products walk through
  std::uint32_t repeats = 9;
  std::uint32_t warm_up = 300;  // ms
  std::vector<std::string> only;
  std::vector<std::string> match;  // parts of the names to time
};

struct StreamReadPush {
  std::uint64_t data, out;
  std::uint32_t vectors;
};
struct AffinePush {
  std::uint64_t data, count;
  std::uint32_t factor, addend, step, repeat;
};

class Bench {
 public:
  static Result<Bench> create(const Options& options) {
    Bench bench(options);
    FOVEA_ASSIGN(bench.device_, gpu::Device::create({.index = options.device}));
    if (!bench.device_->facts().timestamps)
      return fail(ErrorCode::unsupported, "the device", "it has no timestamps on its compute queue", "choose another with --device");
    FOVEA_ASSIGN(bench.weights_, bench.filled(bench.region(), 0x2C2C2C2Cu, gpu::MemoryUse::weights));
    FOVEA_ASSIGN(bench.input_, bench.filled(std::uint64_t{64} << 20, 0x3F000000u, gpu::MemoryUse::compute));
    FOVEA_ASSIGN(bench.output_, bench.filled(std::uint64_t{256} << 20, 0, gpu::MemoryUse::compute));
    FOVEA_ASSIGN(bench.scratch_, bench.filled(std::uint64_t{128} << 20, 0, gpu::MemoryUse::compute));
    FOVEA_ASSIGN(bench.state_, bench.device_->create_buffer(sizeof(shader::StepState), gpu::MemoryUse::upload));
    return bench;
  }

  Result<void> run() {
    fmt::print("{} ({}), {} MiB of weights\n\n| kernel | us | GB/s | TFLOP/s |\n|---|---|---|---|\n", device_->facts().name,
               device_->facts().driver, options_.megabytes);
    // Twice: first all pipelines are made, so that the GPU is never idle between two kernels that are timed.
    for (const bool dry : {true, false}) {
      dry_ = dry;
      if (wanted("step")) FOVEA_TRY(steps());
      if (wanted("stream")) FOVEA_TRY(streams());
      if (wanted("matvec")) FOVEA_TRY(matvecs());
      if (wanted("experts")) FOVEA_TRY(experts());
      if (wanted("shapes")) FOVEA_TRY(product_shapes());
      if (wanted("prefill")) FOVEA_TRY(prefill());
      if (wanted("tiles")) FOVEA_TRY(tiles());
      if (wanted("attention")) FOVEA_TRY(attention());
      if (wanted("prompt-attention")) FOVEA_TRY(prompt_attention());
      if (wanted("attention-tiles")) FOVEA_TRY(attention_tiles());
    }
    return {};
  }

 private:
  explicit Bench(const Options& options) : options_(options) {}
  using Record = std::function<Result<void>(KernelRecorder&, std::uint32_t turn)>;

  [[nodiscard]] bool wanted(const std::string& part) const {
    return options_.only.empty() || std::ranges::find(options_.only, part) != options_.only.end();
  }
  [[nodiscard]] std::uint64_t region() const { return options_.megabytes << 20; }

  Result<gpu::Buffer> filled(std::uint64_t bytes, std::uint32_t word, gpu::MemoryUse use) {
    FOVEA_ASSIGN(gpu::Buffer buffer, device_->create_buffer(bytes, use));
    if (word == 0) return buffer;  // buffers come zero-filled
    FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
    recorder.fill(buffer, 0, bytes, word);
    FOVEA_ASSIGN(const gpu::CommandPlan plan, recorder.finish());
    FOVEA_ASSIGN(const std::uint64_t ticket, device_->submit(plan));
    FOVEA_TRY(device_->wait(ticket));
    return buffer;
  }

  Result<void> set_state(std::uint32_t position, std::uint32_t tokens) {
    shader::StepState state{};
    state.position = position;
    state.tokens = tokens;
    return device_->upload(state_, 0, std::as_bytes(std::span(&state, 1)));
  }

  // `chain` recordings behind barriers, timed as one stretch; prints the median of the repeats. An idle GPU runs at a
  // fraction of its clock and takes its time to wake, so the stretch is repeated for a while before it counts.
  Result<void> time(const std::string& name, std::uint32_t chain, double bytes, double operations, const Record& record) {
    if (!std::ranges::all_of(options_.match, [&](const std::string& part) { return name.find(part) != std::string::npos; })) return {};
    FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
    recorder.time_tags();
    recorder.tag("timed");
    KernelRecorder kernels(*device_, recorder);
    for (std::uint32_t turn = 0; turn < chain; ++turn) {
      FOVEA_TRY(record(kernels, turn));
      recorder.barrier();
    }
    FOVEA_ASSIGN(const gpu::CommandPlan plan, recorder.finish());
    if (dry_) return {};
    std::vector<double> measured;
    // The first of all wakes the GPU.
    const auto awake = std::chrono::steady_clock::now() + std::chrono::milliseconds(std::exchange(asleep_, false) ? 400 + options_.warm_up : options_.warm_up);
    for (bool first = true; first || measured.size() < options_.repeats; first = false) {
      FOVEA_ASSIGN(const std::uint64_t ticket, device_->submit(plan));
      FOVEA_TRY(device_->wait(ticket));
      FOVEA_ASSIGN(const std::vector<gpu::TagTime> times, plan.times());
      if (!first && std::chrono::steady_clock::now() >= awake) measured.push_back(times.front().microseconds / chain);
    }
    std::ranges::nth_element(measured, measured.begin() + static_cast<std::ptrdiff_t>(measured.size() / 2));
    const double us = measured[measured.size() / 2];
    fmt::print("| {} | {:.2f} | {} | {} |\n", name, us, bytes > 0 ? fmt::format("{:.1f}", bytes / us / 1e3) : "",
               operations > 0 ? fmt::format("{:.2f}", operations / us / 1e6) : "");
    std::fflush(stdout);
    return {};
  }

  Result<void> steps() {
    for (const std::uint32_t groups : {1u, 132u, 1056u})
      FOVEA_TRY(time(fmt::format("chained step, {} workgroups", groups), 200, 0, 0, [&](KernelRecorder& kernels, std::uint32_t) {
        return kernels.dispatch(ShaderId::test_affine, {kernels.subgroup()},
                                AffinePush{output_.address(), std::uint64_t{groups} * kernels.subgroup(), 3, 1, 1, 1}, groups);
      }));
    // The same with workgroups counted on the device, as grouped experts are: the barrier then waits for that reader too.
    FOVEA_ASSIGN(const gpu::Buffer counts, device_->create_buffer(256, gpu::MemoryUse::upload));
    constexpr std::array<std::uint32_t, 3> kGroups{132, 1, 1};
    FOVEA_TRY(device_->upload(counts, 0, std::as_bytes(std::span(kGroups))));
    return time("chained step, 132 workgroups, indirect", 200, 0, 0, [&](KernelRecorder& kernels, std::uint32_t) {
      return kernels.dispatch_indirect(ShaderId::test_affine, {kernels.subgroup()},
                                       AffinePush{output_.address(), std::uint64_t{132} * kernels.subgroup(), 3, 1, 1, 1}, counts, 0);
    });
  }

  Result<void> streams() {
    for (const std::uint64_t bytes : {std::uint64_t{2} << 20, std::uint64_t{32} << 20, std::uint64_t{128} << 20}) {
      if (bytes > region()) continue;
      const auto pieces = static_cast<std::uint32_t>(region() / bytes);
      for (const std::uint32_t local : {128u, 256u})
        for (const std::uint32_t groups : {1056u, 2112u})
          FOVEA_TRY(time(fmt::format("read {} MiB, {} x {}", bytes >> 20, groups, local), std::max(pieces, 8u),
                         static_cast<double>(bytes), 0, [&](KernelRecorder& kernels, std::uint32_t turn) {
                           return kernels.dispatch(ShaderId::test_stream_read, {local},
                                                   StreamReadPush{weights_.address() + turn % pieces * bytes, output_.address(),
                                                                  static_cast<std::uint32_t>(bytes / 16)},
                                                   groups);
                         }));
    }
    return {};
  }

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

  Result<void> matvecs() {
    struct Shape {
      std::uint32_t rows, columns;
      const char* what;
    };
    constexpr std::array kShapes{Shape{4096, 4096, "4096 x 4096"}, Shape{14336, 4096, "14336 x 4096"},
                                 Shape{4096, 14336, "4096 x 14336"}, Shape{151936, 2048, "151936 x 2048"},
                                 Shape{5120, 2048, "5120 x 2048"}};
    FOVEA_TRY(set_state(0, 1));
    for (const DType type : {DType::Q4_K, DType::Q5_K, DType::Q6_K, DType::Q8_0, DType::Q4_0, DType::Q5_0})
      for (const Shape& shape : kShapes) {
        const DeviceMatrix weights = matrix(type, shape.rows, shape.columns);
        if (weights.matrix_bytes() > region() || (type != DType::Q4_K && shape.rows == 5120)) continue;
        const auto bytes = static_cast<double>(weights.matrix_bytes());
        if (device_->facts().integer_dot)
          FOVEA_TRY(time(fmt::format("{} dot, {}", name(type), shape.what), chain_of(bytes), bytes, 0,
                         [&](KernelRecorder& kernels, std::uint32_t turn) {
                           return record_matvec_dot(kernels, {.weights = at_turn(weights, turn), .x = input(),
                                                              .y = output_.address()});
                         }));
        if (type == DType::Q4_K || type == DType::Q8_0)
          FOVEA_TRY(time(fmt::format("{} float, {}", name(type), shape.what), chain_of(bytes), bytes, 0,
                         [&](KernelRecorder& kernels, std::uint32_t turn) {
                           return record_matmul(kernels, {.weights = at_turn(weights, turn), .x = input_.address(), .y = output_.address(),
                                                          .state = state_.address(), .x_stride = shape.columns, .y_stride = shape.rows});
                         }));
      }
    return {};
  }

  // Decode products in other shapes than the engine's: subgroups of a workgroup, rows of each, workgroups at most, whether
  // the next weights are asked for early, and activations rounded by the workgroup or before.
  Result<void> product_shapes() {
    struct Shape {
      DType type;
      std::uint32_t rows, columns;
    };
    constexpr std::array kShapes{Shape{DType::Q4_K, 4096, 4096}, Shape{DType::Q4_K, 2048, 2048}, Shape{DType::Q4_K, 28672, 4096}, Shape{DType::Q6_K, 151936, 2048},
                                 Shape{DType::Q6_K, 4096, 14336}};
    constexpr std::uint32_t kUnlimited = 1u << 20;
    for (const Shape& shape : kShapes)
      for (const std::uint32_t subgroups : {2u, 4u, 8u, 16u})
        for (const std::uint32_t rows : {1u, 2u})
          for (const std::uint32_t most : {264u, 528u, 1056u, kUnlimited})
            for (const bool ahead : {false, true})
              for (const bool staged : {false, true}) {
                const std::uint32_t groups = (shape.rows + subgroups * rows - 1) / (subgroups * rows);
                if (staged || (most != 264 && groups <= most / 2) || (ahead && groups <= most && shape.columns <= 2048)) continue;
                if ((staged && (most == kUnlimited || shape.columns > 8192) && groups > 1056)) continue;
                const DeviceMatrix weights = matrix(shape.type, shape.rows, shape.columns);
                const auto bytes = static_cast<double>(weights.matrix_bytes());
                FOVEA_TRY(time(fmt::format("{} {} x {}: {} subgroups, {} rows, {} groups{}{}", name(shape.type), shape.rows, shape.columns,
                                           subgroups, rows, std::min(groups, most), ahead ? ", ahead" : "", staged ? ", staged" : ""),
                               chain_of(bytes), bytes, 0, [&](KernelRecorder& kernels, std::uint32_t turn) {
                                 return kernels.dispatch(
                                     shader_for(ShaderId::matvec_dot_Q8_0, shape.type, DType::Q8_0),
                                     {subgroups * kernels.subgroup(), shape.columns, rows, 1u, staged ? 1u : 0u, 0u, ahead ? 1u : 0u},
                                     shader::MatvecDotPush{.weights = at_turn(weights, turn).address, .x = input_.address(),
                                                           .y = output_.address(), .rows = shape.rows, .row_bytes = weights.row_bytes},
                                     std::min(groups, most));
                               }));
              }
    return {};
  }

  // One token's feed-forward in other shapes.
  Result<void> expert_shapes(std::uint32_t experts, std::uint32_t slots, std::uint32_t hidden, std::uint32_t width, const char* what) {
    const DeviceMatrix router = matrix(DType::F32, experts, width);
    const auto router_bytes = static_cast<double>(router.matrix_bytes());
    FOVEA_TRY(time(fmt::format("router {}", what), 100, router_bytes, 0, [&](KernelRecorder& kernels, std::uint32_t turn) {
      return record_matmul(kernels, {.weights = at_turn(router, turn), .x = input_.address(), .y = output_.address(), .state = state_.address(),
                                     .x_stride = width, .y_stride = experts, .norm = {.weight = input_.address(), .epsilon = 1e-6f}});
    }));
    const DeviceMatrix gate = matrix(DType::Q4_K, hidden, width, slots), down = matrix(DType::Q6_K, width, hidden, slots);
    const double gate_bytes = 2.0 * static_cast<double>(gate.matrix_bytes()) * slots,
                 down_bytes = static_cast<double>(down.matrix_bytes()) * slots;
    for (const std::uint32_t subgroups : {4u, 8u, 16u, 32u})
      for (const std::uint32_t rows : {1u, 2u})
        for (const bool ahead : {false, true})
          for (const std::uint32_t staged : {0u, 1u}) {
            constexpr std::uint32_t mode = 3;
            const std::uint32_t turns = 32 / (subgroups * rows);
            if (turns == 0 || subgroups * device_->facts().subgroup > device_->facts().max_workgroup_invocations) continue;
            FOVEA_TRY(time(fmt::format("gate+up {}: {} subgroups, {} rows, {} turns{}{}", what, subgroups, rows, turns, ahead ? ", ahead" : "",
                                       staged == 1 ? ", staged" : ""),
                           chain_of(gate_bytes), gate_bytes, 0, [&](KernelRecorder& kernels, std::uint32_t turn) {
                             return kernels.dispatch(
                                 ShaderId::gate_up_dot_Q4_K,
                                 {subgroups * kernels.subgroup(), width, rows, 1u, staged, 1u, mode, slots, experts, 1u, kernels.subgroup(), 1u,
                                  turns, ahead ? 1u : 0u},
                                 shader::GateUpDotPush{.gate = at_turn(gate, 2 * turn).address, .up = at_turn(gate, 2 * turn + 1).address,
                                                       .x = input_.address(), .act = output_.address(), .experts = scratch_.address(),
                                                       .norm = input_.address(), .logits = scratch_.address() + 8192,
                                                       .weights = scratch_.address() + 4096, .rows = hidden, .row_bytes = gate.row_bytes,
                                                       .expert_bytes_low = gate.matrix_bytes_low(), .y_stride = q8_words(hidden)},
                                 (hidden + 31) / 32, slots);
                           }));
          }
    for (const std::uint32_t subgroups : {4u, 8u, 16u, 32u})
      for (const std::uint32_t rows : {1u, 2u})
        for (const std::uint32_t items : {1u, 2u, 4u}) {
          const std::uint32_t rounds = subgroups * rows == 32 ? 1 : 0;
          FOVEA_TRY(time(fmt::format("down {}: {} subgroups, {} rows, {} items{}", what, subgroups, rows, items, rounds == 1 ? ", rounded" : ""), chain_of(down_bytes), down_bytes, 0,
                         [&](KernelRecorder& kernels, std::uint32_t turn) {
                           return kernels.dispatch(
                               ShaderId::expert_down_dot_Q6_K, {subgroups * kernels.subgroup(), hidden, rows, 1u, slots, items, rounds},
                               shader::DownDotPush{.down = at_turn(down, turn).address, .act = input_.address(), .y = output_.address(),
                                                   .experts = scratch_.address(), .weights = scratch_.address() + 4096,
                                                   .next = scratch_.address() + (1u << 20), .next_norm = input_.address(), .rows = width,
                                                   .row_bytes = down.row_bytes, .expert_bytes_low = down.matrix_bytes_low(),
                                                   .act_stride = q8_words(hidden)},
                               (width + subgroups * rows - 1) / (subgroups * rows));
                         }));
        }
    return {};
  }

  // One token's feed-forward: the router's logits are all equal, so that the first experts are chosen.
  Result<void> experts() {
    struct Shape {
      std::uint32_t experts, slots, hidden, width;
      const char* what;
    };
    constexpr std::array kShapes{Shape{64, 8, 1024, 2048, "olmoe-1b-7b"}, Shape{128, 8, 768, 2048, "qwen3-30b-a3b"}};
    FOVEA_TRY(set_state(0, 1));
    if (!device_->facts().integer_dot) return {};
    if (options_.only.size() == 1) FOVEA_TRY(expert_shapes(64, 8, 1024, 2048, "olmoe"));
    for (const Shape& shape : kShapes) {
      const DeviceMatrix gate = matrix(DType::Q4_K, shape.hidden, shape.width, shape.slots),
                         down = matrix(DType::Q6_K, shape.width, shape.hidden, shape.slots);
      const double gate_bytes = 2.0 * static_cast<double>(gate.matrix_bytes()) * shape.slots,
                   down_bytes = static_cast<double>(down.matrix_bytes()) * shape.slots;
      const ExpertBatch batch{.mode = ExpertMode::routed, .slots = shape.slots, .experts = scratch_.address(),
                              .weights = scratch_.address() + 4096, .logits = scratch_.address() + 8192,
                              .expert_count = shape.experts, .state = state_.address()};
      FOVEA_TRY(time(fmt::format("gate+up Q4_K, {}", shape.what), chain_of(gate_bytes), gate_bytes, 0,
                     [&](KernelRecorder& kernels, std::uint32_t turn) {
                       return record_gate_up_dot(kernels, batch, {.gate = at_turn(gate, 2 * turn), .up = at_turn(gate, 2 * turn + 1),
                                                                  .x = input(), .act = output_.address(),
                                                                  .act_stride = shape.hidden});
                     }));
      FOVEA_TRY(time(fmt::format("down Q6_K, {}", shape.what), chain_of(down_bytes), down_bytes, 0,
                     [&](KernelRecorder& kernels, std::uint32_t turn) {
                       return record_expert_down_dot(kernels, batch, {.down = at_turn(down, turn), .act = input_.address(),
                                                                      .x = output_.address(), .act_stride = shape.hidden});
                     }));
    }
    return {};
  }

  Result<void> prefill() {
    for (const std::uint32_t tokens : {128u, 512u, 2048u}) {
      FOVEA_TRY(set_state(0, tokens));
      for (const auto& [rows, columns] : {std::pair{4096u, 4096u}, std::pair{14336u, 4096u}, std::pair{5120u, 2048u}}) {
        const DeviceMatrix weights = matrix(DType::Q4_K, rows, columns);
        if (std::uint64_t{tokens} * rows * sizeof(float) > output_.bytes() || weights.matrix_bytes() > region()) continue;
        FOVEA_TRY(time(fmt::format("Q4_K product, {} x {}, {} tokens", rows, columns, tokens), 4, 0, 2.0 * rows * columns * tokens,
                       [&](KernelRecorder& kernels, std::uint32_t turn) {
                         return record_matmul(kernels, {.weights = at_turn(weights, turn), .x = input_.address(),
                                                        .y = output_.address(), .state = state_.address(),
                                                        .x_stride = columns, .y_stride = rows, .tokens = tokens,
                                                        .unpacked = {scratch_.address(), scratch_.bytes()},
                                                        .halves = takes_tiles(kernels, weights, tokens) ? input_.address() : 0});
                       }));
      }
    }
    return {};
  }

  // What the prompt's products are made of: halves of activations and of weights, and tiles in every form and shape that
  // the device runs, of weights as stored and as halves.
  Result<void> tiles() {
    constexpr std::uint32_t kTokens = 2048, kRows = 4096, kColumns = 4096;
    FOVEA_TRY(set_state(0, kTokens));
    FOVEA_TRY(time(fmt::format("halves of activations, {} x {}", kTokens, kColumns), 8, 6.0 * kTokens * kColumns, 0,
                   [&](KernelRecorder& kernels, std::uint32_t) {
                     return record_half_rows(kernels, kTokens, {.x = input_.address(), .y = output_.address(), .state = state_.address(),
                                                                .columns = kColumns, .x_stride = kColumns, .slots = 1});
                   }));
    FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
    const KernelRecorder shapes(*device_, recorder);
    for (const DType type : {DType::F16, DType::Q4_K, DType::Q6_K}) {
      const DeviceMatrix weights = matrix(type, kRows, kColumns);
      if (type != DType::F16)
        FOVEA_TRY(time(fmt::format("{} halves of weights, {} x {}", name(type), kRows, kColumns), 8,
                       2.0 * kRows * kColumns + static_cast<double>(weights.matrix_bytes()), 0,
                       [&](KernelRecorder& kernels, std::uint32_t turn) {
                         return record_half_weights(kernels, at_turn(weights, turn), output_.address());
                       }));
      for (const TileForm form : {TileForm::workgroup_matrices, TileForm::subgroup_matrices})
        for (const TileShape& shape : tile_shapes(shapes, form)) {
          FOVEA_TRY(tile(shape, weights, kTokens, false));
          if (type == DType::Q4_K) FOVEA_TRY(tile(shape, weights, kTokens, true));
        }
    }
    return {};
  }

  // `paired`: of gate and up, each of the size of `weights`.
  Result<void> tile(const TileShape& shape, const DeviceMatrix& weights, std::uint32_t tokens, bool paired) {
    if (!device_->facts().cooperative_matrix) return {};
    const std::string name =
        fmt::format("{}{} tile {} x {} by {} of {}, depth {}", fovea::name(weights.type), paired ? " gate+up" : "", shape.rows, shape.tokens,
                    shape.form == TileForm::workgroup_matrices ? "a workgroup" : fmt::format("parts {} x {}", shape.part_rows, shape.part_tokens),
                    shape.invocations, shape.depth);
    return time(name, 4, 0, (paired ? 4.0 : 2.0) * weights.rows * weights.columns * tokens, [&](KernelRecorder& kernels, std::uint32_t turn) {
      return record_dense_tiles(kernels, shape, weights.type, tokens,
                                {.weights = at_turn(weights, 2 * turn).address, .up = paired ? at_turn(weights, 2 * turn + 1).address : 0,
                                 .x = input_.address(), .y = output_.address(), .state = state_.address(), .columns = weights.columns,
                                 .rows = weights.rows, .row_bytes = weights.row_bytes, .y_stride = weights.rows, .slots = 1});
    });
  }

  // One layer of decode attention at a depth, over pages in the weights' region.
  Result<void> attention() {
    struct Shape {
      std::uint32_t query_heads, kv_heads, width;
      const char* what;
    };
    constexpr std::array kShapes{Shape{32, 4, 128, "qwen3-30b-a3b"}, Shape{16, 16, 128, "olmoe-1b-7b"}};
    for (const std::uint32_t depth : {128u, 512u, 8192u, 32768u})
      for (const Shape& shape : kShapes) {
        const std::uint64_t page = std::uint64_t{2} * shape.kv_heads * shader::kPageKeys * shape.width * 2;
        const std::uint32_t pages = depth / shader::kPageKeys + 1;
        const auto layers = static_cast<std::uint32_t>(std::min<std::uint64_t>(region() / (pages * page), 8));
        if (layers == 0) continue;
        std::vector<std::uint64_t> addresses(std::size_t{pages} * layers);
        for (std::size_t i = 0; i < addresses.size(); ++i) addresses[i] = weights_.address() + i * page;
        FOVEA_ASSIGN(const gpu::Buffer table, device_->create_buffer(addresses.size() * sizeof(std::uint64_t), gpu::MemoryUse::upload));
        FOVEA_TRY(device_->upload(table, 0, std::as_bytes(std::span(addresses))));
        FOVEA_TRY(set_state(depth - 1, 1));
        const std::uint32_t group = shape.query_heads / shape.kv_heads, suitable = attention_splits(device_->facts(), shape.kv_heads);
        struct Form {
          std::uint32_t heads, least_pages, splits;
          bool early;
        };
        std::vector<Form> forms{{}};  // the engine's own first
        for (const std::uint32_t heads : {1u, 2u, 4u, 8u})
          for (const std::uint32_t least_pages : depth < kDeepAttention ? std::vector{2u, 4u, 8u} : std::vector{4u})
            for (const std::uint32_t splits : depth < kDeepAttention ? std::vector{suitable} : std::vector{32u, 48u, 64u, 96u, 128u})
              for (const bool early : {false, true})
                if (heads <= group && splits * shape.kv_heads <= 1024) forms.push_back({heads, least_pages, splits, early});
        for (const Form& form : forms) {
          const bool suits = form.heads == 0;
          FOVEA_TRY(time(fmt::format("decode attention f16, {}, depth {}{}", shape.what, depth,
                                     suits ? "" : fmt::format(", {} heads, {} pages, {} splits{}", form.heads, form.least_pages, form.splits,
                                                              form.early ? ", early" : "")),
                         4 * layers, static_cast<double>(depth) / shader::kPageKeys * static_cast<double>(page), 0,
                         [&](KernelRecorder& kernels, std::uint32_t turn) {
                           const AttentionShape attention{.query_heads = shape.query_heads, .kv_heads = shape.kv_heads,
                                                          .head_width = shape.width,
                                                          .pages = table.address() + std::uint64_t{turn % layers} * pages * 8,
                                                          .state = state_.address()};
                           const std::uint64_t values = scratch_.address(), partial = values + (std::uint64_t{12} << 20),
                                               arrived = values + (std::uint64_t{14} << 20);
                           const std::uint32_t width = shape.query_heads * shape.width;
                           if (takes_rope_attention(kernels, attention))
                             return record_rope_attention(
                                 kernels, {.rope = {.shape = attention, .qkv = input_.address(), .query_norm = input_.address(),
                                                    .key_norm = input_.address(), .turns = input_.address(),
                                                    .qkv_stride = width + 2 * shape.kv_heads * shape.width,
                                                    .rope_width = shape.width, .norm = group == 1 ? 2u : 1u, .epsilon = 1e-6f},
                                           .y = output_.address(), .values = values, .partial = partial, .arrived = arrived,
                                           .splits = suits ? suitable : form.splits,
                                           .deep = depth >= kDeepAttention,
                                           .heads = form.heads,
                                           .least_pages = form.least_pages,
                                           .early = suits ? std::nullopt : std::optional(form.early)});
                           return record_attention_decode(kernels, {.shape = attention, .query = input_.address(),
                                                                    .y = output_.address(), .y_stride = width,
                                                                    .values = values, .partial = partial});
                         }));
        }
      }
    return {};
  }

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

  // One layer of prompt attention over pages in the weights' region; operations of the keys that queries see alone.
  Result<void> prompt(const std::string& name, const PromptShape& shape, Prompt at, DType kv,
                      const std::function<Result<void>(KernelRecorder&, const AttentionArgs&)>& record) {
    const std::uint64_t page = std::uint64_t{2} * shape.kv_heads * shader::kPageKeys * kv_row_bytes(kv, shape.width);
    const std::uint32_t pages = (at.position + at.tokens) / shader::kPageKeys + 1, width = shape.query_heads * shape.width;
    if (pages * page > region() || std::uint64_t{at.tokens} * width * sizeof(float) > input_.bytes()) return {};
    std::vector<std::uint64_t> addresses(pages);
    for (std::size_t i = 0; i < addresses.size(); ++i) addresses[i] = weights_.address() + i * page;
    FOVEA_ASSIGN(const gpu::Buffer table, device_->create_buffer(addresses.size() * sizeof(std::uint64_t), gpu::MemoryUse::upload));
    FOVEA_TRY(device_->upload(table, 0, std::as_bytes(std::span(addresses))));
    FOVEA_TRY(set_state(at.position, at.tokens));
    const double seen = static_cast<double>(at.tokens) * (at.position + (at.tokens + 1) / 2.0);
    return time(fmt::format("{}, {} {}, {} tokens at {}", name, shape.what, fovea::name(kv), at.tokens, at.position), 4, 0,
                4.0 * shape.query_heads * shape.width * seen, [&](KernelRecorder& kernels, std::uint32_t) {
                  return record(kernels, {.shape = {.query_heads = shape.query_heads, .kv_heads = shape.kv_heads,
                                                    .head_width = shape.width, .tokens = at.tokens,
                                                    .pages = table.address(), .state = state_.address(), .kv = kv},
                                          .query = input_.address(), .y = output_.address(), .y_stride = width});
                });
  }

  // As the engine runs it, and one query an invocation.
  Result<void> prompt_attention() {
    for (const PromptShape& shape : kPromptShapes)
      FOVEA_TRY(prompt("a query an invocation", shape, {0, 512}, DType::F16,
                       [&](KernelRecorder& kernels, const AttentionArgs& args) {
                         KernelRecorder others(*device_, kernels.plan(), ProductForm::cpu);
                         return record_attention_prefill(others, args);
                       }));
    for (const PromptShape& shape : kPromptShapes)
      for (const Prompt at : {Prompt{0, 512}, Prompt{0, 2048}, Prompt{0, 4096}, Prompt{10240, 512}, Prompt{32768, 512}})
        for (const DType kv : {DType::F16, DType::Q8_0})
          FOVEA_TRY(prompt("prompt attention", shape, at, kv, record_attention_prefill));
    return {};
  }

  // Tiles of all kinds that the device runs, also such as the engine does not choose.
  Result<void> attention_tiles() {
    using Matrix = AttentionMatrix;
    constexpr std::array kTiles{
        AttentionTile{Matrix::nv2, 4, 32},  AttentionTile{Matrix::nv2, 4, 64},  AttentionTile{Matrix::nv2, 6, 64},
        AttentionTile{Matrix::nv2, 8, 32},  AttentionTile{Matrix::nv2, 8, 64},  AttentionTile{Matrix::nv2, 10, 64},
        AttentionTile{Matrix::nv2, 12, 64}, AttentionTile{Matrix::khr, 4, 32},  AttentionTile{Matrix::khr, 8, 32},
        AttentionTile{Matrix::khr, 12, 32}, AttentionTile{Matrix::plain, 2, 32}, AttentionTile{Matrix::plain, 4, 32}};
    struct Case {
      PromptShape shape;
      Prompt at;
      DType kv;
    };
    const std::array cases{Case{kPromptShapes[0], {0, 4096}, DType::F16}, Case{kPromptShapes[1], {32768, 512}, DType::F16},
                           Case{kPromptShapes[2], {0, 512}, DType::F16}, Case{kPromptShapes[0], {0, 4096}, DType::Q8_0}};
    for (const Case& of : cases)
      for (const AttentionTile& bare : kTiles) {
        const ProductForm form = bare.matrix == Matrix::plain ? ProductForm::gpu_without_matrix_cores : ProductForm::gpu;
        FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
        const AttentionShape shape{.query_heads = of.shape.query_heads, .kv_heads = of.shape.kv_heads,
                                   .head_width = of.shape.width, .tokens = of.at.tokens, .kv = of.kv};
        const AttentionTile tile = with_heads(bare, shape);
        if (!runs_attention_tile(KernelRecorder(*device_, recorder, form), tile, shape)) continue;
        constexpr std::array kMatrix{"KHR", "NV2", "PLAIN"};
        FOVEA_TRY(prompt(fmt::format("{} tile, {} subgroups, {} keys, {} heads", kMatrix.at(static_cast<std::size_t>(tile.matrix)),
                                     tile.subgroups, tile.block_keys, tile.heads),
                         of.shape, of.at, of.kv, [&](KernelRecorder& kernels, const AttentionArgs& args) {
                           return record_attention_tile(kernels, tile, args);
                         }));
      }
    return {};
  }

  Options options_;
  bool dry_ = false, asleep_ = true;
  std::unique_ptr<gpu::Device> device_;
  gpu::Buffer weights_, input_, output_, scratch_, state_;
};

}  // namespace
}  // namespace fovea

int main(int argc, char** argv) {
  fovea::Options options;
  CLI::App parser("Times single kernels on a Vulkan device");
  parser.add_option("--device", options.device, "As `fovea-cli devices` counts them (default: choose)");
  parser.add_option("--megabytes", options.megabytes, "Weights that the products walk through")->check(CLI::Range(16, 65536));
  parser.add_option("--repeats", options.repeats, "Measurements of each kernel")->check(CLI::Range(1, 1000));
  parser.add_option("--warm-up", options.warm_up, "Milliseconds that a kernel runs before it is measured")->check(CLI::Range(0, 10000));
  parser.add_option("--only", options.only, "step, stream, matvec, shapes, experts, prefill, tiles, attention, prompt-attention, attention-tiles")->delimiter(',');
  parser.add_option("--match", options.match, "Time only kernels whose names have all of these parts")->delimiter(',');
  CLI11_PARSE(parser, argc, argv);
  auto bench = fovea::Bench::create(options);
  const auto done = bench.and_then([](fovea::Bench& made) { return made.run(); });
  if (!done) {
    fmt::print(stderr, "kernel_bench: {}\n", done.error().sentence());
    return 1;
  }
  return 0;
}
