#include "engine/trace/trace_builder.hpp"

#include <string>
#include <utility>

namespace fovea {
namespace {

// Single rows come one by one in decode; so many of them are put together into one chunk, so that a snapshot copies few
// pointers and a row is copied only once more.
constexpr std::size_t kRowsPerChunk = 32;
constexpr std::uint32_t kTokensPerRoutingChunk = 64;

void merge_tail(std::vector<std::shared_ptr<const AttentionChunk>>& chunks) {
  if (chunks.size() < kRowsPerChunk) return;
  const auto tail = chunks.end() - kRowsPerChunk;
  AttentionChunk merged{.first_query = (*tail)->first_query};
  std::size_t halves = 0;
  for (auto it = tail; it != chunks.end(); ++it) {
    if ((*it)->rows != 1 || (*it)->first_query != merged.first_query + (it - tail)) return;
    halves += (*it)->weights.size();
  }
  merged.rows = kRowsPerChunk;
  merged.weights.reserve(halves);
  for (auto it = tail; it != chunks.end(); ++it)
    merged.weights.insert(merged.weights.end(), (*it)->weights.begin(), (*it)->weights.end());
  chunks.erase(tail, chunks.end());
  chunks.push_back(std::make_shared<const AttentionChunk>(std::move(merged)));
}

}  // namespace

TraceBuilder::TraceBuilder(Shape shape)
    : shape_(std::move(shape)),
      pages_({.policy = shape_.attention, .layers = shape_.layers, .query_heads = shape_.query_heads, .kv_heads = shape_.kv_heads,
              .budget_bytes = shape_.attention_budget_bytes}) {
  for (const HeadId id : shape_.heads) heads_.push_back({id, {}});
  open_routing_ = {.layers = shape_.layers, .slots = shape_.experts_used};
}

void TraceBuilder::set_prompt(std::shared_ptr<const std::vector<TokenText>> tokens) {
  tokens_ = *tokens;
  prompt_tokens_ = static_cast<std::uint32_t>(tokens_.size());
}

void TraceBuilder::add_token(TokenText token) { tokens_.push_back(std::move(token)); }

void TraceBuilder::add_step(const RecordedStep& step) {
  add_rows(step);
  add_routing(step);
  if (!pages_.add(step.pages, step.first_position, step.tokens) && note_.empty())
    note_ = "Pages that were chosen from token " + std::to_string(step.first_position) + " on were not recorded: they would take more than the " +
            std::to_string(shape_.attention_budget_bytes >> 20) + " MiB set aside for them.";
  memory_.push_back({step.first_position + step.tokens, step.memory});
  steps_.push_back({step.first_position, step.tokens, step.milliseconds, step.prefill, !shape_.heads.empty() || step.pages.every > 0,
                    !step.kernels.empty()});
  if (!step.kernels.empty()) (step.prefill ? prefill_kernels_ : decode_kernels_).add(step.kernels, step.tokens);
}

void TraceBuilder::add_rows(const RecordedStep& step) {
  if (step.rows.empty()) return;
  // Rows longer than the stride were not computed; neither is anything kept beyond the budget.
  std::uint32_t tokens = 0;
  std::uint64_t halves = 0;
  while (tokens < step.tokens && step.first_position + tokens + 1 <= step.row_stride) {
    const std::uint64_t row = step.first_position + tokens + 1;
    if (attention_bytes_ + (halves + row) * sizeof(std::uint16_t) * heads_.size() > shape_.attention_budget_bytes) break;
    halves += row;
    ++tokens;
  }
  if (tokens < step.tokens && note_.empty())
    note_ = "Attention rows from token " + std::to_string(step.first_position + tokens) +
            " on were not recorded: they would take more than the " +
            std::to_string(shape_.attention_budget_bytes >> 20) + " MiB set aside for them; record fewer heads to see more tokens.";
  if (tokens == 0) return;
  attention_bytes_ += halves * sizeof(std::uint16_t) * heads_.size();
  for (std::size_t slot = 0; slot < heads_.size(); ++slot) {
    AttentionChunk chunk{.first_query = step.first_position, .rows = tokens};
    chunk.weights.reserve(halves);
    for (std::uint32_t t = 0; t < tokens; ++t) {
      const auto row = step.rows.subspan((slot * step.rows_capacity + t) * step.row_stride, step.first_position + t + 1);
      chunk.weights.insert(chunk.weights.end(), row.begin(), row.end());
    }
    heads_[slot].chunks.push_back(std::make_shared<const AttentionChunk>(std::move(chunk)));
    merge_tail(heads_[slot].chunks);
  }
}

void TraceBuilder::add_routing(const RecordedStep& step) {
  if (step.experts.empty()) return;
  if (open_routing_.tokens == 0) open_routing_.first_token = step.first_position;
  const std::uint32_t slots = shape_.experts_used;
  for (std::uint32_t t = 0; t < step.tokens; ++t)
    for (std::uint32_t layer = 0; layer < shape_.layers; ++layer)
      for (std::uint32_t slot = 0; slot < slots; ++slot) {
        const std::size_t at = (std::size_t{layer} * step.routing_stride + t) * slots + slot;
        open_routing_.experts.push_back(static_cast<std::uint16_t>(step.experts[at]));
        open_routing_.weights.push_back(step.expert_weights[at]);
      }
  open_routing_.tokens += step.tokens;
  if (open_routing_.tokens >= kTokensPerRoutingChunk) {
    routing_.push_back(std::make_shared<const RoutingChunk>(std::move(open_routing_)));
    open_routing_ = {.layers = shape_.layers, .slots = slots};
  }
}

void TraceBuilder::set_tiers(KvTierFacts facts) {
  if (tiers_ && facts.told == 0) {
    if (facts.pages == tiers_->pages && facts.far == tiers_->far) return;
    facts.hot_pages = tiers_->hot_pages;
    facts.told = tiers_->told;
  }
  tiers_ = std::make_shared<const KvTierFacts>(std::move(facts));
}

std::shared_ptr<const TraceSnapshot> TraceBuilder::snapshot() {
  auto snapshot = std::make_shared<TraceSnapshot>();
  snapshot->run = shape_.run;
  snapshot->layers = shape_.layers;
  snapshot->query_heads = shape_.query_heads;
  snapshot->tokens = std::make_shared<const std::vector<TokenText>>(tokens_);
  snapshot->prompt_tokens = prompt_tokens_;
  snapshot->heads = heads_;
  snapshot->routing = {.layers = shape_.layers, .experts = shape_.experts, .slots = shape_.experts_used, .chunks = routing_};
  if (open_routing_.tokens > 0) snapshot->routing.chunks.push_back(std::make_shared<const RoutingChunk>(open_routing_));
  snapshot->pages = pages_.snapshot();
  snapshot->tiers = tiers_;
  snapshot->memory = memory_;
  snapshot->steps = steps_;
  if (prefill_kernels_.steps > 0) snapshot->prefill_kernels = std::make_shared<const KernelTimes>(prefill_kernels_);
  if (decode_kernels_.steps > 0) snapshot->decode_kernels = std::make_shared<const KernelTimes>(decode_kernels_);
  snapshot->note = note_;
  return snapshot;
}

}  // namespace fovea
