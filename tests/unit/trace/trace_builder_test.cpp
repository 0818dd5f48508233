// What the builder makes of the steps of a run: chunks, budget, routing, and snapshots that stand still.
#include "engine/trace/trace_builder.hpp"

#include <gtest/gtest.h>

#include <string>

namespace fovea {
namespace {

// Weight of key k in query q of slot s, as raw bits, so that every cell names itself.
std::uint16_t cell(std::uint32_t slot, std::uint32_t query, std::uint32_t key) {
  return static_cast<std::uint16_t>(slot * 20011 + query * 101 + key);
}

// A step with its own storage, laid out as the decoder lays it out: room for more tokens and keys than are used.
struct Step {
  RecordedStep view;
  std::vector<std::uint16_t> rows;
  std::vector<std::uint32_t> experts;
  std::vector<float> weights;
};

struct Layout {
  std::uint32_t heads = 0, row_stride = 128;
  std::uint32_t layers = 2, slots = 0;
};

Step step_of(std::uint32_t first, std::uint32_t tokens, const Layout& layout, std::uint32_t spare = 3) {
  Step step;
  step.view.first_position = first;
  step.view.tokens = tokens;
  step.view.prefill = tokens > 1;
  step.view.milliseconds = static_cast<float>(first) + 0.5f;
  step.view.memory = {.weights = 1, .kv = first, .compute = 3, .other = 4};
  const std::uint32_t room = tokens + spare;
  step.rows.assign(std::size_t{layout.heads} * room * layout.row_stride, 0xBAD);
  for (std::uint32_t slot = 0; slot < layout.heads; ++slot)
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t key = 0; key <= first + t && key < layout.row_stride; ++key)
        step.rows[(std::size_t{slot} * room + t) * layout.row_stride + key] = cell(slot, first + t, key);
  step.view.rows_capacity = room;
  step.view.row_stride = layout.row_stride;
  step.experts.assign(std::size_t{layout.layers} * room * layout.slots, 0xBAD);
  step.weights.assign(step.experts.size(), -1.0f);
  for (std::uint32_t layer = 0; layer < layout.layers; ++layer)
    for (std::uint32_t t = 0; t < tokens; ++t)
      for (std::uint32_t slot = 0; slot < layout.slots; ++slot) {
        const std::size_t at = (std::size_t{layer} * room + t) * layout.slots + slot;
        step.experts[at] = (first + t) * 10 + layer * 3 + slot;
        step.weights[at] = static_cast<float>(step.experts[at]) / 8;
      }
  step.view.routing_stride = room;
  return step;
}

void add(TraceBuilder& builder, const Step& step) {
  RecordedStep view = step.view;
  view.rows = step.rows;
  view.experts = step.experts;
  view.expert_weights = step.weights;
  builder.add_step(view);
}

TraceBuilder::Shape shape_of(std::uint32_t heads, std::uint64_t budget = 1 << 20) {
  TraceBuilder::Shape shape{.run = 7, .layers = 2, .query_heads = 4, .attention_budget_bytes = budget};
  for (std::uint32_t h = 0; h < heads; ++h) shape.heads.push_back({h % 2, h});
  return shape;
}

void expect_rows(const TraceSnapshot& snapshot, std::uint32_t heads, std::uint32_t queries) {
  ASSERT_EQ(snapshot.heads.size(), heads);
  for (std::uint32_t slot = 0; slot < heads; ++slot) {
    for (std::uint32_t query = 0; query < queries; ++query) {
      const auto row = snapshot.heads[slot].row(query);
      ASSERT_EQ(row.size(), query + 1) << "head " << slot;
      for (std::uint32_t key = 0; key <= query; ++key)
        ASSERT_EQ(row[key], cell(slot, query, key)) << slot << " " << query << " " << key;
    }
    EXPECT_TRUE(snapshot.heads[slot].row(queries).empty());
  }
}

TEST(TraceBuilder, merges_single_rows_into_chunks_and_loses_none) {
  TraceBuilder builder(shape_of(3));
  add(builder, step_of(0, 5, {.heads = 3}));
  for (std::uint32_t q = 5; q < 5 + 70; ++q) add(builder, step_of(q, 1, {.heads = 3}, 0));
  const auto snapshot = builder.snapshot();
  expect_rows(*snapshot, 3, 75);
  for (const HeadTrace& head : snapshot->heads) {
    ASSERT_EQ(head.chunks.size(), 1u + 2 + 6);
    EXPECT_EQ(head.chunks[0]->rows, 5u);
    EXPECT_EQ(head.chunks[1]->rows, 32u);
    EXPECT_EQ(head.chunks[1]->first_query, 5u);
    EXPECT_EQ(head.chunks[2]->first_query, 37u);
    EXPECT_EQ(head.chunks[3]->rows, 1u);
  }
  EXPECT_TRUE(snapshot->note.empty());
}

TEST(TraceBuilder, never_merges_across_a_gap) {
  TraceBuilder builder(shape_of(1));
  for (std::uint32_t q = 0; q < 80; ++q)
    if (q != 20) add(builder, step_of(q, 1, {.heads = 1}));
  const auto snapshot = builder.snapshot();
  const HeadTrace& head = snapshot->heads.front();
  EXPECT_TRUE(head.row(20).empty());
  for (const std::uint32_t q : {0u, 19u, 21u, 52u, 53u, 79u}) {
    ASSERT_EQ(head.row(q).size(), q + 1);
    EXPECT_EQ(head.row(q).back(), cell(0, q, q));
  }
}

TEST(TraceBuilder, stops_at_the_budget_keeps_what_it_has_and_says_so) {
  // Two heads; rows 0..9 take 2 * 2 * 55 = 220 bytes, row 10 would make it 264.
  TraceBuilder builder(shape_of(2, 263));
  add(builder, step_of(0, 4, {.heads = 2}));
  EXPECT_TRUE(builder.snapshot()->note.empty());
  add(builder, step_of(4, 8, {.heads = 2}));
  for (std::uint32_t q = 12; q < 20; ++q) add(builder, step_of(q, 1, {.heads = 2}));
  const auto snapshot = builder.snapshot();
  expect_rows(*snapshot, 2, 10);
  EXPECT_NE(snapshot->note.find("token 10 on"), std::string::npos) << snapshot->note;
  EXPECT_EQ(snapshot->steps.size(), 10u) << "timings go on";

  TraceBuilder exact(shape_of(2, 220));
  add(exact, step_of(0, 10, {.heads = 2}));
  expect_rows(*exact.snapshot(), 2, 10);
  EXPECT_TRUE(exact.snapshot()->note.empty());
}

TEST(TraceBuilder, keeps_no_row_longer_than_the_stride) {
  TraceBuilder builder(shape_of(1));
  add(builder, step_of(0, 12, {.heads = 1, .row_stride = 8}));
  add(builder, step_of(12, 1, {.heads = 1, .row_stride = 8}));
  const auto snapshot = builder.snapshot();
  expect_rows(*snapshot, 1, 8);
  EXPECT_NE(snapshot->note.find("token 8 on"), std::string::npos) << snapshot->note;
}

TEST(TraceBuilder, reads_routing_by_its_stride) {
  TraceBuilder::Shape shape = shape_of(0);
  shape.experts = 4000;
  shape.experts_used = 3;
  TraceBuilder builder(shape);
  const Layout layout{.slots = 3};
  add(builder, step_of(0, 60, layout, 68));
  for (std::uint32_t t = 60; t < 150; ++t) add(builder, step_of(t, 1, layout, 0));
  const auto snapshot = builder.snapshot();
  EXPECT_EQ(snapshot->routing.experts, 4000u);
  EXPECT_EQ(snapshot->routing.recorded_tokens(), 150u);
  EXPECT_LE(snapshot->routing.chunks.size(), 3u);
  for (std::uint32_t token = 0; token < 150; ++token)
    for (std::uint32_t layer = 0; layer < 2; ++layer) {
      const auto chosen = snapshot->routing.chosen(token, layer);
      ASSERT_EQ(chosen.size(), 3u) << token;
      // Descending weight; the test's weights ascend with the slot.
      for (std::uint32_t i = 0; i < 3; ++i) {
        ASSERT_EQ(chosen[i].expert, token * 10 + layer * 3 + (2 - i)) << "token " << token << " layer " << layer;
        ASSERT_EQ(chosen[i].weight, static_cast<float>(chosen[i].expert) / 8);
      }
    }
  EXPECT_TRUE(snapshot->routing.chosen(150, 0).empty());
}

TEST(TraceBuilder, publishes_snapshots_that_stand_still) {
  TraceBuilder::Shape shape = shape_of(1);
  shape.experts = 4000;
  shape.experts_used = 2;
  TraceBuilder builder(shape);
  builder.set_prompt(
      std::make_shared<const std::vector<TokenText>>(std::vector<TokenText>{{.id = 1, .text = "a", .prompt = true}}));
  const Layout layout{.heads = 1, .slots = 2};
  add(builder, step_of(0, 3, layout));
  builder.add_token({.id = 2, .text = "b"});
  const auto early = builder.snapshot();
  for (std::uint32_t t = 3; t < 100; ++t) {
    add(builder, step_of(t, 1, layout));
    builder.add_token({.id = 3, .text = "c"});
  }
  builder.note("changed");
  const auto late = builder.snapshot();
  EXPECT_EQ(early->tokens->size(), 2u);
  EXPECT_EQ(early->prompt_tokens, 1u);
  expect_rows(*early, 1, 3);
  EXPECT_EQ(early->routing.recorded_tokens(), 3u);
  EXPECT_EQ(early->routing.chosen(2, 1).front().expert, 24u);
  EXPECT_EQ(early->memory.size(), 1u);
  EXPECT_EQ(early->steps.size(), 1u);
  EXPECT_TRUE(early->note.empty());
  EXPECT_EQ(late->tokens->size(), 99u);
  expect_rows(*late, 1, 100);
  EXPECT_EQ(late->routing.recorded_tokens(), 100u);
  EXPECT_EQ(late->note, "changed");
}

TEST(TraceBuilder, passes_on_run_memory_and_timings) {
  TraceBuilder builder(shape_of(1));
  add(builder, step_of(0, 9, {.heads = 1}));
  add(builder, step_of(9, 1, {.heads = 1}));
  const auto snapshot = builder.snapshot();
  EXPECT_EQ(snapshot->run, 7u);
  EXPECT_EQ(snapshot->query_heads, 4u);
  ASSERT_EQ(snapshot->memory.size(), 2u);
  EXPECT_EQ(snapshot->memory[0].tokens, 9u);
  EXPECT_EQ(snapshot->memory[1].tokens, 10u);
  EXPECT_EQ(snapshot->memory[1].bytes.total(), 1u + 9 + 3 + 4);
  ASSERT_EQ(snapshot->steps.size(), 2u);
  EXPECT_TRUE(snapshot->steps[0].prefill && snapshot->steps[0].recording);
  EXPECT_FALSE(snapshot->steps[1].prefill);
  EXPECT_EQ(snapshot->steps[1].first_token, 9u);
  EXPECT_EQ(snapshot->steps[1].milliseconds, 9.5f);

  TraceBuilder plain(shape_of(0));
  add(plain, step_of(0, 2, {}));
  EXPECT_FALSE(plain.snapshot()->steps[0].recording);
  EXPECT_EQ(plain.snapshot()->routing.experts, 0u);
  EXPECT_TRUE(plain.snapshot()->routing.chunks.empty());
}

TEST(TraceBuilder, sums_kernels_of_the_timed_steps_by_phase) {
  TraceBuilder builder(shape_of(0));
  const std::vector<KernelTime> kernels{{"norm", 3, 2}, {"attention", 5, 1}};
  Step timed = step_of(0, 9, {}), plain = step_of(9, 1, {});
  timed.view.kernels = kernels;
  add(builder, timed);
  add(builder, plain);
  const auto before = builder.snapshot();
  ASSERT_NE(before->prefill_kernels, nullptr);
  EXPECT_EQ(before->prefill_kernels->tokens, 9u);
  EXPECT_EQ(before->decode_kernels, nullptr) << "not timed is absent, not zero";
  for (std::uint32_t at = 10; at < 13; ++at) {
    Step step = step_of(at, 1, {});
    step.view.kernels = kernels;
    add(builder, step);
  }
  const auto after = builder.snapshot();
  EXPECT_EQ(before->decode_kernels, nullptr) << "a snapshot stands still";
  ASSERT_NE(after->decode_kernels, nullptr);
  EXPECT_EQ(after->decode_kernels->steps, 3u);
  EXPECT_DOUBLE_EQ(after->decode_kernels->microseconds(), 24);
  EXPECT_TRUE(after->steps[0].timing);
  EXPECT_FALSE(after->steps[1].timing);
  EXPECT_TRUE(after->steps[2].timing);
}

TEST(TraceBuilder, keeps_the_hot_pages_that_it_was_told_until_it_is_told_anew) {
  TraceBuilder builder({.run = 1, .layers = 1, .query_heads = 1});
  EXPECT_EQ(builder.snapshot()->tiers, nullptr) << "the cache is in no tiers";
  builder.set_tiers({.pages = 9, .first_far = 1, .far = 4, .hot = 1, .hot_pages = {{2}}, .told = 4});
  const auto before = builder.snapshot()->tiers;
  builder.set_tiers({.pages = 9, .first_far = 1, .far = 4, .hot = 1});
  EXPECT_EQ(builder.snapshot()->tiers, before) << "nothing is new";
  builder.set_tiers({.pages = 10, .first_far = 1, .far = 5, .hot = 1});
  const auto after = builder.snapshot()->tiers;
  EXPECT_EQ(after->far, 5u);
  EXPECT_EQ(after->told, 4u);
  EXPECT_EQ(after->hot_pages, before->hot_pages);
  EXPECT_EQ(before->far, 4u) << "snapshots stand still";
}

}  // namespace
}  // namespace fovea
