#include "engine/session/logistic_head.hpp"

#include <algorithm>
#include <cmath>
#include <functional>
#include <numeric>

namespace fovea {
namespace {

constexpr int kMostSteps = 30;
constexpr double kSmallStep = 1e-8;

// Solves a x = b for a symmetric positive matrix (n, n) by Cholesky's factors; both are overwritten. False: it is not positive.
bool solve(std::vector<double>& a, std::vector<double>& b) {
  const std::size_t n = b.size();
  for (std::size_t i = 0; i < n; ++i)
    for (std::size_t j = 0; j <= i; ++j) {
      double sum = a[i * n + j];
      for (std::size_t k = 0; k < j; ++k) sum -= a[i * n + k] * a[j * n + k];
      if (i == j && !(sum > 0)) return false;
      a[i * n + j] = i == j ? std::sqrt(sum) : sum / a[j * n + j];
    }
  for (std::size_t i = 0; i < n; ++i) {
    for (std::size_t k = 0; k < i; ++k) b[i] -= a[i * n + k] * b[k];
    b[i] /= a[i * n + i];
  }
  for (std::size_t i = n; i-- > 0;) {
    for (std::size_t k = i + 1; k < n; ++k) b[i] -= a[k * n + i] * b[k];
    b[i] /= a[i * n + i];
  }
  return true;
}

}  // namespace

Result<LogisticHead> LogisticHead::fit(const Features& features, const std::vector<bool>& positive, double penalty) {
  const std::size_t rows = features.rows(), width = features.width, n = width + 1;
  const auto positives = static_cast<std::size_t>(std::ranges::count(positive, true));
  if (rows == 0 || rows != positive.size() || positives == 0 || positives == rows)
    return fail(ErrorCode::usage, "the logistic head", "it needs rows of both classes to learn from", "give more cases");
  LogisticHead head;
  head.mean_.resize(width);
  head.inverse_.resize(width);
  for (std::size_t c = 0; c < width; ++c) {
    double sum = 0, squares = 0;
    for (std::size_t i = 0; i < rows; ++i) sum += static_cast<double>(features.row(i)[c]);
    const double mean = sum / static_cast<double>(rows);
    for (std::size_t i = 0; i < rows; ++i) squares += std::pow(static_cast<double>(features.row(i)[c]) - mean, 2);
    head.mean_[c] = mean;
    head.inverse_[c] = 1 / std::sqrt(squares / static_cast<double>(rows) + 1e-12);
  }
  std::vector<double> x(rows * n, 1.0);  // the last column is the offset's
  for (std::size_t i = 0; i < rows; ++i)
    for (std::size_t c = 0; c < width; ++c) x[i * n + c] = (static_cast<double>(features.row(i)[c]) - head.mean_[c]) * head.inverse_[c];
  std::vector<double> w(n), gradient(n), hessian(n * n);
  for (int step = 0; step < kMostSteps; ++step) {
    std::ranges::fill(gradient, 0);
    std::ranges::fill(hessian, 0);
    for (std::size_t i = 0; i < rows; ++i) {
      const double* row = x.data() + i * n;
      const double p = 1 / (1 + std::exp(-std::inner_product(row, row + n, w.begin(), 0.0)));
      const double wrong = (positive[i] ? 1 : 0) - p, curve = p * (1 - p);
      for (std::size_t a = 0; a < n; ++a) {
        gradient[a] += wrong * row[a];
        const double factor = curve * row[a];
        for (std::size_t b = 0; b <= a; ++b) hessian[a * n + b] += factor * row[b];
      }
    }
    for (std::size_t c = 0; c < width; ++c) {
      gradient[c] -= penalty * w[c];
      hessian[c * n + c] += penalty;
    }
    hessian[width * n + width] += 1e-9;
    if (!solve(hessian, gradient)) return fail(ErrorCode::internal, "the logistic head", "its matrix is singular", "give a larger penalty");
    double most = 0;
    for (std::size_t c = 0; c < n; ++c) {
      w[c] += gradient[c];
      most = std::max(most, std::abs(gradient[c]));
    }
    if (most < kSmallStep) break;
  }
  head.offset_ = w.back();
  w.pop_back();
  head.weights_ = std::move(w);
  return head;
}

double LogisticHead::score(std::span<const float> row) const {
  double sum = offset_;
  for (std::size_t c = 0; c < weights_.size(); ++c) sum += weights_[c] * (static_cast<double>(row[c]) - mean_[c]) * inverse_[c];
  return sum;
}

double recall_at(std::span<const double> scores, const std::vector<bool>& positive, double false_alarms) {
  std::vector<double> negative;
  std::size_t positives = 0, found = 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (!positive[i]) negative.push_back(scores[i]);
  if (negative.empty()) return 0;
  std::ranges::sort(negative, std::greater<>());
  const auto allowed = static_cast<std::size_t>(false_alarms * static_cast<double>(negative.size()));
  const double threshold = allowed < negative.size() ? negative[allowed] : negative.back() - 1;
  for (std::size_t i = 0; i < scores.size(); ++i)
    if (positive[i]) {
      ++positives;
      found += scores[i] > threshold ? 1 : 0;
    }
  return positives == 0 ? 0 : static_cast<double>(found) / static_cast<double>(positives);
}

double area_under_curve(std::span<const double> scores, const std::vector<bool>& positive) {
  double pairs = 0, won = 0;
  for (std::size_t i = 0; i < scores.size(); ++i)
    for (std::size_t j = 0; j < scores.size(); ++j)
      if (positive[i] && !positive[j]) {
        pairs += 1;
        won += scores[i] > scores[j] ? 1 : scores[i] == scores[j] ? 0.5 : 0;
      }
  return pairs > 0 ? won / pairs : 0;
}

}  // namespace fovea
