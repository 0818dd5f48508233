// A logistic regression over a model's last hidden state, and how well its scores tell two classes apart. Pure arithmetic in double.
#pragma once

#include <cstddef>
#include <span>
#include <vector>

#include "engine/base/result.hpp"

namespace fovea {

// Rows of equal width.
struct Features {
  std::size_t width = 0;
  std::vector<float> values;  // (rows, width)
  [[nodiscard]] std::size_t rows() const { return width == 0 ? 0 : values.size() / width; }
  [[nodiscard]] std::span<const float> row(std::size_t i) const { return std::span(values).subspan(i * width, width); }
};

class LogisticHead {
 public:
  // Newton's method on sum of log losses + penalty / 2 |w|^2, over channels of mean 0 and deviation 1; the offset bears no penalty.
  // Errors: no rows, rows of one class alone, sizes that do not agree.
  [[nodiscard]] static Result<LogisticHead> fit(const Features& features, const std::vector<bool>& positive, double penalty);
  // Log odds of the positive class.
  [[nodiscard]] double score(std::span<const float> row) const;

 private:
  std::vector<double> weights_, mean_, inverse_;
  double offset_ = 0;
};

// Share of the positive rows whose score lies above that which at most `false_alarms` of the negative ones exceed.
[[nodiscard]] double recall_at(std::span<const double> scores, const std::vector<bool>& positive, double false_alarms);
// Share of pairs of a positive and a negative row in which the positive one scores higher; ties count half.
[[nodiscard]] double area_under_curve(std::span<const double> scores, const std::vector<bool>& positive);

}  // namespace fovea
