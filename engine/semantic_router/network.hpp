// The semantic router's network: a light causal convolution network over the residual behind a model's first layers. It says of
// every token which domain the text is of, how many experts the token needs, and which experts each later layer will call.
//
//   f_t  = x_t / rms(x_t)                            the frame: the residual over its root mean square, (input)
//   h    = LayerNorm(f W + b)                        (width)
//   h   += GELU(conv_i(h)) P_i + b_i, i = 0, 1, 2    depthwise, causal, 5 taps, dilation 1, 2, 4: 29 frames are seen
//   domain      = h D + b                            logits, (domains)
//   need_j      = h . s + b_j, j = 1 .. K-1          P(the token needs more than j experts) = sigmoid(need_j)
//   prior_l     = h U_l + b_l                        logits of layer l's experts, l = first_layer .. layers-1
//
// GELU: Hendrycks and Gimpel, arXiv 1606.08415; LayerNorm: Ba et al., arXiv 1607.06450; ordinal logits with one slope: McCullagh 1980.
// Pure arithmetic; sums run in one order, so the same input gives the same bits. `double` serves the check of gradients.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

namespace fovea {

inline constexpr std::uint32_t kRouterBlocks = 3, kRouterTaps = 5;
inline constexpr std::uint32_t kRouterSight = 1 + (kRouterTaps - 1) * 7;  // frames that an answer depends on: 29

struct RouterShape {
  std::uint32_t input = 0;        // width of the model
  std::uint32_t width = 64;       // of the network
  std::uint32_t first_layer = 2;  // layers before it are past when the residual is there
  std::uint32_t layers = 0;       // of the model
  std::uint32_t experts = 0, experts_used = 0;
  std::uint32_t domains = 0;
  [[nodiscard]] std::uint32_t predicted() const { return layers - first_layer; }
  [[nodiscard]] std::size_t parameters() const;
  bool operator==(const RouterShape&) const = default;
};
// Whether a network can be of this shape: sizes of real models, so that what comes from a file allocates little.
[[nodiscard]] bool plausible(const RouterShape& shape);

// Where each matrix stands in the parameters, row-major: (in, out) of products, (taps, width) of convolutions.
struct RouterLayout {
  explicit RouterLayout(const RouterShape& shape);
  struct Block {
    std::size_t conv, conv_bias, mix, mix_bias;
  };
  std::size_t in, in_bias, norm_gain, norm_bias;
  Block blocks[kRouterBlocks];
  std::size_t domain, domain_bias, need, need_bias, prior, prior_bias, end;
};

// Everything a pass over a sequence keeps; `domain`, `need` and `prior` are its answers, one row per token.
template <class Real>
struct RouterPass {
  std::size_t tokens = 0;
  std::vector<Real> normed;                        // (tokens, width): before gain
  std::vector<Real> inverse;                       // (tokens): 1 / deviation
  std::vector<Real> hidden[kRouterBlocks + 1];     // (tokens, width): before each block, and behind the last
  std::vector<Real> convolved[kRouterBlocks], active[kRouterBlocks];  // before and behind GELU
  std::vector<Real> domain, need, prior;           // (tokens, domains), (tokens, K-1), (tokens, predicted, experts)
};

template <class Real>
class RouterNetwork {
 public:
  explicit RouterNetwork(const RouterShape& shape) : shape_(shape), layout_(shape), parameters_(layout_.end) {}
  void initialise(std::uint64_t seed);
  [[nodiscard]] const RouterShape& shape() const { return shape_; }
  [[nodiscard]] const RouterLayout& layout() const { return layout_; }
  [[nodiscard]] std::vector<Real>& parameters() { return parameters_; }
  [[nodiscard]] const std::vector<Real>& parameters() const { return parameters_; }

  // `frames`: (tokens, input), from the beginning of a sequence.
  void forward(std::span<const Real> frames, RouterPass<Real>& pass) const;
  // Adds to `gradient` (parameters) that of a loss whose derivatives by the answers stand in `by` (domain, need, prior).
  void backward(std::span<const Real> frames, const RouterPass<Real>& pass, const RouterPass<Real>& by, std::span<Real> gradient) const;

 private:
  RouterShape shape_;
  RouterLayout layout_;
  std::vector<Real> parameters_;
};

extern template class RouterNetwork<float>;
extern template class RouterNetwork<double>;

// `hidden` over its root mean square into `frame`, both of the model's width.
void make_router_frame(std::span<const float> hidden, std::span<float> frame);

}  // namespace fovea
