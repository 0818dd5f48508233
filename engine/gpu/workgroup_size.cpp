#include "engine/gpu/workgroup_size.hpp"

#include <unordered_map>

namespace fovea::gpu {
namespace {

// Numbers of the SPIR-V specification, version 1.6, sections 3.6, 3.20, 3.21 and 3.52.
constexpr std::uint32_t magic = 0x07230203;
constexpr std::uint32_t op_execution_mode = 16, op_constant = 43, op_constant_composite = 44, op_spec_constant = 50,
                        op_spec_constant_composite = 51, op_decorate = 71, op_execution_mode_id = 331;
constexpr std::uint32_t mode_local_size = 17, mode_local_size_id = 38;
constexpr std::uint32_t decoration_spec_id = 1, decoration_builtin = 11, builtin_workgroup_size = 25;
constexpr std::size_t header_words = 5;

}  // namespace

std::optional<std::array<std::uint32_t, 3>> workgroup_size(std::span<const std::uint32_t> code,
                                                           std::span<const std::uint32_t> constants) {
  if (code.size() < header_words || code[0] != magic) return std::nullopt;
  std::unordered_map<std::uint32_t, std::uint32_t> spec_id;  // result id -> constant_id
  std::unordered_map<std::uint32_t, std::uint32_t> value;    // result id -> 32-bit value
  std::optional<std::array<std::uint32_t, 3>> literal, ids;
  std::uint32_t builtin_id = 0;  // a composite decorated WorkgroupSize wins over the execution mode
  for (std::size_t at = header_words; at < code.size();) {
    const std::uint32_t opcode = code[at] & 0xffff, words = code[at] >> 16;
    if (words == 0 || words > code.size() - at) return std::nullopt;
    const auto word = code.subspan(at, words);
    at += words;
    if (opcode == op_execution_mode && words == 6 && word[2] == mode_local_size) literal = {word[3], word[4], word[5]};
    if (opcode == op_execution_mode_id && words == 6 && word[2] == mode_local_size_id)
      ids = {word[3], word[4], word[5]};
    if (opcode == op_decorate && words == 4 && word[2] == decoration_spec_id) spec_id[word[1]] = word[3];
    if (opcode == op_decorate && words == 4 && word[2] == decoration_builtin && word[3] == builtin_workgroup_size)
      builtin_id = word[1];
    if ((opcode == op_constant || opcode == op_spec_constant) && words >= 4) {
      const auto specialised = opcode == op_spec_constant ? spec_id.find(word[2]) : spec_id.end();
      const bool filled = specialised != spec_id.end() && specialised->second < constants.size();
      value[word[2]] = filled ? constants[specialised->second] : word[3];
    }
    if ((opcode == op_constant_composite || opcode == op_spec_constant_composite) && words == 6 && builtin_id != 0 &&
        word[2] == builtin_id)
      ids = {word[3], word[4], word[5]};
  }
  if (!ids) return literal;
  std::array<std::uint32_t, 3> size{};
  for (std::size_t i = 0; i < 3; ++i) {
    const auto found = value.find((*ids)[i]);
    if (found == value.end()) return std::nullopt;
    size[i] = found->second;
  }
  return size;
}

}  // namespace fovea::gpu
