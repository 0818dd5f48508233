// What is recorded of sparse attention for the trace: lists of pages as bits, and how dense attention spreads over pages.
#include "engine/kernels/page_trace.hpp"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/reference/sparse_attention.hpp"
#include "tests/kernels/paged_cache.hpp"
#include "tests/support/kernel_test.hpp"

namespace fovea::test {
namespace {

struct Heads {
  std::uint32_t width, query, kv;
  DType type = DType::F16;
};

class PageTraceKernels : public KernelTest, public testing::WithParamInterface<Heads> {
 protected:
  // Of `tokens` queries behind `position` keys, in a plan with room for more.
  void shares(std::uint32_t position, std::uint32_t tokens, std::uint32_t every) {
    SCOPED_TRACE(std::to_string(position) + " + " + std::to_string(tokens) + ", every " + std::to_string(every));
    const Heads heads = GetParam();
    const std::uint32_t count = position + tokens, room = tokens == 1 ? 1 : tokens + 5, pages = (count + 31) / 32 + 2, row = heads.query * heads.width;
    Seeded random(count);
    PagedCache cache(device(), heads.kv, heads.width, 0, count, 3, heads.type);
    cache.fill(count, random);
    const std::vector<float> query = random.normals(std::size_t{tokens} * row, 2);
    const std::uint32_t rows = measured_rows(room, every);
    GuardBuffer out = output(std::uint64_t{rows} * heads.query * pages * 2);
    set_state(position, tokens);
    const std::uint64_t table = place(cache.table()), queries = place(query);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_page_shares(kernels, {.shape = {.query_heads = heads.query, .kv_heads = heads.kv, .head_width = heads.width, .tokens = room,
                                                        .layer_offset = cache.layer_offset(), .pages = table, .state = state, .kv = heads.type},
                                              .query = queries, .shares = out.address(), .every = every, .pages = pages});
        },
        {&out});
    const std::vector<float> got = out.values<float>();
    std::uint32_t next = 0;  // row of the output
    std::vector<bool> expected(got.size(), false);
    for (std::uint32_t t = 0; t < tokens; ++t) {
      if ((position + t + 1) % every != 0) continue;
      for (std::uint32_t head = 0; head < heads.query; ++head) {
        std::vector<float> weights(position + t + 1), unused(heads.width);
        cache.attend(std::span(query).subspan(std::size_t{t} * row + std::size_t{head} * heads.width, heads.width), head, heads.query / heads.kv, position + t + 1,
                     unused, weights);
        const std::vector<reference::PageShare> want = reference::page_shares(weights, 32);
        for (std::size_t page = 0; page < want.size(); ++page) {
          const std::size_t at = ((std::size_t{next} * heads.query + head) * pages + page) * 2;
          expected[at] = expected[at + 1] = true;
          ASSERT_NEAR(static_cast<double>(got[at]), want[page].mass, 1e-5) << "row " << next << " head " << head << " page " << page;
          ASSERT_NEAR(static_cast<double>(got[at + 1]), want[page].log_mass, 3e-5);
        }
      }
      ++next;
    }
    ASSERT_LE(next, rows);
    for (std::size_t i = 0; i < got.size(); ++i)
      if (!expected[i]) {
        ASSERT_TRUE(GuardBuffer::is_poison(got[i])) << "float " << i << " was not to be written";
      }
  }
};

TEST_P(PageTraceKernels, shares_of_measured_rows_are_those_of_the_reference) {
  for (const std::uint32_t every : {1u, 3u, 16u}) {
    shares(0, 1, every);
    shares(15, 1, every);
    shares(32, 1, every);
    shares(0, 40, every);
    shares(90, 37, every);
    shares(143, 2, every);
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, PageTraceKernels, testing::Values(Heads{64, 4, 2}, Heads{6, 2, 1}, Heads{80, 3, 3, DType::Q8_0}, Heads{100, 4, 1, DType::Q8_0}),
                         [](const auto& shape) {
                           return "width_" + std::to_string(shape.param.width) + "_" + std::string(name(shape.param.type));
                         });

class PageMarks : public KernelTest {
 protected:
  void marks(std::uint32_t tokens, std::uint32_t room, std::uint32_t pages, std::uint32_t rows = shader::kTileRows, std::uint32_t narrowest = shader::kTileRows) {
    SCOPED_TRACE(std::to_string(tokens) + " of " + std::to_string(room) + ", " + std::to_string(pages) + " pages");
    constexpr std::uint32_t kKvHeads = 3;
    const std::uint32_t tiles = choice_tiles(room, rows), slots = tiles * kKvHeads, used = (tokens + choice_rows(room, rows) - 1) / choice_rows(room, rows) * kKvHeads;
    Seeded random(pages);
    std::vector<std::uint32_t> list(std::size_t{slots} * pages, GuardBuffer::kPoison), keys(std::size_t{2} * slots);
    std::vector<std::uint32_t> expected(std::size_t{choice_tiles(room, narrowest)} * kKvHeads * page_mark_words(pages), GuardBuffer::kPoison);
    for (std::uint32_t slot = 0; slot < slots; ++slot) {
      const float mass = 1.0f / static_cast<float>(slot + 2);
      std::memcpy(&keys[slots - 1 - slot], &mass, 4);
      std::vector<std::uint32_t> words(page_mark_words(pages), 0);
      std::memcpy(words.data(), &mass, 4);
      std::uint32_t listed = 0;
      for (std::uint32_t page = 0; page < pages; ++page)
        if (page + 1 == pages || random.below(3) == 0) {
          list[slot * pages + listed++] = page;
          words[1 + page / 32] |= 1u << (page % 32);
        }
      keys[slots + slot] = (listed - 1) * 32 + 1 + random.below(32);
      const std::uint32_t repeats = room == 1 ? 1 : rows / narrowest;
      for (std::uint32_t n = slot / kKvHeads * repeats; slot < used && n < (slot / kKvHeads + 1) * repeats && n * choice_rows(room, narrowest) < tokens; ++n)
        std::ranges::copy(words, expected.begin() + static_cast<std::ptrdiff_t>((std::size_t{n} * kKvHeads + slot % kKvHeads) * words.size()));
    }
    GuardBuffer out = output(expected.size());
    set_state(500, tokens);
    const std::uint64_t lists = place(list), counts = place(keys);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_page_marks(kernels, {.shape = {.kv_heads = kKvHeads, .tokens = room, .tile_rows = rows, .state = state},
                                             .buffers = {.list = lists, .keys = counts + std::uint64_t{slots} * 4}, .marks = out.address(), .pages = pages, .rows = narrowest});
        },
        {&out});
    EXPECT_EQ(out.values<std::uint32_t>(), expected);
  }
};

TEST_F(PageMarks, are_the_lists_and_the_masses_before_their_keys) {
  marks(1, 1, 1);
  marks(1, 1, 70);
  marks(16, 32, 32);
  marks(37, 100, 97);
  marks(64, 64, 1025);
  marks(37, 100, 97, 8, 8);
  marks(37, 100, 97, 16, 4);
  marks(1, 1, 70, 16, 4);
}

}  // namespace
}  // namespace fovea::test
