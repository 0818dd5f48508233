#include "engine/semantic_router/network.hpp"

#include <algorithm>
#include <cmath>
#include <numbers>
#include <random>

namespace fovea {
namespace {

constexpr std::uint32_t kDilations[kRouterBlocks]{1, 2, 4};
constexpr double kNormEpsilon = 1e-5;

// y (rows, out) = bias + x (rows, in) w (in, out), four rows at a time so that weights are read less often.
template <class Real>
void product(std::span<const Real> x, const Real* w, const Real* bias, std::span<Real> y, std::size_t rows, std::size_t in, std::size_t out) {
  for (std::size_t row = 0; row < rows; row += 4) {
    const std::size_t some = std::min<std::size_t>(4, rows - row);
    for (std::size_t r = 0; r < some; ++r)
      for (std::size_t o = 0; o < out; ++o) y[(row + r) * out + o] = bias != nullptr ? bias[o] : Real(0);
    for (std::size_t i = 0; i < in; ++i) {
      const Real* line = w + i * out;
      for (std::size_t r = 0; r < some; ++r) {
        const Real factor = x[(row + r) * in + i];
        Real* to = y.data() + (row + r) * out;
        for (std::size_t o = 0; o < out; ++o) to[o] += factor * line[o];
      }
    }
  }
}

// Gradients of the product: by (in, out) += x^T dy, bias += sums of dy.
template <class Real>
void product_by_weights(std::span<const Real> x, std::span<const Real> dy, Real* by, Real* bias, std::size_t rows, std::size_t in, std::size_t out) {
  for (std::size_t row = 0; row < rows; row += 4) {
    const std::size_t some = std::min<std::size_t>(4, rows - row);
    const Real* change = dy.data() + row * out;
    if (bias != nullptr)
      for (std::size_t r = 0; r < some; ++r)
        for (std::size_t o = 0; o < out; ++o) bias[o] += change[r * out + o];
    for (std::size_t i = 0; i < in; ++i) {
      Real factor[4]{};
      for (std::size_t r = 0; r < some; ++r) factor[r] = x[(row + r) * in + i];
      Real* to = by + i * out;
      if (some == 4) {
        for (std::size_t o = 0; o < out; ++o)
          to[o] += (factor[0] * change[o] + factor[1] * change[out + o]) + (factor[2] * change[2 * out + o] + factor[3] * change[3 * out + o]);
      } else {
        for (std::size_t r = 0; r < some; ++r)
          for (std::size_t o = 0; o < out; ++o) to[o] += factor[r] * change[r * out + o];
      }
    }
  }
}

// dx (rows, in) += dy w^T.
template <class Real>
void product_by_input(std::span<const Real> dy, const Real* w, std::span<Real> dx, std::size_t rows, std::size_t in, std::size_t out) {
  std::vector<Real> turned(in * out), sum(rows * in);
  for (std::size_t i = 0; i < in; ++i)
    for (std::size_t o = 0; o < out; ++o) turned[o * in + i] = w[i * out + o];
  product<Real>(dy, turned.data(), nullptr, sum, rows, out, in);
  for (std::size_t i = 0; i < sum.size(); ++i) dx[i] += sum[i];
}

template <class Real>
Real normal_cdf(Real x) { return Real(0.5) * (1 + std::erf(x / std::numbers::sqrt2_v<Real>)); }
template <class Real>
Real gelu(Real x) { return x * normal_cdf(x); }
template <class Real>
Real gelu_slope(Real x) {
  return normal_cdf(x) + x * std::exp(-x * x / 2) * std::numbers::inv_sqrtpi_v<Real> / std::numbers::sqrt2_v<Real>;
}

}  // namespace

RouterLayout::RouterLayout(const RouterShape& s) {
  std::size_t at = 0;
  const auto take = [&at](std::size_t& where, std::size_t count) {
    where = at;
    at += count;
  };
  const std::size_t w = s.width, prior_width = std::size_t{s.predicted()} * s.experts;
  take(in, s.input * w);
  take(in_bias, w);
  take(norm_gain, w);
  take(norm_bias, w);
  for (Block& block : blocks) {
    take(block.conv, kRouterTaps * w);
    take(block.conv_bias, w);
    take(block.mix, w * w);
    take(block.mix_bias, w);
  }
  take(domain, w * s.domains);
  take(domain_bias, s.domains);
  take(need, w);
  take(need_bias, s.experts_used - 1);
  take(prior, w * prior_width);
  take(prior_bias, prior_width);
  end = at;
}

std::size_t RouterShape::parameters() const { return RouterLayout(*this).end; }

bool plausible(const RouterShape& s) {
  const auto between = [](std::uint32_t value, std::uint32_t least, std::uint32_t most) { return value >= least && value <= most; };
  return between(s.input, 1, 1u << 16) && between(s.width, 1, 1024) && between(s.layers, 1, 1024) && s.first_layer >= 1 && s.first_layer < s.layers &&
         between(s.experts, 1, 1024) && between(s.experts_used, 1, s.experts) && between(s.domains, 1, 256);
}

template <class Real>
void RouterNetwork<Real>::initialise(std::uint64_t seed) {
  std::mt19937_64 random(seed);
  // Uniform of the variance 1 / fan-in; blocks begin as nothing, so that the residual's way is open.
  const auto fill = [&](std::size_t at, std::size_t count, double fan_in) {
    const double most = std::sqrt(3.0 / fan_in);
    for (std::size_t i = 0; i < count; ++i) parameters_[at + i] = static_cast<Real>(most * (2 * (static_cast<double>(random() >> 11) * 0x1p-53) - 1));
  };
  std::ranges::fill(parameters_, Real(0));
  const std::size_t w = shape_.width;
  fill(layout_.in, shape_.input * w, shape_.input);
  std::fill_n(parameters_.begin() + static_cast<std::ptrdiff_t>(layout_.norm_gain), w, Real(1));
  for (const auto& block : layout_.blocks) {
    fill(block.conv, kRouterTaps * w, kRouterTaps);
    fill(block.mix, w * w, static_cast<double>(w) * 16);
  }
  fill(layout_.domain, w * shape_.domains, static_cast<double>(w) * 16);
  fill(layout_.need, w, static_cast<double>(w) * 16);
  fill(layout_.prior, w * shape_.predicted() * shape_.experts, static_cast<double>(w) * 16);
}

template <class Real>
void RouterNetwork<Real>::forward(std::span<const Real> frames, RouterPass<Real>& pass) const {
  const std::size_t w = shape_.width, tokens = frames.size() / shape_.input;
  const Real* p = parameters_.data();
  pass.tokens = tokens;
  pass.normed.resize(tokens * w);
  pass.inverse.resize(tokens);
  for (auto& rows : pass.hidden) rows.resize(tokens * w);
  product<Real>(frames, p + layout_.in, p + layout_.in_bias, pass.normed, tokens, shape_.input, w);
  for (std::size_t t = 0; t < tokens; ++t) {
    Real* row = pass.normed.data() + t * w;
    Real mean = 0, square = 0;
    for (std::size_t c = 0; c < w; ++c) mean += row[c];
    mean /= static_cast<Real>(w);
    for (std::size_t c = 0; c < w; ++c) square += (row[c] - mean) * (row[c] - mean);
    pass.inverse[t] = 1 / std::sqrt(square / static_cast<Real>(w) + static_cast<Real>(kNormEpsilon));
    for (std::size_t c = 0; c < w; ++c) {
      row[c] = (row[c] - mean) * pass.inverse[t];
      pass.hidden[0][t * w + c] = row[c] * p[layout_.norm_gain + c] + p[layout_.norm_bias + c];
    }
  }
  for (std::uint32_t b = 0; b < kRouterBlocks; ++b) {
    const auto& block = layout_.blocks[b];
    const std::vector<Real>& h = pass.hidden[b];
    pass.convolved[b].resize(tokens * w);
    pass.active[b].resize(tokens * w);
    for (std::size_t t = 0; t < tokens; ++t) {
      Real* row = pass.convolved[b].data() + t * w;
      for (std::size_t c = 0; c < w; ++c) row[c] = p[block.conv_bias + c];
      for (std::size_t tap = 0; tap < kRouterTaps && tap * kDilations[b] <= t; ++tap) {
        const Real* from = h.data() + (t - tap * kDilations[b]) * w;
        const Real* kernel = p + block.conv + tap * w;
        for (std::size_t c = 0; c < w; ++c) row[c] += kernel[c] * from[c];
      }
    }
    for (std::size_t i = 0; i < tokens * w; ++i) pass.active[b][i] = gelu(pass.convolved[b][i]);
    product<Real>(pass.active[b], p + block.mix, p + block.mix_bias, pass.hidden[b + 1], tokens, w, w);
    for (std::size_t i = 0; i < tokens * w; ++i) pass.hidden[b + 1][i] += h[i];
  }
  const std::vector<Real>& last = pass.hidden[kRouterBlocks];
  const std::size_t needs = shape_.experts_used - 1, prior_width = std::size_t{shape_.predicted()} * shape_.experts;
  pass.domain.resize(tokens * shape_.domains);
  pass.need.resize(tokens * needs);
  pass.prior.resize(tokens * prior_width);
  product<Real>(last, p + layout_.domain, p + layout_.domain_bias, pass.domain, tokens, w, shape_.domains);
  product<Real>(last, p + layout_.prior, p + layout_.prior_bias, pass.prior, tokens, w, prior_width);
  for (std::size_t t = 0; t < tokens; ++t) {
    Real score = 0;
    for (std::size_t c = 0; c < w; ++c) score += last[t * w + c] * p[layout_.need + c];
    for (std::size_t j = 0; j < needs; ++j) pass.need[t * needs + j] = score + p[layout_.need_bias + j];
  }
}

template <class Real>
void RouterNetwork<Real>::backward(std::span<const Real> frames, const RouterPass<Real>& pass, const RouterPass<Real>& by, std::span<Real> gradient) const {
  const std::size_t w = shape_.width, tokens = pass.tokens;
  const std::size_t needs = shape_.experts_used - 1, prior_width = std::size_t{shape_.predicted()} * shape_.experts;
  const Real* p = parameters_.data();
  Real* g = gradient.data();
  const std::vector<Real>& last = pass.hidden[kRouterBlocks];
  std::vector<Real> dh(tokens * w), du(tokens * w);
  product_by_weights<Real>(last, by.domain, g + layout_.domain, g + layout_.domain_bias, tokens, w, shape_.domains);
  product_by_weights<Real>(last, by.prior, g + layout_.prior, g + layout_.prior_bias, tokens, w, prior_width);
  product_by_input<Real>(by.domain, p + layout_.domain, dh, tokens, w, shape_.domains);
  product_by_input<Real>(by.prior, p + layout_.prior, dh, tokens, w, prior_width);
  for (std::size_t t = 0; t < tokens; ++t) {
    Real score = 0;
    for (std::size_t j = 0; j < needs; ++j) {
      score += by.need[t * needs + j];
      g[layout_.need_bias + j] += by.need[t * needs + j];
    }
    for (std::size_t c = 0; c < w; ++c) {
      g[layout_.need + c] += score * last[t * w + c];
      dh[t * w + c] += score * p[layout_.need + c];
    }
  }
  for (std::uint32_t b = kRouterBlocks; b-- > 0;) {
    const auto& block = layout_.blocks[b];
    const std::vector<Real>& h = pass.hidden[b];
    product_by_weights<Real>(pass.active[b], dh, g + block.mix, g + block.mix_bias, tokens, w, w);
    std::ranges::fill(du, Real(0));
    product_by_input<Real>(dh, p + block.mix, du, tokens, w, w);
    for (std::size_t i = 0; i < tokens * w; ++i) du[i] *= gelu_slope(pass.convolved[b][i]);
    for (std::size_t t = 0; t < tokens; ++t) {
      const Real* change = du.data() + t * w;
      for (std::size_t c = 0; c < w; ++c) g[block.conv_bias + c] += change[c];
      for (std::size_t tap = 0; tap < kRouterTaps && tap * kDilations[b] <= t; ++tap) {
        const std::size_t from = (t - tap * kDilations[b]) * w, kernel = block.conv + tap * w;
        for (std::size_t c = 0; c < w; ++c) {
          g[kernel + c] += change[c] * h[from + c];
          dh[from + c] += change[c] * p[kernel + c];  // beside the residual's own, which stays
        }
      }
    }
  }
  for (std::size_t t = 0; t < tokens; ++t) {
    Real mean = 0, along = 0;
    for (std::size_t c = 0; c < w; ++c) {
      const Real normed = pass.normed[t * w + c];
      g[layout_.norm_gain + c] += dh[t * w + c] * normed;
      g[layout_.norm_bias + c] += dh[t * w + c];
      du[t * w + c] = dh[t * w + c] * p[layout_.norm_gain + c];
      mean += du[t * w + c];
      along += du[t * w + c] * normed;
    }
    mean /= static_cast<Real>(w);
    along /= static_cast<Real>(w);
    for (std::size_t c = 0; c < w; ++c) du[t * w + c] = (du[t * w + c] - mean - pass.normed[t * w + c] * along) * pass.inverse[t];
  }
  product_by_weights<Real>(frames, du, g + layout_.in, g + layout_.in_bias, tokens, shape_.input, w);
}

template class RouterNetwork<float>;
template class RouterNetwork<double>;

void make_router_frame(std::span<const float> hidden, std::span<float> frame) {
  double square = 0;
  for (const float x : hidden) square += static_cast<double>(x) * static_cast<double>(x);
  const auto scale = static_cast<float>(1 / std::sqrt(square / static_cast<double>(hidden.size()) + 1e-12));
  for (std::size_t i = 0; i < hidden.size(); ++i) frame[i] = hidden[i] * scale;
}

}  // namespace fovea
