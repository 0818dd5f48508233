#include "engine/runs/comparison_export.hpp"

#include <fmt/format.h>

#include <nlohmann/json.hpp>

#include "engine/runs/run_header.hpp"

namespace fovea {
namespace {

using Json = nlohmann::ordered_json;
using Value = std::optional<double>;

Json or_null(const Value& value) { return value ? Json(*value) : Json(nullptr); }

Json list(const std::vector<Value>& values) {
  Json array = Json::array();
  for (const Value& value : values) array.push_back(or_null(value));
  return array;
}

Json series_json(const ComparedSeries& series) { return {{"a", list(series.a)}, {"b", list(series.b)}}; }

Json pair_json(const Comparison& comparison, const char* key) {
  const ComparedFigure* const figure = comparison.figure(key);
  return {or_null(figure->a), or_null(figure->b)};
}

// B over A.
Json ratio_json(const Comparison& comparison, const char* key) {
  const auto relative = comparison.figure(key)->relative();
  return relative ? Json(1 + *relative) : Json(nullptr);
}

Json frontier_json(const Frontier& frontier) {
  Json points = Json::array();
  for (const FrontierPoint& point : frontier.points)
    points.push_back({{"moe", point.policy.moe}, {"attention", point.policy.attention}, {"static", point.fixed}, {"k_mean", point.k_mean},
                      {"expert_bytes", point.expert_bytes}, {"expert_bytes_ratio", frontier.own_bytes > 0 ? Json(point.expert_bytes / frontier.own_bytes) : Json(nullptr)},
                      {"perplexity", point.perplexity}, {"delta_ppl_percent", point.delta_ppl_percent}, {"stderr_percent", point.delta_stderr_percent}});
  return {{"text", frontier.text}, {"tokens", frontier.tokens}, {"points", std::move(points)}};
}

std::string cell(const Value& value) { return value ? fmt::format("{}", *value) : ""; }
std::string cell(const std::vector<Value>& values, std::size_t at) { return at < values.size() ? cell(values[at]) : ""; }

ExportTable figure_table(const Comparison& comparison) {
  ExportTable table{"figures", {"figure", "unit", "a", "b", "difference", "relative"}, {}};
  constexpr const char* kUnits[]{"count", "number", "share", "ms", "bytes", "tokens/s"};
  for (const ComparedFigure& figure : comparison.figures())
    table.rows.push_back({figure.key, kUnits[static_cast<int>(figure.unit)], cell(figure.a), cell(figure.b), cell(figure.difference()), cell(figure.relative())});
  return table;
}

ExportTable token_table(const Comparison& comparison) {
  ExportTable table{"tokens", {"token", "part_a", "id_a", "text_a", "part_b", "id_b", "text_b", "experts_a", "experts_b", "ms_a", "ms_b", "memory_a", "memory_b"}, {}};
  const ComparedSeries experts = comparison.experts_used(), times = comparison.milliseconds(), memory = comparison.memory();
  const auto &of_a = comparison.a().tokens(), &of_b = comparison.b().tokens();
  for (std::size_t i = 0; i < std::max(of_a.size(), of_b.size()); ++i) {
    std::vector<std::string> row{std::to_string(i)};
    for (const auto* tokens : {&of_a, &of_b}) {
      const TokenText* const token = i < tokens->size() ? &(*tokens)[i] : nullptr;
      row.emplace_back(token == nullptr ? "" : token->prompt ? "prompt" : "generated");
      row.push_back(token == nullptr ? "" : std::to_string(token->id));
      row.push_back(token == nullptr ? "" : token->text);
    }
    for (const ComparedSeries* series : {&experts, &times, &memory}) {
      row.push_back(cell(series->a, i));
      row.push_back(cell(series->b, i));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

ExportTable score_table(const Comparison& comparison) {
  ExportTable table{"scores", {"token", "kl", "same_top", "nll_a", "nll_b"}, {}};
  const PairScores* const scores = comparison.scores();
  for (std::size_t i = 0; scores != nullptr && i < scores->count(); ++i)
    table.rows.push_back({std::to_string(scores->first + i), cell(scores->kl[i]), std::to_string(scores->same_top[i]), cell(scores->nll_a[i]), cell(scores->nll_b[i])});
  return table;
}

ExportTable series_table(std::string name, const char* key, std::size_t first, const ComparedSeries& series) {
  ExportTable table{std::move(name), {key, "a", "b", "difference"}, {}};
  if (series.empty()) return table;
  const auto difference = series.difference();
  for (std::size_t i = 0; i < std::max(series.a.size(), series.b.size()); ++i)
    table.rows.push_back({std::to_string(i + first), cell(series.a, i), cell(series.b, i), cell(difference, i)});
  return table;
}

ExportTable layer_table(const Comparison& comparison) {
  ExportTable table{"utilization_by_layer", {"layer", "expert", "a", "b", "difference"}, {}};
  for (std::uint32_t layer = 0; layer < comparison.layers(); ++layer) {
    const ComparedSeries series = comparison.utilization(layer);
    const auto difference = series.difference();
    for (std::size_t i = 0; i < std::max(series.a.size(), series.b.size()); ++i)
      table.rows.push_back({std::to_string(layer), std::to_string(i), cell(series.a, i), cell(series.b, i), cell(difference, i)});
  }
  return table;
}

ExportTable frontier_table(const Comparison& comparison) {
  ExportTable table{"frontier", {"moe", "static", "k_mean", "expert_bytes", "perplexity", "delta_ppl_percent", "stderr_percent"}, {}};
  if (comparison.frontier() != nullptr)
    for (const FrontierPoint& p : comparison.frontier()->points)
      table.rows.push_back({p.policy.moe, p.fixed ? "1" : "0", cell(p.k_mean), cell(p.expert_bytes), cell(p.perplexity), cell(p.delta_ppl_percent), cell(p.delta_stderr_percent)});
  return table;
}

std::string quoted(const std::string& field) {
  // Spreadsheets take what begins like this for a formula.
  const bool formula = !field.empty() && std::string_view("=+@-\t\r").find(field.front()) != std::string_view::npos &&
                       field.find_first_not_of("+-0123456789.e") != std::string::npos;
  if (!formula && field.find_first_of(",\"\r\n") == std::string::npos && (field.empty() || (field.front() != ' ' && field.back() != ' '))) return field;
  std::string text = formula ? "\"'" : "\"";
  for (const char c : field) text += c == '"' ? std::string("\"\"") : std::string(1, c);
  return text + '"';
}

void append_row(std::string& text, const std::vector<std::string>& row) {
  for (std::size_t i = 0; i < row.size(); ++i) text += (i > 0 ? "," : "") + quoted(row[i]);
  text += "\r\n";
}

}  // namespace

Json comparison_json(const Comparison& comparison, bool whole) {
  Json value;
  value["a"] = run_json(comparison.a());
  value["b"] = run_json(comparison.b());
  value["first_divergence"] = comparison.first_divergence() ? Json(*comparison.first_divergence()) : Json(nullptr);
  const PairScores* const scores = comparison.scores();
  const auto scored = scores != nullptr ? pair_figures(*scores) : std::nullopt;
  const auto measured = [&](auto of) { return scored ? Json(of(*scored)) : Json(nullptr); };
  value["kl_mean"] = measured([](const PairFigures& f) { return f.kl_mean; });
  value["kl_p99"] = measured([](const PairFigures& f) { return f.kl_p99; });
  value["same_top"] = measured([](const PairFigures& f) { return f.same_top; });
  value["delta_ppl_percent"] = measured([](const PairFigures& f) { return f.delta_ppl_percent; });
  value["delta_ppl_stderr_percent"] = measured([](const PairFigures& f) { return f.delta_stderr_percent; });
  value["perplexity"] = pair_json(comparison, "perplexity");
  value["scored"] = scored ? Json{{"text", scores->text}, {"first", scores->first}, {"tokens", scores->count()}} : Json(nullptr);
  value["speed_ratio"] = ratio_json(comparison, "decode_tps");
  value["prefill_speed_ratio"] = ratio_json(comparison, "prompt_tps");
  value["memory_ratio"] = ratio_json(comparison, "memory");
  value["bytes_ratio"] = ratio_json(comparison, "token_bytes");
  value["expert_bytes_ratio"] = ratio_json(comparison, "expert_bytes");
  for (const char* key : {"k_mean", "cv", "utilization"}) value[key] = pair_json(comparison, key);
  value["policy_differs"] = comparison.policy_differences();
  const std::string note = comparison.note();
  value["note"] = note.empty() ? Json(nullptr) : Json(note);
  if (!whole) return value;
  value["series"] = {{"milliseconds", series_json(comparison.milliseconds())}, {"memory", series_json(comparison.memory())},
                     {"experts", series_json(comparison.experts_used())}, {"expert_counts", series_json(comparison.expert_counts())},
                     {"expert_share", series_json(comparison.utilization())}};
  for (const auto& [key, run] : {std::pair("tokens_a", &comparison.a()), {"tokens_b", &comparison.b()}}) {
    value["series"][key] = Json::array();
    for (const TokenText& token : run->tokens()) value["series"][key].push_back({{"id", token.id}, {"text", token.text}});
  }
  value["scores"] = scores != nullptr ? Json{{"kl", scores->kl}, {"same_top", scores->same_top}, {"nll_a", scores->nll_a}, {"nll_b", scores->nll_b}} : Json(nullptr);
  value["frontier"] = comparison.frontier() != nullptr ? frontier_json(*comparison.frontier()) : Json(nullptr);
  return value;
}

std::string comparison_text_json(const Comparison& comparison) {
  return comparison_json(comparison, true).dump(-1, ' ', false, Json::error_handler_t::replace) + '\n';
}

std::vector<ExportTable> comparison_tables(const Comparison& comparison) {
  std::vector<ExportTable> tables;
  for (ExportTable table : {figure_table(comparison), token_table(comparison), score_table(comparison),
                            series_table("expert_counts", "experts", 1, comparison.expert_counts()),
                            series_table("utilization", "expert", 0, comparison.utilization()), layer_table(comparison), frontier_table(comparison)})
    if (!table.rows.empty()) tables.push_back(std::move(table));
  return tables;
}

std::string csv(const ExportTable& table) {
  std::string text;
  append_row(text, table.columns);
  for (const auto& row : table.rows) append_row(text, row);
  return text;
}

std::string comparison_csv(const Comparison& comparison) {
  std::string text;
  for (const ExportTable& table : comparison_tables(comparison)) text += (text.empty() ? "" : "\r\n") + table.name + "\r\n" + csv(table);
  return text;
}

}  // namespace fovea
