// Kernels of a KV cache in tiers: how hot pages are, which of those that leave the window keep refined values, their coding, and what
// prompts read instead of them.
// What pages hold and what these rules are: shaders/interface/kv_tiers.h and engine/reference/kv_tiers.hpp.
#pragma once

#include "engine/kernels/attention.hpp"
#include "shaders/interface/kv_tiers.h"

namespace fovea {

struct PageHeatArgs {
  AttentionShape shape;       // in tiers; of the whole sequence, not of a list
  std::uint64_t query = 0;    // float (tokens, query_heads * head_width): rotated
  std::uint64_t scores = 0;   // scratch: float (query_heads, pages)
  std::uint64_t heat = 0;     // this layer's: float (kv_heads, pages)
  std::uint32_t pages = 0;    // of the context
  enum class Part : std::uint8_t { whole, scores, masses };
  Part part = Part::whole;
};
// Behind attention of a layer; a decoded token (shape.tokens 1) is looked at where it fills a page. Of a batch, for which a workgroup
// per KV head would be waited for, scores stand beside attention and masses, behind a barrier, beside what follows.
[[nodiscard]] Result<void> record_page_heat(KernelRecorder& kernels, const PageHeatArgs& args);

// The buffers of TierPush and the shape of the cache; `layers` from push.first_layer on: all of them of a decoded token, one of a
// batch, which is staged.
struct TierArgs {
  shader::TierPush push{};
  std::uint32_t head_width = 0, layers = 1, tokens = 1;  // tokens: most of the batch
};
// Before a batch writes its keys: the `pages` first pages of the layer, as far as they hold positions, to where it is staged.
[[nodiscard]] Result<void> record_tier_unpack(KernelRecorder& kernels, const TierArgs& args, std::uint32_t pages);
// Behind attention: which pages leave, and which of them are refined. The coding reads that, behind a barrier, in the last layer
// writes the page table, and ends before the next batch and before anything else is staged.
[[nodiscard]] Result<void> record_tier_choice(KernelRecorder& kernels, const TierArgs& args);
[[nodiscard]] Result<void> record_tier_store(KernelRecorder& kernels, const TierArgs& args);

}  // namespace fovea
