// The judges of numbers: how far a result is from what was expected, and whether that is near enough.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstddef>
#include <limits>
#include <span>
#include <string>

namespace fovea::test {

struct Difference {
  double relative_l2 = 0;  // |got - expected| / |expected|, Euclidean
  double scaled_max = 0;   // largest |got - expected| over the largest |expected|
  std::size_t worst = 0;   // index of the largest |got - expected|
};

// Bounds of both measures: the first sees errors everywhere, the second one wrong element among many.
struct Tolerance {
  double relative_l2 = 1e-5;
  double scaled_max = 1e-5;
};

// Both of one size, all finite. Of nothing but zeros only zeros are at distance 0, all else infinitely far.
inline Difference difference(std::span<const float> got, std::span<const float> expected) {
  double squares = 0, norm = 0, largest = 0, worst = -1;
  Difference result;
  for (std::size_t i = 0; i < expected.size(); ++i) {
    const double e = static_cast<double>(expected[i]), d = std::abs(static_cast<double>(got[i]) - e);
    squares += d * d;
    norm += e * e;
    largest = std::max(largest, std::abs(e));
    if (d > worst) {
      worst = d;
      result.worst = i;
    }
  }
  if (squares == 0) return result;
  const double infinity = std::numeric_limits<double>::infinity();
  result.relative_l2 = norm > 0 ? std::sqrt(squares / norm) : infinity;
  result.scaled_max = largest > 0 ? worst / largest : infinity;
  return result;
}

inline testing::AssertionResult near_enough(std::span<const float> got, std::span<const float> expected,
                                            Tolerance tolerance = {}) {
  if (got.size() != expected.size())
    return testing::AssertionFailure() << got.size() << " values where " << expected.size() << " were expected";
  if (expected.empty()) return testing::AssertionFailure() << "there is nothing to compare";
  for (std::size_t i = 0; i < got.size(); ++i) {
    if (!std::isfinite(expected[i]))
      return testing::AssertionFailure() << "the expectation itself has " << expected[i] << " at " << i;
    if (!std::isfinite(got[i]))
      return testing::AssertionFailure() << got[i] << " at " << i << " of " << got.size() << " where " << expected[i]
                                         << " was expected";
  }
  const Difference d = difference(got, expected);
  if (d.relative_l2 <= tolerance.relative_l2 && d.scaled_max <= tolerance.scaled_max)
    return testing::AssertionSuccess() << "relative " << d.relative_l2 << ", scaled maximum " << d.scaled_max;
  return testing::AssertionFailure() << "relative " << d.relative_l2 << " (at most " << tolerance.relative_l2
                                     << "), scaled maximum " << d.scaled_max << " (at most " << tolerance.scaled_max
                                     << "); " << got[d.worst] << " at " << d.worst << " of " << got.size() << " where "
                                     << expected[d.worst] << " was expected";
}

}  // namespace fovea::test
