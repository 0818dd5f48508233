#include "engine/kernels/eight_rows.hpp"

#include <algorithm>
#include <numeric>

#include "engine/tensor/eight_rows.hpp"
#include "shaders/interface/eight_rows.h"

namespace fovea {
namespace {

// What a subgroup goes through is without loops, for the driver to translate: in time that grows faster than it is long, and a processor
// keeps some 6,000 instructions that it has taken apart. Of 512 columns on lavapipe 32 rows decode 605 tokens a second, 16 587, 8 540.
constexpr std::uint32_t kRowColumns = 32 * 512, kMostEights = 4, kMostColumns = 1024, kMostSubgroups = 32;

std::uint32_t eights(std::uint32_t columns, std::uint32_t rows) { return std::clamp(kRowColumns / columns / 8, 1u, std::min(kMostEights, rows / 8)); }

}  // namespace

bool gains_by_eight_rows(const gpu::DeviceFacts& facts, DType type, std::uint32_t columns, std::uint32_t rows) {
  constexpr std::uint32_t kMostSets = shader::kLaneNumbers * shader::kLaneNumbers * shader::kLaneNumbers;  // of rows of a subgroup
  return facts.cpu && facts.subgroup == 8 && sizeof(shader::EightRowsPush) <= facts.max_push_constant_bytes && lies_in_eights(type, columns, rows) &&
         columns <= kMostColumns && rows / (8 * eights(columns, rows)) < kMostSets;
}

Result<void> record_eight_rows(KernelRecorder& kernels, const EightRowsArgs& args) {
  const auto [address, columns, rows] = args.weights;
  if (!args.rounded) {
    const shader::EightInputPush input{.x = args.x, .norm = args.norm.weight, .words = args.words, .epsilon = args.norm.epsilon};
    FOVEA_TRY(kernels.dispatch(ShaderId::eight_rows_input, {8u, columns, args.norm.weight != 0 ? 1u : 0u}, input, 1));
    kernels.plan().barrier();
  }
  shader::EightRowsPush push{.weights = address, .words = args.words, .y = args.y, .keys = args.keys, .rows = rows};
  std::iota(std::begin(push.same), std::end(push.same), 0u);
  const std::uint32_t of_subgroup = eights(columns, rows), sets = (rows / 8 + of_subgroup - 1) / of_subgroup;
  const std::uint32_t subgroups = std::min({sets, kMostSubgroups, kernels.facts().max_workgroup_subgroups});
  return kernels.dispatch(ShaderId::eight_rows, {8 * subgroups, columns, of_subgroup, args.keys != 0 ? 1u : 0u}, push, (sets + subgroups - 1) / subgroups);
}

}  // namespace fovea
