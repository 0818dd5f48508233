// What a capture plan records of sparse attention, and where the host reads it: the marks of the pages that choices read, how
// dense attention spreads over pages in measured rows, and the sums of all choices so far. Engine thread only.
#pragma once

#include <array>
#include <cstdint>
#include <vector>

#include "engine/api/page_trace.hpp"
#include "engine/base/result.hpp"
#include "engine/decoder/page_selection.hpp"
#include "engine/gpu/buffer.hpp"
#include "engine/gpu/command_plan.hpp"

namespace fovea {

class PageCapture {
 public:
  // `selection` may be null: dense attention is measured too. `batch`: most tokens of a prompt's submission; `decode_slots`: decode
  // steps in flight; of every `every`-th row, or of fewer where the rows of a batch would take too much memory.
  [[nodiscard]] static Result<PageCapture> create(gpu::Device& device, const ModelConfig& config, const PageSelection* selection,
                                                  std::uint32_t context, std::uint32_t batch, std::uint32_t decode_slots, std::uint32_t every);

  // Of one layer: behind its choice and its keys, before the next choice. `ahead`: layers have chosen together; `slot`: of decoding,
  // prompts have one of their own.
  [[nodiscard]] Result<void> record_layer(KernelRecorder& kernels, const AttentionShape& shape, std::uint32_t layer, std::uint64_t query, bool ahead,
                                          std::uint32_t slot) const;
  // At the plan's end.
  void record_facts(gpu::CommandRecorder& recorder, bool decode, std::uint32_t slot) const;
  // Of a finished step whose plan has room for `plan_tokens`.
  [[nodiscard]] PageViews views(bool decode, std::uint32_t slot, std::uint32_t plan_tokens) const;

 private:
  struct Slot {
    gpu::Buffer marks, shares, facts;
  };
  PageCapture(const ModelConfig& config, const PageSelection* selection) : selection_(selection), layers_(config.layers), query_heads_(config.query_heads), kv_heads_(config.kv_heads) {}
  [[nodiscard]] Result<Slot> make_slot(gpu::Device& device, std::uint32_t tokens) const;
  [[nodiscard]] const Slot& at(bool decode, std::uint32_t slot) const { return decode ? slots_[slot] : slots_.back(); }
  [[nodiscard]] std::uint32_t choosing_layers() const;
  [[nodiscard]] std::uint32_t tile_rows() const { return selection_ != nullptr ? selection_->narrowest_tile() : kChoiceRows; }
  [[nodiscard]] std::size_t marks_of_layer(std::uint32_t tokens) const;   // words
  [[nodiscard]] std::size_t shares_of_layer(std::uint32_t tokens) const;  // PageShares
  const PageSelection* selection_;
  std::uint32_t layers_, query_heads_, kv_heads_, pages_ = 0, every_ = 1;
  std::vector<Slot> slots_;  // of decode steps in flight, then the prompt's
};

}  // namespace fovea
