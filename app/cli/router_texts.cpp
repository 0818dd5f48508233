#include "app/cli/router_texts.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <filesystem>

#include "app/cli/output.hpp"
#include "app/cli/text_source.hpp"
#include "engine/io/bounded_read.hpp"
#include "engine/io/shown_name.hpp"

namespace fovea::cli {

Result<std::vector<DomainText>> read_domain_texts(const Engine& engine, std::span<const std::string> files, std::uint32_t window) {
  std::vector<DomainText> texts;
  for (const std::string& file : files) {
    const std::string what = "text file " + shown_name(file);
    DomainText text{.name = std::filesystem::path(file).stem().string()};
    if (std::ranges::find(texts, text.name, &DomainText::name) != texts.end())
      return fail(ErrorCode::usage, what, "another file has this name, which names the domain", "give every domain one file of its own name");
    FOVEA_ASSIGN(const std::string bytes, read_file(file, what, kLongestText));
    text.tokens = engine.tokenizer().encode(bytes, {.add_bos = false, .parse_special = false});
    if (text.tokens.size() < 2 * std::size_t{window})
      return fail(ErrorCode::usage, what, fmt::format("its {} tokens do not fill two windows of {}", text.tokens.size(), window), "use a longer text or a smaller -c");
    texts.push_back(std::move(text));
  }
  return texts;
}

std::vector<std::size_t> spread_windows(std::size_t tokens, std::uint32_t window, std::uint32_t most) {
  const std::size_t fit = tokens / window, count = most == 0 ? fit : std::min<std::size_t>(most, fit);
  std::vector<std::size_t> starts;
  for (std::size_t i = 0; i < count; ++i) starts.push_back(i * fit / count * window);
  return starts;
}

std::string accuracy_lines(const RouterAccuracy& accuracy, const std::vector<std::string>& domains) {
  std::string text = fmt::format("{} tokens: domain {:.1f} % (the largest alone {:.1f} %), experts recalled {:.3f} (the most used alone {:.3f})\n", accuracy.tokens,
                                 100 * accuracy.domain, 100 * accuracy.domain_baseline, accuracy.recall, accuracy.recall_baseline);
  for (const RouterLayerAccuracy& layer : accuracy.layers) text += fmt::format("  layer {}: recall {:.3f} (most used {:.3f})\n", layer.layer, layer.recall, layer.baseline);
  for (std::size_t d = 0; d < domains.size() && d < accuracy.domains.size(); ++d)
    if (accuracy.domains[d] >= 0) text += fmt::format("  {}: {:.1f} %\n", printable(domains[d]), 100 * accuracy.domains[d]);
  for (const RouterPrefetch& memory : accuracy.prefetch)
    text += fmt::format("  a memory of {} experts a layer holds {:.3f} predicted, {:.3f} of the last called, {:.3f} of the most used\n", memory.size, memory.predicted,
                        memory.recent, memory.most_used);
  if (accuracy.need_tokens == 0) return text;
  const RouterNeedUse& use = accuracy.use;
  return text + fmt::format("  need, {} tokens: mean {:.2f} experts, exact {:.1f} % (most frequent {:.1f} %), off by {:.3f} (median {:.3f})\n", accuracy.need_tokens,
                            accuracy.need_mean, 100 * accuracy.need_exact, 100 * accuracy.need_exact_baseline, accuracy.need_error, accuracy.need_error_baseline) +
         fmt::format("  loss with {:.2f} experts, estimated: predicted need {:.4f}, the routers' own mass {:.4f}, any order {:.4f}, true need {:.4f}; all experts {:.4f}\n",
                     use.mean_k, use.semantic, use.mass, use.any, use.oracle, use.own);
}

}  // namespace fovea::cli
