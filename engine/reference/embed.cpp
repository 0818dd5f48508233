#include "engine/reference/embed.hpp"

#include "engine/reference/matvec.hpp"

namespace fovea::reference {

void embed(const WeightView& embedding, std::span<const std::int32_t> tokens, std::span<float> out) {
  const std::size_t width = embedding.columns;
  for (std::size_t t = 0; t < tokens.size(); ++t)
    decode_row(embedding, 0, static_cast<std::uint32_t>(tokens[t]), out.subspan(t * width, width));
}

}  // namespace fovea::reference
