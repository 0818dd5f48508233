// Mean values of pages, and what they bring into attention over chosen ones, against the reference.
#include "tests/kernels/sparse_attention_fixture.hpp"

#include <tuple>

namespace fovea::test {
namespace {

double distance(std::span<const float> a, std::span<const float> b) {
  double sum = 0;
  for (std::size_t i = 0; i < a.size(); ++i) sum += (static_cast<double>(a[i]) - static_cast<double>(b[i])) * (static_cast<double>(a[i]) - static_cast<double>(b[i]));
  return std::sqrt(sum);
}

class PagePeriphery : public SparseAttention {
 protected:
  static reference::PageSummaries summaries_of(const PagedCache& cache, std::uint32_t head, std::uint32_t count) {
    reference::PageSummaries summaries = reference::summarize_pages(rows_of_head(cache, GetParam(), head, count / 32 * 32), GetParam().width, 32);
    reference::round_to_halves(summaries);
    return summaries;
  }
  static std::size_t value_at(std::uint32_t pages, std::uint32_t head, std::uint32_t page) {
    return (std::size_t{head} * ((pages + 31) / 32 * 32) + page) * GetParam().width;
  }

  void mean_values(std::uint32_t position, std::uint32_t tokens) {
    const Heads heads = GetParam();
    const std::uint32_t count = position + tokens, pages = (count + 31) / 32 + 3;
    Seeded random(count);
    PagedCache cache(device(), heads.kv, heads.width, 0, count, 3, heads.type);
    cache.fill(count, random);
    GuardBuffer bounds(device(), page_bounds_bytes(heads.kv, heads.width, pages, shader::kScorerAutomatic)), values(device(), page_values_bytes(heads.kv, heads.width, pages));
    set_state(position, tokens);
    const std::uint64_t table = place(cache.table());
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_page_bounds(kernels, {.shape = shape(cache, table, state, tokens), .bounds = bounds.address(), .values = values.address(), .pages = pages});
        },
        {&bounds, &values});
    const std::vector<std::uint16_t> written = values.values<std::uint16_t>(), untouched = GuardBuffer(device(), values.bytes()).values<std::uint16_t>();
    for (std::uint32_t head = 0; head < heads.kv; ++head) {
      const reference::PageSummaries summaries = summaries_of(cache, head, count);
      for (std::uint32_t page = 0; page < (pages + 31) / 32 * 32; ++page)
        for (std::uint32_t channel = 0; channel < heads.width; ++channel) {
          const std::size_t at = value_at(pages, head, page) + channel;
          if (page < position / 32 || page >= count / 32) {
            ASSERT_EQ(written[at], untouched[at]) << "page " << page;
          } else {  // a sum in another order may round to the next half
            const float wanted = summaries.mean_value[std::size_t{page} * heads.width + channel];
            ASSERT_NEAR(half_to_float(written[at]), wanted, 1e-3 * (1e-3 + std::abs(wanted))) << "page " << page << " channel " << channel;
          }
        }
    }
  }

  struct Outcome {
    std::vector<float> got, without, wanted, dense;  // rows of the batch
  };
  // Attention of `tokens` queries of this size behind `position` keys over the pages that the rule chooses, with and without.
  void attend(std::uint32_t position, std::uint32_t tokens, float size, const reference::SparseRule& of, ProductForm form, Outcome& outcome, std::uint32_t tile_rows = shader::kTileRows) {
    const Heads heads = GetParam();
    auto [rule, device_rule] = rule_of(of);
    device_rule.global = rule_of(kSmall).device.global;
    const std::uint32_t count = position + tokens, pages = 70, row = heads.query * heads.width, room = tokens == 1 ? 1 : tokens + 20;
    SCOPED_TRACE(std::to_string(count) + " keys, batch " + std::to_string(tokens));
    Seeded random(count + tokens);
    PagedCache cache(device(), heads.kv, heads.width, 0, count, 4, heads.type);
    cache.fill(count, random);
    const std::vector<float> query = random.normals(std::size_t{tokens} * row, size);
    PageChoiceBuffers where;
    GuardBuffer scratch(device(), where.lay_out(0, heads.query, heads.kv, pages, room, tile_rows)), facts(device(), heads.kv * shader::kFactWords * 4);
    where.lay_out(scratch.address(), heads.query, heads.kv, pages, room, tile_rows);
    scratch.set_initial<std::uint32_t>(std::vector<std::uint32_t>(scratch.bytes() / 4, 0));
    std::vector<std::uint32_t> first_facts(facts.bytes() / 4, 0);
    if (of.global == 1)  // by what a layer is told, as a share of a rule's own is a pipeline of its own
      for (std::size_t at = 0; at < first_facts.size(); at += shader::kFactWords) first_facts[at + shader::kGuideShare] = 1'000'001;
    facts.set_initial<std::uint32_t>(first_facts);
    std::vector<std::uint16_t> means(page_values_bytes(heads.kv, heads.width, pages) / 2, PagedCache::kNan);
    for (std::uint32_t head = 0; head < heads.kv; ++head) {
      const reference::PageSummaries of_head = summaries_of(cache, head, count);
      std::ranges::transform(of_head.mean_value, means.begin() + static_cast<std::ptrdiff_t>(value_at(pages, head, 0)), float_to_half);
    }
    const std::uint32_t splits = attention_splits(device().facts(), heads.kv);
    GuardBuffer y = output(std::uint64_t{room} * row), before = output(std::uint64_t{room} * row), values = output(std::uint64_t{row} * splits),
                partial = output(std::uint64_t{heads.query} * splits * 2), sums = output(std::uint64_t{room} * heads.query * shader::kRowSums);
    set_state(position, tokens);
    const std::uint64_t table = place(cache.table()), queries = place(query), means_at = place(means), bounds_at = place_bounds(cache, count, pages, device_rule.scorer);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
          AttentionShape all = shape(cache, table, state, room);
          all.tile_rows = tile_rows;
          FOVEA_TRY(record_page_choice(kernels, {.shape = all, .rule = device_rule, .buffers = where, .query = queries, .bounds = bounds_at, .facts = facts.address(), .pages = pages}));
          for (GuardBuffer* to : {&before, &y}) {
            kernels.plan().barrier();
            const AttentionArgs attention{.shape = over_chosen_pages(all, where, pages), .query = queries, .y = to->address(), .y_stride = row,
                                          .values = values.address(), .partial = partial.address(), .sums = to == &y ? sums.address() : 0};
            FOVEA_TRY(tokens == 1 ? record_attention_decode(kernels, attention) : record_attention_prefill(kernels, attention));
          }
          kernels.plan().barrier();
          return record_page_periphery(kernels, {.shape = all, .buffers = where, .query = queries, .bounds = bounds_at, .values = means_at, .sums = sums.address(),
                                                 .y = y.address(), .y_stride = row, .pages = pages, .scorer = device_rule.scorer});
        },
        {&scratch, &facts, &y, &before, &values, &partial, &sums}, form);
    if (HasFatalFailure()) return;
    outcome.got = rows_of(y, tokens, row, row);
    outcome.without = rows_of(before, tokens, row, row);
    outcome.wanted.assign(outcome.got.size(), 0);
    outcome.dense = outcome.wanted;
    const std::vector<std::uint32_t> words = scratch.values<std::uint32_t>();
    std::vector<reference::PageSummaries> summaries;
    for (std::uint32_t head = 0; head < heads.kv; ++head) summaries.push_back(summaries_of(cache, head, count));
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t head = 0; head < heads.query; ++head) {
        const std::uint32_t kv = head / group(), slot = t / (tokens == 1 ? 1 : tile_rows) * heads.kv + kv;
        const std::uint32_t listed = (words[(where.keys - scratch.address()) / 4 + slot] + 31) / 32;
        std::vector<std::size_t> read;
        for (std::uint32_t n = 0; n < listed; ++n)
          if (const std::size_t page = words[(where.list - scratch.address()) / 4 + std::size_t{slot} * pages + n]; page * 32 <= position + t) read.push_back(page);
        const std::size_t at = std::size_t{t} * row + std::size_t{head} * heads.width;
        const auto asks = std::span(query).subspan(at, heads.width);
        const reference::KeyValueRows rows = rows_of_head(cache, heads, kv, position + t + 1);
        const auto wanted = std::span(outcome.wanted).subspan(at, heads.width);
        const reference::RowFacts told = reference::attention_over_pages(asks, rows, read, 32, wanted);
        reference::add_periphery(asks, summaries[kv], rows.count, read, told, rule.scorer, wanted);
        reference::attention(asks, rows, std::span(outcome.dense).subspan(at, heads.width));
      }
  }
};

TEST_P(PagePeriphery, keeps_mean_values_of_full_pages_and_of_no_others) {
  for (const auto& [position, tokens] : {std::pair{0u, 1u}, {31u, 1u}, {95u, 1u}, {0u, 75u}, {40u, 30u}, {1050u, 45u}}) mean_values(position, tokens);
}

// Flat attention: nearer to dense attention than without, and as near to the reference as attention itself.
TEST_P(PagePeriphery, brings_in_what_the_reference_brings_in) {
  struct Case {
    std::uint32_t position, tokens;
    PageScorer scorer;
    ProductForm form;
    std::uint32_t rows = shader::kTileRows;
  };
  for (const Case& of : {Case{1050, 1, PageScorer::automatic, ProductForm::gpu}, {1055, 1, PageScorer::mean, ProductForm::cpu},
                         {700, 35, PageScorer::automatic, ProductForm::cpu, 8}, {700, 35, PageScorer::automatic, ProductForm::gpu}}) {
    reference::SparseRule rule = kSmall;
    rule.scorer = of.scorer;
    Outcome outcome;
    attend(of.position, of.tokens, 0.5f, rule, of.form, outcome, of.rows);
    if (HasFatalFailure()) return;
    EXPECT_TRUE(near_enough(outcome.got, outcome.wanted, of.tokens > 1 && of.form == ProductForm::gpu ? kTiles : kAttention)) << of.position << ' ' << of.tokens;
    EXPECT_LT(distance(outcome.got, outcome.dense), 0.75 * distance(outcome.without, outcome.dense));
  }
}

// Invariant 1, and where attention is peaked: nothing is brought in, to the bit.
TEST_P(PagePeriphery, changes_no_bit_where_it_brings_in_nothing) {
  reference::SparseRule everything = kSmall;
  everything.global = 1;
  for (const auto& [position, tokens, form] : {std::tuple{1055u, 1u, ProductForm::cpu}, {700u, 35u, ProductForm::gpu}}) {
    Outcome all, peaked;
    attend(position, tokens, 0.5f, everything, form, all);
    attend(position, tokens, 60.0f, kSmall, form, peaked);
    if (HasFatalFailure()) return;
    EXPECT_TRUE(all.got == all.without);
    EXPECT_TRUE(peaked.got == peaked.without);
  }
}

// Shapes and a number of pages that SparseAttention has too: choices and attention are the same pipelines.
INSTANTIATE_TEST_SUITE_P(Shapes, PagePeriphery, testing::Values(Heads{64, 8, 2}, Heads{6, 2, 1}, Heads{80, 6, 2, DType::Q8_0}), heads_name);

}  // namespace
}  // namespace fovea::test
