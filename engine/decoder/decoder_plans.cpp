// The plans that a Decoder records, each the first time that its shape is wanted.
#include <algorithm>
#include <utility>

#include "engine/decoder/decoder.hpp"
#include "engine/kernels/attention.hpp"
#include "engine/kernels/sample.hpp"

namespace fovea {

CaptureLayout Decoder::capture_layout(const PlanKey& key) const {
  CaptureLayout layout{.pages = key.pages ? &*page_capture_ : nullptr, .pages_slot = key.slot};
  layout.layers.resize(config_.layers);
  const Readback& to = readback(key.decode, key.slot);
  if (key.early) {
    layout.early_layers = trace_.early_layers;
    layout.hidden = &to.hidden;
    layout.router = &to.router;
  }
  if (!key.rows) return layout;
  layout.rows = to.rows.address();
  layout.row_stride = row_stride_;
  layout.tokens_capacity = to.rows_capacity;
  for (std::uint32_t i = 0; i < row_order_.size(); ++i) {
    CaptureLayout::Layer& layer = layout.layers[row_order_[i].layer];
    if (layer.slots++ == 0) {
      layer.first_slot = i;
      layer.heads = row_heads_.address() + i * sizeof(std::uint32_t);
    }
  }
  return layout;
}

Result<const gpu::CommandPlan*> Decoder::plan(PlanKey key) {
  key.chained = key.decode && device_.chains_steps();
  if (const auto found = plans_.find(key); found != plans_.end()) return &found->second;
  FOVEA_ASSIGN(gpu::CommandPlan recorded, record(key));
  return &plans_.emplace(key, std::move(recorded)).first->second;
}

Result<gpu::CommandPlan> Decoder::record(const PlanKey& key) {
  if (key.kind == StepKind::logits) FOVEA_TRY(prepare_logits());
  FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_.record());
  if (key.timed) recorder.time_tags();
  if (options_.barrier_everywhere) recorder.barrier_everywhere();
  KernelRecorder kernels(device_, recorder, options_.form);
  const Readback& target = readback(key.decode, key.slot);
  const ForwardPass pass{.config = config_, .weights = weights_, .activations = activations_, .cache = *cache_,
                         .state = state_.address(), .history = history_.address(),
                         .logits = key.kind == StepKind::logits ? all_logits_.address() : activations_.logits,
                         .sample_keys = key.kind == StepKind::draw ? sample_scratch_.address() : 0,
                         .activation_type = options_.activation_type, .deep = key.deep, .dense = key.dense, .ahead = key.ahead, .ends = key.ends || !key.decode, .reuses = key.reuses,
                         .selection = selection_ ? &*selection_ : nullptr, .routing = routing_ ? &*routing_ : nullptr,
                         .top_share = options_.top_share, .top_scores = options_.top_share ? top_scores_.address() : 0};
  // A CPU driver chains only where it was asked to.
  if (key.chained && (device_.facts().cpu || gains_by_chained_steps(kernels, pass.attention_shape(0, 1)))) recorder.chain_steps();
  const Head head = key.kind == StepKind::fill ? Head::none : key.kind == StepKind::draw ? Head::last_logits : Head::all_logits;
  if (key.decode) decode_activations_ = pass.decode_activations(kernels);
  const bool captures = key.rows || key.pages || key.early;
  const CaptureLayout layout = captures ? capture_layout(key) : CaptureLayout{};
  FOVEA_TRY(pass.record(kernels, key.tokens, head, captures ? &layout : nullptr));

  if (key.kind == StepKind::draw) {
    recorder.tag("sample");
    FOVEA_TRY(record_sample(kernels, {.state = state_.address(), .parameters = parameters_.address(), .history = history_.address(),
                                      .logits = activations_.logits, .ring = ring_.address(), .scratch = sample_scratch_.address(),
                                      .keyed = pass.keyed(kernels, key.tokens), .vocabulary = config_.vocabulary}));
  }
  if (key.routing) {
    recorder.tag("trace");
    const std::uint64_t bytes = std::uint64_t{config_.layers} * key.tokens * config_.experts_used * sizeof(std::uint32_t);
    recorder.copy(activations_.buffer(), activations_.offset_of(activations_.experts), target.experts, 0, bytes);
    recorder.copy(activations_.buffer(), activations_.offset_of(activations_.expert_weights), target.expert_weights, 0, bytes);
  }
  if (key.pages) page_capture_->record_facts(recorder, key.decode, key.slot);
  if (key.kind == StepKind::logits)
    recorder.copy(all_logits_, 0, logits_readback_, 0, std::uint64_t{key.tokens} * config_.vocabulary * sizeof(float));
  FOVEA_ASSIGN(gpu::CommandPlan recorded, recorder.finish());
  if (key.decode && !key.routing && !captures && !key.reuses) decode_steps_ = recorded.steps();
  return recorded;
}

}  // namespace fovea
