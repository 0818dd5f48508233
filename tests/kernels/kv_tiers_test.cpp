// Pages that leave the window of a KV cache in tiers: who is refined, what far pages hold, and every form of attention over f16
// and far pages together, against the reference over what far pages hold.
#include "engine/kernels/kv_tiers.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <cstring>
#include <string>
#include <vector>

#include "engine/kernels/page_trace.hpp"
#include "engine/reference/kv_tiers.hpp"
#include "engine/tensor/half.hpp"
#include "engine/tensor/kv_row.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/seeded.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr std::uint32_t kPage = shader::kPageKeys, kLayers = 2, kLayer = 1, kSinks = 1, kWindow = 2, kPages = 9, kRing = kPages - kSinks;
constexpr std::uint32_t kKeys = 8 * kPage + 13, kBatch = 6 * kPage, kFar = 5, kHot = 400'000, kMostSlots = 2;
constexpr Tolerance kAttention{.relative_l2 = 5e-6, .scaled_max = 1e-5};

struct Heads {
  std::uint32_t width, query, kv;
  friend void PrintTo(const Heads& h, std::ostream* out) { *out << h.query << " heads of " << h.width << " over " << h.kv; }
};

std::string heads_name(const testing::TestParamInfo<Heads>& info) {
  return "width_" + std::to_string(info.param.width) + "_heads_" + std::to_string(info.param.query) + "_" + std::to_string(info.param.kv);
}

// kPages pages of two layers in f16 slots, of which those behind kWindow leave with a batch.
class KvTierKernels : public KernelTest, public testing::WithParamInterface<Heads> {
 protected:
  void SetUp() override {
    KernelTest::SetUp();
    if (IsSkipped()) return;
    const Heads heads = GetParam();
    Seeded random(heads.width + heads.query);
    row_ = std::size_t{heads.kv} * heads.width;
    const std::size_t of_page = 2 * row_ * kPage;  // halves, keys then values, of a layer
    std::vector<std::uint16_t> fresh(kPages * kLayers * of_page);
    for (auto& x : fresh) x = float_to_half(static_cast<float>(random.normal()));
    // A channel of zeros, one of a constant, one of large numbers; a value that is all zeros.
    for (std::uint32_t key = 0; key < kPage; ++key)
      for (std::size_t i = 0; i < 3 && i < heads.width; ++i)
        fresh[half_at(2, false, 0, key, i)] = float_to_half(i == 0 ? 0.0f : i == 1 ? -1.5f : 20.0f * static_cast<float>(random.normal()));
    for (std::size_t i = 0; i < heads.width; ++i) fresh[half_at(2, true, 0, 3, i)] = 0;
    fresh_.emplace(device(), fresh.size() * 2);
    fresh_->set_initial<std::uint16_t>(fresh);
    halves_ = std::move(fresh);
    far_.emplace(device(), kFar * far_stride());
    refinements_.emplace(device(), kMostSlots * refinement_stride());
    table_.emplace(device(), kPages * 8);
    slots_.emplace(device(), kLayers * (1 + kMostSlots) * 4);
    words_.emplace(device(), shader::kTierWords * 4);
    std::vector<std::uint64_t> entries, far, refinements;
    for (std::uint32_t page = 0; page < kPages; ++page) entries.push_back(fresh_->address() + page * kLayers * of_page * 2);
    for (std::uint32_t i = 0; i < kFar; ++i) far.push_back(far_->address() + (kFar - 1 - i) * far_stride());
    for (std::uint32_t i = 0; i < kMostSlots; ++i) refinements.push_back(refinements_->address() + i * refinement_stride());
    table_->set_initial<std::uint64_t>(entries);
    slots_->set_initial<std::uint32_t>(std::vector<std::uint32_t>(kLayers * (1 + kMostSlots), 0));
    words_->set_initial<std::uint32_t>(std::vector<std::uint32_t>{kSinks, 0, 0, 0});
    heat_.resize(std::size_t{kLayers} * heads.kv * kPages);
    for (float& h : heat_) h = static_cast<float>(random.uniform());
    far_addresses_ = far;
    args_ = {.push = {.pages = table_->address(), .fresh = fresh_->address(), .far_pages = place(far), .refinements = place(refinements), .heat = place(heat_),
                      .slots = slots_->address(), .tiers = words_->address(), .kv_heads = heads.kv, .layers = kLayers, .page_count = kPages, .sinks = kSinks,
                      .ring = kRing, .window = kWindow, .most_slots = kMostSlots, .hot = kHot},
             .head_width = heads.width, .layers = kLayers, .tokens = kBatch};
  }

  void leave() {
    set_state(kKeys - kBatch, kBatch);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          args_.push.state = state;
          FOVEA_TRY(record_tier_choice(kernels, args_));
          kernels.plan().barrier();
          return record_tier_store(kernels, args_);
        },
        {&*far_, &*refinements_, &*table_, &*slots_, &*words_, &*fresh_});
    read_back();
  }

  [[nodiscard]] std::size_t half_at(std::uint32_t page, bool value, std::uint32_t head, std::uint32_t key, std::size_t i) const {
    const std::size_t of_layer = 2 * row_ * kPage;
    return (std::size_t{page} * kLayers + kLayer) * of_layer + (value ? row_ * kPage : 0) + (std::size_t{head} * kPage + key) * GetParam().width + i;
  }
  [[nodiscard]] std::uint64_t far_stride() const { return kLayers * far_page_bytes(GetParam().kv, GetParam().width); }
  [[nodiscard]] std::uint64_t refinement_stride() const { return kLayers * refinement_bytes(GetParam().kv, GetParam().width); }
  [[nodiscard]] std::size_t wide_units() const { return ((GetParam().width + 7) / 8 * 3 + 4) / 8; }
  [[nodiscard]] std::vector<std::uint32_t> refined() const {  // pages of the layer
    const auto all = slots_->values<std::uint32_t>();
    const auto first = all.begin() + kLayer * (1 + kMostSlots);
    return {first + 1, first + 1 + std::min(*first, kMostSlots)};
  }

  // What attention is to read, (position, kv head, dimension): decoded as the layout's words say, not as the shader has it.
  void read_back() {
    const Heads heads = GetParam();
    const auto far = far_->contents(), refinements = refinements_->contents();
    const std::vector<std::uint32_t> hot = refined();
    keys_.assign(kKeys * row_, 0);
    values_.assign(kKeys * row_, 0);
    const std::size_t pieces = (heads.width + 15) / 16, blocks = (heads.width + 31) / 32;
    const auto half = [&](std::size_t at) {
      std::uint16_t h = 0;
      std::memcpy(&h, far.data() + at, 2);
      return static_cast<double>(half_to_float(h));
    };
    for (std::uint32_t position = 0; position < kKeys; ++position) {
      const std::uint32_t page = position / kPage, key = position % kPage;
      const bool is_far = page >= kSinks && page < kSinks + kFar;
      const auto slot = std::ranges::find(hot, page);
      const bool is_hot = is_far && slot != hot.end();
      const std::size_t at = is_far ? (kFar - 1 - (page - kSinks)) * far_stride() + kLayer * far_page_bytes(heads.kv, heads.width) : 0;
      const std::size_t fine = is_hot ? static_cast<std::size_t>(slot - hot.begin()) * refinement_stride() + kLayer * refinement_bytes(heads.kv, heads.width) : 0;
      const std::size_t lows = at + 16, highs = lows + heads.kv * pieces * 32, peaks = highs + heads.kv * pieces * 32;
      const std::size_t wide_bits = peaks + std::size_t{heads.kv} * kPage * blocks * 2, codes = wide_bits + (heads.kv + 3) / 4 * 16, plane = std::size_t{heads.kv} * kPage * pieces * 8;
      for (std::uint32_t head = 0; head < heads.kv; ++head)
        for (std::uint32_t i = 0; i < heads.width; ++i)
          for (const bool value : {false, true}) {
            float& to = (value ? values_ : keys_)[position * row_ + head * heads.width + i];
            if (!is_far) {
              to = half_to_float(halves_[half_at(page, value, head, key, i)]);
              continue;
            }
            const std::size_t of_row = value ? plane + (std::size_t{head} * kPage + key) * pieces * 8 + i / 16 * 8
                                             : std::size_t{head} * kPage * pieces * 8 + i / 16 * kPage * 8 + key * 8;
            const std::size_t byte = of_row + i % 16 / 8 * 4 + i % 4;
            const auto nibble = [&](std::byte b) { return static_cast<int>(i % 8 < 4 ? b & std::byte{15} : b >> 4); };
            std::uint32_t wide = 0;
            std::memcpy(&wide, far.data() + wide_bits + head * 4, 4);
            const std::size_t nth = std::popcount(wide & ((1u << i / 8) - 1));  // among the wide units of the head
            const std::size_t wide_byte = codes + 2 * plane + ((std::size_t{head} * wide_units() + nth) * kPage + key) * 4 + i % 4;
            double code = nibble(far[codes + byte]) * 16;
            if (value) {
              const double t = (code + (is_hot ? nibble(refinements[fine + byte - plane]) : 7.5) - 127.5) / 127.5;
              to = static_cast<float>(half(peaks + ((std::size_t{head} * kPage + key) * blocks + i / 32) * 2) * t * (2 + t * t) / 3);
              continue;
            }
            if ((wide >> i / 8 & 1) != 0) code += nibble(far[wide_byte]) - 8;
            const double low = half(lows + (head * pieces * 16 + i) * 2), high = half(highs + (head * pieces * 16 + i) * 2);
            to = static_cast<float>(low + (high - low) * code / 240);
          }
    }
  }
  void attend(std::span<const float> query, std::uint32_t head, std::uint32_t count, std::span<float> out, std::span<float> weights = {}) const {
    const std::size_t at = std::size_t{head / (GetParam().query / GetParam().kv)} * GetParam().width;
    reference::attention(query, {std::span(keys_).subspan(at), std::span(values_).subspan(at), row_, count}, out, weights);
  }
  [[nodiscard]] AttentionShape shape(std::uint64_t state, std::uint32_t tokens) const {
    const Heads heads = GetParam();
    return {.query_heads = heads.query, .kv_heads = heads.kv, .head_width = heads.width, .tokens = tokens,
            .layer_offset = static_cast<std::uint32_t>(kLayer * 4 * row_ * kPage), .pages = table_->address(), .state = state, .tiered = true};
  }
  // Queries of the last `tokens` positions, and what the reference makes of them.
  struct Batch {
    std::vector<float> query, expected;
  };
  [[nodiscard]] Batch batch(std::uint32_t tokens) {
    const Heads heads = GetParam();
    Seeded random(tokens);
    Batch made{random.normals(std::size_t{tokens} * heads.query * heads.width, 1.0), {}};
    made.expected.resize(made.query.size());
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t h = 0; h < heads.query; ++h) {
        const std::size_t at = (std::size_t{t} * heads.query + h) * heads.width;
        attend(std::span(made.query).subspan(at, heads.width), h, kKeys - tokens + t + 1, std::span(made.expected).subspan(at, heads.width));
      }
    return made;
  }
  TierArgs args_;
  std::size_t row_ = 0;
  std::optional<GuardBuffer> fresh_, far_, refinements_, table_, slots_, words_;
  std::vector<std::uint16_t> halves_;
  std::vector<float> heat_, keys_, values_;
  std::vector<std::uint64_t> far_addresses_;
};

TEST_P(KvTierKernels, leave_the_window_into_far_pages_and_the_table_says_so) {
  leave();
  const auto entries = table_->values<std::uint64_t>();
  for (std::uint32_t page = 0; page < kPages; ++page) {
    const bool is_far = page >= kSinks && page < kSinks + kFar;
    EXPECT_EQ(entries[page] & shader::kFarPage, is_far ? 1u : 0u) << page;
    if (is_far) {
      EXPECT_EQ(entries[page] - shader::kFarPage, far_addresses_[page - kSinks]);
    }
  }
  EXPECT_EQ(words_->values<std::uint32_t>()[shader::kTierSettled], kSinks + kFar);
}

TEST_P(KvTierKernels, refine_the_hottest_with_hysteresis_as_the_reference_does) {
  leave();
  const Heads heads = GetParam();
  for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
    std::vector<float> heat(kPages, 0);
    for (std::uint32_t head = 0; head < heads.kv; ++head)
      for (std::uint32_t page = 0; page < kPages; ++page) heat[page] += heat_[(std::size_t{layer} * heads.kv + head) * kPages + page];
    reference::RefinedPages twin;
    for (std::uint32_t page = kSinks; page < kSinks + kFar; ++page) twin.leave(page, page + 1 - kSinks, kHot, heat);
    const auto all = slots_->values<std::uint32_t>();
    const auto first = all.begin() + layer * (1 + kMostSlots);
    EXPECT_EQ((std::vector<std::uint32_t>(first + 1, first + 1 + std::min(*first, kMostSlots))), twin.slots) << "layer " << layer;
  }
}

TEST_P(KvTierKernels, hold_what_the_reference_holds_and_never_miss_by_more_than_half_a_step) {
  leave();
  const Heads heads = GetParam();
  const std::vector<std::uint32_t> hot = refined();
  std::size_t off = 0, all = 0;
  for (std::uint32_t page = kSinks; page < kSinks + kFar; ++page)
    for (std::uint32_t head = 0; head < heads.kv; ++head)
      for (const bool value : {false, true}) {
        const bool is_hot = std::ranges::find(hot, page) != hot.end();
        std::vector<float> original, expected;
        for (std::uint32_t key = 0; key < kPage; ++key)
          for (std::uint32_t i = 0; i < heads.width; ++i) original.push_back(half_to_float(halves_[half_at(page, value, head, key, i)]));
        expected = original;
        value ? reference::round_to_far_values(expected, heads.width, is_hot) : reference::round_to_far_keys(expected, heads.width);
        for (std::size_t n = 0; n < original.size(); ++n) {
          const std::size_t key = n / heads.width, i = n % heads.width;
          float low = original[i], high = low;
          if (value) {
            for (std::size_t j = i / 32 * 32; j < std::min<std::size_t>(i / 32 * 32 + 32, heads.width); ++j)
              high = std::max(high, std::abs(original[key * heads.width + j]));
            low = -high;
          } else {
            for (std::size_t j = i; j < original.size(); j += heads.width) low = std::min(low, original[j]), high = std::max(high, original[j]);
          }
          const float got = (value ? values_ : keys_)[(page * kPage + key) * row_ + head * heads.width + i];
          // Half a step: of values that where steps are largest, 5/3 of the mean; of keys that of a unit which is not wide.
          const float most = value ? (is_hot ? 0.51f : 8.01f) / 255 * 5 / 3 : 8.51f / 240;
          ASSERT_LE(std::abs(got - original[n]), most * (high - low) + 1e-7f) << "page " << page << ", key " << key << ", dimension " << i;
          if (!value && (original[n] == low || original[n] == high)) {
            ASSERT_LE(std::abs(got - original[n]), 1e-3f / 240 * (high - low)) << "the smallest and the largest key weigh most";
          }
          off += std::abs(got - expected[n]) > 1e-5f * (high - low);
          ++all;
        }
      }
  EXPECT_LE(static_cast<double>(off), 0.001 * static_cast<double>(all)) << "numbers between two codes alone";
}

TEST_P(KvTierKernels, are_staged_for_a_batch_as_halves_and_no_further_than_there_are_positions) {
  leave();
  const Heads heads = GetParam();
  const std::size_t of_page = 2 * row_ * kPage;
  constexpr std::uint32_t kBefore = 7 * kPage + 5;
  GuardBuffer staged(device(), kPages * of_page * 2);
  const std::vector<std::uint16_t> untouched(kPages * of_page, 0x7E00);
  staged.set_initial<std::uint16_t>(untouched);
  set_state(kBefore, 40);
  run(
      [&](KernelRecorder& kernels, std::uint64_t state) {
        args_.push.state = state;
        args_.push.staged = staged.address();
        args_.push.first_layer = kLayer;
        return record_tier_unpack(kernels, args_, kPages);
      },
      {&staged});
  const auto got = staged.values<std::uint16_t>();
  std::size_t off = 0;
  for (std::uint32_t page = 0; page < kPages; ++page)
    for (std::uint32_t key = 0; key < kPage; ++key)
      for (std::uint32_t head = 0; head < heads.kv; ++head)
        for (std::uint32_t i = 0; i < heads.width; ++i)
          for (const bool value : {false, true}) {
            const std::uint16_t half = got[half_at(page, value, head, key, i) - (std::size_t{page} * (kLayers - 1) + kLayer) * of_page];
            if (page >= 8) {
              ASSERT_EQ(half, 0x7E00) << "page " << page;
              continue;
            }
            const float exact = (value ? values_ : keys_)[(page * kPage + key) * row_ + head * heads.width + i];
            ASSERT_NEAR(half_to_float(half), exact, std::abs(exact) / 1024 + 1e-6f) << "page " << page << ", key " << key << ", dimension " << i;
            off += half != float_to_half(exact);
          }
  EXPECT_LE(off * 400, got.size()) << "numbers between two halves alone";
}

// A batch that is staged layer by layer leaves the same far pages, and what stays of it in the slots.
TEST_P(KvTierKernels, leave_from_where_a_batch_was_staged_and_what_stays_is_kept) {
  leave();
  const auto far = far_->contents(), refinements = refinements_->contents();
  const auto entries = table_->values<std::uint64_t>();
  const std::size_t of_page = 2 * row_ * kPage;
  std::vector<std::uint16_t> layers[kLayers];
  for (std::uint32_t layer = 0; layer < kLayers; ++layer)
    for (std::uint32_t page = 0; page < kPages; ++page) {
      const auto from = halves_.begin() + static_cast<std::ptrdiff_t>((page * kLayers + layer) * of_page);
      layers[layer].insert(layers[layer].end(), from, from + static_cast<std::ptrdiff_t>(of_page));
    }
  const std::vector<std::uint64_t> staged{place(layers[0]), place(layers[1])};
  fresh_->set_initial<std::uint16_t>(std::vector<std::uint16_t>(halves_.size(), 0));
  set_state(kKeys - kBatch, kBatch);
  run(
      [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
        args_.push.state = state;
        args_.layers = 1;
        for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
          args_.push.staged = staged[layer];
          args_.push.first_layer = layer;
          FOVEA_TRY(record_tier_choice(kernels, args_));
          kernels.plan().barrier();
          FOVEA_TRY(record_tier_store(kernels, args_));
          kernels.plan().barrier();
        }
        return {};
      },
      {&*far_, &*refinements_, &*table_, &*slots_, &*words_, &*fresh_});
  EXPECT_TRUE(far_->contents() == far);
  EXPECT_TRUE(refinements_->contents() == refinements);
  EXPECT_TRUE(table_->values<std::uint64_t>() == entries);
  EXPECT_EQ(words_->values<std::uint32_t>()[shader::kTierSettled], kSinks + kFar);
  const auto slots = fresh_->values<std::uint16_t>();
  for (std::uint32_t page = 0; page < kPages; ++page) {
    const auto at = static_cast<std::ptrdiff_t>(page * kLayers * of_page), size = static_cast<std::ptrdiff_t>(kLayers * of_page);
    const bool stays = page >= kSinks + kFar;  // the first page is none of the batch
    EXPECT_TRUE(stays ? std::equal(slots.begin() + at, slots.begin() + at + size, halves_.begin() + at)
                      : std::all_of(slots.begin() + at, slots.begin() + at + size, [](std::uint16_t x) { return x == 0; }))
        << page;
  }
}

TEST_P(KvTierKernels, are_attended_to_by_one_token_as_by_the_reference) {
  leave();
  const Heads heads = GetParam();
  const Batch made = batch(1);
  const std::uint32_t row = heads.query * heads.width, splits = attention_splits(device().facts(), heads.kv);
  GuardBuffer y = output(row), values = output(std::uint64_t{row} * splits), partial = output(std::uint64_t{heads.query} * splits * 2);
  set_state(kKeys - 1, 1);
  const std::uint64_t queries = place(made.query);
  run(
      [&](KernelRecorder& kernels, std::uint64_t state) {
        return record_attention_decode(kernels, {.shape = shape(state, 1), .query = queries, .y = y.address(), .y_stride = row, .values = values.address(),
                                                 .partial = partial.address()});
      },
      {&y, &values, &partial});
  EXPECT_TRUE(near_enough(y.values<float>(), made.expected, kAttention));
}

TEST_P(KvTierKernels, are_attended_to_by_one_token_in_one_step_as_by_the_reference) {
  leave();
  const Heads heads = GetParam();
  Batch made = batch(1);
  const std::uint32_t row = heads.query * heads.width, padded = heads.query * ((heads.width + 7) / 8 * 8);
  // No norm and no turns: the newest key and value are those that lie there already.
  std::vector<float> qkv = made.query;
  qkv.insert(qkv.end(), keys_.end() - static_cast<std::ptrdiff_t>(row_), keys_.end());
  qkv.insert(qkv.end(), values_.end() - static_cast<std::ptrdiff_t>(row_), values_.end());
  const std::uint64_t all = place(qkv), turns = place(std::vector<std::uint64_t>(heads.width / 2, 0));
  for (const auto& [together, splits] : {std::pair(false, 1u), {true, 4u}}) {
    // One split puts nothing together, whatever the heads: a CPU driver, which compiles it for seconds, sees it for narrow ones.
    if (splits == 1 && device().facts().cpu && heads.width > 32) continue;
    GuardBuffer y = output(row), values = output(std::uint64_t{padded} * splits), partial = output(std::uint64_t{heads.query} * splits * 2),
                arrived = output(heads.query);
    arrived.set_initial<std::uint32_t>(std::vector<std::uint32_t>(heads.query, 0));
    set_state(kKeys - 1, 1);
    bool taken = true;
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          const AttentionShape of = shape(state, 1);
          taken = takes_rope_attention(kernels, of);
          if (!taken) return {};
          return record_rope_attention(kernels, {.rope = {.shape = of, .qkv = all, .turns = turns, .qkv_stride = row + 2 * heads.kv * heads.width,
                                                          .rope_width = heads.width},
                                                 .y = y.address(), .values = values.address(), .partial = partial.address(), .arrived = arrived.address(),
                                                 .splits = splits, .heads = together ? 0u : 1u, .least_pages = 1});
        },
        {&y, &values, &partial, &arrived}, ProductForm::gpu);
    if (taken) {
      EXPECT_TRUE(near_enough(y.values<float>(), made.expected, kAttention)) << splits << " splits";
    }
  }
}

TEST_P(KvTierKernels, show_the_trace_the_weights_of_the_reference) {
  leave();
  const Heads heads = GetParam();
  const Batch made = batch(5);
  const std::uint32_t stride = 320;
  const std::vector<std::uint32_t> which{heads.query - 1};
  GuardBuffer rows = output(std::uint64_t{5} * stride / 2);
  set_state(kKeys - 5, 5);
  const std::uint64_t queries = place(made.query), asked = place(which);
  run(
      [&](KernelRecorder& kernels, std::uint64_t state) {
        return record_attention_rows(kernels, {.shape = shape(state, 5), .query = queries, .heads = asked, .rows = rows.address(), .slots = 1, .row_stride = stride,
                                               .tokens_capacity = 5});
      },
      {&rows});
  const auto got = rows.values<std::uint16_t>();
  for (std::uint32_t t = 0; t < 5; ++t) {
    const std::uint32_t count = kKeys - 4 + t;
    std::vector<float> expected(count), unused(heads.width);
    attend(std::span(made.query).subspan((std::size_t{t} * heads.query + which[0]) * heads.width, heads.width), which[0], count, unused, expected);
    for (std::uint32_t key = 0; key < count; ++key)
      ASSERT_NEAR(half_to_float(got[std::size_t{t} * stride + key]), expected[key], expected[key] * 1.5e-3f + 6.1e-8f) << "token " << t << ", key " << key;
  }
}

TEST_P(KvTierKernels, heat_pages_by_the_mass_that_the_newest_query_gives_them) {
  leave();
  const Heads heads = GetParam();
  const std::uint32_t tokens = 64, group = heads.query / heads.kv;
  const Batch made = batch(tokens);
  GuardBuffer scores = output(std::uint64_t{heads.query} * kPages), heat = output(std::uint64_t{heads.kv} * kPages);
  const std::vector<float> before(std::size_t{heads.kv} * kPages, 0.5f);
  heat.set_initial<float>(before);
  set_state(kKeys - tokens, tokens);
  const std::uint64_t queries = place(made.query);
  run(
      [&](KernelRecorder& kernels, std::uint64_t state) {
        return record_page_heat(kernels, {.shape = shape(state, tokens), .query = queries, .scores = scores.address(), .heat = heat.address(), .pages = kPages});
      },
      {&scores, &heat});
  const auto got = heat.values<float>();
  heat.set_initial<float>(before);
  run(
      [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
        PageHeatArgs args{.shape = shape(state, tokens), .query = queries, .scores = scores.address(), .heat = heat.address(), .pages = kPages,
                          .part = PageHeatArgs::Part::scores};
        FOVEA_TRY(record_page_heat(kernels, args));
        kernels.plan().barrier();
        args.part = PageHeatArgs::Part::masses;
        return record_page_heat(kernels, args);
      },
      {&scores, &heat});
  EXPECT_TRUE(heat.values<float>() == got) << "in parts";
  const double memory = std::exp2(-64.0 / 256);
  for (std::uint32_t head = 0; head < heads.kv; ++head) {
    std::vector<double> mass(kPages, 0);
    for (std::uint32_t h = head * group; h < (head + 1) * group; ++h) {
      const auto query = std::span(made.query).subspan((std::size_t{tokens - 1} * heads.query + h) * heads.width, heads.width);
      std::vector<double> sums;
      for (std::uint32_t page = 0; page < kPages; ++page) {
        const std::uint32_t end = std::min((page + 1) * kPage, kKeys);
        std::vector<float> low(heads.width, 1e9f), high(heads.width, -1e9f);
        double sum = 0;
        int sampled = 0;
        for (std::uint32_t key = page * kPage; key < end; ++key) {
          double score = 0;
          for (std::uint32_t i = 0; i < heads.width; ++i) {
            const float x = half_to_float(halves_[half_at(page, false, head, key % kPage, i)]);
            low[i] = std::min(low[i], x);
            high[i] = std::max(high[i], x);
            score += static_cast<double>(query[i]) * static_cast<double>(x);
          }
          if (key % 4 != 0) continue;  // those that f16 pages are judged by
          sum += std::exp(score / std::sqrt(static_cast<double>(heads.width)));
          ++sampled;
        }
        sum *= static_cast<double>(end - page * kPage) / sampled;
        sums.push_back(page >= kSinks && page < kSinks + kFar ? reference::far_page_sum(query, low, high, kPage) : std::log(sum));
      }
      const double highest = *std::ranges::max_element(sums);
      double all = 0;
      for (const double s : sums) all += std::exp(s - highest);
      for (std::uint32_t page = 0; page < kPages; ++page) mass[page] += std::exp(sums[page] - highest) / all;
    }
    for (std::uint32_t page = 0; page < kPages; ++page)
      EXPECT_NEAR(got[head * kPages + page], memory * 0.5 + (1 - memory) * mass[page], 2e-4 * group) << "head " << head << ", page " << page;
  }
}

// Among them heads of less than a piece, of pieces and a part, and of blocks and a part.
INSTANTIATE_TEST_SUITE_P(Shapes, KvTierKernels,
                         testing::Values(Heads{64, 4, 2}, Heads{128, 8, 1}, Heads{32, 4, 2}, Heads{80, 4, 2}, Heads{6, 2, 1}, Heads{16, 6, 2}, Heads{100, 2, 2},
                                         Heads{8, 1, 1}),
                         heads_name);

}  // namespace
}  // namespace fovea::test
