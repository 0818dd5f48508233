// Bounds of pages, the choice of pages by them and attention over those, held against the reference: what their tests share.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <bit>
#include <cmath>
#include <functional>
#include <string>
#include <vector>

#include "engine/decoder/device_weights.hpp"
#include "engine/kernels/sparse_attention.hpp"
#include "engine/reference/sparse_attention.hpp"
#include "tests/kernels/paged_cache.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {

using reference::PageBudget;
using reference::PageScorer;

inline constexpr Tolerance kAttention{.relative_l2 = 5e-6, .scaled_max = 1e-5};
// Prompts of a GPU are taken in tiles of halves (attention_tile_test.cpp holds them to halves of the reference).
inline constexpr Tolerance kTiles{.relative_l2 = 2e-3, .scaled_max = 4e-3};

struct Heads {
  std::uint32_t width, query, kv;
  DType type = DType::F16;
  friend void PrintTo(const Heads& h, std::ostream* out) { *out << h.query << " heads of " << h.width << " over " << h.kv; }
};

inline std::string heads_name(const testing::TestParamInfo<Heads>& info) {
  return "width_" + std::to_string(info.param.width) + "_heads_" + std::to_string(info.param.query) + "_" +
         std::to_string(info.param.kv) + "_" + std::string(name(info.param.type));
}

inline std::uint32_t planes_of(std::uint32_t scorer) { return scorer == shader::kScorerMean ? 1 : 2; }

// Where a block of pages begins, a channel of a page's bounds and its spread lie, counted in halves from the layer's.
inline std::size_t block_at(const Heads& heads, std::uint32_t pages, std::uint32_t scorer, std::uint32_t head, std::uint32_t page) {
  const std::size_t pieces = (heads.width + 7) / 8, spread = scorer == shader::kScorerAutomatic ? 2 : 0;
  return (head * std::size_t{(pages + 31) / 32} + page / 32) * 32 * (pieces * planes_of(scorer) * 8 + spread);
}
inline std::size_t bound_at(const Heads& heads, std::uint32_t pages, std::uint32_t scorer, std::uint32_t head, std::uint32_t page,
                     std::uint32_t plane, std::uint32_t channel) {
  return block_at(heads, pages, scorer, head, page) + ((channel / 8 * planes_of(scorer) + plane) * 32 + page % 32) * 8 + channel % 8;
}
inline std::size_t spread_at(const Heads& heads, std::uint32_t pages, std::uint32_t head, std::uint32_t page) {
  const std::size_t pieces = (heads.width + 7) / 8;
  return block_at(heads, pages, shader::kScorerAutomatic, head, page) + pieces * 2 * 32 * 8 + page % 32 * 2;
}
// What a plane of bounds holds.
inline const std::vector<float>& plane_of(const reference::PageSummaries& summaries, std::uint32_t scorer, std::uint32_t plane) {
  if (scorer == shader::kScorerMean) return summaries.mean;
  if (scorer == shader::kScorerAutomatic) return plane == 0 ? summaries.first_half : summaries.second_half;
  return plane == 0 ? summaries.low : summaries.high;
}

inline reference::KeyValueRows rows_of_head(const PagedCache& cache, const Heads& heads, std::uint32_t head, std::size_t count) {
  const std::size_t at = std::size_t{head} * heads.width;
  return {std::span(cache.keys).subspan(at), std::span(cache.values).subspan(at), std::size_t{heads.kv} * heads.width, count};
}

class SparseAttention : public KernelTest, public testing::WithParamInterface<Heads> {
 protected:
  [[nodiscard]] static std::uint32_t group() { return GetParam().query / GetParam().kv; }
  [[nodiscard]] static AttentionShape shape(const PagedCache& cache, std::uint64_t pages, std::uint64_t state, std::uint32_t tokens) {
    const Heads heads = GetParam();
    return {.query_heads = heads.query, .kv_heads = heads.kv, .head_width = heads.width, .tokens = tokens,
            .layer_offset = cache.layer_offset(), .pages = pages, .state = state, .kv = heads.type};
  }

  void bounds(std::uint32_t position, std::uint32_t tokens, std::uint32_t scorer) {
    const Heads heads = GetParam();
    const std::uint32_t count = position + tokens, pages = (count + 31) / 32 + 3;
    Seeded random(count);
    PagedCache cache(device(), heads.kv, heads.width, 0, count, 3, heads.type);
    cache.fill(count, random);
    GuardBuffer out(device(), page_bounds_bytes(heads.kv, heads.width, pages, scorer));
    set_state(position, tokens);
    const std::uint64_t table = place(cache.table());
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_page_bounds(kernels, {.shape = shape(cache, table, state, tokens == 1 ? 1 : tokens + 5), .bounds = out.address(),
                                              .pages = pages, .scorer = scorer});
        },
        {&out});
    const std::vector<std::uint16_t> written = out.values<std::uint16_t>(), untouched = [&] {
      GuardBuffer fresh(device(), out.bytes());
      return fresh.values<std::uint16_t>();
    }();
    std::vector<bool> expected(written.size(), false);
    for (std::uint32_t head = 0; head < heads.kv; ++head) {
      reference::PageSummaries summaries = reference::summarize_pages(rows_of_head(cache, heads, head, count), heads.width, 32);
      reference::round_to_halves(summaries);
      for (std::uint32_t page = position / 32; page < count / 32; ++page) {
        if (scorer == shader::kScorerAutomatic) {
          const std::size_t at = spread_at(heads, pages, head, page);
          expected[at] = expected[at + 1] = true;
          const auto spread = std::bit_cast<float>(written[at] | static_cast<std::uint32_t>(written[at + 1]) << 16);
          ASSERT_NEAR(spread, summaries.spread[page], 1e-5f * summaries.spread[page]) << "page " << page;
        }
        for (std::uint32_t channel = 0; channel < (heads.width + 7) / 8 * 8; ++channel)
          for (std::uint32_t plane = 0; plane < planes_of(scorer); ++plane) {
            const std::size_t at = bound_at(heads, pages, scorer, head, page, plane, channel);
            expected[at] = true;
            const float got = half_to_float(written[at]);
            if (channel >= heads.width) {
              ASSERT_EQ(got, 0) << "a channel behind the head";
              continue;
            }
            const std::size_t of = std::size_t{page} * heads.width + channel;
            const float wanted = plane_of(summaries, scorer, plane)[of];
            if (scorer == shader::kScorerQuest) {
              ASSERT_EQ(got, wanted) << "page " << page << " channel " << channel;
            } else {  // a sum in another order may round to the next half
              ASSERT_NEAR(got, wanted, 1e-3 * (1e-3 + std::abs(wanted))) << "page " << page << " channel " << channel;
            }
          }
      }
    }
    for (std::size_t i = 0; i < written.size(); ++i)
      if (!expected[i]) {
        ASSERT_EQ(written[i], untouched[i]) << "half " << i << " was not to be written";
      }
  }

  struct Rule {
    reference::SparseRule rule;
    PageRule device;
  };
  static Rule rule_of(reference::SparseRule rule) {
    rule.page = 32;
    const auto millionths = [](double part) { return static_cast<std::uint32_t>(std::llround(part * 1e6)); };
    const bool adaptive = rule.budget == PageBudget::adaptive;
    return {rule,
            {.window = static_cast<std::uint32_t>(rule.window), .sink_pages = static_cast<std::uint32_t>((rule.sinks + 31) / 32),
             .dense_below = static_cast<std::uint32_t>(rule.dense_below), .global = millionths(adaptive ? rule.most : rule.global),
             .least = millionths(rule.least), .mass = adaptive ? static_cast<std::uint32_t>(rule.mass * (1u << 30)) : 0,
             .scorer = rule.scorer == PageScorer::quest ? shader::kScorerQuest
                       : rule.scorer == PageScorer::mean ? shader::kScorerMean : shader::kScorerAutomatic}};
  }

  // Bounds of the first pages as the kernel is to find them; NaN where none are.
  std::uint64_t place_bounds(const PagedCache& cache, std::uint32_t count, std::uint32_t pages, std::uint32_t scorer) {
    return place(bounds_of(cache, count, pages, scorer));
  }
  static std::vector<std::uint16_t> bounds_of(const PagedCache& cache, std::uint32_t count, std::uint32_t pages, std::uint32_t scorer) {
    const Heads heads = GetParam();
    std::vector<std::uint16_t> all(page_bounds_bytes(heads.kv, heads.width, pages, scorer) / 2, PagedCache::kNan);
    for (std::uint32_t head = 0; head < heads.kv; ++head) {
      reference::PageSummaries summaries = reference::summarize_pages(rows_of_head(cache, heads, head, count), heads.width, 32);
      reference::round_to_halves(summaries);
      for (std::uint32_t page = 0; page < count / 32; ++page) {
        if (scorer == shader::kScorerAutomatic) {
          const auto spread = std::bit_cast<std::uint32_t>(summaries.spread[page]);
          all[spread_at(heads, pages, head, page)] = static_cast<std::uint16_t>(spread);
          all[spread_at(heads, pages, head, page) + 1] = static_cast<std::uint16_t>(spread >> 16);
        }
        for (std::uint32_t channel = 0; channel < (heads.width + 7) / 8 * 8; ++channel)
          for (std::uint32_t plane = 0; plane < planes_of(scorer); ++plane) {
            const std::size_t of = std::size_t{page} * heads.width + channel;
            const std::vector<float>& from = plane_of(summaries, scorer, plane);
            all[bound_at(heads, pages, scorer, head, page, plane, channel)] = channel < heads.width ? float_to_half(from[of]) : std::uint16_t{0};
          }
      }
    }
    return all;
  }

  // A list with pages of nearly the masses that the reference's choice has.
  static void expect_masses(const reference::PageChoice& choice, const std::vector<std::uint32_t>& list) {
    ASSERT_EQ(list.size(), choice.pages.size());
    ASSERT_TRUE(std::ranges::is_sorted(list));
    std::vector<std::uint32_t> extra;
    std::vector<std::size_t> missed;
    std::ranges::copy_if(list, std::back_inserter(extra), [&](std::uint32_t page) { return !std::ranges::binary_search(choice.pages, std::size_t{page}); });
    std::ranges::copy_if(choice.pages, std::back_inserter(missed), [&](std::size_t page) { return !std::ranges::binary_search(list, page); });
    ASSERT_LE(extra.size(), 2u);
    for (const std::uint32_t page : extra)
      for (const std::size_t other : missed) EXPECT_NEAR(choice.mass[page], choice.mass[other], 0.02 * choice.mass[other]);
  }

  enum class Form { cpu, gpu, gpu_apart, gpu_tile };
  // A choice by `tokens` queries behind `position` keys, and attention over it.
  void choose(std::uint32_t position, std::uint32_t tokens, const reference::SparseRule& wanted, Form form, bool attends = true,
              std::uint32_t context_pages = 70, std::uint32_t rows = shader::kTileRows) {
    const Heads heads = GetParam();
    const auto [rule, device_rule] = rule_of(wanted);
    const std::uint32_t count = position + tokens, pages = std::max(context_pages, (count + 31) / 32 + 7), row = heads.query * heads.width;
    SCOPED_TRACE(std::to_string(count) + " keys, batch " + std::to_string(tokens) + ", form " + std::to_string(static_cast<int>(form)));
    Seeded random(count * 10 + tokens);
    PagedCache cache(device(), heads.kv, heads.width, 0, count, 4, heads.type);
    cache.fill(count, random);
    const std::vector<float> query = random.normals(std::size_t{tokens} * row, 2);
    const bool decode = tokens == 1;
    const AttentionMatrix matrix = device().facts().cooperative_matrix_2 ? AttentionMatrix::nv2 : AttentionMatrix::plain;
    bool rounded = form == Form::gpu && !decode && matrix == AttentionMatrix::nv2;
    const std::uint32_t tile = decode ? 1 : rows, samples = decode ? 1 : std::min(rows, shader::kSampledRows), tiles = (tokens + tile - 1) / tile;
    const std::uint32_t room = decode ? 1 : tokens + 70;  // a tile more than is used

    PageChoiceBuffers where;
    GuardBuffer scratch(device(), where.lay_out(0, heads.query, heads.kv, pages, room, rows)), facts(device(), heads.kv * shader::kFactWords * 4);
    where.lay_out(scratch.address(), heads.query, heads.kv, pages, room, rows);
    std::vector<std::uint32_t> initial(scratch.bytes() / 4, GuardBuffer::kPoison);
    const std::size_t tickets_at = (where.tickets - scratch.address()) / 4;
    std::fill_n(initial.begin() + static_cast<std::ptrdiff_t>(tickets_at), (where.list - where.tickets) / 4, 0u);
    scratch.set_initial<std::uint32_t>(initial);
    std::vector<std::uint32_t> first_facts(facts.bytes() / 4, 0);
    for (std::size_t at = 0; at < first_facts.size(); at += shader::kFactWords) {
      first_facts[at + shader::kGuideFlat] = rule.wide > 0 ? static_cast<std::uint32_t>(rule.flat * (1u << 20)) : 0;
      first_facts[at + shader::kGuideWide] = static_cast<std::uint32_t>(std::llround(rule.wide * 1e6));
      first_facts[at + shader::kGuideWeight] = rule.weight == 1 ? 0 : static_cast<std::uint32_t>(std::llround(rule.weight * 1e6));
    }
    facts.set_initial<std::uint32_t>(first_facts);
    std::uint64_t kept_bits = 0;
    if (!rule.kept.empty()) {
      std::vector<std::uint32_t> bits((pages + 31) / 32);
      for (const std::size_t page : rule.kept) bits[page / 32] |= 1u << (page % 32);
      kept_bits = place(bits);
    }
    set_kept_pages(kept_bits);
    const std::uint32_t splits = attention_splits(device().facts(), heads.kv);
    GuardBuffer y = output(std::uint64_t{room} * row), values = output(std::uint64_t{row} * splits), partial = output(std::uint64_t{heads.query} * splits * 2);
    set_state(position, tokens);
    const std::uint64_t table = place(cache.table()), queries = place(query), bounds_at = place_bounds(cache, count - 1, pages, device_rule.scorer);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          AttentionShape all = shape(cache, table, state, room);
          all.tile_rows = rows;
          PageChoiceArgs choice{.shape = all, .rule = device_rule, .buffers = where, .query = queries, .bounds = bounds_at,
                                .facts = facts.address(), .pages = pages, .apart = form == Form::gpu_apart};
          choice.rule.samples = samples;
          if (form == Form::gpu_tile && decode) choice.scoring = {.subgroups = 2, .alone = position % 2 + 1};
          if (const PageScoreTile score_tile{matrix, position % 2 + 1, 3}; form == Form::gpu_tile && !decode && runs_page_score_tile(kernels, score_tile, all, device_rule.scorer)) {
            choice.scoring.tile = score_tile;
            rounded = true;
          }
          FOVEA_TRY(record_page_choice(kernels, choice));
          if (!attends) return {};
          kernels.plan().barrier();
          const AttentionArgs attention{.shape = over_chosen_pages(all, where, pages), .query = queries, .y = y.address(), .y_stride = row,
                                        .values = values.address(), .partial = partial.address()};
          return decode ? record_attention_decode(kernels, attention) : record_attention_prefill(kernels, attention);
        },
        {&scratch, &facts, &y, &values, &partial}, form == Form::cpu ? ProductForm::cpu : ProductForm::gpu);
    if (HasFatalFailure()) return;

    const std::vector<std::uint32_t> words = scratch.values<std::uint32_t>();
    const auto words_at = [&](std::uint64_t address) { return words.begin() + static_cast<std::ptrdiff_t>((address - scratch.address()) / 4); };
    const std::vector<std::uint32_t> told = facts.values<std::uint32_t>();
    std::vector<float> expected(std::size_t{tokens} * row);
    for (std::uint32_t head = 0; head < heads.kv; ++head) {
      std::size_t skipped = 0, chosen = 0, remote = 0, whole = 0;
      double mass = 0;
      for (std::uint32_t i = 0; i < tiles; ++i) {
        const std::uint32_t first = i * tile, size = std::min(tile, tokens - first), slot = i * heads.kv + head;
        std::vector<reference::SampledRow> sampled;
        for (std::uint32_t s = 0; s < samples; ++s) {
          const std::size_t t = first + reference::sampled_row(s, samples, size);
          sampled.push_back({std::span(query).subspan(t * row + std::size_t{head} * group() * heads.width, std::size_t{group()} * heads.width), position + t + 1});
        }
        const std::uint32_t end = position + first + size;
        const reference::PageChoice choice = reference::choose_pages(sampled, heads.width, rows_of_head(cache, heads, head, end), position + first + 1, rule);
        const std::uint32_t keys = *(words_at(where.keys) + slot), listed = (keys + 31) / 32;
        ASSERT_EQ(keys, (choice.pages.size() - 1) * 32 + (end - 1) % 32 + 1) << "tile " << i << " head " << head;
        const std::vector<std::uint32_t> list(words_at(where.list) + slot * pages, words_at(where.list) + slot * pages + listed);
        if (rounded) {  // pages of nearly equal mass may change places
          expect_masses(choice, list);
        } else {
          EXPECT_TRUE(std::equal(list.begin(), list.end(), choice.pages.begin(), choice.pages.end())) << "tile " << i << " head " << head;
        }
        for (std::uint32_t n = 0; n < listed; ++n) {
          const auto entry = words_at(where.table) + 2 * (slot * pages + n);
          ASSERT_EQ(*entry | (std::uint64_t{*(entry + 1)} << 32), cache.table()[list[n]]);
        }
        skipped += ((end + 31) / 32 - choice.pages.size()) * size;
        const bool all = choice.remote <= 2 || position + first + 1 < rule.dense_below;
        whole += all ? 1 : 0;
        if (!all) chosen += choice.chosen, remote += choice.remote, mass += choice.kept();
        for (std::uint32_t t = first; t < first + size && attends; ++t) {
          std::vector<std::size_t> seen;
          std::ranges::copy_if(list, std::back_inserter(seen), [&](std::size_t page) { return page * 32 <= position + t; });
          for (std::uint32_t g = 0; g < group(); ++g) {
            const std::size_t at = std::size_t{t} * row + (head * group() + g) * heads.width;
            reference::attention_over_pages(std::span(query).subspan(at, heads.width), rows_of_head(cache, heads, head, position + t + 1), seen, 32,
                                            std::span(expected).subspan(at, heads.width));
          }
        }
      }
      const auto fact = [&](std::uint32_t n) { return told[head * shader::kFactWords + n] + told[head * shader::kFactWords + n + 1] * shader::kFactSplit; };
      EXPECT_EQ(fact(shader::kFactChoices), tiles);
      EXPECT_EQ(fact(shader::kFactWhole), whole);
      EXPECT_EQ(fact(shader::kFactSkipped), skipped);
      EXPECT_EQ(fact(shader::kFactRemote), remote);
      EXPECT_EQ(fact(shader::kFactChosen), chosen);
      EXPECT_NEAR(fact(shader::kFactMass) / 1048576.0, mass, (rounded ? 5e-3 : 1e-4) * tiles);
    }
    if (attends) {
      EXPECT_TRUE(near_enough(rows_of(y, tokens, row, row), expected, !decode && form != Form::cpu ? kTiles : kAttention));
    }
    for (std::uint32_t slot = 0; slot < (where.list - where.tickets) / 4; ++slot) ASSERT_EQ(*(words_at(where.tickets) + slot), 0u);
  }
};

inline constexpr reference::SparseRule kSmall{.window = 100, .global = 0.25};

}  // namespace fovea::test
