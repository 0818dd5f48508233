#include "engine/reference/matvec.hpp"

#include <array>
#include <vector>

#include "engine/reference/parallel.hpp"
#include "engine/tensor/dequantize.hpp"

namespace fovea::reference {
namespace {

// Eight partial sums in a fixed order, so that additions need not wait for one another.
double dot(const double* a, const double* b, std::size_t length) {
  std::array<double, 8> sums{};
  std::size_t i = 0;
  for (; i + 8 <= length; i += 8)
    for (std::size_t lane = 0; lane < 8; ++lane) sums[lane] += a[i + lane] * b[i + lane];
  double sum = 0;
  for (const double partial : sums) sum += partial;
  for (; i < length; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace

void decode_row(const WeightView& weights, std::uint32_t matrix, std::uint32_t row, std::span<float> out) {
  const std::uint64_t bytes = row_bytes(weights.type, weights.columns);
  const std::uint64_t index = std::uint64_t{matrix} * weights.rows + row;
  dequantize(weights.type, weights.bytes.subspan(index * bytes, bytes), out);
}

void matvec(const WeightView& weights, std::span<const float> x, std::span<float> y, RowRange range) {
  const std::size_t columns = weights.columns, tokens = x.size() / columns;
  const std::size_t rows = range.count ? range.count : weights.rows - range.first;
  const std::vector<double> wide_x(x.begin(), x.end());
  for_each_row(rows, rows * columns * tokens, [&](std::size_t first, std::size_t last) {
    std::vector<float> row(columns);
    for (std::size_t r = first; r < last; ++r) {
      decode_row(weights, range.matrix, static_cast<std::uint32_t>(range.first + r), row);
      const std::vector<double> wide_row(row.begin(), row.end());
      for (std::size_t t = 0; t < tokens; ++t)
        y[t * rows + r] = static_cast<float>(dot(wide_row.data(), wide_x.data() + t * columns, columns));
    }
  });
}

}  // namespace fovea::reference
