// Groups: several tokens in one submission are the tokens of one submission each, wherever a run ends.
#include <gtest/gtest.h>

#include <algorithm>

#include "engine/kernels/attention.hpp"
#include "tests/decoder/decoder_bench.hpp"

namespace fovea::test {
namespace {

constexpr std::uint32_t kSizes[]{1, 2, 5, 16};

SamplingOptions warm() {
  return {.temperature = 0.9f, .top_k = 60, .top_p = 0.95f, .min_p = 0.01f, .repeat_penalty = 1.2f, .repeat_last_n = -1,
          .seed = 4711};
}

class Groups : public DecoderTest {
 protected:
  // `count` tokens of the prompt's continuation, `group` at a time.
  Generation decode(std::span<const std::int32_t> prompt, std::uint32_t count, std::uint32_t group,
                    const SamplingOptions& sampling = warm()) {
    return generate(*decoder_, prompt, count, {}, sampling, 1u << 20, group);
  }
  // As decode(), but the run ends with its `last` token, somewhere in a group.
  std::vector<std::int32_t> cut(std::span<const std::int32_t> prompt, std::uint32_t last, std::uint32_t group) {
    std::vector<std::int32_t> drawn = decode(prompt, 1, 1).drawn;
    const StopReason reason =
        must(decode_tokens(*decoder_, {.tokens = 1000, .group = group}, [&](const StepRecord& record, double) {
          EXPECT_EQ(record.drawn.size(), record.tokens);
          for (const std::int32_t token : record.drawn) {
            drawn.push_back(token);
            if (drawn.size() == last) return std::optional(StopReason::end_of_text);
          }
          return std::optional<StopReason>();
        }));
    EXPECT_EQ(reason, StopReason::end_of_text);
    return drawn;
  }
};

TEST_F(Groups, of_every_size_draw_the_same_tokens) {
  const auto test = [&](const ModelShape& shape, const SamplingOptions& sampling) {
    load(shape, {.context = 512});
    const std::vector<std::int32_t> prompt = tokens(21, 1);
    const std::vector<std::int32_t> alone = decode(prompt, 270, 1, sampling).drawn;  // once round the ring
    ASSERT_EQ(alone.size(), 270u);
    for (const std::uint32_t size : kSizes) {
      const Generation run = decode(prompt, 270, size, sampling);  // 269 is a multiple of no size
      EXPECT_EQ(run.drawn, alone) << shape.name << " by " << size;
      EXPECT_EQ(run.steps.size(), 1 + (269 + size - 1) / size);
      EXPECT_EQ(decoder_->position(), 21u + 269u) << "nothing is decoded beyond the limit";
    }
    EXPECT_EQ(decode(prompt, 270, 0, sampling).drawn, alone) << shape.name << ", sizes by time";
  };
  test(kMixture, warm());
  test(kMixture, greedy());
  test(model_shapes().front(), warm());
}

TEST_F(Groups, are_the_same_with_a_barrier_before_every_dispatch_and_in_the_form_of_a_gpu) {
  for (const ProductForm form : {ProductForm::suits_device, ProductForm::gpu})
    for (const bool everywhere : {false, true}) {
      load(kMixture, {.context = 256, .barrier_everywhere = everywhere, .form = form});
      const std::vector<std::int32_t> prompt = tokens(9, 2);
      EXPECT_EQ(decode(prompt, 40, 16).drawn, decode(prompt, 40, 1).drawn) << everywhere;
    }
}

TEST_F(Groups, end_where_another_plan_goes_on) {
  load(kMixture, {.context = kDeepAttention + 32, .form = ProductForm::gpu});
  const std::vector<std::int32_t> prompt = tokens(kDeepAttention - 8, 8);
  const std::vector<std::int32_t> alone = decode(prompt, 20, 1).drawn;
  EXPECT_EQ(decode(prompt, 20, 16).drawn, alone);
  decode(prompt, 1, 1);
  EXPECT_EQ(decoder_->decode_limit(), 8u);
}

TEST_F(Groups, are_one_submission_each) {
  load(kMixture, {.context = 256});
  decode(tokens(9, 3), 1, 1);
  const Step first = must(decoder_->submit_decode(16)), second = must(decoder_->submit_decode(3));
  EXPECT_EQ(second.ticket, first.ticket + 1);
  EXPECT_EQ(second.first_position, first.first_position + 16);
  EXPECT_EQ(must(decoder_->finish(first)).drawn.size(), 16u);
  EXPECT_EQ(must(decoder_->finish(second)).drawn.size(), 3u);
  EXPECT_FALSE(decoder_->submit_decode(0));
  EXPECT_FALSE(decoder_->submit_decode(kMostGroupTokens + 1));
}

TEST_F(Groups, that_are_cut_leave_nothing_to_the_next_run) {
  load(kMixture, {.context = 2100});  // more than one slab of pages
  const std::vector<std::int32_t> prompt = tokens(1010, 4), other = tokens(30, 5);
  const std::vector<std::int32_t> whole = decode(prompt, 40, 1).drawn, next = decode(other, 60, 1).drawn;
  const std::vector<float> logits = all_logits(*decoder_, other, 30);
  const std::uint64_t kv = device().memory().kv;
  for (const std::uint32_t size : kSizes)
    for (const std::uint32_t last : {2u, 8u, 17u, 18u, 33u}) {
      const std::vector<std::int32_t> drawn = cut(prompt, last, size);
      EXPECT_TRUE(std::equal(drawn.begin(), drawn.end(), whole.begin())) << last << " by " << size;
      EXPECT_EQ(decode(other, 60, size).drawn, next) << "after " << last << " by " << size;
      EXPECT_EQ(device().memory().kv, kv);
    }
  EXPECT_TRUE(all_logits(*decoder_, other, 30) == logits);
}

TEST_F(Groups, end_with_the_context) {
  load(kMixture, {.context = 40});
  const std::vector<std::int32_t> prompt = tokens(3, 6);
  const std::vector<std::int32_t> alone = decode(prompt, 38, 1).drawn;
  for (const std::uint32_t size : kSizes) {
    std::vector<std::int32_t> drawn = decode(prompt, 1, 1).drawn;
    const DecodeLoop loop{.tokens = 1000, .group = size};
    const auto reason = decode_tokens(*decoder_, loop, [&](const StepRecord& record, double) {
      drawn.insert(drawn.end(), record.drawn.begin(), record.drawn.end());
      return std::optional<StopReason>();
    });
    ASSERT_TRUE(reason) << reason.error().sentence();
    EXPECT_EQ(*reason, StopReason::context_full);
    EXPECT_EQ(decoder_->position(), 40u);
    EXPECT_EQ(drawn, alone) << size;
  }
}

TEST_F(Groups, stop_within_those_in_flight) {
  load(kMixture, {.context = 512});
  decode(tokens(5, 7), 1, 1);
  std::stop_source stop;
  std::uint32_t steps = 0;
  const auto reason = decode_tokens(*decoder_, {.tokens = 400, .group = 5, .stop = stop.get_token()},
                                    [&](const StepRecord&, double) {
                                      if (++steps == 3) stop.request_stop();
                                      return std::optional<StopReason>();
                                    });
  ASSERT_TRUE(reason);
  EXPECT_EQ(*reason, StopReason::cancelled);
  EXPECT_EQ(steps, 3u);
  EXPECT_EQ(decoder_->position(), 5u + 4 * 5) << "one group was ahead";
}

TEST_F(Groups, are_single_tokens_while_each_is_recorded) {
  load(kMixture, {.context = 512});
  const std::vector<std::int32_t> prompt = tokens(12, 8);
  const std::vector<std::int32_t> alone = decode(prompt, 30, 1).drawn;
  EXPECT_EQ(decoder_->decode_limit(), kMostGroupTokens);
  for (const DecoderTrace& trace :
       {DecoderTrace{.routing = true}, DecoderTrace{.heads = {{0, 0}}, .row_positions = 64}}) {
    const Generation run = generate(*decoder_, prompt, 30, trace, warm(), 1u << 20, 16);
    EXPECT_EQ(run.drawn, alone);
    EXPECT_EQ(run.steps.size(), 30u);
    EXPECT_EQ(decoder_->decode_limit(), 1u);
    EXPECT_FALSE(decoder_->submit_decode(2));
  }
  EXPECT_EQ(decode(prompt, 30, 16).drawn, alone);
  if (!device().facts().timestamps) return;
  // Timing may begin and end in the middle of a run.
  must(decoder_->begin(prompt, warm(), {}));
  std::vector<std::int32_t> drawn = must(decoder_->finish(must(decoder_->submit_prompt(12, StepKind::draw)))).drawn;
  std::uint32_t asked = 0, timed = 0;
  const DecodeLoop loop{
      .tokens = 29, .group = 4, .before_step = [&] { decoder_->time_kernels(++asked > 2 && asked <= 6); }};
  must(decode_tokens(*decoder_, loop, [&](const StepRecord& record, double) {
    drawn.insert(drawn.end(), record.drawn.begin(), record.drawn.end());
    timed += record.kernels.empty() ? 0 : 1;
    EXPECT_TRUE(record.kernels.empty() || record.tokens == 1);
    return std::optional<StopReason>();
  }));
  EXPECT_EQ(drawn, alone);
  EXPECT_EQ(timed, 4u);
}

}  // namespace
}  // namespace fovea::test
