#include "engine/session/evaluation.hpp"

#include <fmt/format.h>

#include <algorithm>
#include <chrono>

#include "engine/io/shown_name.hpp"
#include "engine/session/paired_logits.hpp"

namespace fovea {
namespace {

// Position i predicts token i + 1, so the last position of a window predicts nothing inside it: by default positions
// window/2 .. window-2 are scored, with --last M the M positions before the last.
std::uint32_t first_scored_position(std::uint32_t window, std::uint32_t last) {
  return last == 0 ? window / 2 : window - 1 - last;
}

Result<void> score_window(Engine& engine, Engine* standard, std::span<const TokenId> tokens, std::uint32_t first, const EvaluationOptions& options,
                          Evaluation& done, std::stop_token stop) {
  std::vector<TokenId> window(tokens.begin(), tokens.end());
  const Tokenizer& tokenizer = engine.tokenizer();
  if (tokenizer.adds_bos() && tokenizer.bos() >= 0) window.front() = tokenizer.bos();
  std::uint32_t delivered = 0;
  const auto take = [&](std::uint32_t position, std::span<const float> logits, std::span<const float> row) {
    ++delivered;
    if (position + 1 >= window.size()) return;
    const auto target = static_cast<std::size_t>(window[position + 1]);
    if (row.empty()) return done.score.add(logits, target);
    const PairedPrediction prediction = paired_prediction(row, logits, target);
    done.score.add(prediction.judged_loss);
    done.standard.add(prediction.standard_loss);
    done.difference.add(prediction.judged_loss - prediction.standard_loss);
    done.divergence.add(prediction);
  };
  const std::uint32_t measure = engine.summary().attention ? options.measure : 0;  // dense attention loses nothing
  FOVEA_TRY(paired_logits(engine, standard, window, first, take, stop, measure, options.decoded));
  if (delivered != window.size() - first)
    return fail(ErrorCode::cancelled, "perplexity", "it was stopped before the text was scored", "run it again");
  return {};
}

}  // namespace

Result<Evaluation> evaluate(Engine& engine, Engine* standard, const EvaluationOptions& options, std::span<const TokenId> tokens,
                            std::uint32_t window, const EvaluationProgress& progress, std::stop_token stop) {
  const std::size_t fit = tokens.size() / window;
  const std::size_t windows = options.windows == 0 ? fit : std::min<std::size_t>(options.windows, fit);
  if (windows == 0)
    return fail(ErrorCode::usage, "text file " + shown_name(options.file),
                fmt::format("its {} tokens do not fill one window of {}", tokens.size(), window),
                "use a longer text or a smaller -c");
  Evaluation done;
  done.window = window;
  done.text_tokens = tokens.size();
  const auto start = std::chrono::steady_clock::now();
  const std::uint32_t first = first_scored_position(window, options.last);
  for (std::size_t i = 0; i < windows; ++i) {
    FOVEA_TRY(score_window(engine, standard, tokens.subspan(i * window, window), first, options, done, stop));
    if (const auto pages = engine.page_trace()) done.measured.insert(done.measured.end(), pages->rows.begin(), pages->rows.end());
    FOVEA_ASSIGN(const AttentionFacts facts, engine.attention_facts());
    done.attention.prefill += facts.prefill;
    done.attention.decode += facts.decode;
    FOVEA_ASSIGN(const RoutingFacts routed, engine.routing_facts());
    done.routing.prefill += routed.prefill;
    done.routing.decode += routed.decode;
    done.routing.prefetch = routed.prefetch;
    done.routing.escort = routed.escort;  // of the last window, or since loading where load is never forgotten
    ++done.windows;
    if (progress) progress(done);
  }
  done.seconds = std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
  return done;
}

}  // namespace fovea
