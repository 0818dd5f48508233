// Products of one token with activations in 8 bits, for weights stored in blocks: packed integer dot products on the
// stored bytes. On a GPU the workgroup rounds (and norms) its input itself, or the gate and up product has rounded its
// output for the product behind it; on a CPU driver, where shared memory is slow, record_quantize does it once before.
#pragma once

#include "engine/kernels/device_matrix.hpp"
#include "engine/kernels/experts.hpp"
#include "engine/kernels/kernel_recorder.hpp"
#include "shaders/interface/dot.h"

namespace fovea {

// Words of one vector of `width` activations in 8 bits, with what a norm is still to be taken of; vectors begin at 16 bytes.
[[nodiscard]] constexpr std::uint32_t q8_words(std::uint32_t width) { return (width / 32 * (shader::kQ8Words + 2) + 3) / 4 * 4; }

// Whether these kernels take the matrix: a block type, integer dot on the device, and room in shared memory where the
// input is rounded there.
[[nodiscard]] bool takes_dot(const KernelRecorder& kernels, const DeviceMatrix& matrix);

struct QuantizeArgs {
  std::uint64_t x = 0;    // float (rows, x_stride)
  std::uint64_t q8 = 0;   // words (rows, q8_stride)
  std::uint64_t y = 0;    // with a norm: float (rows, x_stride), the normed rows; 0 if nobody wants them
  std::uint32_t width = 0, x_stride = 0, q8_stride = 0, rows = 1;
  FoldedNorm norm{};
};
[[nodiscard]] Result<void> record_quantize(KernelRecorder& kernels, const QuantizeArgs& args);

// What a product reads: words, or floats and a norm, which the workgroup rounds (where kernels.folds_steps()).
struct DotInput {
  std::uint64_t address = 0;
  FoldedNorm norm{};
  bool rounded = false;       // words
  bool norm_pending = false;  // of words: as a product leaves them (NextInput); of the norm only epsilon is wanted
};

// What a product leaves beside its output for products behind a norm: the output times the norm's weights, in 8 bits.
// Who reads it divides by the root mean square.
struct NextInput {
  std::uint64_t words = 0;  // 0: nothing
  std::uint64_t norm = 0;   // float (rows)
};
// Whether a product can: on a GPU, in whole blocks.
[[nodiscard]] bool leaves_next(const KernelRecorder& kernels, const DeviceMatrix& matrix);

// What it leaves of the logits of a router behind the same norm: they are sums over the rows of its output, of which every workgroup
// adds up its own, so that the router takes no step.
struct NextLogits {
  std::uint64_t router = 0;  // float (experts, rows); 0: nothing
  std::uint64_t parts = 0;   // float (logit_parts, experts), still to be divided by the root mean square
  std::uint32_t experts = 0;
};
// The parts in which `writer` leaves the logits of `router`; 0 where it does not: beside words only, of few experts and rows.
[[nodiscard]] std::uint32_t logit_parts(const KernelRecorder& kernels, const DeviceMatrix& writer, const DeviceMatrix& router);

// Adds the parts up in a step of its own, for a choice of experts that is one: the gate and up product does it where it chooses.
struct RouterLogitsArgs {
  std::uint64_t parts = 0;   // float (count, experts)
  std::uint32_t count = 0, experts = 0, width = 0;
  std::uint64_t words = 0;   // what the product left beside them, (width)
  std::uint64_t logits = 0;  // float (experts)
  float epsilon = 0;
};
[[nodiscard]] Result<void> record_router_logits(KernelRecorder& kernels, const RouterLogitsArgs& args);

struct MatvecDotArgs {
  DeviceMatrix weights;
  DotInput x;
  std::uint64_t y = 0;      // float (rows)
  bool accumulate = false;  // adds to y
  NextInput next{};
  NextLogits logits{};
};
[[nodiscard]] Result<void> record_matvec_dot(KernelRecorder& kernels, const MatvecDotArgs& args);

struct GateUpDotArgs {
  DeviceMatrix gate, up;    // of one type
  DotInput x;
  std::uint64_t act = 0;    // float (slots, act_stride); rounded: words
  std::uint32_t act_stride = 0;
  bool rounded = false;     // writes words; asks for kernels.folds_steps() and a multiple of 32 rows
};
// The batch's mode is dense, direct, routed or by a policy.
[[nodiscard]] Result<void> record_gate_up_dot(KernelRecorder& kernels, const ExpertBatch& batch, const GateUpDotArgs& args);

struct DownDotArgs {
  DeviceMatrix down;
  std::uint64_t act = 0;    // words (slots, act_stride)
  std::uint64_t x = 0;      // float (rows): the residual that is added to
  std::uint32_t act_stride = 0;
  NextInput next{};
  bool streamed = false;  // rows of few weights of Q6_K come through shared memory too, where words are left and there is room
};
// The batch's mode is direct, routed or by a policy.
[[nodiscard]] Result<void> record_expert_down_dot(KernelRecorder& kernels, const ExpertBatch& batch, const DownDotArgs& args);

}  // namespace fovea
