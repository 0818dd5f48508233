// The comparison as one page of HTML.
#include <fmt/format.h>

#include <algorithm>
#include <cmath>
#include <initializer_list>

#include "engine/runs/comparison_export.hpp"
#include "engine/runs/comparison_plots.hpp"

namespace fovea {
namespace {

using Value = std::optional<double>;
using Unit = ComparedFigure::Unit;

constexpr const char* kStyle = R"(
:root{--ground:#f7f8fa;--panel:#fff;--line:#e3e7ed;--text:#1d2430;--dim:#667085;--a:#1a6dd6;--b:#b85c00;--d:#667085;--loss:#c62828;--gain:#0f7b5c}
@media screen and (prefers-color-scheme:dark){:root{--ground:#14171c;--panel:#1b1f26;--line:#2a303a;--text:#d7dce4;--dim:#8b95a5;--a:#4da3ff;--b:#ffa24d;--d:#8b95a5;--loss:#ff7b7b;--gain:#43c59e}}
body{margin:0;background:var(--ground);color:var(--text);font:14px/1.5 system-ui,"Noto Sans CJK SC",sans-serif}
main{max-width:920px;margin:0 auto;padding:24px 16px}
p,td:first-child{overflow-wrap:anywhere}
h1{font-size:20px}h2{font-size:15px;margin:32px 0 8px}
section{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:12px 16px;overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:3px 8px;text-align:right;border-bottom:1px solid var(--line)}th:first-child,td:first-child{text-align:left}th{color:var(--dim);font-weight:normal}
.sa{color:var(--a)}.sb{color:var(--b)}.loss{color:var(--loss)}.gain{color:var(--gain)}.dim{color:var(--dim)}.derived{font-style:italic}
.texts{display:grid;grid-template-columns:1fr 1fr;gap:16px;margin-top:12px}.text,.texts div{white-space:pre-wrap;overflow-wrap:anywhere}
mark{background:none;color:inherit;outline:2px solid var(--loss);border-radius:2px}
svg{width:100%;height:auto}svg text{font-size:11px;fill:var(--dim)}
svg .a{--c:var(--a)}svg .b{--c:var(--b)}svg .d{--c:var(--d)}svg .fill{fill:var(--c)}svg .stroke{stroke:var(--c);fill:none;stroke-width:1.5}svg path.b.stroke{stroke-dasharray:5 3}
svg .grid{stroke:var(--line)}svg .zero{stroke:var(--dim)}svg .mark{stroke:var(--loss);stroke-dasharray:2 2}
)";

// Text of any origin as text: markup and control characters lose their meaning.
std::string plain(std::string_view text) {
  std::string shown;
  for (const char c : text) {
    if (c == '&') shown += "&amp;";
    else if (c == '<') shown += "&lt;";
    else if (c == '>') shown += "&gt;";
    else if (c == '"') shown += "&quot;";
    else if (c == '\'') shown += "&#39;";
    else if (static_cast<unsigned char>(c) < 0x20 && c != '\n' && c != '\t') shown += "\xef\xbf\xbd";
    else shown += c;
  }
  return shown;
}

std::string bytes(double value) {
  constexpr const char* kUnits[]{"B", "KiB", "MiB", "GiB", "TiB"};
  int unit = 0;
  for (; unit < 4 && std::abs(value) >= 999.5; ++unit) value /= 1024;
  return fmt::format("{:.3g} {}", value, kUnits[unit]);
}

// The page's own words, and what is filled into them, which is text of HTML already.
class Speaker {
 public:
  explicit Speaker(const PageWords& words) : words_(words) {}
  [[nodiscard]] std::string operator()(const std::string& english, std::initializer_list<std::string> parts = {}) const {
    const std::string said = plain(words_.say ? words_.say(english) : english);
    std::string filled;
    for (std::size_t i = 0; i < said.size(); ++i) {
      const std::size_t part = said[i] == '%' && i + 1 < said.size() && said[i + 1] >= '1' && said[i + 1] <= '9' ? static_cast<std::size_t>(said[i + 1] - '1') : parts.size();
      if (part < parts.size()) {
        filled += *(parts.begin() + part);
        ++i;
      } else {
        filled += said[i];
      }
    }
    return filled;
  }

 private:
  const PageWords& words_;
};

std::string shown(const Value& value, Unit unit, const Speaker& say) {
  if (!value) return "<span class='dim'>" + say("not recorded") + "</span>";
  switch (unit) {
    case Unit::count: return fmt::format("{:.0f}", *value);
    case Unit::number: return fmt::format("{:.4g}", *value);
    case Unit::percent: return fmt::format("{:.3g} %", 100 * *value);
    case Unit::milliseconds: return std::abs(*value) < 999.5 ? fmt::format("{:.3g} ms", *value) : fmt::format("{:.2f} s", *value / 1000);
    case Unit::bytes: return bytes(*value);
    case Unit::rate: return say("%1 tok/s", {fmt::format("{:.4g}", *value)});
  }
  return "";
}

// With its sign; nothing is 0.
std::string signed_text(double value, const std::string& magnitude) { return value == 0 ? "0" : (value < 0 ? "−" : "+") + magnitude; }

std::string figure_rows(const Comparison& comparison, const Speaker& say) {
  std::string rows;
  for (const ComparedFigure& figure : comparison.figures()) {
    const Value difference = figure.difference(), relative = figure.relative();
    const char* style = !difference || *difference == 0 || figure.neutral ? "" : (*difference < 0) == figure.less_is_better ? "gain" : "loss";
    const std::string name = say(figure.name);
    rows += fmt::format("<tr class='{}'><td>{}</td><td>{}</td><td>{}</td><td class='{}'>{}</td><td class='{}'>{}</td></tr>\n", figure.derived ? "derived" : "",
                        figure.derived ? say("%1 (derived)", {name}) : name, shown(figure.a, figure.unit, say), shown(figure.b, figure.unit, say), style,
                        difference ? signed_text(*difference, shown(std::abs(*difference), figure.unit, say)) : "", style,
                        relative ? signed_text(*relative, fmt::format("{:.2f} %", 100 * std::abs(*relative))) : "");
  }
  return rows;
}

// Tokens from `first` to before `end`.
std::string text_of(const RunRecord& run, std::size_t first, std::size_t end, std::optional<std::uint32_t> divergence) {
  std::string text;
  bool prompt = false;
  for (std::size_t i = first; i < std::min(end, run.tokens().size()); ++i) {
    const TokenText& token = run.tokens()[i];
    if (token.prompt != prompt) text += token.prompt ? "<span class='dim'>" : "</span>";
    prompt = token.prompt;
    const std::string shown = plain(token.text);
    text += i == divergence ? "<mark>" + (shown.empty() ? "·" : shown) + "</mark>" : shown;
  }
  return text + (prompt ? "</span>" : "");
}

// What both share once, and what parts them side by side.
std::string texts_section(const Comparison& comparison, const Speaker& say) {
  const auto divergence = comparison.first_divergence();
  const std::size_t shared = divergence.value_or(comparison.a().tokens().size());
  std::string section = fmt::format("<h2>{}</h2><section><p class='dim'>{}</p><div class='text'>{}</div>", say("Texts"),
                                    divergence ? say("They part at token %1, which is framed.", {std::to_string(*divergence)}) : say("The same tokens."),
                                    text_of(comparison.a(), 0, shared, std::nullopt));
  if (divergence)
    section += fmt::format("<div class='texts'><div><b class='sa'>● A</b>\n{}</div><div><b class='sb'>▲ B</b>\n{}</div></div>",
                           text_of(comparison.a(), shared, comparison.a().tokens().size(), divergence), text_of(comparison.b(), shared, comparison.b().tokens().size(), divergence));
  return section + "</section>\n";
}

std::string run_line(const char* side, const RunRecord& run, const Speaker& say) {
  return fmt::format("<p><b class='s{}'>{}</b> {}, {}, KV {} <span class='dim'>{} · {} · {}</span></p>\n", side, side[0] == 'a' ? "● A" : "▲ B",
                     plain(run.policy.attention), plain(run.policy.moe), plain(run.policy.kv), plain(run.model.file), plain(run.device), say("seed %1", {std::to_string(run.seed)}));
}

std::string plot_section(const std::string& title, const std::string& svg) {
  return svg.empty() ? "" : fmt::format("<h2>{}</h2><section>{}</section>\n", title, svg);
}

std::string frontier_rows(const Frontier& frontier) {
  std::string rows;
  for (const FrontierPoint& p : frontier.points)
    rows += fmt::format("<tr><td>{}{}</td><td>{:.3f}</td><td>{}</td><td>{:.4f}</td><td>{:+.3f} ± {:.3f} %</td></tr>\n", p.fixed ? "● " : "▲ ", plain(p.policy.moe),
                        p.k_mean, bytes(p.expert_bytes), p.perplexity, p.delta_ppl_percent, p.delta_stderr_percent);
  return rows;
}

}  // namespace

std::string comparison_html(const Comparison& comparison, const PageWords& words) {
  const Speaker say(words);
  const auto divergence = comparison.first_divergence();
  std::string page = fmt::format("<!doctype html>\n<html lang='{}'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
                                 "<title>{}</title><style>{}</style></head><body><main>\n<h1>{}</h1>\n",
                                 plain(words.language), say("Fovea: two runs compared"), kStyle, say("Two runs compared"));
  page += run_line("a", comparison.a(), say) + run_line("b", comparison.b(), say);
  const std::string note = comparison.note();
  page += note.empty() ? "<p class='dim'>" + (comparison.policy_differences().empty() ? say("Neither the policy nor anything else differs.") : say("Nothing but the policy differs.")) + "</p>"
                       : "<p class='loss'>" + plain(words.note.empty() ? note : words.note) + "</p>";
  page += fmt::format("<h2>{}</h2><section><table><tr><th>{}</th><th><span class='sa'>● A</span></th><th><span class='sb'>▲ B</span></th><th>B − A</th><th>{}</th></tr>{}</table></section>",
                      say("Figures"), say("Figure"), say("relative"), figure_rows(comparison, say));
  const PairScores* const scores = comparison.scores();
  const auto scored = scores != nullptr ? pair_figures(*scores) : std::nullopt;
  page += "<h2>" + say("Predictions on one text") + "</h2><section><p" + (scored ? ">" : " class='dim'>");
  page += scored ? say("On %1, %2 tokens from token %3 on: KL divergence of B from A %4 nats on average (99 %: %5), the same most likely token in %6, perplexity %7 → %8 (%9).",
                       {plain(words.say ? words.say(scores->text) : scores->text), std::to_string(scores->count()), std::to_string(scores->first), fmt::format("{:.6g}", scored->kl_mean),
                        fmt::format("{:.6g}", scored->kl_p99), fmt::format("{:.2f} %", 100 * scored->same_top), fmt::format("{:.4f}", scored->perplexity_a),
                        fmt::format("{:.4f}", scored->perplexity_b), fmt::format("{:+.3f} ± {:.3f} %", scored->delta_ppl_percent, scored->delta_stderr_percent)})
                 : say("Not measured.");
  const std::string token = say("token");
  page += "</p>" + lines_svg(comparison.divergence(), {token, say("KL divergence, nats")}) + "</section>" + texts_section(comparison, say);
  page += plot_section(say("Time per token"), lines_svg(comparison.milliseconds(), {token, say("ms")}, divergence));
  page += plot_section(say("Memory, without recording"), lines_svg(comparison.memory(), {token, say("MiB"), 1.0 / (1 << 20)}, divergence));
  page += plot_section(say("Experts per token"), lines_svg(comparison.experts_used(), {token, say("experts, mean over layers")}, divergence));
  page += plot_section(say("Numbers of experts"), bars_svg(comparison.expert_counts(), {say("experts used"), say("% of tokens and layers"), 100}, 1));
  page += plot_section(say("Utilization of experts"), bars_svg(comparison.utilization(), {say("expert"), say("% of calls"), 100}, 0));
  if (const Frontier* const frontier = comparison.frontier())
    page += plot_section(say("Frontier on %1, %2 tokens", {plain(words.say ? words.say(frontier->text) : frontier->text), std::to_string(frontier->tokens)}),
                         frontier_svg(*frontier, {say("bytes of experts a decoded token reads, % of the model's own choice (derived)"), say("perplexity over the model's own choice, %")}) +
                             fmt::format("<table><tr><th>{}</th><th>{}</th><th>{}</th><th>{}</th><th>{}</th></tr>{}</table>", say("experts"), say("mean k"), say("bytes of experts"),
                                         say("perplexity"), say("over the model's own choice"), frontier_rows(*frontier)));
  return page + "<p class='dim'>" + say("Derived figures are counted from shapes and recorded choices, not measured. Errors are one standard error of the paired difference.") +
         "</p></main></body></html>\n";
}

}  // namespace fovea
