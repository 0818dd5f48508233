// Collects what the steps of a run recorded and publishes immutable snapshots of it. Engine thread only.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <vector>

#include "engine/api/trace.hpp"
#include "engine/trace/page_trace_builder.hpp"

namespace fovea {

// One finished step as plain views; layouts as engine/decoder/decoder.hpp states them.
struct RecordedStep {
  std::uint32_t first_position = 0, tokens = 0;
  std::span<const std::uint32_t> experts;
  std::span<const float> expert_weights;
  std::uint32_t routing_stride = 0;   // tokens between layers
  std::span<const std::uint16_t> rows;
  std::uint32_t rows_capacity = 0, row_stride = 0;
  PageViews pages;
  float milliseconds = 0;
  bool prefill = false;
  std::span<const KernelTime> kernels;  // empty: the step was not timed
  MemoryBytes memory;                 // in use after the step
};

class TraceBuilder {
 public:
  struct Shape {
    std::uint64_t run = 0;
    std::uint32_t layers = 0, query_heads = 0, experts = 0, experts_used = 0;  // experts 0: dense
    std::uint32_t kv_heads = 0;
    std::optional<SparseAttention> attention;    // nullopt: dense
    std::vector<HeadId> heads;                   // in the order of RecordedStep::rows
    std::uint64_t attention_budget_bytes = 0;
  };
  explicit TraceBuilder(Shape shape);

  void set_prompt(std::shared_ptr<const std::vector<TokenText>> tokens);
  void add_token(TokenText token);
  void add_step(const RecordedStep& step);
  // What the cache holds now. Hot pages that were told before stay known where these facts name none.
  void set_tiers(KvTierFacts facts);
  // Says in the snapshot why something is missing.
  void note(std::string sentence) { note_ = std::move(sentence); }

  [[nodiscard]] std::shared_ptr<const TraceSnapshot> snapshot();

 private:
  void add_rows(const RecordedStep& step);
  void add_routing(const RecordedStep& step);

  Shape shape_;
  std::vector<TokenText> tokens_;
  std::uint32_t prompt_tokens_ = 0;
  std::vector<HeadTrace> heads_;
  std::vector<std::shared_ptr<const RoutingChunk>> routing_;
  RoutingChunk open_routing_;
  PageTraceBuilder pages_;
  std::vector<MemorySample> memory_;
  std::vector<StepTiming> steps_;
  KernelTimes prefill_kernels_, decode_kernels_;
  std::uint64_t attention_bytes_ = 0;
  std::string note_;
  std::shared_ptr<const KvTierFacts> tiers_;
};

}  // namespace fovea
