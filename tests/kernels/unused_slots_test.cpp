// Tokens that use fewer experts than there are slots: products over the used slots give what weights of 0 would, and
// leave nothing behind for the others.
#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/kernels/dot.hpp"
#include "engine/kernels/experts.hpp"
#include "engine/kernels/product_tile.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr std::uint32_t kExperts = 6, kSlots = 4, kWidth = 256, kHidden = 256;

class UnusedSlots : public KernelTest, public testing::WithParamInterface<DType> {
 protected:
  struct Result {
    std::vector<float> x;
    std::vector<bool> act_written;  // by row of act
  };
  // Token t uses 1 + t % kSlots slots; the others are unused, or used with a weight of 0.
  Result multiply(std::uint32_t tokens, ExpertMode mode, ProductForm form, bool in_tiles, bool unused) {
    const std::uint32_t room = tokens == 1 ? 1 : tokens + 2;
    Seeded random(7);
    const StoredMatrix stored[] = {stored_matrix(GetParam(), kWidth, kHidden, random, kExperts), stored_matrix(GetParam(), kWidth, kHidden, random, kExperts),
                                   stored_matrix(GetParam(), kHidden, kWidth, random, kExperts)};
    const DeviceMatrix gate = place(stored[0]), up = place(stored[1]), down = place(stored[2]);
    std::vector<std::uint32_t> experts;
    std::vector<float> weights;
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t slot = 0; slot < kSlots; ++slot) {
        const bool used = slot <= t % kSlots;
        experts.push_back(!used && unused ? shader::kNoExpert : (t + slot) % kExperts);
        weights.push_back(used ? static_cast<float>(0.1 + random.uniform()) : 0.0f);
      }
    const std::vector<float> residual = random.normals(std::size_t{room} * kWidth);
    const std::uint64_t rows = place_rows(random.normals(std::size_t{tokens} * kWidth), kWidth, kWidth);
    GuardBuffer act = output(std::uint64_t{room} * kSlots * kHidden), partial = output(std::uint64_t{room} * kSlots * kWidth),
                x = output(residual.size()), sorted = output(room * kSlots), tiles = output(std::uint64_t{3} * most_tiles(room, kSlots, kExperts)),
                halves = output(std::uint64_t{room} * kWidth / 2);
    x.set_initial<float>(residual);
    auto dispatch = device().create_buffer(24, gpu::MemoryUse::compute);
    set_state(11, tokens);
    ExpertBatch batch{.mode = mode, .tokens = room, .slots = kSlots, .experts = place(experts), .weights = place(weights), .varies = unused,
                      .sorted = sorted.address(), .tiles = tiles.address(), .dispatch = &*dispatch, .in_tiles = in_tiles};
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> fovea::Result<void> {
          batch.state = state;
          if (mode == ExpertMode::grouped) {
            FOVEA_TRY(record_expert_group(kernels, batch, gate, down));
            kernels.plan().barrier();
          }
          if (in_tiles) {
            FOVEA_TRY(record_half_rows(kernels, room, {.x = rows, .y = halves.address(), .state = state,
                                                                .columns = kWidth, .x_stride = kWidth}));
            kernels.plan().barrier();
          }
          FOVEA_TRY(record_gate_up(kernels, batch, {.gate = gate, .up = up, .x = rows, .act = act.address(), .x_stride = kWidth,
                                                    .act_stride = kHidden, .halves = halves.address()}));
          kernels.plan().barrier();
          return record_expert_down(kernels, batch, {.down = down, .act = act.address(), .partial = partial.address(), .x = x.address(),
                                                     .act_stride = kHidden, .partial_stride = kWidth, .x_stride = kWidth});
        },
        {&act, &partial, &x, &sorted, &tiles, &halves}, form);
    Result result{x.values<float>(), {}};
    const std::vector<float> hidden = act.values<float>();
    for (std::size_t row = 0; row < hidden.size() / kHidden; ++row)
      result.act_written.push_back(!std::all_of(hidden.begin() + static_cast<std::ptrdiff_t>(row * kHidden), hidden.begin() + static_cast<std::ptrdiff_t>((row + 1) * kHidden),
                                                [](float v) { return GuardBuffer::is_poison(v); }));
    return result;
  }
};

TEST_P(UnusedSlots, are_skipped_to_the_bit) {
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
    for (const std::uint32_t tokens : {1u, 3u, 33u}) {
      SCOPED_TRACE(std::to_string(tokens) + " tokens, form " + std::to_string(static_cast<int>(form)));
      const ExpertMode mode = tokens == 33 ? ExpertMode::grouped : ExpertMode::direct;
      const Result unused = multiply(tokens, mode, form, false, true), weightless = multiply(tokens, mode, form, false, false);
      EXPECT_EQ(unused.x, weightless.x);
      for (std::uint32_t a = 0; a < tokens * kSlots; ++a)
        EXPECT_EQ(unused.act_written[a], a % kSlots <= a / kSlots % kSlots) << "assignment " << a;
    }
}

TEST_P(UnusedSlots, are_no_rows_of_tiles) {
  if (GetParam() == DType::F32) return;
  const Result unused = multiply(70, ExpertMode::grouped, ProductForm::gpu, true, true);
  EXPECT_EQ(unused.x, multiply(70, ExpertMode::grouped, ProductForm::gpu, true, false).x);
}

INSTANTIATE_TEST_SUITE_P(Types, UnusedSlots, testing::Values(DType::F32, DType::Q8_0, DType::Q4_K),
                         [](const auto& entry) { return std::string(name(entry.param)); });

class UnusedSlotsInEightBits : public KernelTest {
 protected:
  struct Result {
    std::vector<float> y;
    std::vector<std::uint32_t> act;
  };
  Result multiply(ProductForm form, bool rounds, std::uint32_t used, bool unused) {
    Seeded random(8);
    const DeviceMatrix gate = place(stored_matrix(DType::Q4_K, kWidth, kHidden, random, kExperts)),
                       up = place(stored_matrix(DType::Q4_K, kWidth, kHidden, random, kExperts)),
                       down = place(stored_matrix(DType::Q6_K, kHidden, kWidth, random, kExperts));
    std::vector<std::uint32_t> experts{4, 1, 5, 0};
    std::vector<float> weights{0.4f, 0.3f, 0.2f, 0.1f};
    for (std::uint32_t slot = used; slot < kSlots; ++slot) {
      if (unused) experts[slot] = shader::kNoExpert;
      weights[slot] = 0;
    }
    const std::uint64_t at = place_rows(random.normals(kWidth), kWidth, kWidth);
    const std::vector<float> residual = random.normals(kWidth);
    GuardBuffer words = output(q8_words(kWidth)), act = output(kSlots * kHidden), act_words = output(kSlots * q8_words(kHidden)), y = output(kWidth);
    y.set_initial<float>(residual);
    const ExpertBatch batch{.mode = ExpertMode::direct, .slots = kSlots, .experts = place(experts), .weights = place(weights), .varies = unused};
    run(
        [&](KernelRecorder& kernels, std::uint64_t) -> fovea::Result<void> {
          FOVEA_TRY(record_quantize(kernels, {.x = at, .q8 = words.address(), .width = kWidth, .x_stride = kWidth}));
          kernels.plan().barrier();
          FOVEA_TRY(record_gate_up_dot(kernels, batch, {.gate = gate, .up = up, .x = {.address = words.address(), .rounded = true},
                                                        .act = rounds ? act_words.address() : act.address(),
                                                        .act_stride = rounds ? q8_words(kHidden) : kHidden, .rounded = rounds}));
          kernels.plan().barrier();
          if (!rounds) {
            FOVEA_TRY(record_quantize(kernels, {.x = act.address(), .q8 = act_words.address(), .width = kHidden, .x_stride = kHidden,
                                                .q8_stride = q8_words(kHidden), .rows = unused ? used : kSlots}));
            kernels.plan().barrier();
          }
          return record_expert_down_dot(kernels, batch, {.down = down, .act = act_words.address(), .x = y.address(), .act_stride = q8_words(kHidden)});
        },
        {&words, &act, &act_words, &y}, form);
    return {y.values<float>(), act_words.values<std::uint32_t>()};
  }
};

TEST_F(UnusedSlotsInEightBits, are_skipped) {
  if (!device().facts().integer_dot) GTEST_SKIP() << "the device has no packed integer dot product";
  for (const auto& [form, rounds] : {std::pair{ProductForm::cpu, false}, std::pair{ProductForm::gpu, false}, std::pair{ProductForm::gpu, true}})
    for (std::uint32_t used = 1; used <= kSlots; ++used) {
      SCOPED_TRACE(std::to_string(used) + " used, form " + std::to_string(static_cast<int>(form)) + (rounds ? ", rounded" : ""));
      const Result got = multiply(form, rounds, used, true), weightless = multiply(form, rounds, used, false);
      // A GPU's lanes share the portions of all used experts: fewer of them are summed in another order.
      EXPECT_TRUE(near_enough(got.y, weightless.y, form == ProductForm::cpu ? Tolerance{0, 0} : Tolerance{1e-6, 2e-6}));
      const auto end = static_cast<std::ptrdiff_t>(used * q8_words(kHidden));
      EXPECT_TRUE(std::all_of(got.act.begin() + end, got.act.end(), [](std::uint32_t word) { return word == GuardBuffer::kPoison; }));
    }
}

}  // namespace
}  // namespace fovea::test
