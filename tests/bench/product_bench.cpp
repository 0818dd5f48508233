// Decode's products and experts, the prompt's products and their tiles.
#include <fmt/format.h>

#include <numeric>
#include <random>
#include <span>

#include "engine/kernels/experts.hpp"
#include "engine/kernels/linear.hpp"
#include "shaders/interface/moe.h"
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
              if (shape.leaves ? subgroups * rows != 32 && subgroups * rows != 16 : subgroups > 16 || rows > 2) continue;
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
  // Every slot an expert of its own.
  FOVEA_ASSIGN(const gpu::Buffer chosen, device_->create_buffer(256, gpu::MemoryUse::upload));
  std::array<std::uint32_t, 16> ids{};
  std::iota(ids.begin(), ids.end(), 0u);
  FOVEA_TRY(device_->upload(chosen, 0, std::as_bytes(std::span(ids))));
  struct Form {
    bool streamed;
    std::uint32_t subgroups, rows, items;
  };
  constexpr std::array kForms{Form{false, 32, 1, 1}, Form{false, 16, 1, 1}, Form{false, 16, 1, 2}, Form{false, 16, 1, 3}, Form{false, 16, 1, 4}, Form{false, 8, 2, 2},
                              Form{false, 4, 1, 4},  Form{true, 16, 1, 1},  Form{true, 16, 2, 1},  Form{true, 8, 2, 1},   Form{true, 8, 4, 1}};
  for (const Form& form : kForms) {
    const bool rounds = form.subgroups * form.rows >= 16;
    FOVEA_TRY(time(fmt::format("down {}: {}, {} subgroups, {} rows, {} items{}", what, form.streamed ? "streamed" : "straight", form.subgroups, form.rows, form.items,
                               rounds ? fmt::format(", rounded {}", form.subgroups * form.rows) : ""),
                   chain_of(down_bytes), down_bytes, 0, [&](KernelRecorder& kernels, std::uint32_t turn) {
                     return kernels.dispatch(ShaderId::expert_down_dot_Q6_K,
                                             {form.subgroups * kernels.subgroup(), hidden, form.rows, 1u, slots, form.items, rounds ? 1u : 0u, 0u, form.streamed ? 1u : 0u,
                                              kernels.subgroup()},
                                             shader::DownDotPush{.down = at_turn(down, turn).address, .act = input_.address(), .y = output_.address(),
                                                                 .experts = chosen.address(), .weights = scratch_.address() + 4096,
                                                                 .next = scratch_.address() + (1u << 20), .next_norm = input_.address(), .rows = width,
                                                                 .row_bytes = down.row_bytes, .expert_bytes_low = down.matrix_bytes_low(),
                                                                 .act_stride = q8_words(hidden)},
                                             (width + form.subgroups * form.rows - 1) / (form.subgroups * form.rows));
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
  if (options_.only.size() == 1) FOVEA_TRY(expert_shapes(8, 1, 14336, 4096, "mixtral 1"));
  if (options_.only.size() == 1) FOVEA_TRY(expert_shapes(8, 2, 14336, 4096, "mixtral 2"));
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
                                                              .columns = kColumns, .x_stride = kColumns});
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

namespace {

// Assignments of tokens that choose evenly, in tiles of `most`: what expert_group.comp makes.
struct TileList {
  std::vector<shader::ExpertTile> tiles;
  std::vector<std::uint32_t> sorted;
};
TileList even_tiles(std::uint32_t experts, std::uint32_t slots, std::uint32_t tokens, std::uint32_t most) {
  std::minstd_rand random(7);
  std::vector<std::vector<std::uint32_t>> chosen(experts);
  std::vector<std::uint32_t> order(experts);
  for (std::uint32_t token = 0; token < tokens; ++token) {
    std::iota(order.begin(), order.end(), 0u);
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      std::swap(order[slot], order[slot + random() % (experts - slot)]);
      chosen[order[slot]].push_back(token * slots + slot);
    }
  }
  TileList list;
  for (std::uint32_t expert = 0; expert < experts; ++expert) {
    const auto first = static_cast<std::uint32_t>(list.sorted.size()), count = static_cast<std::uint32_t>(chosen[expert].size());
    for (std::uint32_t at = 0; at < count; at += most) list.tiles.push_back({expert, first + at, std::min(most, count - at)});
    list.sorted.insert(list.sorted.end(), chosen[expert].begin(), chosen[expert].end());
  }
  return list;
}

}  // namespace

Result<void> Bench::expert_steps(std::uint32_t experts, std::uint32_t slots, std::uint32_t hidden, std::uint32_t width, std::uint32_t tokens, const char* what) {
  const std::uint32_t assignments = tokens * slots;
  const auto name = [&](const char* step) { return fmt::format("{} of {} x {} experts of {}, {} tokens", step, slots, experts, what, tokens); };
  const DeviceMatrix router = matrix(DType::F32, experts, width), gate = matrix(DType::Q4_K, hidden, width, experts), down = matrix(DType::Q6_K, width, hidden, experts);
  FOVEA_TRY(time(name("router"), 8, static_cast<double>(router.matrix_bytes()), 2.0 * experts * width * tokens, [&](KernelRecorder& kernels, std::uint32_t turn) {
    return record_matmul(kernels, {.weights = at_turn(router, turn), .x = input_.address(), .y = output_.address(), .state = state_.address(), .x_stride = width,
                                   .y_stride = experts, .tokens = tokens});
  }));
  // Logits are all equal.
  FOVEA_TRY(time(name("choice"), 8, 0, 0, [&](KernelRecorder& kernels, std::uint32_t) {
    return record_router_topk(kernels, {.logits = scratch_.address(), .experts = output_.address(), .weights = output_.address() + (64u << 20), .state = state_.address(),
                                        .stride = experts, .expert_count = experts, .slots = slots, .tokens = tokens});
  }));
  std::vector<std::uint32_t> chosen(assignments);
  for (const TileList list = even_tiles(experts, slots, tokens, 64); const shader::ExpertTile& tile : list.tiles)
    for (std::uint32_t i = 0; i < tile.count; ++i) chosen[list.sorted[tile.first + i]] = tile.expert;
  FOVEA_ASSIGN(const gpu::Buffer experts_of, device_->create_buffer(chosen.size() * 4, gpu::MemoryUse::upload));
  FOVEA_TRY(device_->upload(experts_of, 0, std::as_bytes(std::span(chosen))));
  FOVEA_ASSIGN(const gpu::Buffer counts, device_->create_buffer(256, gpu::MemoryUse::upload));
  const std::uint64_t sorted = output_.address(), tiles = sorted + (std::uint64_t{1} << 20), rows = sorted + (std::uint64_t{2} << 20);
  const ExpertBatch batch{.mode = ExpertMode::grouped, .tokens = tokens, .slots = slots, .experts = experts_of.address(), .sorted = sorted, .tiles = tiles,
                          .dispatch = &counts, .in_tiles = true, .state = state_.address()};
  FOVEA_TRY(time(name("grouping"), 8, 0, 0, [&](KernelRecorder& kernels, std::uint32_t) { return record_expert_group(kernels, batch, gate, down); }));
  FOVEA_TRY(time(name("rounding"), 8, 0, 0, [&](KernelRecorder& kernels, std::uint32_t) {
    return record_half_rows(kernels, tokens, {.x = input_.address(), .y = rows, .state = state_.address(), .columns = width, .x_stride = width});
  }));
  const std::uint32_t local = device_->facts().subgroup * 2;
  return time(name("sum"), 8, 0, 0, [&](KernelRecorder& kernels, std::uint32_t) {
    return kernels.dispatch(ShaderId::expert_combine, {local, slots, 4, 0},
                            shader::ExpertCombinePush{.partial = output_.address(), .experts = experts_of.address(), .weights = experts_of.address(), .x = input_.address(),
                                                      .state = state_.address(), .width = width, .partial_stride = width, .x_stride = width},
                            (width + 4 * local - 1) / (4 * local), tokens);
  });
}

Result<void> Bench::expert_tiles() {
  struct Shape {
    std::uint32_t experts, slots, hidden, width, tokens;
    const char* what;
  };
  constexpr std::array kShapes{Shape{128, 8, 768, 2048, 512, "qwen3-30b-a3b"}, Shape{128, 8, 768, 2048, 1024, "qwen3-30b-a3b"}, Shape{128, 8, 768, 2048, 2048, "qwen3-30b-a3b"},
                               Shape{64, 8, 1024, 2048, 2048, "olmoe-1b-7b"}, Shape{64, 4, 1024, 2048, 2048, "olmoe-1b-7b"}};
  if (!device_->facts().cooperative_matrix) return {};
  FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
  const KernelRecorder shapes(*device_, recorder);
  constexpr auto kWorkgroup = TileForm::workgroup_matrices, kSubgroups = TileForm::subgroup_matrices;
  std::vector<TileShape> forms{{kWorkgroup, 128, 64, 0, 0, 128, 64},   {kWorkgroup, 128, 32, 0, 0, 128, 64},  {kSubgroups, 128, 64, 32, 64, 128, 64},
                               {kSubgroups, 128, 64, 32, 32, 256, 64}, {kSubgroups, 128, 32, 32, 32, 128, 64}};
  for (const TileShape& shape : tile_shapes(shapes)) forms.push_back(shape);
  if (shapes.fills_fragments())
    for (const auto& [rows, tokens] : {std::pair{256u, 64u}, std::pair{256u, 48u}, std::pair{128u, 64u}})
      forms.push_back(lane_tile(device_->facts(), kSubgroups, rows, tokens));
  // What stands before them, of qwen3-30b-a3b: dense.
  FOVEA_TRY(set_state(0, 512));
  for (const auto& [rows, columns] : {std::pair{2048u, 4096u}, std::pair{4608u, 2048u}}) {
    const DeviceMatrix weights = matrix(DType::Q4_K, rows, columns);
    const auto name = [&](const std::string& form) { return fmt::format("dense Q4_K, {} x {}, 512 tokens, {}", rows, columns, form); };
    const double operations = 2.0 * rows * columns * 512;
    const auto product = [&](std::uint32_t turn) {
      return shader::ProductTilePush{.weights = at_turn(weights, turn).address, .x = input_.address(), .y = output_.address(), .state = state_.address(),
                                     .columns = columns, .rows = rows, .row_bytes = weights.row_bytes, .y_stride = rows, .slots = 1};
    };
    FOVEA_TRY(time(name("as chosen"), 4, 0, operations, [&](KernelRecorder& kernels, std::uint32_t turn) {
      return record_dense_product(kernels, weights.type, 512, {scratch_.address(), scratch_.bytes()}, product(turn));
    }));
    for (const TileShape& form : forms)
      if (form.in_lanes)
        FOVEA_TRY(time(name(fmt::format("tile {} x {} by lanes of {}", form.rows, form.tokens, form.invocations)), 4, 0, operations,
                       [&](KernelRecorder& kernels, std::uint32_t turn) { return record_dense_tiles(kernels, form, weights.type, 512, product(turn)); }));
  }
  for (const Shape& shape : kShapes) {
    FOVEA_TRY(set_state(0, shape.tokens));
    const std::uint32_t assignments = shape.tokens * shape.slots;
    FOVEA_TRY(expert_steps(shape.experts, shape.slots, shape.hidden, shape.width, shape.tokens, shape.what));
    const DeviceMatrix gate = matrix(DType::Q4_K, shape.hidden, shape.width, shape.experts), down = matrix(DType::Q6_K, shape.width, shape.hidden, shape.experts);
    for (const TileShape& form : forms) {
      if (form.tokens * shape.experts > 4 * assignments) continue;
      const TileList list = even_tiles(shape.experts, shape.slots, shape.tokens, form.tokens);
      const std::uint64_t tiles_at = 256, sorted_at = tiles_at + list.tiles.size() * sizeof(shader::ExpertTile);
      FOVEA_ASSIGN(const gpu::Buffer own, device_->create_buffer(sorted_at + list.sorted.size() * 4, gpu::MemoryUse::upload));
      const auto tiles = static_cast<std::uint32_t>(list.tiles.size());
      const std::array<std::uint32_t, 6> counts{tile_groups(form, shape.hidden, true), tiles, 1, tile_groups(form, shape.width, false), tiles, 1};
      FOVEA_TRY(device_->upload(own, 0, std::as_bytes(std::span(counts))));
      FOVEA_TRY(device_->upload(own, tiles_at, std::as_bytes(std::span(list.tiles))));
      FOVEA_TRY(device_->upload(own, sorted_at, std::as_bytes(std::span(list.sorted))));
      shader::ProductTilePush push{.x = input_.address(), .y = output_.address(), .state = state_.address(), .tiles = own.address() + tiles_at,
                                   .sorted = own.address() + sorted_at, .slots = shape.slots};
      for (const bool paired : {true, false}) {
        const DeviceMatrix& weights = paired ? gate : down;
        push.columns = weights.columns;
        push.rows = push.y_stride = weights.rows;
        push.row_bytes = weights.row_bytes;
        push.expert_bytes_low = weights.matrix_bytes_low();
        const std::string form_name = form.in_lanes ? "lanes" : form.form == kWorkgroup ? "a workgroup" : fmt::format("parts {} x {}", form.part_rows, form.part_tokens);
        FOVEA_TRY(time(fmt::format("{} of {} x {} experts of {}, {} tokens, tile {} x {} by {} of {}, depth {}", paired ? "gate+up Q4_K" : "down Q6_K", shape.slots,
                                   shape.experts, shape.what, shape.tokens, form.rows, form.tokens, form_name, form.invocations, form.depth),
                       2, (paired ? 2.0 : 1.0) * static_cast<double>(weights.matrix_bytes()) * shape.experts,
                       (paired ? 4.0 : 2.0) * weights.rows * weights.columns * assignments, [&](KernelRecorder& kernels, std::uint32_t turn) {
                         shader::ProductTilePush one = push;
                         one.weights = at_turn(weights, paired ? 2 * turn : turn).address;
                         if (paired) one.up = at_turn(weights, 2 * turn + 1).address;
                         return record_expert_tiles(kernels, form, weights.type, own, paired ? 0 : 12, one);
                       }));
      }
    }
  }
  return {};
}

}  // namespace fovea
