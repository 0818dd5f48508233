// Mixture-of-experts kernels: router choice, grouping of a batch by expert, gate/up/SwiGLU and down products; the dense
// feed-forward uses the same products without experts.
#pragma once

#include "engine/gpu/buffer.hpp"
#include "engine/kernels/device_matrix.hpp"
#include "engine/kernels/kernel_recorder.hpp"
#include "shaders/interface/moe.h"

namespace fovea {

struct RouterArgs {
  std::uint64_t logits = 0;   // float (tokens, stride)
  std::uint64_t experts = 0;  // uint (tokens, slots)
  std::uint64_t weights = 0;  // float (tokens, slots)
  std::uint64_t state = 0;
  std::uint32_t stride = 0, expert_count = 0, slots = 0, tokens = 1;
  bool normalize = true;
};
[[nodiscard]] Result<void> record_router_topk(KernelRecorder& kernels, const RouterArgs& args);

// How the assignments of a batch reach the products.
enum class ExpertMode : std::uint32_t {
  dense = 0,    // no experts
  direct = 1,   // one workgroup row per assignment: batches too small to share weights
  grouped = 2,  // sorted token lists, exact tile list, indirect dispatch; in registers or in tiles of shared memory
  routed = 3,   // direct for one token, where the gate and up product makes the router's choice itself
  by_policy = 4,  // likewise, by a policy
};

// A policy's choice that the gate and up product makes (expert_choice.hpp).
struct FoldedPolicy {
  std::uint64_t memory = 0, facts = 0;
  std::uint32_t count = 0, load = 0;  // shader::kCount*, kLoad*
  bool remembers = false;
};

// The router of one token on a CPU driver in one step: norm, logits, and the choice, the model's own or a policy's.
struct RouterTokenArgs {
  DeviceMatrix router;
  std::uint64_t x = 0;  // float (router.columns), before the norm
  FoldedNorm norm{};
  RouterArgs choice;    // of one token; logits are written
  FoldedPolicy policy{};
  bool by_policy = false;
};
// Whether the device and the router suit it: plain numbers, and few enough for one core while the others wait.
[[nodiscard]] bool takes_router_token(const KernelRecorder& kernels, const DeviceMatrix& router);
[[nodiscard]] Result<void> record_router_token(KernelRecorder& kernels, const RouterTokenArgs& args);

struct ExpertBatch {
  ExpertMode mode = ExpertMode::dense;
  std::uint32_t tokens = 1;  // room of the plan
  std::uint32_t slots = 1;   // experts per token
  std::uint64_t experts = 0, weights = 0;              // routing: (tokens, slots)
  std::uint64_t logits = 0;                            // routed: float (expert_count); written where they come in parts
  std::uint64_t logit_parts = 0;                       // routed, of products in 8 bits: float (parts, expert_count) (NextLogits)
  std::uint32_t parts = 0;                             // 0: they come whole
  std::uint32_t expert_count = 0;                      // routed
  bool normalize = true;                               // routed: chosen weights sum to one
  bool varies = false;                                 // tokens may leave slots unused: experts of kNoExpert, not routed
  FoldedPolicy policy{};                               // by_policy
  std::uint64_t sorted = 0, tiles = 0;                 // grouped
  const gpu::Buffer* dispatch = nullptr;               // grouped: uint (2, 3)
  bool in_tiles = false;  // dense and grouped: both products in tiles, with halves between them (product_tile.hpp)
  bool in_lanes = false;  // in tiles: lanes_unpack the types of both
  std::uint64_t state = 0;
};

// Whether a batch runs in tiles: both products or neither, since they share the tile list and what lies between.
[[nodiscard]] bool experts_take_tiles(const KernelRecorder& kernels, std::uint32_t tokens, const DeviceMatrix& gate,
                                      const DeviceMatrix& down);

// Grouped mode: sorts by expert and lists the tiles for the two products.
[[nodiscard]] Result<void> record_expert_group(KernelRecorder& kernels, const ExpertBatch& batch, const DeviceMatrix& gate,
                                               const DeviceMatrix& down);

struct GateUpArgs {
  DeviceMatrix gate, up;     // of one type
  std::uint64_t x = 0;       // float (tokens, x_stride)
  std::uint64_t act = 0;     // float (tokens * slots, act_stride); in tiles: half (tokens * slots, rows), grouped as `sorted`
  std::uint32_t x_stride = 0, act_stride = 0;
  UnpackedRoom unpacked{};   // dense, in tiles: as of record_matmul
  std::uint64_t halves = 0;  // in tiles, in place of x: half (tokens, columns)
  FoldedNorm norm{};         // of x, done on the way in
};
// Routed and by a policy: also writes the batch's experts and weights.
[[nodiscard]] Result<void> record_gate_up(KernelRecorder& kernels, const ExpertBatch& batch, const GateUpArgs& args);

// The norm behind what grouped products end in, whose rows they leave as products in tiles read them.
struct NormBehind {
  std::uint64_t weight = 0, halves = 0;  // half (tokens, width); 0: no norm
  float epsilon = 0;
};
// Whether they can, for residual rows of this width.
[[nodiscard]] bool leaves_normed(const KernelRecorder& kernels, std::uint32_t width);

struct ExpertDownArgs {
  DeviceMatrix down;
  std::uint64_t act = 0;      // as of record_gate_up
  std::uint64_t partial = 0;  // grouped: float (tokens * slots, partial_stride)
  std::uint64_t x = 0;        // float (tokens, x_stride): the residual that is added to
  std::uint32_t act_stride = 0, partial_stride = 0, x_stride = 0;  // where a norm comes behind, the last two are multiples of 4
  NormBehind next{};          // grouped, where leaves_normed
};
// Direct, routed and by a policy: one step. Grouped: two steps with a barrier between.
[[nodiscard]] Result<void> record_expert_down(KernelRecorder& kernels, const ExpertBatch& batch, const ExpertDownArgs& args);

// Upper bound of tiles that a batch can need, to size the tile list.
[[nodiscard]] std::uint32_t most_tiles(std::uint32_t tokens, std::uint32_t slots, std::uint32_t experts);

}  // namespace fovea
