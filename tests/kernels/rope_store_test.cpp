// Query and key norms, rotary positions and the write into the cache's pages against the reference.
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <string>
#include <vector>

#include "engine/decoder/device_weights.hpp"
#include "engine/kernels/attention.hpp"
#include "engine/reference/rms_norm.hpp"
#include "engine/reference/rope.hpp"
#include "tests/kernels/paged_cache.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

struct Case {
  const char* name;
  std::uint32_t query_heads, kv_heads, head_width, rope_width;
  RopeLayout layout;
  QkNorm norm;
  bool scaled = false;  // linear scaling and per-pair divisors
  DType kv = DType::F16;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

ModelConfig config_of(const Case& c) {
  ModelConfig config;
  config.query_heads = c.query_heads;
  config.kv_heads = c.kv_heads;
  config.head_width = c.head_width;
  config.rope_width = c.rope_width;
  config.rope_layout = c.layout;
  config.rope_base = 10000.0f;
  if (c.scaled) {
    config.rope_base = 500000.0f;
    config.rope_scale = 4.0f;
    for (std::uint32_t i = 0; i < c.rope_width / 2; ++i)
      config.rope_factors.push_back(1.0f + 0.5f * static_cast<float>(i));
  }
  return config;
}

class RopeStore : public KernelTest, public testing::WithParamInterface<Case> {
 protected:
  static constexpr float kEpsilon = 1e-6f;

  void check(std::uint32_t position, std::uint32_t tokens, ProductForm form = ProductForm::suits_device) {
    SCOPED_TRACE("position " + std::to_string(position) + ", tokens " + std::to_string(tokens));
    const Case c = GetParam();
    const ModelConfig config = config_of(c);
    const std::uint32_t query_width = c.query_heads * c.head_width, kv_width = c.kv_heads * c.head_width;
    const std::uint32_t row = query_width + 2 * kv_width, stride = row + 4;
    Seeded random(position + 1);
    std::vector<float> qkv = random.normals(std::size_t{tokens} * row, 2);
    // Nothing but zeros in a block: its scale is 0, which nothing may be divided by.
    std::fill_n(qkv.begin() + query_width + kv_width, std::min(32u, c.head_width), 0.0f);
    const bool whole = c.norm == QkNorm::full_width;
    const std::vector<float> query_norm = random.normals(whole ? query_width : c.head_width),
                             key_norm = random.normals(whole ? kv_width : c.head_width);

    GuardBuffer query = output(std::uint64_t{tokens + 2} * query_width);
    PagedCache cache(device(), c.kv_heads, c.head_width, position, position + tokens, 4, c.kv);
    set_state(position, tokens);
    const std::uint64_t rows = place_rows(qkv, row, stride), pages = place(cache.table()),
                        turns = place(rope_turns(config)), query_weights = place(query_norm),
                        key_weights = place(key_norm);
    const bool norms = c.norm != QkNorm::none;
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          RopeStoreArgs args{.shape = {.query_heads = c.query_heads,
                                                       .kv_heads = c.kv_heads,
                                                       .head_width = c.head_width,
                                                       .tokens = tokens + 2,
                                                       .layer_offset = cache.layer_offset(),
                                                       .pages = pages,
                                                       .state = state,
                                                       .kv = c.kv},
                                             .qkv = rows,
                                             .query = query.address(),
                                             .query_norm = norms ? query_weights : 0,
                                             .key_norm = norms ? key_weights : 0,
                                             .turns = turns,
                                             .qkv_stride = stride,
                                             .rope_width = c.rope_width,
                                             .halves = c.layout == RopeLayout::halves,
                                             .norm = static_cast<std::uint32_t>(c.norm),
                                             .epsilon = kEpsilon};
          if (form != ProductForm::gpu) return record_rope_store(kernels, args);
          // In two steps.
          args.part = RopeStoreArgs::Part::keys_and_values;
          FOVEA_TRY(record_rope_store(kernels, args));
          args.part = RopeStoreArgs::Part::queries;
          return record_rope_store(kernels, args);
        },
        {&query, &cache.memory()}, form);

    std::vector<float> queries, keys, values;
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const auto part = [&](std::uint32_t from, std::uint32_t width) {
        const auto begin = qkv.begin() + static_cast<std::ptrdiff_t>(t * row + from);
        return std::vector<float>(begin, begin + static_cast<std::ptrdiff_t>(width));
      };
      std::vector<float> q = part(0, query_width), k = part(query_width, kv_width);
      const std::vector<float> v = part(query_width + kv_width, kv_width);
      if (norms) {
        reference::rms_norm(q, query_norm, kEpsilon, q);
        reference::rms_norm(k, key_norm, kEpsilon, k);
      }
      reference::rope(q, position + t, reference::rope_parameters(config));
      reference::rope(k, position + t, reference::rope_parameters(config));
      queries.insert(queries.end(), q.begin(), q.end());
      keys.insert(keys.end(), k.begin(), k.end());
      values.insert(values.end(), v.begin(), v.end());
    }
    // Measured on lavapipe: 2e-7. GPUs take sine and cosine to about 2^-21.
    EXPECT_TRUE(near_enough(rows_of(query, tokens, query_width, query_width), queries, {4e-6, 8e-6}));
    if (c.kv == DType::F16)
      expect_stored(cache, position, tokens, keys, values);
    else
      expect_blocks(cache, position, tokens, keys, values);
  }

  // Keys and values lie where they belong as halves; every other half of every page is as it was.
  void expect_stored(PagedCache& cache, std::uint32_t position, std::uint32_t tokens, const std::vector<float>& keys,
                     const std::vector<float>& values) {
    const Case c = GetParam();
    std::vector<std::uint16_t> halves = cache.memory().values<std::uint16_t>();
    std::size_t i = 0;
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t head = 0; head < c.kv_heads; ++head)
        for (std::uint32_t d = 0; d < c.head_width; ++d, ++i)
          for (const bool value : {false, true}) {
            std::uint16_t& half = halves[cache.at(value, head, position + t, d)];
            const double want = static_cast<double>(value ? values[i] : keys[i]),
                         is = static_cast<double>(half_to_float(half));
            // Nearest half: 2^-11 of the value, and a little for keys that were computed in single precision.
            const double rounding = std::abs(want) * std::ldexp(1.0, -11) + (value ? 0 : 2e-5) + std::ldexp(1.0, -25);
            ASSERT_NEAR(is, want, rounding)
                << (value ? "value" : "key") << " token " << t << " head " << head << " dimension " << d;
            half = PagedCache::kNan;
          }
    const auto stray = std::ranges::find_if(halves, [](std::uint16_t h) { return h != PagedCache::kNan; });
    EXPECT_EQ(stray, halves.end()) << "half " << stray - halves.begin() << " of the cache was written";
  }

  // Keys and values lie where they belong as blocks with the scale that the rule gives them, zeros behind a head that
  // is no multiple of a piece; every other byte of every page is as it was.
  void expect_blocks(PagedCache& cache, std::uint32_t position, std::uint32_t tokens, const std::vector<float>& keys,
                     const std::vector<float>& values) {
    const Case c = GetParam();
    std::vector<std::uint16_t> halves = cache.memory().values<std::uint16_t>();
    std::vector<std::uint16_t> filler(halves.size(), PagedCache::kNan);
    auto* const bytes = reinterpret_cast<std::int8_t*>(halves.data());
    const auto* const fill = reinterpret_cast<const std::int8_t*>(filler.data());
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t head = 0; head < c.kv_heads; ++head)
        for (const bool value : {false, true}) {
          const std::vector<float>& all = value ? values : keys;
          const auto row = std::span(all).subspan((std::size_t{t} * c.kv_heads + head) * c.head_width, c.head_width);
          SCOPED_TRACE((value ? "value" : "key") + (" of token " + std::to_string(t)) + ", head " +
                       std::to_string(head));
          // Keys were computed in single precision on the device.
          const double slack = value ? 0 : 2e-5;
          for (std::uint32_t block = 0; block < cache.blocks(); ++block) {
            const std::uint32_t first = block * shader::kKvBlock,
                                end = std::min(first + shader::kKvBlock, c.head_width);
            double peak = 0;
            for (std::uint32_t d = first; d < end; ++d) peak = std::max(peak, std::abs(static_cast<double>(row[d])));
            std::uint16_t& half = halves[cache.scale_at(value, head, position + t, block)];
            const double scale = static_cast<double>(half_to_float(half));
            ASSERT_NEAR(scale, peak / 127, peak / 127 * std::ldexp(1.0, -11) + slack / 127 + std::ldexp(1.0, -25));
            half = PagedCache::kNan;
            for (std::uint32_t d = first; d < end; ++d) {
              const std::size_t at = cache.quant_at(value, head, position + t, d);
              // Half a step of the exact scale, and a quotient whose last bits decide.
              const double want = peak > 0 ? static_cast<double>(row[d]) / (peak / 127) : 0;
              ASSERT_NEAR(bytes[at], want, 0.5 + 1e-4 + slack * 127 / std::max(peak, 1e-9)) << "dimension " << d;
              bytes[at] = fill[at];
            }
          }
          for (std::uint32_t d = c.head_width; d < cache.pieces() * shader::kKvPiece; ++d) {
            const std::size_t at = cache.quant_at(value, head, position + t, d);
            ASSERT_EQ(bytes[at], 0) << "behind the head, at " << d;
            bytes[at] = fill[at];
          }
        }
    const auto stray = std::ranges::mismatch(halves, filler).in1;
    EXPECT_EQ(stray, halves.end()) << "half " << stray - halves.begin() << " of the cache was written";
  }
};

TEST_P(RopeStore, equals_the_reference_and_fills_the_right_slots) {
  for (const std::uint32_t position : {0u, 31u, 32u, 5000u}) check(position, 3);
  check(7, 1);
  check(100'000, 2);
  check(33, 2, ProductForm::gpu);  // several heads a workgroup, keys and values before queries
}

INSTANTIATE_TEST_SUITE_P(
    Cases, RopeStore,
    testing::Values(
        Case{"neighbours", 4, 2, 64, 64, RopeLayout::neighbours, QkNorm::none},
        Case{"halves", 4, 2, 64, 64, RopeLayout::halves, QkNorm::none},
        Case{"partial_neighbours", 3, 1, 32, 20, RopeLayout::neighbours, QkNorm::none},
        Case{"partial_halves_norm_per_head", 6, 3, 32, 16, RopeLayout::halves, QkNorm::per_head},
        Case{"halves_norm_per_head", 8, 2, 128, 128, RopeLayout::halves, QkNorm::per_head},
        Case{"halves_norm_full_width", 3, 3, 64, 64, RopeLayout::halves, QkNorm::full_width},
        Case{"neighbours_scaled", 4, 4, 8, 8, RopeLayout::neighbours, QkNorm::none, true},
        Case{"q8_0_neighbours", 4, 2, 64, 64, RopeLayout::neighbours, QkNorm::none, false, DType::Q8_0},
        Case{"q8_0_partial_norm_per_head", 6, 3, 32, 16, RopeLayout::halves, QkNorm::per_head, false, DType::Q8_0},
        Case{"q8_0_halves_norm_per_head", 8, 2, 128, 128, RopeLayout::halves, QkNorm::per_head, false, DType::Q8_0},
        Case{"q8_0_blocks_and_a_half", 2, 2, 80, 32, RopeLayout::halves, QkNorm::full_width, false, DType::Q8_0},
        Case{"q8_0_part_of_a_piece", 3, 3, 100, 100, RopeLayout::neighbours, QkNorm::none, false, DType::Q8_0},
        Case{"q8_0_scaled_small", 4, 4, 8, 8, RopeLayout::neighbours, QkNorm::none, true, DType::Q8_0}),
    [](const auto& entry) { return std::string(entry.param.name); });

}  // namespace
}  // namespace fovea::test
