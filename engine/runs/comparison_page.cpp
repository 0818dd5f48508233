// The comparison as one page of HTML.
#include <fmt/format.h>

#include <cmath>

#include "engine/runs/comparison_export.hpp"
#include "engine/runs/comparison_plots.hpp"

namespace fovea {
namespace {

using Value = std::optional<double>;
using Unit = ComparedFigure::Unit;

constexpr const char* kStyle = R"(
:root{--ground:#f7f8fa;--panel:#fff;--line:#e3e7ed;--text:#1d2430;--dim:#667085;--a:#1a6dd6;--b:#b85c00;--d:#667085;--loss:#c62828;--gain:#0f7b5c}
@media(prefers-color-scheme:dark){:root{--ground:#14171c;--panel:#1b1f26;--line:#2a303a;--text:#d7dce4;--dim:#8b95a5;--a:#4da3ff;--b:#ffa24d;--d:#8b95a5;--loss:#ff7b7b;--gain:#43c59e}}
body{margin:0;background:var(--ground);color:var(--text);font:14px/1.5 system-ui,"Noto Sans CJK SC",sans-serif}
main{max-width:920px;margin:0 auto;padding:24px 16px}
p,td:first-child{overflow-wrap:anywhere}
h1{font-size:20px}h2{font-size:15px;margin:32px 0 8px}
section{background:var(--panel);border:1px solid var(--line);border-radius:6px;padding:12px 16px;overflow-x:auto}
table{border-collapse:collapse;width:100%;font-variant-numeric:tabular-nums}
th,td{padding:3px 8px;text-align:right;border-bottom:1px solid var(--line)}th:first-child,td:first-child{text-align:left}th{color:var(--dim);font-weight:normal}
.sa{color:var(--a)}.sb{color:var(--b)}.loss{color:var(--loss)}.gain{color:var(--gain)}.dim{color:var(--dim)}.derived{font-style:italic}
.texts{display:grid;grid-template-columns:1fr 1fr;gap:16px}.texts div{white-space:pre-wrap;overflow-wrap:anywhere}
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

std::string shown(const Value& value, Unit unit) {
  if (!value) return "<span class='dim'>not recorded</span>";
  switch (unit) {
    case Unit::count: return fmt::format("{:.0f}", *value);
    case Unit::number: return fmt::format("{:.4g}", *value);
    case Unit::percent: return fmt::format("{:.3g} %", 100 * *value);
    case Unit::milliseconds: return std::abs(*value) < 999.5 ? fmt::format("{:.3g} ms", *value) : fmt::format("{:.2f} s", *value / 1000);
    case Unit::bytes: return bytes(*value);
    case Unit::rate: return fmt::format("{:.4g} tok/s", *value);
  }
  return "";
}

// With its sign; nothing is 0.
std::string signed_text(double value, const std::string& magnitude) { return value == 0 ? "0" : (value < 0 ? "−" : "+") + magnitude; }

std::string figure_rows(const Comparison& comparison) {
  std::string rows;
  for (const ComparedFigure& figure : comparison.figures()) {
    const Value difference = figure.difference(), relative = figure.relative();
    const char* style = !difference || *difference == 0 || figure.neutral ? "" : (*difference < 0) == figure.less_is_better ? "gain" : "loss";
    rows += fmt::format("<tr class='{}'><td>{}{}</td><td>{}</td><td>{}</td><td class='{}'>{}</td><td class='{}'>{}</td></tr>\n", figure.derived ? "derived" : "",
                        figure.name, figure.derived ? " (derived)" : "", shown(figure.a, figure.unit), shown(figure.b, figure.unit), style,
                        difference ? signed_text(*difference, shown(std::abs(*difference), figure.unit)) : "", style,
                        relative ? signed_text(*relative, fmt::format("{:.2f} %", 100 * std::abs(*relative))) : "");
  }
  return rows;
}

std::string text_of(const RunRecord& run, std::optional<std::uint32_t> divergence) {
  std::string text;
  bool prompt = false;
  for (std::size_t i = 0; i < run.tokens().size(); ++i) {
    const TokenText& token = run.tokens()[i];
    if (token.prompt != prompt) text += token.prompt ? "<span class='dim'>" : "</span>";
    prompt = token.prompt;
    const std::string shown = plain(token.text);
    text += i == divergence ? "<mark>" + (shown.empty() ? "·" : shown) + "</mark>" : shown;
  }
  return text + (prompt ? "</span>" : "");
}

std::string run_line(const char* side, const RunRecord& run) {
  return fmt::format("<p><b class='s{}'>{}</b> {}, {}, KV {} <span class='dim'>{} · {} · seed {}</span></p>\n", side, side[0] == 'a' ? "● A" : "▲ B",
                     plain(run.policy.attention), plain(run.policy.moe), plain(run.policy.kv), plain(run.model.file), plain(run.device), run.seed);
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

std::string comparison_html(const Comparison& comparison) {
  const auto divergence = comparison.first_divergence();
  std::string page = fmt::format("<!doctype html>\n<html lang='en'><head><meta charset='utf-8'><meta name='viewport' content='width=device-width'>"
                                 "<title>Fovea: two runs compared</title><style>{}</style></head><body><main>\n<h1>Two runs compared</h1>\n",
                                 kStyle);
  page += run_line("a", comparison.a()) + run_line("b", comparison.b());
  const std::string note = comparison.note();
  page += note.empty() ? comparison.policy_differences().empty() ? "<p class='dim'>Neither the policy nor anything else differs.</p>"
                                                             : "<p class='dim'>Nothing but the policy differs.</p>" : "<p class='loss'>" + plain(note) + "</p>";
  page += "<h2>Figures</h2><section><table><tr><th>figure</th><th><span class='sa'>● A</span></th><th><span class='sb'>▲ B</span></th><th>B − A</th><th>relative</th></tr>" +
          figure_rows(comparison) + "</table></section>";
  const PairScores* const scores = comparison.scores();
  const auto scored = scores != nullptr ? pair_figures(*scores) : std::nullopt;
  page += "<h2>Predictions on one text</h2><section>";
  page += scored ? fmt::format("<p>On {}, {} tokens from token {} on: KL divergence of B from A {:.6g} nats on average (99 %: {:.6g}), the same most likely token in "
                               "{:.2f} %, perplexity {:.4f} → {:.4f} ({:+.3f} ± {:.3f} %).</p>",
                               plain(scores->text), scores->count(), scores->first, scored->kl_mean, scored->kl_p99, 100 * scored->same_top, scored->perplexity_a,
                               scored->perplexity_b, scored->delta_ppl_percent, scored->delta_stderr_percent)
                 : "<p class='dim'>Not measured.</p>";
  page += lines_svg(comparison.divergence(), {"token", "KL divergence, nats"}) + "</section>";
  page += fmt::format("<h2>Texts</h2><section><p class='dim'>{}</p><div class='texts'><div><b class='sa'>● A</b>\n{}</div><div><b class='sb'>▲ B</b>\n{}</div></div></section>\n",
                      divergence ? fmt::format("They part at token {}, which is framed.", *divergence) : "The same tokens.", text_of(comparison.a(), divergence),
                      text_of(comparison.b(), divergence));
  page += plot_section("Time per token", lines_svg(comparison.milliseconds(), {"token", "ms"}, divergence));
  page += plot_section("Memory, without recording", lines_svg(comparison.memory(), {"token", "MiB", 1.0 / (1 << 20)}, divergence));
  page += plot_section("Experts per token", lines_svg(comparison.experts_used(), {"token", "experts, mean over layers"}, divergence));
  page += plot_section("Numbers of experts", bars_svg(comparison.expert_counts(), {"experts", "% of tokens and layers", 100}, 1));
  page += plot_section("Utilization of experts", bars_svg(comparison.utilization(), {"expert", "% of calls", 100}, 0));
  if (comparison.frontier() != nullptr)
    page += plot_section(fmt::format("Frontier on {}, {} tokens", plain(comparison.frontier()->text), comparison.frontier()->tokens),
                         frontier_svg(*comparison.frontier()) + "<table><tr><th>experts</th><th>k mean</th><th>expert bytes</th><th>perplexity</th><th>over own choice</th></tr>" +
                             frontier_rows(*comparison.frontier()) + "</table>");
  return page + "<p class='dim'>Derived figures are counted from shapes and recorded choices, not measured. Errors are one standard error of the paired difference.</p></main></body></html>\n";
}

}  // namespace fovea
