#include "engine/gpu/fragment_order.hpp"

#include <algorithm>
#include <array>
#include <span>

#include "shaders/interface/fragment_order.h"

namespace fovea::gpu {

Result<bool> finds_quad_fragments(Device& device) {
  std::array<std::uint32_t, 32> matches{};
  if (!device.facts().cooperative_matrix || device.facts().subgroup != matches.size()) return false;
  FOVEA_ASSIGN(const Buffer out, device.create_buffer(sizeof matches, MemoryUse::readback));
  FOVEA_ASSIGN(const Pipeline* pipeline, device.pipeline({ShaderId::fragment_order, {}, device.facts().subgroup}));
  FOVEA_ASSIGN(CommandRecorder recorder, device.record());
  recorder.dispatch(*pipeline, shader::FragmentOrderPush{.matches = out.address()}, 1);
  FOVEA_ASSIGN(const CommandPlan plan, recorder.finish());
  FOVEA_ASSIGN(const std::uint64_t ticket, device.submit(plan));
  FOVEA_TRY(device.wait(ticket));
  FOVEA_TRY(device.download(out, 0, std::as_writable_bytes(std::span(matches))));
  return std::ranges::all_of(matches, [](std::uint32_t match) { return match == 1; });
}

}  // namespace fovea::gpu
