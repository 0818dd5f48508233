// Draws the next token on the device and steps to it: no host between one token and the next.
#pragma once

#include <cstdint>

#include "engine/kernels/kernel_recorder.hpp"

namespace fovea {

// Addresses of what sampling reads and writes; structs in shaders/interface/step_state.h.
struct SampleBuffers {
  std::uint64_t state = 0;       // StepState
  std::uint64_t parameters = 0;  // SampleParameters: one recorded plan serves all settings
  std::uint64_t history = 0;     // uint by position; entries below position + tokens are read, the one behind is written
  std::uint64_t logits = 0;      // float (vocabulary); the repeat penalty is applied in place
  std::uint64_t ring = 0;        // uint (kTokenRing), for the host
  std::uint64_t scratch = 0;     // sample_scratch_bytes; zeros at first
  bool keyed = false;            // the product before has left its keys in the scratch (record_matmul), where takes_keys
  std::uint32_t vocabulary = 0;  // logits; fewer are candidates where the parameters' vocabulary is lower and not 0
};

[[nodiscard]] std::uint64_t sample_scratch_bytes(std::uint32_t vocabulary);
// Whether keys of eight logits each serve it.
[[nodiscard]] bool takes_keys(std::uint32_t vocabulary);

// llama.cpp's chain: repeat penalty, top-k, top-p, min-p, temperature, draw. Of equal logits the lower index goes first.
// NaN counts as -infinity, +infinity as the largest float; where all are -infinity, token 0.
// The random number is a function of (seed, drawn) alone. The token goes to ring[drawn % kTokenRing] and to
// history[position + tokens]; then position += tokens, tokens = 1, drawn += 1.
// Logits must be visible before (a barrier by the caller); what is written is visible after the caller's next barrier.
[[nodiscard]] Result<void> record_sample(KernelRecorder& kernels, const SampleBuffers& buffers);

}  // namespace fovea
