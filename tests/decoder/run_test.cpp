// Runs: repeatable to the bit, within their limits, accounted for, and survivable when the device is not.
#include <gtest/gtest.h>

#include <string>

#include "tests/decoder/decoder_bench.hpp"

namespace fovea::test {
namespace {

class Runs : public DecoderTest {};

TEST_F(Runs, are_repeated_to_the_bit_whatever_came_between) {
  load(kMixture);
  const std::vector<std::int32_t> prompt = tokens(50, 1), other = tokens(90, 2);
  const SamplingOptions warm{.temperature = 1, .top_k = 0, .top_p = 1, .min_p = 0, .seed = 1234};
  const std::vector<float> logits = all_logits(*decoder_, prompt, 50);
  const Generation cold = generate(*decoder_, prompt, 40), drawn = generate(*decoder_, prompt, 40, {}, warm);
  generate(*decoder_, other, 40, {.routing = true, .heads = {{0, 0}}, .row_positions = 200}, warm);
  EXPECT_TRUE(all_logits(*decoder_, prompt, 50) == logits);
  EXPECT_EQ(generate(*decoder_, prompt, 40).drawn, cold.drawn);
  EXPECT_EQ(generate(*decoder_, prompt, 40, {}, warm).drawn, drawn.drawn);
  EXPECT_NE(drawn.drawn, cold.drawn);
  SamplingOptions another = warm;
  another.seed = 1235;
  EXPECT_NE(generate(*decoder_, prompt, 40, {}, another).drawn, drawn.drawn);
}

TEST_F(Runs, are_the_same_to_the_bit_with_a_barrier_before_every_dispatch) {
  ModelShape one_kv_head = kMixture;  // attention is split on any device
  one_kv_head.kv_heads = 1;
  for (const auto& [shape, form] : {std::pair{kMixture, ProductForm::suits_device},
                                    {model_shapes().front(), ProductForm::suits_device},
                                    {model_shapes()[4], ProductForm::suits_device},
                                    {kMixture, ProductForm::gpu},
                                    {one_kv_head, ProductForm::gpu},
                                    {model_shapes().front(), ProductForm::gpu}}) {
    load(shape, {.form = form});
    const std::vector<std::int32_t> prompt = tokens(70, 3);
    const DecoderTrace trace{.routing = true, .heads = {{0, 1}, {1, 0}}, .row_positions = 256};
    const std::vector<float> logits = all_logits(*decoder_, prompt, 70);
    const Generation run = generate(*decoder_, prompt, 40, trace);
    decoder_.reset();
    decoder_ = make_decoder(device(), *file_, {.barrier_everywhere = true, .form = form});
    EXPECT_TRUE(all_logits(*decoder_, prompt, 70) == logits) << shape.name;
    const Generation fenced = generate(*decoder_, prompt, 40, trace);
    EXPECT_EQ(fenced.drawn, run.drawn) << shape.name;
    EXPECT_TRUE(fenced.steps.back().rows == run.steps.back().rows &&
                fenced.steps.back().experts == run.steps.back().experts);
  }
}

TEST_F(Runs, do_not_depend_on_the_batch_that_was_asked_for) {
  load(kMixture);
  const std::vector<std::int32_t> prompt = tokens(70, 15);
  const Generation run = generate(*decoder_, prompt, 10);
  for (const std::uint32_t batch : {1u, 3u, 33u, 600u}) {
    decoder_.reset();
    decoder_ = make_decoder(device(), *file_, {.batch = batch});
    EXPECT_EQ(generate(*decoder_, prompt, 10).drawn, run.drawn) << batch;
  }
}

TEST_F(Runs, end_at_the_context_with_an_error_that_says_so) {
  load(kMixture, {.context = 40});
  const std::vector<std::int32_t> prompt = tokens(36, 4);
  const Generation run = generate(*decoder_, prompt, 5);  // the fifth is drawn from the last position
  EXPECT_EQ(run.drawn.size(), 5u);
  EXPECT_EQ(decoder_->position(), 40u);
  const auto beyond = decoder_->submit_decode();
  ASSERT_FALSE(beyond);
  EXPECT_EQ(beyond.error().code, ErrorCode::usage);
  EXPECT_NE(beyond.error().sentence().find("40"), std::string::npos) << beyond.error().sentence();
  EXPECT_EQ(generate(*decoder_, prompt, 5).drawn, run.drawn) << "and the next run is as good as the first";
  EXPECT_EQ(generate(*decoder_, tokens(40, 5), 1).drawn.size(), 1u) << "a prompt may fill the context";
}

TEST_F(Runs, of_too_long_or_empty_prompts_are_refused) {
  load(kMixture, {.context = 40});
  for (const std::size_t count : {std::size_t{0}, std::size_t{41}}) {
    const auto refused = decoder_->begin(tokens(count, 6), greedy(), {});
    ASSERT_FALSE(refused) << count;
    EXPECT_EQ(refused.error().code, ErrorCode::usage);
  }
  EXPECT_EQ(generate(*decoder_, tokens(3, 7), 2).drawn.size(), 2u);
  EXPECT_FALSE(decoder_->submit_prompt(1, StepKind::draw)) << "nothing of the prompt is left";
}

TEST_F(Runs, survive_ids_that_no_vocabulary_has) {
  load(kMixture);
  const Generation run = generate(*decoder_, std::vector<std::int32_t>{5, -1, 1 << 30, 211}, 4);
  for (const std::int32_t token : run.drawn) EXPECT_LT(static_cast<std::uint32_t>(token), 211u);
}

TEST_F(Runs, take_pages_as_they_need_them_and_give_them_back) {
  load(kMixture, {.context = 3000});
  const std::uint64_t small = device().memory().kv, others = device().memory().compute + device().memory().weights;
  const std::uint64_t position = 2ull * 2 * 2 * 16 * 2;  // keys and values of a position: layers, heads, width, halves
  EXPECT_GE(small, 1024 * position);
  EXPECT_LT(small, 3000 * position) << "the cache starts small";
  generate(*decoder_, tokens(100, 8), 2);
  EXPECT_EQ(device().memory().kv, small);
  const Generation grown = generate(*decoder_, tokens(1020, 9), 10);
  const std::uint64_t two = device().memory().kv;
  EXPECT_GE(two, 2 * 1024 * position);
  generate(*decoder_, tokens(2999, 10), 1);
  EXPECT_GT(device().memory().kv, two);
  EXPECT_LE(device().memory().kv, 2 * two);
  EXPECT_GE(device().memory_peak(), device().memory().kv + others);
  EXPECT_EQ(generate(*decoder_, tokens(1020, 9), 10).drawn, grown.drawn) << "across the border of two slabs";
  must(decoder_->begin(tokens(1030, 9), {.temperature = 0}, {}));
  EXPECT_EQ(device().memory().kv, two) << "what the prompt will fill stays";
  generate(*decoder_, tokens(10, 11), 1);
  EXPECT_EQ(device().memory().kv, small);
}

TEST_F(Runs, take_less_with_a_cache_of_q8_0_and_are_repeated_to_the_bit) {
  ModelShape shape = kMixture;
  shape.head_width = 64;
  load(shape, {.context = 1024});
  const std::uint64_t f16 = device().memory().kv;
  shape.kv = DType::Q8_0;
  load(shape, {.context = 1024});
  const std::uint64_t q8_0 = device().memory().kv;
  EXPECT_EQ(q8_0 * 64 * 2, f16 * (64 + 2 * 2)) << "a byte each and a half for every 32";
  const std::vector<std::int32_t> prompt = tokens(200, 16);
  const DecoderTrace trace{.routing = true, .heads = {{0, 1}, {1, 0}}, .row_positions = 256};
  const std::vector<float> logits = all_logits(*decoder_, prompt, 200);
  const Generation run = generate(*decoder_, prompt, 20, trace);
  decoder_.reset();
  decoder_ = make_decoder(device(), *file_, {.context = 1024, .kv = DType::Q8_0, .barrier_everywhere = true});
  EXPECT_TRUE(all_logits(*decoder_, prompt, 200) == logits);
  const Generation fenced = generate(*decoder_, prompt, 20, trace);
  EXPECT_EQ(fenced.drawn, run.drawn);
  EXPECT_TRUE(fenced.steps.back().rows == run.steps.back().rows);
}

TEST_F(Runs, with_a_cache_of_a_type_that_attention_does_not_read_are_refused) {
  file_.emplace(must(seeded_model(kMixture).open()));
  const ModelConfig config = must(read_model_config(*file_));
  const auto refused = KvCache::create(device(), config, 64, DType::Q4_0);
  ASSERT_FALSE(refused);
  EXPECT_EQ(refused.error().code, ErrorCode::unsupported);
}

// What a layer has of a slab's pages lies side by side: 2 MiB of it, but no more pages than make 1,024 positions or the context.
TEST_F(Runs, keep_a_layers_part_of_a_slab_together) {
  file_.emplace(must(seeded_model(kMixture).open()));
  ModelConfig config = must(read_model_config(*file_));
  const auto pages_together = [&](std::uint32_t context) {
    const KvCache cache = must(KvCache::create(device(), config, context));
    const std::uint32_t part = 2 * config.kv_heads * shader::kPageKeys * config.head_width * 2;
    EXPECT_EQ(cache.layer_offset(0), 0u);
    EXPECT_EQ(cache.layer_offset(2), 2 * cache.layer_offset(1));
    EXPECT_EQ(cache.layer_offset(1) % part, 0u);
    return cache.layer_offset(1) / part;
  };
  EXPECT_EQ(pages_together(3000), 32u);
  EXPECT_EQ(pages_together(64), 2u);
  config.kv_heads = 16;
  config.head_width = 128;
  config.layers = 3;
  EXPECT_EQ(pages_together(3000), 8u) << "of 256 KiB";
}

TEST_F(Runs, on_more_than_one_slab_equal_the_reference) {
  load(kMixture, {.context = 3000});
  const std::vector<std::int32_t> prompt = tokens(1100, 12);
  const Generation run = generate(*decoder_, prompt, 4);
  std::vector<std::int32_t> all = prompt;
  all.insert(all.end(), run.drawn.begin(), run.drawn.end() - 1);
  const std::vector<float> logits = must(reference_->logits(all));
  for (std::size_t i = 0; i < run.drawn.size(); ++i) {
    const std::span<const float> row = std::span(logits).subspan((prompt.size() - 1 + i) * 211, 211);
    EXPECT_GE(row[static_cast<std::size_t>(run.drawn[i])], *std::ranges::max_element(row) - 1e-3f) << i;
  }
}

TEST_F(Runs, end_with_an_error_when_the_device_is_lost_at_any_step) {
  file_.emplace(must(seeded_model(kMixture).open()));
  for (const std::uint64_t alive : {0u, 1u, 2u, 5u, 9u}) {
    auto lost = must(gpu::Device::create({.lose_after_submissions = alive}));
    decoder_ = make_decoder(*lost, *file_, {.context = 256});
    std::string sentence;
    try {
      generate(*decoder_, tokens(150, 13), 20, {.routing = true, .heads = {{0, 0}}, .row_positions = 200});
    } catch (const std::runtime_error& error) {
      sentence = error.what();
    }
    EXPECT_NE(sentence.find("lost"), std::string::npos) << "after " << alive << " submissions: " << sentence;
    // Every later call says the same, and nothing hangs or crashes on the way out.
    const auto again = decoder_->begin(tokens(5, 14), greedy(), {});
    ASSERT_FALSE(again);
    EXPECT_EQ(again.error().code, ErrorCode::device);
    EXPECT_FALSE(decoder_->submit_decode());
    decoder_.reset();
  }
}

TEST(Batch, grows_with_the_device_and_the_context) {
  const GgufFile file = must(seeded_model(model_shapes().front()).open());
  ModelConfig config = must(read_model_config(file));
  gpu::DeviceFacts facts{.memory_bytes = 80ull << 30, .subgroup = 32};
  config.experts = 4;
  config.experts_used = 2;
  config.expert_feed_forward = config.feed_forward;
  EXPECT_EQ(suitable_batch(facts, config, 4096), 2048u);
  config.experts = 0;
  EXPECT_EQ(suitable_batch(facts, config, 4096), 1024u);
  EXPECT_EQ(suitable_batch(facts, config, 300), 512u);
  facts.memory_bytes = 16 * Activations::bytes(facts, config, 128, 1);
  EXPECT_EQ(suitable_batch(facts, config, 4096), 128u);
  facts.memory_bytes = 0;
  EXPECT_EQ(suitable_batch(facts, config, 4096), 8u);
  facts.cpu = true;
  EXPECT_EQ(suitable_batch(facts, config, 4096), 128u);
}

TEST(SuitableActivations, are_8_bits_on_gpus_with_integer_dot_products) {
  gpu::DeviceFacts facts{.subgroup = 32};
  EXPECT_EQ(suitable_activations(facts), ActivationType::f32);
  facts.integer_dot = true;
  EXPECT_EQ(suitable_activations(facts), ActivationType::q8_0);
  facts.cpu = true;
  EXPECT_EQ(suitable_activations(facts), ActivationType::f32);
}

}  // namespace
}  // namespace fovea::test
