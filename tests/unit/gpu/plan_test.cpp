#include "tests/unit/gpu/gpu_fixture.hpp"

namespace fovea::gpu {
namespace {

using PlanTest = GpuTest;

constexpr std::uint32_t chain_length = 40, elements = 5000;

std::uint32_t chained(std::uint32_t value, std::uint32_t index) {
  for (std::uint32_t n = 0; n < chain_length; ++n) value = value * (2 * n + 3) + n + index;
  return value;
}

TEST_F(PlanTest, a_chain_with_barriers_gives_the_right_result_with_and_without_debug_barriers) {
  std::vector<std::uint32_t> expected(elements);
  for (std::uint32_t i = 0; i < elements; ++i) expected[i] = chained(0, i);
  for (const bool everywhere : {false, true}) {
    const Buffer data = buffer(elements * 4);
    auto recorder = record();
    if (everywhere) recorder.barrier_everywhere();
    recorder.tag("chain");
    for (std::uint32_t n = 0; n < chain_length; ++n) {
      affine(recorder, data, {.factor = 2 * n + 3, .addend = n, .step = 1});
      recorder.barrier();
    }
    const CommandPlan plan = finish(recorder);
    EXPECT_EQ(plan.dispatches(), chain_length);
    EXPECT_EQ(plan.steps(), chain_length);
    run(plan);
    EXPECT_EQ(words(data, 0, elements), expected) << everywhere;
  }
}

TEST_F(PlanTest, steps_are_what_barriers_keep_apart) {
  const Buffer first = buffer(elements * 4), second = buffer(elements * 4);
  auto recorder = record();
  recorder.tag("one");
  recorder.barrier();
  affine(recorder, first, {.factor = 3, .addend = 1, .step = 1});
  affine(recorder, second, {.factor = 3, .addend = 1, .step = 1});
  recorder.tag("two");
  recorder.barrier();
  recorder.barrier();
  recorder.copy(first, 0, second, 0, 4);
  const CommandPlan plan = finish(recorder);
  EXPECT_EQ(plan.dispatches(), 2u);
  EXPECT_EQ(plan.steps(), 2u);
}

TEST_F(PlanTest, a_plan_replayed_within_a_submission_runs_as_often_in_order) {
  const Buffer data = buffer(elements * 4), counted = buffer(elements * 4);
  auto recorder = record();
  affine(recorder, data, {.factor = 5, .addend = 2, .step = 1});
  const CommandPlan once = finish(recorder);
  for (int i = 0; i < 7; ++i) run(once);
  auto again = record();
  affine(again, counted, {.factor = 5, .addend = 2, .step = 1});
  const CommandPlan many = finish(again);
  const std::vector<const CommandPlan*> seven(7, &many);
  const auto value = device_->submit(seven);
  ASSERT_TRUE(value) << value.error().sentence();
  ASSERT_TRUE(device_->wait(*value));
  EXPECT_EQ(words(counted, 0, elements), words(data, 0, elements));
}

TEST_F(PlanTest, debug_barriers_order_a_chain_that_has_none) {
  const Buffer data = buffer(elements * 4);
  auto recorder = record();
  recorder.barrier_everywhere();
  for (std::uint32_t n = 0; n < chain_length; ++n)
    affine(recorder, data, {.factor = 2 * n + 3, .addend = n, .step = 1});
  run(finish(recorder));
  const auto got = words(data, 0, elements);
  for (std::uint32_t i = 0; i < elements; ++i) ASSERT_EQ(got[i], chained(0, i));
}

TEST_F(PlanTest, indirect_counts_written_by_a_kernel_say_how_far_the_next_one_goes) {
  const Buffer counts = buffer(64), data = buffer(elements * 4);
  for (const std::uint32_t groups_wanted : {0u, 1u, 7u}) {
    auto recorder = record();
    recorder.fill(data, 0, data.bytes(), 0);
    affine(recorder, counts, {.addend = 1});  // all ones...
    recorder.barrier();
    AffinePush first{.data = counts.address() + 16, .count = 1, .addend = groups_wanted};
    recorder.dispatch(affine(), first, 1);  // ...but for x, at byte 16
    recorder.barrier();
    // The kernel strides by the size of the grid, so one element per invocation says how many groups ran.
    AffinePush push{.data = data.address(), .count = groups_wanted * affine_width, .addend = 1};
    recorder.dispatch_indirect(affine(), push, counts, 16);
    run(finish(recorder));
    const auto got = words(data, 0, elements);
    for (std::uint32_t i = 0; i < elements; ++i) ASSERT_EQ(got[i], i < groups_wanted * affine_width ? 1u : 0u) << i;
  }
}

TEST_F(PlanTest, a_plan_replays_a_hundred_times_with_several_in_flight) {
  const Buffer data = buffer(elements * 4);
  auto recorder = record();
  affine(recorder, data, {.factor = 3, .addend = 1, .step = 1});
  const CommandPlan plan = finish(recorder);
  std::uint64_t last = 0;
  for (int n = 0; n < 100; ++n) {
    const auto value = device_->submit(plan);
    ASSERT_TRUE(value) << value.error().sentence();
    EXPECT_GT(*value, last);
    last = *value;
  }
  ASSERT_TRUE(device_->wait(last));
  EXPECT_GE(*device_->completed(), last);
  const auto got = words(data, 0, elements);
  for (std::uint32_t i = 0; i < elements; ++i) {
    std::uint32_t value = 0;
    for (int n = 0; n < 100; ++n) value = value * 3 + 1 + i;
    ASSERT_EQ(got[i], value);
  }
}

TEST_F(PlanTest, plans_of_one_batch_run_in_order) {
  const Buffer data = buffer(elements * 4);
  auto first = record(), second = record();
  affine(first, data, {.addend = 11});
  affine(second, data, {.factor = 5, .addend = 2});
  const CommandPlan one = finish(first), two = finish(second);
  const CommandPlan* batch[] = {&one, &two, &two};
  const auto value = device_->submit(batch);
  ASSERT_TRUE(value) << value.error().sentence();
  ASSERT_TRUE(device_->wait(*value));
  EXPECT_EQ(words(data, 0, elements), std::vector<std::uint32_t>(elements, (11 * 5 + 2) * 5 + 2));
}

TEST_F(PlanTest, copies_fills_and_writes_land_where_they_are_told) {
  const Buffer from = buffer(64), to = buffer(64);
  auto recorder = record();
  recorder.fill(from, 0, 64, 0x01020304);
  {
    const std::array<std::uint32_t, 2> kept{7, 9};  // by the plan
    recorder.write(to, 20, std::as_bytes(std::span(kept)));
  }
  recorder.barrier();
  recorder.copy(from, 4, to, 8, 8);
  run(finish(recorder));
  EXPECT_EQ(words(to, 0, 8), (std::vector<std::uint32_t>{0, 0, 0x01020304, 0x01020304, 0, 7, 9, 0}));
}

TEST_F(PlanTest, times_are_summed_by_tag_in_order_of_first_use) {
  const Buffer data = buffer(elements * 4);
  auto recorder = record();
  recorder.time_tags();
  // More stretches than one query pool holds.
  for (int layer = 0; layer < 200; ++layer) {
    recorder.tag("attention");
    affine(recorder, data, {.factor = 3, .addend = 1, .repeat = 20});
    recorder.barrier();
    recorder.tag("feed-forward");
    affine(recorder, data, {.factor = 5, .addend = 1});
    recorder.barrier();
  }
  const CommandPlan plan = finish(recorder);
  EXPECT_FALSE(plan.times()) << "nothing has run yet";
  for (int replay = 0; replay < 2; ++replay) {
    run(plan);
    const auto times = plan.times();
    ASSERT_TRUE(times) << times.error().sentence();
    ASSERT_EQ(times->size(), 2u);
    EXPECT_EQ((*times)[0].tag, "attention");
    EXPECT_EQ((*times)[1].tag, "feed-forward");
    for (const TagTime& time : *times) {
      EXPECT_EQ(time.count, 200u);
      EXPECT_GT(time.microseconds, 0);
      EXPECT_LT(time.microseconds, 60e6);
    }
  }
}

TEST_F(PlanTest, times_of_an_untimed_plan_are_refused) {
  auto recorder = record();
  const CommandPlan plan = finish(recorder);
  EXPECT_FALSE(plan.times());
  EXPECT_FALSE(CommandPlan().times());
}

TEST_F(PlanTest, mistakes_are_kept_and_returned_at_the_end) {
  const Buffer data = buffer(64), other = buffer(64);
  const auto refused = [&](auto mistake) {
    auto recorder = record();
    mistake(recorder);
    affine(recorder, data, {.addend = 1});  // what follows does not hide it
    const auto plan = recorder.finish();
    return !plan && plan.error().code == ErrorCode::internal;
  };
  EXPECT_TRUE(refused([&](auto& r) { r.copy(data, 32, other, 0, 33); }));
  EXPECT_TRUE(refused([&](auto& r) { r.copy(data, 0, other, ~std::uint64_t{0}, 4); }));
  EXPECT_TRUE(refused([&](auto& r) { r.copy(data, 0, data, 16, 32); }));
  EXPECT_TRUE(refused([&](auto& r) { r.fill(data, 2, 4, 0); }));
  EXPECT_TRUE(refused([&](auto& r) { r.fill(Buffer(), 0, 4, 0); }));
  const std::vector<std::byte> words(65540);
  EXPECT_TRUE(refused([&](auto& r) { r.write(data, 2, std::span(words).first(4)); }));
  EXPECT_TRUE(refused([&](auto& r) { r.write(data, 0, std::span(words).first(6)); }));
  EXPECT_TRUE(refused([&](auto& r) { r.write(data, data.bytes(), std::span(words).first(4)); }));
  EXPECT_TRUE(refused([&](auto& r) { r.write(data, 0, words); }));
  EXPECT_TRUE(refused([&](auto& r) { r.dispatch_indirect(affine(), AffinePush{}, data, 56); }));
  EXPECT_TRUE(refused([&](auto& r) { r.dispatch(affine(), AffinePush{}, 1, ~0u); }));
  EXPECT_TRUE(refused([&](auto& r) {
    affine(r, data, {.addend = 1});
    r.time_tags();
  }));
  EXPECT_FALSE(refused([](auto&) {}));
  auto recorder = record();
  (void)finish(recorder);
  EXPECT_FALSE(recorder.finish()) << "a plan is finished once";
  EXPECT_FALSE(device_->submit(CommandPlan()));
}

TEST_F(PlanTest, a_plan_may_be_dropped_while_it_runs) {
  const Buffer data = buffer(elements * 4);
  {
    auto recorder = record();
    affine(recorder, data, {.factor = 3, .addend = 1, .repeat = 20'000});
    const CommandPlan plan = finish(recorder);
    ASSERT_TRUE(device_->submit(plan));
  }
  std::uint32_t expected = 0;
  for (int n = 0; n < 20'000; ++n) expected = expected * 3 + 1;
  EXPECT_EQ(words(data, 0, 1), std::vector<std::uint32_t>{expected});
}

}  // namespace
}  // namespace fovea::gpu
