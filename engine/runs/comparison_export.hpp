// A whole comparison for other programs and for people: JSON, CSV, a page of HTML.
#pragma once

#include <functional>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "engine/runs/comparison.hpp"

namespace fovea {

// {a,b,first_divergence,kl_mean,same_top,delta_ppl_percent,speed_ratio,memory_ratio,k_mean:[a,b],cv:[a,b],utilization:[a,b],note}
// and more; null is not recorded. `whole`: with the series by token and expert and the frontier.
[[nodiscard]] nlohmann::ordered_json comparison_json(const Comparison& comparison, bool whole);
// The whole of it as one line of text; bytes that are not UTF-8 become U+FFFD.
[[nodiscard]] std::string comparison_text_json(const Comparison& comparison);

struct ExportTable {
  std::string name;
  std::vector<std::string> columns;
  std::vector<std::vector<std::string>> rows;  // "" = not recorded
};
// Figures, tokens, numbers of experts, experts, frontier; only those that have rows.
[[nodiscard]] std::vector<ExportTable> comparison_tables(const Comparison& comparison);
// RFC 4180: a field that has to be is quoted.
[[nodiscard]] std::string csv(const ExportTable& table);
// All tables one after another, each behind a line with its name, parted by empty lines.
[[nodiscard]] std::string comparison_csv(const Comparison& comparison);

// In which language a page speaks. `say` gets each of its sentences and names in English, among them those of figures; %1 to %9 stand for
// what the page fills in. Empty: English.
struct PageWords {
  std::string language = "en";  // of the page, as HTML's lang has it
  std::function<std::string(const std::string& english)> say;
  std::string note;             // what differs beside the policy, in that language; empty: as Comparison::note() says it
};
// One file that needs no other: figures, both texts, plots as SVG, tables. Whatever the runs say is shown as text.
[[nodiscard]] std::string comparison_html(const Comparison& comparison, const PageWords& words = {});

}  // namespace fovea
