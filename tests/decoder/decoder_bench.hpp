// A decoder with its model and its judge, and the loops that a session would run around it.
#pragma once

#include <gtest/gtest.h>

#include <memory>
#include <optional>
#include <span>
#include <stdexcept>
#include <vector>

#include "engine/decoder/decode_loop.hpp"
#include "engine/decoder/decoder.hpp"
#include "engine/reference/decoder.hpp"
#include "tests/decoder/seeded_models.hpp"

namespace fovea::test {

// The value, or an exception that ends the test with the error's sentence.
template <class T>
T must(Result<T> result) {
  if (!result) throw std::runtime_error(result.error().sentence());
  if constexpr (!std::is_void_v<T>) return std::move(*result);
}

// One device for all cases of a program; nullptr where there is none.
inline gpu::Device* shared_device() {
  static const auto made = gpu::Device::create({.chained_steps = true});  // on a CPU driver too, so that it is tried everywhere
  return made ? made->get() : nullptr;
}

inline std::unique_ptr<Decoder> make_decoder(gpu::Device& device, const GgufFile& file, DecoderOptions options, bool output_in_eights = false) {
  const ModelConfig config = must(read_model_config(file));
  const ModelWeights weights = must(read_model_weights(file, config));
  if (options.context == 0) options.context = config.context;
  return must(Decoder::create(device, config, must(DeviceWeights::upload(device, config, weights, {}, {}, {}, output_in_eights)), options));
}

inline std::vector<std::int32_t> seeded_tokens(std::size_t count, std::uint32_t vocabulary, std::uint64_t seed) {
  Seeded random(seed);
  std::vector<std::int32_t> tokens(count);
  for (std::int32_t& token : tokens) token = static_cast<std::int32_t>(random.below(vocabulary));
  return tokens;
}

inline SamplingOptions greedy() { return {.temperature = 0, .seed = 0}; }

// Logits of every position, `batch` tokens at a time.
inline std::vector<float> all_logits(Decoder& decoder, std::span<const std::int32_t> tokens, std::uint32_t batch) {
  must(decoder.begin(tokens, greedy(), {}));
  std::vector<float> logits;
  while (decoder.position() < tokens.size()) {
    const Step step = must(decoder.submit_prompt(batch, StepKind::logits));
    const StepRecord record = must(decoder.finish(step));
    logits.insert(logits.end(), record.logits.begin(), record.logits.end());
  }
  return logits;
}

// What a run left behind, copied out of the views.
struct RecordedStep {
  std::uint32_t first = 0, tokens = 0, plan_tokens = 0, rows_capacity = 0, row_stride = 0;
  std::vector<std::uint32_t> experts;
  std::vector<float> weights;
  std::vector<std::uint16_t> rows;
};
struct Generation {
  std::vector<std::int32_t> drawn;
  std::vector<RecordedStep> steps;
};

// A prompt and `count` drawn tokens, decoded as a session does it, `group` to a submission.
inline Generation generate(Decoder& decoder, std::span<const std::int32_t> prompt, std::uint32_t count,
                           const DecoderTrace& trace = {}, const SamplingOptions& sampling = greedy(),
                           std::uint32_t batch = 1u << 20, std::uint32_t group = 1) {
  must(decoder.begin(prompt, sampling, trace));
  Generation run;
  const auto take = [&](const StepRecord& record) {
    run.drawn.insert(run.drawn.end(), record.drawn.begin(), record.drawn.end());
    run.steps.push_back({record.first_position,
                         record.tokens,
                         record.plan_tokens,
                         record.rows_capacity,
                         record.row_stride,
                         {record.experts.begin(), record.experts.end()},
                         {record.expert_weights.begin(), record.expert_weights.end()},
                         {record.rows.begin(), record.rows.end()}});
  };
  while (decoder.position() < prompt.size()) {
    const std::uint32_t left = static_cast<std::uint32_t>(prompt.size()) - decoder.position();
    const bool last = left <= std::min(batch, decoder.batch_limit(StepKind::draw));
    take(must(
        decoder.finish(must(decoder.submit_prompt(std::min(left, batch), last ? StepKind::draw : StepKind::fill)))));
  }
  if (count > 1)
    must(decode_tokens(decoder, {.tokens = count - 1, .group = group}, [&](const StepRecord& record, double) {
      take(record);
      return std::nullopt;
    }));
  return run;
}

class DecoderTest : public testing::Test {
 protected:
  void SetUp() override {
    if (shared_device() == nullptr) GTEST_SKIP() << "there is no Vulkan device here";
    (void)device().chains_steps();  // keeps what it counts in
    kept_ = device().memory();
  }
  void TearDown() override {
    decoder_.reset();
    if (shared_device() == nullptr) return;
    EXPECT_EQ(device().validation_messages(), 0u);
    const gpu::MemoryUsage left = device().memory();
    // A device whose weights are not mapped keeps its staging ring, which counts as other.
    EXPECT_EQ(left.weights + left.kv + left.compute, kept_.weights + kept_.kv + kept_.compute) << "memory was not given back";
  }
  static gpu::Device& device() { return *shared_device(); }
  void load(const ModelShape& shape, DecoderOptions options = {}) {
    decoder_.reset();
    file_.emplace(must(seeded_model(shape).open()));
    options.kv = shape.kv;
    decoder_ = make_decoder(device(), *file_, options);
    reference_.emplace(must(reference::ReferenceDecoder::create(*file_, {.kv = shape.kv})));
  }
  [[nodiscard]] std::vector<std::int32_t> tokens(std::size_t count, std::uint64_t seed) const {
    return seeded_tokens(count, decoder_->config().vocabulary, seed);
  }

  std::optional<GgufFile> file_;
  gpu::MemoryUsage kept_;  // before the case
  std::unique_ptr<Decoder> decoder_;
  std::optional<reference::ReferenceDecoder> reference_;
};

}  // namespace fovea::test
