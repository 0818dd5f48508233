#include "engine/semantic_router/training.hpp"

#include <algorithm>
#include <atomic>
#include <cmath>
#include <numbers>
#include <random>
#include <thread>
#include <utility>

#include "engine/tensor/half.hpp"

namespace fovea {
namespace {

constexpr std::uint32_t kSequence = 256;  // tokens
constexpr std::size_t kSequencesPerStep = 8;
constexpr double kPriorWeight = 2, kDomainWeight = 0.3, kNeedWeight = 0.3;
constexpr double kFirstDecay = 0.9, kSecondDecay = 0.98, kEpsilon = 1e-8, kWarmUp = 0.05;

// softmax of `logits` into `out`; returns log of the sum.
template <class Real>
double soft_max(std::span<const Real> logits, std::vector<double>& out) {
  const auto most = static_cast<double>(std::ranges::max(logits));
  double sum = 0;
  out.resize(logits.size());
  for (std::size_t i = 0; i < logits.size(); ++i) sum += out[i] = std::exp(static_cast<double>(logits[i]) - most);
  for (double& value : out) value /= sum;
  return most + std::log(sum);
}

struct Sequence {
  std::uint32_t trace = 0, first = 0, count = 0;
};

// Mean and inverse deviation of every channel of the frames: the products learn faster over inputs of one size. They go into the
// first product's weights when training is done.
struct Scaling {
  std::vector<float> mean, inverse;
};
Scaling scaling_of(const RouterShape& shape, std::span<const RouterTrace> traces) {
  std::vector<double> sum(shape.input), squares(shape.input);
  double count = 0;
  for (const RouterTrace& trace : traces)
    for (std::uint32_t t = 0; t < trace.tokens; ++t, ++count)
      for (std::uint32_t i = 0; i < shape.input; ++i) {
        const auto x = static_cast<double>(half_to_float(trace.frames[std::size_t{t} * shape.input + i]));
        sum[i] += x;
        squares[i] += x * x;
      }
  Scaling scaling;
  for (std::uint32_t i = 0; i < shape.input; ++i) {
    const double mean = sum[i] / count;
    scaling.mean.push_back(static_cast<float>(mean));
    scaling.inverse.push_back(static_cast<float>(1 / std::sqrt(std::max(squares[i] / count - mean * mean, 1e-6))));
  }
  return scaling;
}

void fold(const Scaling& scaling, RouterNetwork<float>& network) {
  const std::size_t w = network.shape().width;
  float* p = network.parameters().data();
  std::vector<double> moved(w);
  for (std::size_t i = 0; i < network.shape().input; ++i)
    for (std::size_t c = 0; c < w; ++c) {
      float& weight = p[network.layout().in + i * w + c];
      weight *= scaling.inverse[i];
      moved[c] += static_cast<double>(weight) * static_cast<double>(scaling.mean[i]);
    }
  for (std::size_t c = 0; c < w; ++c) p[network.layout().in_bias + c] -= static_cast<float>(moved[c]);
}

class AdamW {
 public:
  AdamW(std::size_t count, double decay) : first_(count), second_(count), decay_(decay) {}
  void step(std::vector<float>& parameters, std::span<const float> gradient, double rate) {
    ++steps_;
    const double first_size = 1 - std::pow(kFirstDecay, steps_), second_size = 1 - std::pow(kSecondDecay, steps_);
    for (std::size_t i = 0; i < parameters.size(); ++i) {
      const auto g = static_cast<double>(gradient[i]);
      first_[i] = kFirstDecay * first_[i] + (1 - kFirstDecay) * g;
      second_[i] = kSecondDecay * second_[i] + (1 - kSecondDecay) * g * g;
      const double move = first_[i] / first_size / (std::sqrt(second_[i] / second_size) + kEpsilon);
      parameters[i] -= static_cast<float>(rate * (move + decay_ * static_cast<double>(parameters[i])));
    }
  }

 private:
  std::vector<double> first_, second_;
  double decay_;
  double steps_ = 0;
};

// One sequence's part of a step.
struct Worker {
  RouterPass<float> pass, by;
  std::vector<float> gradient;
  double loss = 0;
};

}  // namespace

bool fits(const RouterShape& shape, const RouterTrace& trace) {
  const std::size_t tokens = trace.tokens, predicted = shape.predicted();
  return trace.domain < shape.domains && trace.frames.size() == tokens * shape.input && trace.probabilities.size() == tokens * predicted * shape.experts &&
         trace.chosen.size() == tokens * predicted * shape.experts_used && trace.need.size() == tokens && trace.losses.size() == tokens * shape.experts_used;
}

std::vector<float> unpacked_frames(const RouterShape& shape, const RouterTrace& trace, std::uint32_t first, std::uint32_t count) {
  std::vector<float> frames(std::size_t{count} * shape.input);
  const auto from = trace.frames.begin() + static_cast<std::ptrdiff_t>(std::size_t{first} * shape.input);
  std::transform(from, from + static_cast<std::ptrdiff_t>(frames.size()), frames.begin(), half_to_float);
  return frames;
}

template <class Real>
double router_loss(const RouterShape& shape, const RouterTrace& trace, std::uint32_t first, const RouterPass<Real>& pass, double scale, RouterPass<Real>& by) {
  const std::size_t needs = shape.experts_used - 1, predicted = shape.predicted();
  by.domain.assign(pass.domain.size(), Real(0));
  by.need.assign(pass.need.size(), Real(0));
  by.prior.assign(pass.prior.size(), Real(0));
  std::vector<double> soft;
  double loss = 0;
  for (std::size_t t = 0; t < pass.tokens; ++t) {
    const std::size_t token = first + t;
    const auto domain = std::span(pass.domain).subspan(t * shape.domains, shape.domains);
    loss += kDomainWeight * (soft_max(domain, soft) - static_cast<double>(domain[trace.domain]));
    for (std::size_t d = 0; d < shape.domains; ++d)
      by.domain[t * shape.domains + d] = static_cast<Real>(kDomainWeight / scale * (soft[d] - (d == trace.domain ? 1 : 0)));
    if (const std::uint8_t need = trace.need[token]; need > 0)
      for (std::size_t j = 0; j < needs; ++j) {
        const auto logit = static_cast<double>(pass.need[t * needs + j]);
        const double more = need > j + 1 ? 1 : 0, sigmoid = 1 / (1 + std::exp(-logit));
        loss += kNeedWeight * (std::max(logit, 0.0) - logit * more + std::log1p(std::exp(-std::abs(logit))));
        by.need[t * needs + j] = static_cast<Real>(kNeedWeight / scale * (sigmoid - more));
      }
    const double weight = kPriorWeight / static_cast<double>(predicted);
    for (std::size_t l = 0; l < predicted; ++l) {
      const std::size_t at = (t * predicted + l) * shape.experts, wanted = (token * predicted + l) * shape.experts;
      const auto logits = std::span(pass.prior).subspan(at, shape.experts);
      const double log_sum = soft_max(logits, soft);
      for (std::size_t e = 0; e < shape.experts; ++e) {
        const auto p = static_cast<double>(half_to_float(trace.probabilities[wanted + e]));
        if (p > 0) loss += weight * p * (std::log(p) - (static_cast<double>(logits[e]) - log_sum));
        by.prior[at + e] = static_cast<Real>(weight / scale * (soft[e] - p));
      }
    }
  }
  return loss;
}

template double router_loss<float>(const RouterShape&, const RouterTrace&, std::uint32_t, const RouterPass<float>&, double, RouterPass<float>&);
template double router_loss<double>(const RouterShape&, const RouterTrace&, std::uint32_t, const RouterPass<double>&, double, RouterPass<double>&);

Result<RouterNetwork<float>> train_router(const RouterShape& shape, std::span<const RouterTrace> traces, const RouterTraining& training,
                                          const std::function<void(double, double)>& progress, std::stop_token stop) {
  if (!plausible(shape) || !std::ranges::all_of(traces, [&](const RouterTrace& trace) { return fits(shape, trace); }))
    return fail(ErrorCode::internal, "training the router", "the traces are of another shape", "report this");
  std::vector<Sequence> sequences;
  for (std::uint32_t i = 0; i < traces.size(); ++i)
    for (std::uint32_t first = 0; first < traces[i].tokens; first += kSequence) sequences.push_back({i, first, std::min(kSequence, traces[i].tokens - first)});
  if (sequences.empty()) return fail(ErrorCode::usage, "training the router", "there is no text to learn from", "give longer texts");

  const Scaling scaling = scaling_of(shape, traces);
  RouterNetwork<float> network(shape);
  network.initialise(training.seed);
  AdamW optimizer(network.parameters().size(), training.decay);
  std::mt19937_64 random(training.seed);
  std::vector<Worker> workers(kSequencesPerStep);
  const std::size_t steps_of_pass = (sequences.size() + kSequencesPerStep - 1) / kSequencesPerStep;
  const double steps = static_cast<double>(steps_of_pass * training.passes);
  const std::uint32_t machine = std::max(1u, std::thread::hardware_concurrency());
  const std::uint32_t threads = std::min<std::uint32_t>(training.threads == 0 ? machine : training.threads, kSequencesPerStep);
  double step = 0, recent = 0;
  for (std::uint32_t pass = 0; pass < training.passes; ++pass) {
    for (std::size_t i = sequences.size(); i > 1; --i) std::swap(sequences[i - 1], sequences[random() % i]);
    for (std::size_t at = 0; at < sequences.size(); at += kSequencesPerStep, ++step) {
      if (stop.stop_requested()) return fail(ErrorCode::cancelled, "training the router", "it was stopped", "start it again when wanted");
      const std::size_t some = std::min(kSequencesPerStep, sequences.size() - at);
      double tokens = 0;
      for (std::size_t i = 0; i < some; ++i) tokens += sequences[at + i].count;
      std::atomic<std::size_t> next = 0;
      const auto work = [&] {
        for (std::size_t i = next++; i < some; i = next++) {
          Worker& worker = workers[i];
          const Sequence& sequence = sequences[at + i];
          const RouterTrace& trace = traces[sequence.trace];
          std::vector<float> frames = unpacked_frames(shape, trace, sequence.first, sequence.count);
          for (std::size_t t = 0; t < sequence.count; ++t)
            for (std::size_t c = 0; c < shape.input; ++c) {
              float& x = frames[t * shape.input + c];
              x = (x - scaling.mean[c]) * scaling.inverse[c];
            }
          network.forward(frames, worker.pass);
          worker.loss = router_loss(shape, trace, sequence.first, worker.pass, tokens, worker.by);
          worker.gradient.assign(network.parameters().size(), 0);
          network.backward(frames, worker.pass, worker.by, worker.gradient);
        }
      };
      {
        std::vector<std::jthread> others;
        for (std::uint32_t i = 1; i < threads; ++i) others.emplace_back(work);
        work();
      }
      double loss = workers[0].loss;
      for (std::size_t i = 1; i < some; ++i) {
        loss += workers[i].loss;
        for (std::size_t j = 0; j < workers[0].gradient.size(); ++j) workers[0].gradient[j] += workers[i].gradient[j];
      }
      const double done = (step + 1) / steps;
      const double rate = training.rate * (done < kWarmUp ? done / kWarmUp : 0.5 * (1 + std::cos(std::numbers::pi * (done - kWarmUp) / (1 - kWarmUp))));
      optimizer.step(network.parameters(), workers[0].gradient, rate);
      recent = step == 0 ? loss / tokens : 0.95 * recent + 0.05 * loss / tokens;
      if (progress) progress(done, recent);
    }
  }
  fold(scaling, network);
  for (float& value : network.parameters()) value = half_to_float(float_to_half(value));
  return network;
}

}  // namespace fovea
