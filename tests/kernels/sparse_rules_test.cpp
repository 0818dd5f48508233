// Every rule that pages are chosen by, in one shape, against the reference.
#include <functional>
#include <limits>

#include "tests/kernels/sparse_attention_fixture.hpp"

namespace fovea::test {
namespace {

// Every rule is a pipeline of its own, hence few shapes. All of them are tried in the form that chooses in a step of its own. The step that
// also scores has the same code for it, and a CPU driver compiles it for seconds: there it sees those that its own loops hang on.
class SparseRules : public SparseAttention {
 protected:
  static bool only_own_step(Form form) { return device().facts().cpu && form == Form::gpu; }
};

TEST_P(SparseRules, of_any_kind_give_what_the_reference_gives) {
  for (const Form form : {Form::cpu, Form::gpu}) {
    for (const PageScorer scorer : {PageScorer::quest, PageScorer::mean}) {
      reference::SparseRule rule = kSmall;
      rule.scorer = scorer;
      choose(700, 1, rule, form);
    }
    for (const double global : {0.0, 0.013, 1.0}) {
      if (only_own_step(form) && global != 0.013) continue;
      reference::SparseRule rule = kSmall;
      rule.global = global;
      choose(1400, 1, rule, form);
    }
    reference::SparseRule odd = kSmall;
    odd.window = 1;
    odd.sinks = 0;
    choose(1023, 1, odd, form);
    if (!only_own_step(form)) {
      odd.window = 5000;
      choose(1023, 1, odd, form);
      odd = kSmall;
      odd.sinks = 4000;
      choose(1023, 1, odd, form);
    }
    odd = kSmall;
    odd.dense_below = 1000;
    choose(998, 1, odd, form);
    choose(999, 1, odd, form);
  }
}

TEST_P(SparseRules, of_any_scorer_choose_for_a_prompt_as_the_reference) {
  for (const Form form : {Form::gpu, Form::gpu_tile})
    for (const PageScorer scorer : {PageScorer::quest, PageScorer::mean}) {
      reference::SparseRule rule = kSmall;
      rule.scorer = scorer;
      choose(900, 50, rule, form, false);
    }
}

TEST_P(SparseRules, with_an_adaptive_budget_give_what_the_reference_gives) {
  for (const Form form : {Form::cpu, Form::gpu})
    for (const double mass : {0.3, 0.95, 1.0})
      for (const double most : {0.4, 1.0}) {
        if (device().facts().cpu && ((mass < 0.9) == (most < 0.9) || (only_own_step(form) && mass > 0.9))) continue;  // each with some other
        reference::SparseRule rule = kSmall;
        rule.budget = PageBudget::adaptive;
        rule.mass = mass;
        rule.most = most;
        choose(1333, 1, rule, form, false);
      }
}

TEST_P(SparseRules, with_pages_that_are_kept_read_them_whatever_the_budget) {
  for (const Form form : {Form::cpu, Form::gpu})
    for (const double global : {0.0, 0.013, 0.5}) {
      if (only_own_step(form) && global != 0.013) continue;
      reference::SparseRule rule = kSmall;
      rule.global = global;
      rule.kept = {0, 5, 6, 17, 33, 60};  // sinks, remote ones, and one behind all
      choose(1333, 1, rule, form);
      if (!device().facts().cpu || global == 0.013) choose(900, 50, rule, form, false);
    }
  reference::SparseRule rule = kSmall;
  rule.budget = PageBudget::adaptive;
  rule.mass = 0.01;
  rule.least = 0;
  rule.kept = {7, 8, 20};
  choose(1333, 1, rule, only_own_step(Form::gpu) ? Form::cpu : Form::gpu, false);
}

TEST_P(SparseRules, that_widen_flat_choices_give_what_the_reference_gives) {
  for (const Form form : {Form::cpu, Form::gpu})
    for (const double flat : {0.0, 1.0}) {  // all are flatter, none is
      reference::SparseRule rule = kSmall;
      rule.flat = std::max(flat, 1e-6);
      rule.wide = 0.6;
      choose(1333, 1, rule, form, false);
      rule.budget = PageBudget::adaptive;
      rule.mass = 0.999;
      rule.most = 0.3;
      choose(1333, 1, rule, form, false);
    }
}

TEST_P(SparseRules, of_weighted_heads_give_what_the_reference_gives) {
  for (const double weight : {0.5, 1.31, 1.99}) {
    reference::SparseRule rule = kSmall;
    rule.weight = weight;
    for (const double global : {0.25, 0.7, 1.0}) {
      rule.global = global;
      choose(1333, 1, rule, only_own_step(Form::gpu) && global > 0.5 ? Form::cpu : Form::gpu, false);
    }
    rule.budget = PageBudget::adaptive;
    rule.least = 0.2;
    choose(900, 50, rule, Form::cpu, false);
  }
}

// Scores and lists are all that is looked at.
TEST_P(SparseRules, of_very_many_pages_equal_the_reference) {
  choose(66000, 1, kSmall, Form::cpu, false);
  choose(66000, 1, kSmall, Form::gpu, false);
}

// A context so long that scores of a few tiles at a time find room.
// Nor does shared memory keep ranks of so many pages.
TEST_P(SparseRules, in_a_long_context_equal_the_reference) {
  for (const Form form : {Form::cpu, Form::gpu, Form::gpu_apart}) choose(1211, 1, kSmall, form, false, 40000);
  choose(600, 150, kSmall, Form::cpu, false, 40000);
  choose(600, 150, kSmall, Form::gpu, false, 40000);
  if (!device().facts().cpu) choose(600, 150, kSmall, Form::gpu_tile, false, 40000);  // in the same turns
}

// Whatever queries hold, a choice ends, and is of as many pages as the budget says: the loops that look for its last page are bounded.
TEST_P(SparseRules, of_queries_that_are_no_numbers_is_still_as_many_pages) {
  const Heads heads = GetParam();
  constexpr std::uint32_t kPosition = 4100, kPages = 140, kRead = kPosition / 32 + 1;
  const PageRule rule = rule_of(kSmall).device;
  PagedCache cache(device(), heads.kv, heads.width, 0, kPosition + 1, 4, heads.type);
  Seeded random(5);
  cache.fill(kPosition + 1, random);
  const std::vector<float> query(heads.query * heads.width, std::numeric_limits<float>::quiet_NaN());
  const std::uint64_t table = place(cache.table()), queries = place(query), bounds_at = place_bounds(cache, kPosition, kPages, rule.scorer);
  const std::uint32_t near = (kPosition + 1 - rule.window) / 32, remote = near - rule.sink_pages;
  const std::uint32_t read = kRead - remote + static_cast<std::uint32_t>((std::uint64_t{remote} * rule.global + 999'999) / 1'000'000);
  for (const bool apart : {false, true}) {
    PageChoiceBuffers where;
    GuardBuffer scratch(device(), where.lay_out(0, heads.query, heads.kv, kPages, 1)), facts(device(), heads.kv * shader::kFactWords * 4);
    where.lay_out(scratch.address(), heads.query, heads.kv, kPages, 1);
    for (GuardBuffer* buffer : {&scratch, &facts}) buffer->set_initial<std::uint32_t>(std::vector<std::uint32_t>(buffer->bytes() / 4, 0));
    set_state(kPosition, 1);
    run(
        [&](KernelRecorder& kernels, std::uint64_t state) {
          return record_page_choice(kernels, {.shape = shape(cache, table, state, 1), .rule = rule, .buffers = where, .query = queries, .bounds = bounds_at,
                                              .facts = facts.address(), .pages = kPages, .apart = apart});
        },
        {&scratch, &facts}, ProductForm::gpu);
    if (HasFatalFailure()) return;
    const std::vector<std::uint32_t> words = scratch.values<std::uint32_t>();
    for (std::uint32_t head = 0; head < heads.kv; ++head) {
      ASSERT_EQ(words[(where.keys - scratch.address()) / 4 + head], (read - 1) * 32 + kPosition % 32 + 1);
      const auto list = words.begin() + static_cast<std::ptrdiff_t>((where.list - scratch.address()) / 4 + std::uint64_t{head} * kPages);
      EXPECT_TRUE(std::is_sorted(list, list + read, std::less_equal<>())) << "each page once";
      EXPECT_EQ(list[read - 1], kRead - 1) << "the newest page is the last";
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Shapes, SparseRules, testing::Values(Heads{16, 4, 2}), heads_name);

}  // namespace
}  // namespace fovea::test
