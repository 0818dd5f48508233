// Decode's products and experts, the prompt's products and their tiles.
#include <fmt/format.h>

#include "engine/kernels/experts.hpp"
#include "engine/kernels/linear.hpp"
#include "shaders/interface/product_tile.h"
#include "tests/bench/kernel_bench.hpp"

namespace fovea {

Result<void> Bench::matvecs() {
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

Result<void> Bench::product_shapes() {
  struct Shape {
    DType type;
    std::uint32_t rows, columns;
    bool leaves;
    const char* what;
  };
  struct Form {
    std::uint32_t subgroups, rows;
    bool held, streamed;
  };
  constexpr std::array kShapes{Shape{DType::Q4_K, 4096, 4096, false, "query"}, Shape{DType::Q6_K, 1024, 4096, false, "value"},
                               Shape{DType::Q4_K, 4096, 4096, true, "attention output"}, Shape{DType::Q4_K, 2048, 4096, true, "attention output of 2048"},
                               Shape{DType::Q6_K, 4096, 14336, true, "down"},
                               Shape{DType::Q6_K, 128256, 4096, false, "output"}, Shape{DType::Q6_K, 151936, 2048, false, "output of 2048"}};
  const std::uint32_t lanes = device_->facts().subgroup;
  for (const Shape& shape : kShapes) {
    const DeviceMatrix weights = matrix(shape.type, shape.rows, shape.columns);
    if (weights.matrix_bytes() > region()) continue;
    const auto bytes = static_cast<double>(weights.matrix_bytes());
    const std::uint32_t turns = (shape.columns + 64 * lanes - 1) / (64 * lanes);
    for (const bool streamed : {false, true})
      for (const bool held : {false, true})
        for (const std::uint32_t subgroups : {4u, 8u, 16u, 32u})
          for (const std::uint32_t rows : {1u, 2u, 4u})
            for (const std::uint32_t most : {264u, 528u, 1056u}) {
              const std::uint32_t groups = (shape.rows + subgroups * rows - 1) / (subgroups * rows);
              constexpr std::uint32_t kSharedWords = 11500, kStreamWords = 14;  // of a lane
              if (streamed && (shape.type != DType::Q6_K || subgroups * lanes * kStreamWords > kSharedWords)) continue;
              if ((held && turns > 2) || subgroups * lanes > device_->facts().max_workgroup_invocations) continue;
              if (shape.leaves ? subgroups * rows != 32 : subgroups > 16 || rows > 2) continue;
              if (most != 264 && groups <= most / 2) continue;
              FOVEA_TRY(time(fmt::format("{} {} {} x {}: {}{}, {} subgroups, {} rows, {} groups", shape.what, name(shape.type), shape.rows, shape.columns,
                                         streamed ? "streamed" : "straight", held ? ", held" : "", subgroups, rows, std::min(groups, most)),
                             chain_of(bytes), bytes, 0, [&](KernelRecorder& kernels, std::uint32_t turn) {
                               return kernels.dispatch(
                                   shader_for(ShaderId::matvec_dot_Q8_0, shape.type, DType::Q8_0),
                                   {subgroups * lanes, shape.columns, rows, 1u, 0u, shape.leaves ? 0u : 1u, 1u, shape.leaves ? 1u : 0u,
                                    held ? turns : 0u, streamed ? 1u : 0u, lanes},
                                   shader::MatvecDotPush{.weights = at_turn(weights, turn).address, .x = input_.address(), .y = output_.address(),
                                                         .next = scratch_.address(), .next_norm = input_.address() + (1u << 20), .rows = shape.rows,
                                                         .row_bytes = weights.row_bytes, .accumulate = shape.leaves ? 1u : 0u, .epsilon = 1e-6f},
                                   std::min(groups, most));
                             }));
            }
  }
  constexpr std::uint32_t kHidden = 14336, kWidth = 4096;
  const DeviceMatrix gate = matrix(DType::Q4_K, kHidden, kWidth);
  const double bytes = 2.0 * static_cast<double>(gate.matrix_bytes());
  for (const bool held : {false, true})
    for (const std::uint32_t subgroups : {4u, 8u, 16u, 32u})
      for (const std::uint32_t rows : {1u, 2u})
        for (const std::uint32_t groups : {128u, 224u, 264u, 448u}) {
          if (subgroups * rows > 32 || subgroups * lanes > device_->facts().max_workgroup_invocations) continue;
          FOVEA_TRY(time(fmt::format("gate+up Q4_K: {}, {} subgroups, {} rows, {} groups", held ? "held" : "straight", subgroups, rows, groups),
                         chain_of(bytes), bytes, 0, [&](KernelRecorder& kernels, std::uint32_t turn) {
                           return kernels.dispatch(ShaderId::gate_up_dot_Q4_K,
                                                   {subgroups * lanes, kWidth, rows, 1u, 0u, 1u, 0u, 1u, 1u, 0u, lanes, 1u, 32 / (subgroups * rows), 1u,
                                                    held ? (kWidth + 64 * lanes - 1) / (64 * lanes) : 0u},
                                                   shader::GateUpDotPush{.gate = at_turn(gate, 2 * turn).address, .up = at_turn(gate, 2 * turn + 1).address,
                                                                         .x = input_.address(), .act = output_.address(), .rows = kHidden,
                                                                         .row_bytes = gate.row_bytes, .y_stride = q8_words(kHidden), .epsilon = 1e-6f},
                                                   groups);
                         }));
        }
  return {};
}

Result<void> Bench::expert_shapes(std::uint32_t experts, std::uint32_t slots, std::uint32_t hidden, std::uint32_t width, const char* what) {
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
        for (const bool held : {false, true}) {
          constexpr auto mode = static_cast<std::uint32_t>(ExpertMode::routed);
          const std::uint32_t turns = 32 / (subgroups * rows);
          if (turns == 0 || subgroups * device_->facts().subgroup > device_->facts().max_workgroup_invocations) continue;
          FOVEA_TRY(time(fmt::format("gate+up {}: {} subgroups, {} rows, {} turns{}", what, subgroups, rows, turns, held ? ", held" : ""),
                         chain_of(gate_bytes), gate_bytes, 0, [&](KernelRecorder& kernels, std::uint32_t turn) {
                           return kernels.dispatch(
                               ShaderId::gate_up_dot_Q4_K,
                               {subgroups * kernels.subgroup(), width, rows, 1u, 0u, 1u, mode, slots, experts, 1u, kernels.subgroup(), 1u,
                                turns, 1u, held ? (width + 64 * kernels.subgroup() - 1) / (64 * kernels.subgroup()) : 0u},
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

Result<void> Bench::experts() {
  struct Shape {
    std::uint32_t experts, slots, hidden, width;
    const char* what;
  };
  constexpr std::array kShapes{Shape{64, 8, 1024, 2048, "olmoe-1b-7b"}, Shape{128, 8, 768, 2048, "qwen3-30b-a3b"}};
  FOVEA_TRY(set_state(0, 1));
  if (!device_->facts().integer_dot) return {};
  if (options_.only.size() == 1) FOVEA_TRY(expert_shapes(64, 8, 1024, 2048, "olmoe"));
  if (options_.only.size() == 1) FOVEA_TRY(expert_shapes(128, 8, 768, 2048, "qwen3"));
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

Result<void> Bench::prefill() {
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

Result<void> Bench::tiles() {
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

Result<void> Bench::tile(const TileShape& shape, const DeviceMatrix& weights, std::uint32_t tokens, bool paired) {
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

}  // namespace fovea
