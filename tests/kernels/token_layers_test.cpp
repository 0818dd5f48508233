// All layers of one token in one step: to the bit what two steps a layer make of it, by two workgroups and by one alone.
#include <gtest/gtest.h>

#include <bit>
#include <string>
#include <vector>

#include "engine/decoder/device_weights.hpp"
#include "engine/kernels/token_layer.hpp"
#include "engine/reference/quantize.hpp"
#include "engine/reference/rms_norm.hpp"
#include "engine/tensor/eight_rows.hpp"
#include "tests/kernels/paged_cache.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr float kEpsilon = 1e-5f;
constexpr std::uint32_t kWidth = 512, kKvHeads = 2, kExperts = 11, kSlots = 4, kLayers = 3;

struct Case {
  const char* name;
  DType attention, experts;
  std::uint32_t head_width, hidden;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

enum class How { two_steps_a_layer, by_two, by_one };

class TokenLayers : public KernelTest, public testing::WithParamInterface<Case> {
 protected:
  struct Layer {
    DeviceMatrix projections, output, router, gate, up, down;
    std::uint64_t norm, feed_norm, head_norm;
  };
  struct Left {
    std::vector<float> x, weights;
    std::vector<std::uint32_t> experts;
    std::vector<std::vector<std::byte>> caches, queries;
  };

  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped()) return;
    if (!device().facts().cpu || device().facts().subgroup != 8) GTEST_SKIP() << "layers are not taken in one step here";
    const Case c = GetParam();
    Seeded random(c.hidden + c.head_width);
    for (std::uint32_t layer = 0; layer < kLayers; ++layer)
      layers_.push_back({place(stored_matrix(c.attention, kWidth, rows(), random)), place(stored_matrix(c.attention, kWidth, kWidth, random)),
                         place(stored_matrix(DType::F32, kWidth, kExperts, random)), place(stored_matrix(c.experts, kWidth, c.hidden, random, kExperts)),
                         place(stored_matrix(c.experts, kWidth, c.hidden, random, kExperts)), place(stored_matrix(c.experts, c.hidden, kWidth, random, kExperts)),
                         place(random.normals(kWidth)), place(random.normals(kWidth)), place(random.normals(c.head_width))});
    ModelConfig config;
    config.query_heads = heads();
    config.kv_heads = kKvHeads;
    config.head_width = config.rope_width = c.head_width;
    config.rope_base = 10000.0f;
    turns_ = place(rope_turns(config));
    residual_ = random.normals(kWidth);
    output_norm_ = random.normals(kWidth);
  }

  // `listed`: pages that the KV heads of the second layer read, the last ones; none: all of them.
  Left run_token(std::uint32_t position, How how, const std::vector<std::uint32_t>& listed) {
    const Case c = GetParam();
    set_state(position, 1);
    std::vector<PagedCache> caches;
    for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
      Seeded random(position + 7 + layer);
      caches.emplace_back(device(), kKvHeads, c.head_width, 0, position + 1, 5);
      caches.back().fill(position, random);
    }
    std::vector<GuardBuffer> queries;
    for (std::uint32_t layer = 0; layer < kLayers; ++layer) queries.push_back(output(kWidth));
    GuardBuffer x = output(kWidth), y = output(kWidth), qkv = output(rows()), attended = output(kWidth), sums = output(attention_layer_bytes(kKvHeads, kWidth) / 4), arrived = output(1),
                logits = output(kExperts), experts = output(kLayers * kSlots), weights = output(kLayers * kSlots), act = output(kSlots * c.hidden), partial = output((kSlots + 1) * kWidth);
    x.set_initial<float>(residual_);
    arrived.set_initial<std::uint32_t>(std::vector<std::uint32_t>{0});
    const TokenLayersShape shape{.layers = kLayers, .query_heads = heads(), .kv_heads = kKvHeads, .head_width = c.head_width, .width = kWidth, .experts = kExperts, .slots = kSlots, .hidden = c.hidden};
    GuardBuffer words = output(eight_input_bytes(kWidth) / sizeof(float));
    const std::uint64_t output_norm = place(output_norm_);
    constexpr std::uint64_t kOffset = 256;
    const auto scratch = device().create_buffer(kOffset + token_layers_bytes(shape), gpu::MemoryUse::compute);
    EXPECT_TRUE(scratch);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          TokenLayersArgs all{.x = x.address(), .y = y.address(), .output_norm = output_norm, .output_words = words.address(), .scratch = &*scratch, .offset = kOffset, .workgroups = how == How::by_one ? 1u : 2u};
          for (std::uint32_t n = 0; n < kLayers; ++n) {
            const Layer& w = layers_[n];
            AttentionShape keys{.query_heads = heads(), .kv_heads = kKvHeads, .head_width = c.head_width, .tokens = 1, .layer_offset = caches[n].layer_offset(), .pages = place(caches[n].table()), .state = state};
            if (n == 1 && !listed.empty()) list(keys, caches[n], position, listed);
            const RopeStoreArgs rope{.shape = keys, .qkv = qkv.address(), .query = n == 1 ? queries[n].address() : 0, .query_norm = w.head_norm, .key_norm = w.head_norm, .turns = turns_,
                                     .qkv_stride = rows(), .rope_width = c.head_width, .norm = 1, .epsilon = kEpsilon};
            const std::uint64_t of_layer = n * kSlots * sizeof(float);
            const RouterTokenArgs route{.router = w.router, .x = x.address(), .norm = {w.feed_norm, kEpsilon},
                                        .choice = {.logits = logits.address(), .experts = experts.address() + of_layer, .weights = weights.address() + of_layer, .state = state, .expert_count = kExperts, .slots = kSlots}};
            const ExpertBatch batch{.mode = ExpertMode::direct, .slots = kSlots, .experts = route.choice.experts, .weights = route.choice.weights, .state = state};
            all.layers.push_back({.attention = {.rope = rope, .projections = w.projections, .output = w.output, .x = x.address(), .norm = {w.norm, kEpsilon}, .attended = attended.address(),
                                                .sums = sums.address(), .arrived = arrived.address(), .router = route},
                                  .batch = batch,
                                  .experts = {.gate = w.gate, .up = w.up, .down = w.down, .x = x.address(), .norm = {w.feed_norm, kEpsilon}, .act = act.address(), .partial = partial.address(), .arrived = arrived.address()}});
          }
          EXPECT_TRUE(runs_token_layers(all));
          if (how != How::two_steps_a_layer) {
            record_token_table(kernels, all);
            kernels.plan().barrier();
            return record_token_layers(kernels, all);
          }
          for (const TokenLayerArgs& layer : all.layers) {
            FOVEA_TRY(record_attention_layer(kernels, layer.attention));
            kernels.plan().barrier();
            FOVEA_TRY(record_expert_layer(kernels, layer.batch, layer.experts));
            kernels.plan().barrier();
          }
          return {};
        },
        {&x, &y, &qkv, &queries[1], &attended, &words, &sums, &arrived, &logits, &experts, &weights, &act, &partial, &caches[0].memory(), &caches[1].memory(), &caches[2].memory()}, ProductForm::cpu);
    Left left{.x = (how == How::two_steps_a_layer ? x : y).values<float>(), .weights = weights.values<float>(), .experts = experts.values<std::uint32_t>()};
    for (PagedCache& cache : caches) left.caches.push_back(cache.memory().contents());
    left.queries.push_back(queries[1].contents());
    if (how != How::two_steps_a_layer) expect_rounded(words.values<std::uint32_t>(), left.x);
    return left;
  }

  // What an output product of rows in eights reads: columns 4n to 4n + 3 in two words, the first two in their upper halves.
  void expect_rounded(const std::vector<std::uint32_t>& words, const std::vector<float>& x) {
    std::vector<float> normed(kWidth), expected(kWidth), got(kWidth);
    reference::rms_norm(x, output_norm_, kEpsilon, normed);
    reference::round_to_8_bits(normed, expected);
    for (std::uint32_t i = 0; i < kWidth; ++i) {
      const std::uint32_t word = words[i / 4 * 2 + i % 2], four = words[kWidth / 2 + i / 8];
      const auto low = static_cast<std::int16_t>(word & 0xFFFF), high = static_cast<std::int16_t>((word - static_cast<std::uint32_t>(low)) >> 16);
      got[i] = std::bit_cast<float>(words[kWidth / 2 + kWidth / 8 + i / 16]) * static_cast<float>(i % 4 < 2 ? high : low);
      const std::size_t first = i / 8 * 4;
      ASSERT_EQ(four, 32768u - 32u * 65537u * (words[first] + words[first + 1] + words[first + 2] + words[first + 3])) << i;
    }
    // A step of the rounding more or less now and then, where the norm differs in its last bit.
    EXPECT_TRUE(near_enough(got, expected, {.relative_l2 = 2e-3, .scaled_max = 1e-2}));
  }

  void expect_same(std::uint32_t position, How how, const std::vector<std::uint32_t>& listed) {
    SCOPED_TRACE(position);
    const Left apart = run_token(position, How::two_steps_a_layer, listed), together = run_token(position, how, listed);
    EXPECT_EQ(apart.x, together.x);
    EXPECT_EQ(apart.experts, together.experts);
    EXPECT_EQ(apart.weights, together.weights);
    EXPECT_TRUE(apart.caches == together.caches) << "keys or values";
    EXPECT_TRUE(apart.queries == together.queries) << "queries that are kept";
  }

 private:
  [[nodiscard]] static std::uint32_t heads() { return kWidth / GetParam().head_width; }
  [[nodiscard]] static std::uint32_t rows() { return (heads() + 2 * kKvHeads) * GetParam().head_width; }

  void list(AttentionShape& keys, const PagedCache& cache, std::uint32_t position, const std::vector<std::uint32_t>& listed) {
    const std::uint32_t pages = position / shader::kPageKeys + 1;
    std::vector<std::uint64_t> tables(std::size_t{kKvHeads} * pages);
    std::vector<std::uint32_t> counts;
    for (std::uint32_t head = 0; head < kKvHeads; ++head) {
      const std::uint32_t read = std::min(listed[head], pages);
      for (std::uint32_t i = 0; i < read; ++i) tables[head * pages + i] = cache.table()[pages - read + i];
      counts.push_back((read - 1) * shader::kPageKeys + position % shader::kPageKeys + 1);
    }
    keys.pages = place(tables);
    keys.listed_keys = place(counts);
    keys.table_stride = pages;
  }

  std::vector<Layer> layers_;
  std::uint64_t turns_ = 0;
  std::vector<float> residual_, output_norm_;
};

TEST_P(TokenLayers, make_what_two_steps_a_layer_make) {
  for (const std::uint32_t position : {0u, 31u, 333u}) expect_same(position, How::by_two, {});
  expect_same(40, How::by_one, {});
  expect_same(333, How::by_two, {5, 6});  // lists of about one length
}

TEST_P(TokenLayers, share_lists_of_unlike_lengths_evenly) {
  for (const std::vector<std::uint32_t>& listed : {std::vector<std::uint32_t>{11, 1}, {2, 9}, {1, 11}}) {
    SCOPED_TRACE(listed[0]);
    const Left apart = run_token(333, How::two_steps_a_layer, listed), by_two = run_token(333, How::by_two, listed), by_one = run_token(333, How::by_one, listed);
    EXPECT_TRUE(near_enough(by_two.x, apart.x, {2e-5, 4e-5}));
    EXPECT_EQ(by_two.x, by_one.x);
    EXPECT_EQ(by_two.experts, by_one.experts);
  }
}

INSTANTIATE_TEST_SUITE_P(Types, TokenLayers,
                         testing::Values(Case{"q8_0_q4_k", DType::Q8_0, DType::Q4_K, 64, 256}, Case{"q8_0_f32", DType::Q8_0, DType::F32, 128, 512}, Case{"q8_0_q5_k", DType::Q8_0, DType::Q5_K, 64, 256},
                                         Case{"q8_0_q6_k", DType::Q8_0, DType::Q6_K, 64, 512}, Case{"q8_0", DType::Q8_0, DType::Q8_0, 32, 256}, Case{"q4_k", DType::Q4_K, DType::Q4_K, 64, 512},
                                         Case{"q5_k", DType::Q5_K, DType::Q5_K, 128, 256}, Case{"q6_k", DType::Q6_K, DType::Q6_K, 64, 256}, Case{"f32", DType::F32, DType::F32, 64, 256}),
                         [](const auto& entry) { return std::string(entry.param.name); });

TEST(TokenLayersBytes, are_none_for_layers_that_no_device_takes_in_one_step) {
  const TokenLayersShape shape{.layers = 6, .query_heads = 8, .kv_heads = 2, .head_width = 64, .width = 512, .experts = 16, .slots = 4, .hidden = 256};
  EXPECT_GT(token_layers_bytes(shape), 0u);
  TokenLayersShape other = shape;
  other.kv_heads = 1;
  EXPECT_EQ(token_layers_bytes(other), 0u);
  other = shape;
  other.width = 1024;
  EXPECT_EQ(token_layers_bytes(other), 0u);
  other = shape;
  other.hidden = 1024;
  EXPECT_EQ(token_layers_bytes(other), 0u);
}

}  // namespace
}  // namespace fovea::test
