// Small runs that never ran: 4 prompt tokens and some generated ones of a mixture of 4 experts in 2 layers.
#pragma once

#include <memory>
#include <string>

#include "engine/api/run_record.hpp"

namespace fovea::test {

// Token i is `ids[i]` with the text "t<id> "; every token uses `k` of 2 experts, the first (token + layer) % 4.
inline std::shared_ptr<RunRecord> synthetic_record(const std::vector<std::int32_t>& ids, std::uint32_t k = 2) {
  auto run = std::make_shared<RunRecord>();
  run->model = {.name = "Tiny", .file = "tiny.gguf", .architecture = "qwen3moe", .quantization = "Q8_0", .sha256 = std::string(64, 'a'), .file_bytes = 1000,
                .parameters = 500, .layers = 2, .query_heads = 2, .kv_heads = 1, .experts = 4, .experts_used = 2, .vocabulary = 100, .context = 64};
  run->device = "a device";
  run->driver = "a driver";
  run->policy.moe = k == 2 ? "static:k=2" : "static:k=1";
  run->prompt = "t0 t1 t2 t3";
  run->seed = 7;
  run->sampling.seed = 7;
  run->max_tokens = 8;
  run->timings = {.prompt_ms = 4, .decode_ms = 10.0 * k, .first_token_ms = 4, .prompt_tokens = 4, .generated_tokens = static_cast<std::uint32_t>(ids.size()) - 4};
  run->memory = {1000, 200 * k, 30, 4};
  run->memory_peak = run->memory.total();
  run->token_bytes = 100.0 * k;
  run->expert_bytes = 50.0 * k;
  run->prefill_attention = run->decode_attention = AttentionCost{1, 1};
  auto trace = std::make_shared<TraceSnapshot>();
  trace->layers = 2;
  trace->query_heads = 2;
  trace->prompt_tokens = 4;
  std::vector<TokenText> tokens;
  for (std::size_t i = 0; i < ids.size(); ++i) {
    const std::string word = "t" + std::to_string(ids[i]);
    tokens.push_back({.id = ids[i], .text = word + " ", .piece = word, .prompt = i < 4});
  }
  trace->steps.push_back({0, 4, 4, true, false, false});
  for (std::uint32_t i = 4; i < ids.size(); ++i) trace->steps.push_back({i, 1, 2.5f * static_cast<float>(k), false, false, false});
  trace->memory.push_back({4, {1000, 100, 30, 4}});
  trace->memory.push_back({static_cast<std::uint32_t>(ids.size()), run->memory});
  RoutingChunk chunk{0, static_cast<std::uint32_t>(ids.size()), 2, 2, {}, {}};
  for (std::uint32_t token = 0; token < chunk.tokens; ++token)
    for (std::uint32_t layer = 0; layer < 2; ++layer) {
      chunk.experts.insert(chunk.experts.end(), {static_cast<std::uint16_t>((token + layer) % 4), k == 2 ? static_cast<std::uint16_t>((token + layer + 1) % 4) : kUnusedSlot});
      chunk.weights.insert(chunk.weights.end(), {k == 2 ? 0.75f : 1.0f, k == 2 ? 0.25f : 0.0f});
    }
  trace->routing = {.layers = 2, .experts = 4, .slots = 2, .chunks = {std::make_shared<const RoutingChunk>(std::move(chunk))}};
  AttentionChunk rows{.first_query = 1, .rows = 2, .weights = {1, 2, 3, 4, 5}};
  trace->heads.push_back({{1, 0}, {std::make_shared<const AttentionChunk>(rows)}});
  trace->heads.push_back({{1, 1}, {std::make_shared<const AttentionChunk>(std::move(rows))}});
  trace->note = "a note";
  trace->tokens = std::make_shared<const std::vector<TokenText>>(std::move(tokens));
  run->trace = std::move(trace);
  return run;
}

inline std::shared_ptr<PairScores> synthetic_scores() {
  return std::make_shared<PairScores>(PairScores{.text = "the tokens of A", .first = 4, .nll_a = {1, 2, 0.5}, .nll_b = {1.5, 2, 0.25}, .kl = {0.1, 0, 0.2}, .same_top = {1, 1, 0}});
}

}  // namespace fovea::test
