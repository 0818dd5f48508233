#include "engine/kernels/sample.hpp"

#include <algorithm>
#include <bit>
#include <string>

#include "shaders/interface/sample.h"

namespace fovea {
namespace {

// The integer sums of softmax weights have room for so many (shaders/sample/ordered_key.glsl).
constexpr std::uint32_t kMostLogits = 1u << 20;

// Small chunks give the tighter list, large ones fewer maxima for the one drawing workgroup to read.
std::uint32_t chunk_shift(std::uint32_t vocabulary) { return vocabulary <= 32768 ? 3 : 6; }

// A CPU driver runs a workgroup on one core, subgroup after subgroup: wide ones only make its barriers dear. Elsewhere
// no more than 16 subgroups, which every device takes.
std::uint32_t workgroup(const gpu::DeviceFacts& facts, std::uint32_t wanted) {
  if (facts.cpu) return facts.subgroup * 8;
  return std::min({wanted, facts.subgroup * 16, std::bit_floor(facts.max_workgroup_invocations)});
}

std::uint32_t divide_up(std::uint32_t a, std::uint32_t b) { return (a + b - 1) / b; }

}  // namespace

std::uint64_t sample_scratch_bytes(std::uint32_t vocabulary) {
  // Behind the chunks a bit for each token, of those that are penalised.
  return (std::uint64_t{divide_up(vocabulary, 1u << chunk_shift(vocabulary))} + divide_up(vocabulary, 32)) * sizeof(std::uint32_t);
}

bool takes_keys(std::uint32_t vocabulary) { return chunk_shift(vocabulary) == 3; }

Result<void> record_sample(KernelRecorder& kernels, const SampleBuffers& buffers) {
  if (buffers.vocabulary == 0 || buffers.vocabulary > kMostLogits)
    return fail(ErrorCode::unsupported, "Sampling", "the vocabulary has " + std::to_string(buffers.vocabulary) + " tokens",
                "use a model with 1 to " + std::to_string(kMostLogits) + " tokens");
  const shader::SamplePush push{.state = buffers.state, .parameters = buffers.parameters, .history = buffers.history,
                                .logits = buffers.logits, .ring = buffers.ring, .chunks = buffers.scratch,
                                .vocabulary = buffers.vocabulary, .chunk_shift = chunk_shift(buffers.vocabulary)};
  const std::uint32_t local = workgroup(kernels.facts(), 256);
  if (!buffers.keyed) {
    FOVEA_TRY(kernels.dispatch(ShaderId::sample_chunks, {local}, push, divide_up(buffers.vocabulary, local * shader::kSampleRun)));
    kernels.plan().barrier();
  }
  return kernels.dispatch(ShaderId::sample_draw, {workgroup(kernels.facts(), 512), buffers.keyed ? 1u : 0u}, push, 1);
}

}  // namespace fovea
