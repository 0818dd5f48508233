#include "engine/kernels/semantic_router.hpp"

#include <algorithm>

namespace fovea {

Result<void> record_semantic_router(KernelRecorder& kernels, const SemanticRouterArgs& args) {
  constexpr std::uint32_t kGpuInvocations = 256;
  const std::uint32_t local = kernels.cpu_form() ? kernels.subgroup() : std::min(kGpuInvocations, kernels.facts().max_workgroup_invocations);
  const shader::SemanticRouterPush push{.x = args.x, .state = args.state, .parameters = args.parameters, .ring = args.ring, .shift = args.shift,
                                        .masks = args.masks, .stride = args.stride, .ring_rows = args.ring_rows, .room = args.mask_room,
                                        .mean = args.mean, .weight = args.weight};
  const std::uint32_t last = shader::kSemanticStages - 1;
  for (std::uint32_t first = 0; first <= last; ++first) {
    const std::uint32_t to = args.tokens == 1 ? last : first;
    if (first > 0) kernels.plan().barrier();
    FOVEA_TRY(kernels.dispatch(ShaderId::semantic_router,
                               {local, args.input, args.width, args.predicted, args.experts, args.needs, args.domains, args.memory, first, to, local}, push, args.tokens));
    first = to;
  }
  return {};
}

}  // namespace fovea
