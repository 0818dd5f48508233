#include "engine/reference/expert_ffn.hpp"

#include <cmath>
#include <vector>

#include "engine/reference/matvec.hpp"

namespace fovea::reference {

void swiglu(std::span<const float> gate, std::span<const float> up, std::span<float> hidden) {
  for (std::size_t i = 0; i < gate.size(); ++i) {
    const double g = static_cast<double>(gate[i]);
    hidden[i] = static_cast<float>(g / (1.0 + std::exp(-g)) * static_cast<double>(up[i]));
  }
}

void expert_ffn(const LayerWeights& layer, std::uint32_t expert, std::span<const float> x, std::span<float> out) {
  const std::size_t tokens = x.size() / layer.gate.columns;
  std::vector<float> gate(tokens * layer.gate.rows), up(gate.size());
  matvec(layer.gate, x, gate, {.matrix = expert});
  matvec(layer.up, x, up, {.matrix = expert});
  swiglu(gate, up, gate);
  matvec(layer.down, gate, out, {.matrix = expert});
}

}  // namespace fovea::reference
