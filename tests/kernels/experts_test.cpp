// The feed-forward products, dense and over experts, against the reference: assignments one by one (direct) and
// grouped by expert, in both forms of the products; and the grouping itself.
#include "engine/kernels/experts.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <string>
#include <vector>

#include "engine/kernels/product_tile.hpp"
#include "engine/reference/expert_ffn.hpp"
#include "engine/reference/matvec.hpp"
#include "engine/reference/rms_norm.hpp"
#include "engine/reference/router.hpp"
#include "tests/support/halves.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

// Measured on lavapipe: 4e-7 relative, 6e-7 of the largest value; other devices' exp() is a little coarser.
constexpr Tolerance kFeedForward{.relative_l2 = 3e-6, .scaled_max = 6e-6};

// In tiles, against rounded operands: a number that device and reference round to different halves is off by 2^-10.
constexpr Tolerance kInTiles{.relative_l2 = 5e-5, .scaled_max = 1e-4};

// The same of products that are themselves rounded to halves.
constexpr Tolerance kRounded{.relative_l2 = 2e-4, .scaled_max = 5e-4};

// Which experts each token goes to, and with which weights: (tokens, slots).
struct Assignments {
  std::uint32_t tokens = 0, slots = 0;
  std::vector<std::uint32_t> experts;
  std::vector<float> weights;
};

// Distinct experts per token out of `allowed`.
Assignments assign(std::uint32_t tokens, std::uint32_t slots, std::vector<std::uint32_t> allowed, Seeded& random) {
  Assignments result{tokens, slots, {}, {}};
  for (std::uint32_t t = 0; t < tokens; ++t)
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      std::swap(allowed[slot], allowed[slot + random.below(static_cast<std::uint32_t>(allowed.size()) - slot)]);
      result.experts.push_back(allowed[slot]);
      result.weights.push_back(static_cast<float>(0.1 + random.uniform()));
    }
  return result;
}

struct Widths {
  std::uint32_t model, hidden;
};

class FeedForward : public KernelTest {
 protected:
  struct Network {
    StoredMatrix gate, up, down;
    [[nodiscard]] LayerWeights view() const {
      LayerWeights layer;
      layer.gate = gate.view();
      layer.up = up.view();
      layer.down = down.view();
      return layer;
    }
  };
  static Network network(DType type, Widths widths, std::uint32_t experts, Seeded& random) {
    return {stored_matrix(type, widths.model, widths.hidden, random, experts),
            stored_matrix(type, widths.model, widths.hidden, random, experts),
            stored_matrix(type, widths.hidden, widths.model, random, experts)};
  }

  // `room`: tokens of the plan.
  void check(const Network& net, const Assignments& routing, std::uint32_t room, ExpertMode mode, ProductForm form,
             bool in_tiles = false) {
    SCOPED_TRACE(std::string(name(net.gate.type)) + ", " + std::to_string(routing.tokens) + " tokens of " +
                 std::to_string(room) + ", mode " + std::to_string(static_cast<int>(mode)) + ", form " +
                 std::to_string(static_cast<int>(form)));
    const std::uint32_t width = net.gate.columns, hidden = net.gate.rows, assignments = routing.tokens * routing.slots;
    const std::uint32_t x_stride = (width + 3) / 4 * 4 + 4, act_stride = (hidden + 3) / 4 * 4 + 4;
    Seeded random(width);
    const std::vector<float> input = random.normals(std::size_t{routing.tokens} * width, 2);
    std::vector<float> residual = random.normals(std::size_t{room} * x_stride);

    GuardBuffer act = output(std::uint64_t{room} * routing.slots * act_stride),
                partial = output(std::uint64_t{room} * routing.slots * x_stride);
    GuardBuffer halves = output(std::uint64_t{room} * width / 2);
    GuardBuffer x = output(residual.size()), sorted = output(room * routing.slots), normed = output(std::uint64_t{room} * width / 2);
    const std::vector<float> norm = random.normals(width);
    const std::uint64_t norm_weights = place(norm);
    bool leaves = false;
    GuardBuffer tiles = output(std::uint64_t{3} * most_tiles(room, routing.slots, net.gate.matrices));
    x.set_initial<float>(residual);
    auto dispatch = device().create_buffer(24, gpu::MemoryUse::compute);
    ASSERT_TRUE(dispatch) << dispatch.error().sentence();
    set_state(11, routing.tokens);
    const DeviceMatrix gate = place(net.gate), up = place(net.up), down = place(net.down);
    ExpertBatch batch{.mode = mode,
                      .tokens = room,
                      .slots = routing.slots,
                      .experts = place(routing.experts),
                      .weights = place(routing.weights),
                      .sorted = sorted.address(),
                      .tiles = tiles.address(),
                      .dispatch = &*dispatch};
    const std::uint64_t rows = place_rows(input, width, x_stride);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          batch.state = state;
          batch.in_tiles = in_tiles;
          batch.in_lanes = lanes_unpack(gate.type);
          leaves = in_tiles && leaves_normed(kernels, width);
          if (mode == ExpertMode::grouped) {
            FOVEA_TRY(record_expert_group(kernels, batch, gate, down));
            kernels.plan().barrier();
          }
          if (in_tiles) {
            FOVEA_TRY(record_half_rows(kernels, room,
                                       {.x = rows, .y = halves.address(), .state = state,
                                        .columns = width, .x_stride = x_stride}));
            kernels.plan().barrier();
          }
          FOVEA_TRY(record_gate_up(kernels, batch,
                                   {.gate = gate,
                                    .up = up,
                                    .x = rows,
                                    .act = act.address(),
                                    .x_stride = x_stride,
                                    .act_stride = act_stride,
                                    .halves = halves.address()}));
          kernels.plan().barrier();
          return record_expert_down(kernels, batch,
                                    {.down = down,
                                     .act = act.address(),
                                     .partial = partial.address(),
                                     .x = x.address(),
                                     .act_stride = act_stride,
                                     .partial_stride = x_stride,
                                     .x_stride = x_stride,
                                     .next = leaves ? NormBehind{norm_weights, normed.address(), 1e-5f} : NormBehind{}});
        },
        {&act, &partial, &x, &sorted, &tiles, &halves, &normed}, form);
    EXPECT_EQ(leaves, in_tiles);
    if (leaves) expect_normed(normed, x.values<float>(), x_stride, norm, routing.tokens);

    if (in_tiles)
      expect_outputs_in_halves(net, routing, input, residual, halves_by_assignment(act, sorted, assignments, hidden),
                               x.values<float>(), x_stride);
    else
      expect_outputs(net, routing, input, residual, rows_of(act, assignments, hidden, act_stride), x.values<float>(), x_stride);
    if (mode == ExpertMode::grouped) expect_grouping(net.gate.matrices, routing, sorted, tiles, *dispatch);
  }

  // The residual's rows behind the norm that comes next, as halves; what is behind the batch must still be poison.
  static void expect_normed(const GuardBuffer& normed, const std::vector<float>& x, std::uint32_t x_stride, const std::vector<float>& norm,
                            std::uint32_t tokens) {
    const std::vector<std::uint16_t> all = normed.values<std::uint16_t>();
    std::vector<float> got, expected;
    for (std::size_t i = 0; i < all.size(); ++i)
      if (i < tokens * norm.size())
        got.push_back(half_to_float(all[i]));
      else
        ASSERT_EQ(all[i], static_cast<std::uint16_t>(GuardBuffer::kPoison >> (i % 2 * 16))) << "behind the batch, at " << i;
    for (std::uint32_t t = 0; t < tokens; ++t) {
      std::vector<float> row(norm.size());
      reference::rms_norm(std::span(x).subspan(std::size_t{t} * x_stride, norm.size()), norm, 1e-5f, row);
      expected.insert(expected.end(), row.begin(), row.end());
    }
    EXPECT_TRUE(near_enough(got, in_halves(expected), kRounded));
  }

  static void expect_outputs(const Network& net, const Assignments& routing, const std::vector<float>& input,
                             const std::vector<float>& residual, const std::vector<float>& act,
                             const std::vector<float>& x, std::uint32_t x_stride) {
    const std::uint32_t width = net.gate.columns, hidden = net.gate.rows;
    const LayerWeights layer = net.view();
    std::vector<float> expected_act, expected = residual, out(width), gate(hidden), up(hidden);
    for (std::uint32_t a = 0; a < routing.tokens * routing.slots; ++a) {
      const std::span<const float> in = std::span(input).subspan(std::size_t{a / routing.slots} * width, width);
      reference::matvec(layer.gate, in, gate, {.matrix = routing.experts[a]});
      reference::matvec(layer.up, in, up, {.matrix = routing.experts[a]});
      reference::swiglu(gate, up, gate);
      expected_act.insert(expected_act.end(), gate.begin(), gate.end());
      reference::expert_ffn(layer, routing.experts[a], in, out);
      for (std::uint32_t i = 0; i < width; ++i)
        expected[std::size_t{a / routing.slots} * x_stride + i] += routing.weights[a] * out[i];
    }
    EXPECT_TRUE(near_enough(act, expected_act, kFeedForward)) << "SwiGLU";
    EXPECT_TRUE(near_enough(x, expected, kFeedForward)) << "down";
    expect_rest_untouched(x, residual, x_stride, routing.tokens, width);
  }

  // Rows of halves in the order of `sorted`, back in that of the assignments; what is behind them must still be poison.
  static std::vector<float> halves_by_assignment(const GuardBuffer& act, const GuardBuffer& sorted, std::uint32_t assignments,
                                                 std::uint32_t hidden) {
    const std::vector<std::uint16_t> all = act.values<std::uint16_t>();
    const std::vector<std::uint32_t> order = sorted.values<std::uint32_t>();
    std::vector<float> result(std::size_t{assignments} * hidden);
    for (std::size_t i = 0; i < result.size(); ++i)
      result[order[i / hidden] * std::size_t{hidden} + i % hidden] = half_to_float(all[i]);
    const std::vector<float> words = act.values<float>();
    EXPECT_TRUE(std::all_of(words.begin() + static_cast<std::ptrdiff_t>((result.size() + 1) / 2), words.end(),
                            [](float v) { return GuardBuffer::is_poison(v); }));
    return result;
  }

  // Tiles round what they multiply to halves: the same of rounded weights, inputs and products of gate and up.
  static void expect_outputs_in_halves(const Network& net, const Assignments& routing, const std::vector<float>& input,
                                       const std::vector<float>& residual, const std::vector<float>& act,
                                       const std::vector<float>& x, std::uint32_t x_stride) {
    const std::uint32_t width = net.gate.columns, hidden = net.gate.rows;
    const Network halves{in_halves(net.gate), in_halves(net.up), in_halves(net.down)};
    const std::vector<float> rounded = in_halves(input);
    std::vector<float> expected_act, expected = residual, out(width), gate(hidden), up(hidden);
    for (std::uint32_t a = 0; a < routing.tokens * routing.slots; ++a) {
      const std::span<const float> in = std::span(rounded).subspan(std::size_t{a / routing.slots} * width, width);
      reference::matvec(halves.gate.view(), in, gate, {.matrix = routing.experts[a]});
      reference::matvec(halves.up.view(), in, up, {.matrix = routing.experts[a]});
      reference::swiglu(gate, up, gate);
      const std::vector<float> act_halves = in_halves(gate);
      expected_act.insert(expected_act.end(), act_halves.begin(), act_halves.end());
      reference::matvec(halves.down.view(), act_halves, out, {.matrix = routing.experts[a]});
      for (std::uint32_t i = 0; i < width; ++i)
        expected[std::size_t{a / routing.slots} * x_stride + i] += routing.weights[a] * out[i];
    }
    EXPECT_TRUE(near_enough(act, expected_act, kRounded)) << "SwiGLU";
    EXPECT_TRUE(near_enough(x, expected, kInTiles)) << "down";
    expect_rest_untouched(x, residual, x_stride, routing.tokens, width);
  }

  static void expect_rest_untouched(const std::vector<float>& x, const std::vector<float>& residual,
                                    std::uint32_t x_stride, std::uint32_t tokens, std::uint32_t width) {
    for (std::size_t i = 0; i < x.size(); ++i)
      if (i / x_stride >= tokens || i % x_stride >= width) {
        ASSERT_EQ(x[i], residual[i]) << "outside the rows of the batch, at " << i;
      }
  }

  // Sorted lists are a permutation, ascending within an expert; tiles cover them exactly, and as few as that takes.
  static void expect_grouping(std::uint32_t experts, const Assignments& routing, const GuardBuffer& sorted,
                              const GuardBuffer& tiles, const gpu::Buffer& dispatch) {
    std::vector<std::uint32_t> expected(routing.experts.size()), groups(6);
    for (std::uint32_t a = 0; a < expected.size(); ++a) expected[a] = a;
    std::ranges::stable_sort(expected, {}, [&](std::uint32_t a) { return routing.experts[a]; });
    std::vector<std::uint32_t> got = sorted.values<std::uint32_t>();
    EXPECT_TRUE(std::all_of(got.begin() + static_cast<std::ptrdiff_t>(expected.size()), got.end(),
                            [](std::uint32_t v) { return v == GuardBuffer::kPoison; }));
    got.resize(expected.size());
    EXPECT_EQ(got, expected);

    ASSERT_TRUE(device().download(dispatch, 0, std::as_writable_bytes(std::span(groups))));
    EXPECT_EQ(groups[1], groups[4]);
    EXPECT_EQ(groups[2] * groups[5], 1u);
    const std::vector<std::uint32_t> list = tiles.values<std::uint32_t>();
    ASSERT_LE(groups[1] * 3, list.size());
    std::uint32_t at = 0, largest = 0, tile = 0;
    for (; tile < groups[1]; ++tile) {
      const std::uint32_t expert = list[3 * tile], first = list[3 * tile + 1], count = list[3 * tile + 2];
      ASSERT_LT(expert, experts);
      ASSERT_EQ(first, at) << "tile " << tile;
      ASSERT_GT(count, 0u);
      for (std::uint32_t i = 0; i < count; ++i) ASSERT_EQ(routing.experts[expected.at(first + i)], expert);
      at += count;
      largest = std::max(largest, count);
    }
    EXPECT_EQ(at, expected.size());
    std::uint32_t fewest = 0;
    for (std::uint32_t e = 0; e < experts; ++e)
      fewest += (static_cast<std::uint32_t>(std::ranges::count(routing.experts, e)) + largest - 1) / largest;
    EXPECT_EQ(tile, fewest);
    EXPECT_TRUE(
        std::all_of(list.begin() + 3 * tile, list.end(), [](std::uint32_t v) { return v == GuardBuffer::kPoison; }));
  }
};

// Rows whose byte stride is aligned to 2 only, and rows with a tail, where the type allows them.
Widths widths(DType type) {
  const std::uint32_t block = traits(type).block_length;
  if (block == 1) return {172, 44};
  return block == 32 ? Widths{96, 160} : Widths{256, 512};
}

constexpr std::uint32_t kExperts = 6;
const std::vector<std::uint32_t> kSome{5, 1, 4, 2};  // experts 0 and 3 stay empty

class FeedForwardTypes : public FeedForward, public testing::WithParamInterface<DType> {};

TEST_P(FeedForwardTypes, one_by_one_and_grouped_equal_the_reference) {
  Seeded random(80);
  const Network net = network(GetParam(), widths(GetParam()), kExperts, random);
  check(net, assign(3, 2, kSome, random), 4, ExpertMode::direct, ProductForm::cpu);
  check(net, assign(33, 2, kSome, random), 40, ExpertMode::grouped, ProductForm::cpu);
}

TEST_P(FeedForwardTypes, equal_the_reference_in_the_form_for_gpus) {
  Seeded random(81);
  const Network net = network(GetParam(), widths(GetParam()), kExperts, random);
  check(net, assign(3, 2, kSome, random), 4, ExpertMode::direct, ProductForm::gpu);
  check(net, assign(33, 2, kSome, random), 40, ExpertMode::grouped, ProductForm::gpu);
}

// Norm, choice and products of one token in two steps equal the same in five.
TEST_P(FeedForwardTypes, routed_products_norm_and_choose_themselves) {
  constexpr std::uint32_t kSlots = 3;
  constexpr float kEpsilon = 1e-5f;
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
    for (const bool normalize : {true, false}) {
      Seeded random(86);
      const Network net = network(GetParam(), widths(GetParam()), kExperts, random);
      const std::uint32_t width = net.gate.columns, hidden = net.gate.rows;
      const std::uint32_t stride = (width + 3) / 4 * 4, act_stride = (hidden + 3) / 4 * 4 + 4;
      const std::vector<float> input = random.normals(width, 2), norm = random.normals(width), logits = random.normals(kExperts, 2);
      std::vector<float> normed(width);
      reference::rms_norm(input, norm, kEpsilon, normed);
      const reference::Routing choice = reference::route(logits, kSlots, normalize);

      GuardBuffer act = output(kSlots * act_stride), x = output(stride), experts = output(kSlots), weights = output(kSlots);
      const std::vector<float> residual = random.normals(stride);
      x.set_initial<float>(residual);
      set_state(3, 1);
      const DeviceMatrix gate = place(net.gate), up = place(net.up), down = place(net.down);
      ExpertBatch batch{.mode = ExpertMode::routed, .slots = kSlots, .experts = experts.address(), .weights = weights.address(),
                        .logits = place(logits), .expert_count = kExperts, .normalize = normalize};
      const std::uint64_t rows = place_rows(input, width, stride), norms = place(norm);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
            batch.state = state;
            FOVEA_TRY(record_gate_up(kernels, batch, {.gate = gate, .up = up, .x = rows, .act = act.address(), .x_stride = stride,
                                                      .act_stride = act_stride, .norm = {.weight = norms, .epsilon = kEpsilon}}));
            kernels.plan().barrier();
            return record_expert_down(kernels, batch, {.down = down, .act = act.address(), .x = x.address(),
                                                       .act_stride = act_stride, .x_stride = stride});
          },
          {&act, &x, &experts, &weights}, form);
      EXPECT_EQ(experts.values<std::uint32_t>(), choice.experts);
      EXPECT_TRUE(near_enough(weights.values<float>(), choice.weights, {4e-6, 4e-6}));
      expect_outputs(net, {1, kSlots, choice.experts, choice.weights}, normed, residual,
                     rows_of(act, kSlots, hidden, act_stride), x.values<float>(), stride);
    }
}

INSTANTIATE_TEST_SUITE_P(Types, FeedForwardTypes,
                         testing::Values(DType::F32, DType::F16, DType::BF16, DType::Q8_0, DType::Q4_0, DType::Q5_0,
                                         DType::Q4_K, DType::Q5_K, DType::Q6_K),
                         [](const auto& entry) { return std::string(name(entry.param)); });

TEST_F(FeedForward, grouping_survives_every_distribution) {
  Seeded random(82);
  const Network net = network(DType::Q8_0, {32, 64}, 20, random);  // more experts than a subgroup has lanes
  std::vector<std::uint32_t> all(20);
  for (std::uint32_t e = 0; e < 20; ++e) all[e] = e;
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu}) {
    check(net, assign(29, 1, {13}, random), 32, ExpertMode::grouped, form);  // one takes all
    check(net, assign(32, 1, {0}, random), 32, ExpertMode::grouped, form);   // the first, whole tiles
    check(net, assign(17, 1, {19}, random), 32, ExpertMode::grouped, form);  // the last
    check(net, assign(1, 1, {7}, random), 32, ExpertMode::grouped, form);    // a batch of one
    check(net, assign(31, 4, all, random), 32, ExpertMode::grouped, form);   // spread
    check(net, assign(32, 8, {0, 1, 2, 3, 16, 17, 18, 19}, random), 32, ExpertMode::grouped, form);
    check(net, assign(5, 4, all, random), 5, ExpertMode::grouped, form);  // less room than a tile
  }
}

TEST_F(FeedForward, grouping_covers_more_experts_than_a_workgroup_has_invocations) {
  Seeded random(83);
  const Network net = network(DType::Q4_0, {32, 32}, 300, random);
  std::vector<std::uint32_t> all(300);
  for (std::uint32_t e = 0; e < 300; ++e) all[e] = e;
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
    check(net, assign(24, 8, all, random), 24, ExpertMode::grouped, form);
}

TEST_F(FeedForward, one_by_one_and_grouped_agree) {
  Seeded random(84);
  const Network net = network(DType::Q4_K, {256, 256}, kExperts, random);
  const Assignments routing = assign(9, 3, kSome, random);
  check(net, routing, 9, ExpertMode::direct, ProductForm::cpu);
  check(net, routing, 9, ExpertMode::grouped, ProductForm::cpu);
}

TEST_F(FeedForward, dense_gate_and_up_equal_the_reference) {
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
    for (const std::uint32_t tokens : {1u, 3u, form == ProductForm::gpu ? 6u : 33u}) {
      Seeded random(85);
      const Network net = network(DType::Q5_0, {96, 160}, 1, random);
      const std::vector<float> input = random.normals(std::size_t{tokens} * 96, 2);
      std::vector<float> gate(std::size_t{tokens} * 160), up(gate.size());
      reference::matvec(net.gate.view(), input, gate);
      reference::matvec(net.up.view(), input, up);
      reference::swiglu(gate, up, gate);
      GuardBuffer act = output(std::uint64_t{tokens + 2} * 164);
      set_state(0, tokens);
      const DeviceMatrix gates = place(net.gate), ups = place(net.up);
      const std::uint64_t rows = place_rows(input, 96, 96);
      // A decode plan has room for one token only.
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) {
            const ExpertBatch batch{.tokens = tokens == 1 ? 1 : tokens + 2, .state = state};
            return record_gate_up(
                kernels, batch,
                {.gate = gates, .up = ups, .x = rows, .act = act.address(), .x_stride = 96, .act_stride = 164});
          },
          {&act}, form);
      EXPECT_TRUE(near_enough(rows_of(act, tokens, 160, 164), gate, kFeedForward)) << tokens << " tokens";
    }
}

// Few tokens and many, experts with none, with one and with nearly all of them. Unpacking is the same in all products
// in tiles, and product_tile_test.cpp has it for every type.
TEST_F(FeedForward, grouped_in_tiles_equal_the_reference) {
  for (const ProductForm form : {ProductForm::gpu, ProductForm::gpu_without_matrix_cores})
    for (const DType type : {DType::Q8_0, DType::Q4_K}) {
      if (form == ProductForm::gpu && !device().facts().cooperative_matrix) continue;  // the same as without
      Seeded random(87);
      const Network net = network(type, type == DType::Q8_0 ? Widths{96, 160} : Widths{256, 512}, kExperts, random);
      check(net, assign(70, 2, kSome, random), 80, ExpertMode::grouped, form, true);
      if (device().facts().cpu && type != DType::Q8_0) continue;  // to which every size of a tile is seconds of compiling
      check(net, assign(150, 4, kSome, random), 150, ExpertMode::grouped, form, true);
      Assignments skewed = assign(70, 1, {5}, random);
      skewed.experts[41] = 2;
      check(net, skewed, 128, ExpertMode::grouped, form, true);
    }
}

TEST_F(FeedForward, dense_gate_and_up_in_tiles_equal_the_reference) {
  for (const ProductForm form : {ProductForm::gpu, ProductForm::gpu_without_matrix_cores})
    for (const std::uint32_t tokens : {9u, 130u}) {
      Seeded random(88);
      const Network net = network(DType::Q8_0, {96, 163}, 1, random);
      const std::vector<float> input = random.normals(std::size_t{tokens} * 96, 2);
      std::vector<float> gate(std::size_t{tokens} * 163), up(gate.size());
      reference::matvec(in_halves(net.gate).view(), in_halves(input), gate);
      reference::matvec(in_halves(net.up).view(), in_halves(input), up);
      reference::swiglu(gate, up, gate);
      GuardBuffer act = output(std::uint64_t{tokens + 2} * 164), halves = output(std::uint64_t{tokens + 2} * 48);
      set_state(0, tokens);
      const DeviceMatrix gates = place(net.gate), ups = place(net.up);
      const std::uint64_t rows = place_rows(input, 96, 96);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
            FOVEA_TRY(record_half_rows(kernels, tokens + 2, {.x = rows, .y = halves.address(), .state = state, .columns = 96,
                                                             .x_stride = 96}));
            kernels.plan().barrier();
            return record_gate_up(kernels, {.tokens = tokens + 2, .in_tiles = true, .state = state},
                                  {.gate = gates, .up = ups, .act = act.address(), .halves = halves.address()});
          },
          {&act, &halves}, form);
      std::vector<float> got;
      for (const std::uint16_t half : act.values<std::uint16_t>()) got.push_back(half_to_float(half));
      got.resize(gate.size());
      EXPECT_TRUE(near_enough(got, in_halves(gate), kRounded)) << tokens << " tokens";
    }
}

}  // namespace
}  // namespace fovea::test
