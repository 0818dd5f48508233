#include "engine/reference/semantic_router.hpp"

#include <cmath>
#include <numbers>

namespace fovea::reference {
namespace {

using Row = std::vector<double>;

// Takes matrices off the front of the parameters.
class Parameters {
 public:
  explicit Parameters(std::span<const float> all) : left_(all) {}
  std::span<const float> take(std::size_t count) {
    const auto taken = left_.first(count);
    left_ = left_.subspan(count);
    return taken;
  }

 private:
  std::span<const float> left_;
};

Row times(const Row& x, std::span<const float> w, std::span<const float> bias) {
  Row y(bias.begin(), bias.end());
  for (std::size_t o = 0; o < y.size(); ++o)
    for (std::size_t i = 0; i < x.size(); ++i) y[o] += x[i] * static_cast<double>(w[i * y.size() + o]);
  return y;
}

Row layer_norm(const Row& x, std::span<const float> gain, std::span<const float> bias) {
  double mean = 0, square = 0;
  for (const double v : x) mean += v / static_cast<double>(x.size());
  for (const double v : x) square += (v - mean) * (v - mean) / static_cast<double>(x.size());
  Row y;
  for (std::size_t c = 0; c < x.size(); ++c) y.push_back((x[c] - mean) / std::sqrt(square + 1e-5) * static_cast<double>(gain[c]) + static_cast<double>(bias[c]));
  return y;
}

}  // namespace

RouterAnswer semantic_router(const RouterSizes& sizes, std::span<const float> all, std::span<const float> frames) {
  Parameters parameters(all);
  const std::size_t w = sizes.width, tokens = frames.size() / sizes.input;
  const auto in = parameters.take(sizes.input * w), in_bias = parameters.take(w), gain = parameters.take(w), bias = parameters.take(w);
  std::vector<Row> h;
  for (std::size_t t = 0; t < tokens; ++t) {
    const auto frame = frames.subspan(t * sizes.input, sizes.input);
    h.push_back(layer_norm(times(Row(frame.begin(), frame.end()), in, in_bias), gain, bias));
  }
  for (const std::size_t dilation : {1, 2, 4}) {
    constexpr std::size_t kTaps = 5;
    const auto conv = parameters.take(kTaps * w), conv_bias = parameters.take(w), mix = parameters.take(w * w), mix_bias = parameters.take(w);
    std::vector<Row> next = h;
    for (std::size_t t = 0; t < tokens; ++t) {
      Row u(conv_bias.begin(), conv_bias.end());
      for (std::size_t tap = 0; tap < kTaps; ++tap)
        if (tap * dilation <= t)
          for (std::size_t c = 0; c < w; ++c) u[c] += static_cast<double>(conv[tap * w + c]) * h[t - tap * dilation][c];
      for (double& v : u) v = v * 0.5 * (1 + std::erf(v / std::numbers::sqrt2));
      const Row more = times(u, mix, mix_bias);
      for (std::size_t c = 0; c < w; ++c) next[t][c] += more[c];
    }
    h = std::move(next);
  }
  RouterAnswer answer;
  const auto domain = parameters.take(w * sizes.domains), domain_bias = parameters.take(sizes.domains);
  answer.domain = times(h.back(), domain, domain_bias);
  const auto slope = parameters.take(w), need_bias = parameters.take(sizes.needs);
  double score = 0;
  for (std::size_t c = 0; c < w; ++c) score += h.back()[c] * static_cast<double>(slope[c]);
  for (const float offset : need_bias) answer.need.push_back(score + static_cast<double>(offset));
  const auto prior = parameters.take(w * sizes.priors), prior_bias = parameters.take(sizes.priors);
  answer.prior = times(h.back(), prior, prior_bias);
  return answer;
}

}  // namespace fovea::reference
