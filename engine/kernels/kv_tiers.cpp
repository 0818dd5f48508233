#include "engine/kernels/kv_tiers.hpp"

#include <algorithm>
#include <cmath>

namespace fovea {
namespace {

constexpr std::uint32_t kHeatSubgroups = 8, kUnpackSubgroups = 4;

std::uint32_t subgroups_of(const KernelRecorder& kernels, std::uint32_t wanted) {
  return kernels.facts().cpu ? 1 : std::clamp(kernels.facts().max_workgroup_invocations / kernels.subgroup(), 1u, wanted);
}

}  // namespace

Result<void> record_page_heat(KernelRecorder& kernels, const PageHeatArgs& args) {
  const AttentionShape& shape = args.shape;
  const shader::PageHeatPush push{.query = args.query, .pages = shape.pages, .scores = args.scores, .heat = args.heat, .state = shape.state,
                                  .layer_offset = shape.layer_offset, .query_heads = shape.query_heads, .kv_heads = shape.kv_heads,
                                  .page_count = args.pages, .scale = 1.0f / std::sqrt(static_cast<float>(shape.head_width))};
  const std::uint32_t lanes = kernels.subgroup();
  const bool scores = args.part == PageHeatArgs::Part::scores;
  const std::uint32_t subgroups = scores ? 1 : subgroups_of(kernels, kHeatSubgroups);
  return kernels.dispatch(ShaderId::page_heat_TIERED,
                          {lanes * subgroups, shape.head_width, shape.query_heads / shape.kv_heads, subgroups, shape.tokens == 1 ? 1u : 0u,
                           static_cast<std::uint32_t>(args.part)},
                          push, shape.kv_heads, scores ? (args.pages + lanes - 1) / lanes : 1);
}

Result<void> record_tier_unpack(KernelRecorder& kernels, const TierArgs& args, std::uint32_t pages) {
  return kernels.dispatch(ShaderId::tier_unpack, {kernels.subgroup() * subgroups_of(kernels, kUnpackSubgroups), args.head_width}, args.push,
                          args.push.kv_heads, pages);
}

Result<void> record_tier_choice(KernelRecorder& kernels, const TierArgs& args) {
  return kernels.dispatch(ShaderId::tier_choice, {kernels.subgroup(), args.head_width}, args.push, args.layers);
}

Result<void> record_tier_store(KernelRecorder& kernels, const TierArgs& args) {
  // A batch that begins within a page ends one more, and lies in two more.
  const std::uint32_t most = args.tokens == 1 ? 1 : args.tokens / shader::kPageKeys + 1, kept = args.push.staged == 0 ? 0 : most + 1;
  return kernels.dispatch(ShaderId::tier_store, {kernels.subgroup(), args.head_width, most, kept}, args.push, args.push.kv_heads,
                          args.layers * (most + kept));
}

}  // namespace fovea
