// How the budgets of page choices follow what choices did (chapter 2.7 of the designs: a controller on the mean share, heads by
// their entropy): plain twin of shaders/attention/page_guide.comp.
#pragma once

#include <cstddef>
#include <optional>
#include <span>
#include <vector>

namespace fovea::reference {

struct PageGuideRule {
  std::optional<double> target;  // wished mean share of the remote pages
  bool by_entropy = false;       // heads get by their effective number of keys
  double mass = 0.95;            // that an adaptive budget begins with
};

// What the choices of one KV head did in a step; sums. Choices that read everything are in none of them.
struct HeadChoices {
  double choices = 0, remote = 0, chosen = 0;
  double entropy = 0;  // over ln(keys), of each choice
};

// Of one layer.
struct PageGuide {
  explicit PageGuide(std::size_t kv_heads) : entropy(kv_heads, 0), weights(kv_heads, 1) {}
  double remote = 0, chosen = 0;  // since the beginning
  double logit = 0;               // of the mass, beside the rule's
  std::vector<double> entropy;    // averages; 0: none yet
  // What the next step's choices are made by.
  std::optional<double> mass;     // nullopt: the rule's
  std::vector<double> weights;    // of the heads' budgets, 1 on average
};

// `position`: tokens before the step's first. With a target, the logit of the mass moves by
//   5 min(1, tokens / 64) (target - share of the step + target - share since the beginning),
// and is kept within -1 and 9. Entropies are averaged over 256 tokens; a head's weight is exp(H) over the heads' mean,
// kept within 1/2 and 2, over the weights' mean, with H = entropy x ln(keys). A step without choices changes nothing.
void move_guide(PageGuide& guide, const PageGuideRule& rule, std::span<const HeadChoices> heads, std::size_t position, std::size_t tokens);

}  // namespace fovea::reference
