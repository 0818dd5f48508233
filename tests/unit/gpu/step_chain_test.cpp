#include "engine/gpu/step_chain.hpp"

#include <random>

#include "shaders/interface/chain.h"
#include "tests/unit/gpu/gpu_fixture.hpp"

namespace fovea::gpu {
namespace {

constexpr std::uint32_t kWords = 37, kWidth = 64;

// Steps that follow one another by counts. Where the device is not known to run them they are asked for all the same: a CPU
// driver ends a dispatch before it begins the next one.
class StepChainTest : public GpuTest {
 protected:
  void SetUp() override {
    GpuTest::SetUp();
    if (!device_) return;
    open({.chained_steps = true});
    if (!device_->chains_steps()) GTEST_SKIP() << device_->facts().name << " does not run chained steps";
  }

  const Pipeline& trial() {
    const auto pipeline = device_->pipeline({ShaderId::chain_trial, {kWidth}, device_->facts().subgroup});
    if (!pipeline) throw std::runtime_error(pipeline.error().sentence());
    return **pipeline;
  }
  // to[i] = from[5 i % kWords] + 1.
  void count(CommandRecorder& recorder, const Buffer& from, const Buffer& to) {
    recorder.dispatch_chained(trial(), shader::ChainTrialPush{.chain = 0, .from = from.address(), .to = to.address(), .stride = 5}, kWords);
  }
};

TEST_F(StepChainTest, a_device_that_chains_runs_more_workgroups_than_fit_in_order) {
  const auto runs = runs_chained(*device_);
  ASSERT_TRUE(runs) << runs.error().sentence();
  EXPECT_TRUE(*runs);
}

TEST_F(StepChainTest, none_are_chained_where_nobody_wants_it) {
  open({.chained_steps = false});
  EXPECT_FALSE(device_->chains_steps());
}

// Chained and other dispatches, alone and side by side in a step, with fills and tags between, replayed: as if one after another.
TEST_F(StepChainTest, mixed_steps_come_in_their_order_in_every_replay) {
  std::mt19937 random(7);
  for (int plan = 0; plan < 12; ++plan) {
    std::array<Buffer, 4> data;
    std::array<std::vector<std::uint32_t>, 4> expected;
    for (std::size_t i = 0; i < data.size(); ++i) {
      data[i] = buffer(kWords * 4);
      expected[i].assign(kWords, 0);
    }
    auto recorder = record();
    recorder.chain_steps();
    std::vector<std::pair<int, std::array<std::uint32_t, 2>>> steps;  // kind, buffers
    for (int step = 0; step < 40; ++step) {
      // Up to two commands, whose buffers are apart.
      const std::uint32_t commands = 1 + random() % 2, first = random() % 2;
      for (std::uint32_t c = 0; c < commands; ++c) {
        const std::array<std::uint32_t, 2> at{(first + c) % 2 * 2, (first + c) % 2 * 2 + 1};
        const int kind = random() % 8 < 6 ? 0 : 1 + static_cast<int>(random() % 2);
        if (random() % 4 == 0) recorder.tag("step");
        if (kind == 0) count(recorder, data[at[step % 2]], data[at[(step + 1) % 2]]);
        if (kind == 1) affine(recorder, data[at[0]], {.factor = 3, .addend = 1});
        if (kind == 2) recorder.fill(data[at[1]], 4, 8, 77);
        steps.push_back({kind == 0 ? (step % 2 == 0 ? 0 : 3) : kind, at});
      }
      recorder.barrier();
    }
    const CommandPlan made = finish(recorder);
    for (int replay = 0; replay < 3; ++replay) {
      run(made);
      for (const auto& [kind, at] : steps) {
        if (kind == 0 || kind == 3) {
          const std::vector<std::uint32_t> from = expected[at[kind == 0 ? 0 : 1]];
          for (std::uint32_t i = 0; i < kWords; ++i) expected[at[kind == 0 ? 1 : 0]][i] = from[5 * i % kWords] + 1;
        }
        if (kind == 1)
          for (std::uint32_t& word : expected[at[0]]) word = word * 3 + 1;
        if (kind == 2) expected[at[1]][1] = expected[at[1]][2] = 77;
      }
      for (std::size_t i = 0; i < data.size(); ++i) ASSERT_EQ(words(data[i], 0, kWords), expected[i]) << plan << ' ' << replay << ' ' << i;
    }
  }
}

// A plan may have more steps than there is room to count.
TEST_F(StepChainTest, steps_beyond_the_room_for_counts_wait_for_barriers) {
  const Buffer one = buffer(kWords * 4), other = buffer(kWords * 4);
  auto recorder = record();
  recorder.chain_steps();
  constexpr std::uint32_t kSteps = 2 * shader::kLinks + 3;
  for (std::uint32_t step = 0; step < kSteps; ++step) {
    count(recorder, step % 2 == 0 ? one : other, step % 2 == 0 ? other : one);
    recorder.barrier();
  }
  const CommandPlan plan = finish(recorder);
  EXPECT_EQ(plan.steps(), kSteps);
  EXPECT_EQ(plan.barriers(), kSteps - shader::kLinks + 2);
  run(plan);
  EXPECT_EQ(words(other, 0, kWords), std::vector<std::uint32_t>(kWords, kSteps));
}

TEST_F(StepChainTest, a_wait_in_vain_is_told_to_the_host_once) {
  const auto chain = StepChain::create(*device_);
  ASSERT_TRUE(chain) << chain.error().sentence();
  EXPECT_FALSE((*chain)->take_late());
  const Buffer data = buffer(2 * kWords * 4);
  auto recorder = record();
  // The first step of which 3 workgroups are waited for has none.
  const std::uint64_t link = std::uint64_t{3} << 48 | ((*chain)->address() / shader::kLinkBytes + 2);
  recorder.dispatch(trial(), shader::ChainTrialPush{.chain = link, .from = data.address(), .to = data.address() + kWords * 4, .stride = 1}, 1);
  run(finish(recorder));
  EXPECT_TRUE((*chain)->take_late());
  EXPECT_FALSE((*chain)->take_late());
}

}  // namespace
}  // namespace fovea::gpu
