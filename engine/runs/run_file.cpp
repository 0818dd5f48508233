#include "engine/runs/run_file.hpp"

#include <algorithm>
#include <fmt/format.h>
#include <utility>

#include "engine/io/checked.hpp"
#include "engine/io/sha256.hpp"
#include "engine/runs/array_file.hpp"
#include "engine/runs/header_fields.hpp"
#include "engine/runs/run_header.hpp"

namespace fovea {
namespace {

using Json = nlohmann::ordered_json;
constexpr std::uint32_t kMostTokens = 1 << 24;  // positions keep clear of the ends of 32 bits

enum StepFlag : std::uint8_t { kPrefill = 1, kRecording = 2, kTiming = 4 };

// Texts as one array of bytes and the ends of each in it.
template <class Text>
void add_texts(ArrayWriter& into, const std::string& name, const std::vector<TokenText>& tokens, Text text) {
  std::vector<std::uint8_t> bytes;
  std::vector<std::uint64_t> ends;
  for (const TokenText& token : tokens) {
    const std::string& each = text(token);
    bytes.insert(bytes.end(), each.begin(), each.end());
    ends.push_back(bytes.size());
  }
  into.add(name, bytes);
  into.add(name + "_end", ends);
}

void add_text(ArrayWriter& into, const std::string& name, const std::string& text) {
  into.add(name, std::vector<std::uint8_t>(text.begin(), text.end()));
}

void add_routing(ArrayWriter& into, const std::string& prefix, const RoutingTrace& routing) {
  if (routing.chunks.empty()) return;
  std::vector<std::uint32_t> tokens;
  std::vector<std::uint16_t> experts;
  std::vector<float> weights;
  std::uint64_t rows = 0;
  for (const auto& chunk : routing.chunks) {
    tokens.insert(tokens.end(), {chunk->first_token, chunk->tokens});
    experts.insert(experts.end(), chunk->experts.begin(), chunk->experts.end());
    weights.insert(weights.end(), chunk->weights.begin(), chunk->weights.end());
    rows += chunk->tokens;
  }
  into.add(prefix + "ffn_moe_tokens", tokens, {tokens.size() / 2, 2});
  into.add(prefix + "ffn_moe_topk", experts, {rows, routing.layers, routing.slots});
  into.add(prefix + "ffn_moe_weights", weights, {rows, routing.layers, routing.slots});
}

void add_rows(ArrayWriter& into, const std::string& prefix, const std::vector<HeadTrace>& heads) {
  std::vector<std::uint32_t> chunks;
  std::vector<std::uint16_t> weights;
  for (const HeadTrace& head : heads)
    for (const auto& chunk : head.chunks) {
      chunks.insert(chunks.end(), {head.id.layer, head.id.head, chunk->first_query, chunk->rows});
      weights.insert(weights.end(), chunk->weights.begin(), chunk->weights.end());
    }
  if (chunks.empty()) return;
  into.add(prefix + "kq_soft_max_rows", chunks, {chunks.size() / 4, 4});
  into.add(prefix + "kq_soft_max", weights, {}, "f16");
}

Json store(const RunRecord& run, ArrayWriter& into, const std::string& prefix) {
  std::vector<std::int32_t> ids;
  for (const TokenText& token : run.tokens()) ids.push_back(token.id);
  into.add(prefix + "tokens", ids);
  add_texts(into, prefix + "token_text", run.tokens(), [](const TokenText& t) -> const std::string& { return t.text; });
  add_texts(into, prefix + "token_piece", run.tokens(), [](const TokenText& t) -> const std::string& { return t.piece; });
  add_text(into, prefix + "prompt", run.prompt);
  add_text(into, prefix + "system", run.system);
  std::vector<std::uint32_t> step_tokens, sample_tokens;
  std::vector<float> milliseconds;
  std::vector<std::uint8_t> flags;
  for (const StepTiming& step : run.trace->steps) {
    step_tokens.insert(step_tokens.end(), {step.first_token, step.tokens});
    milliseconds.push_back(step.milliseconds);
    flags.push_back(static_cast<std::uint8_t>((step.prefill ? kPrefill : 0) | (step.recording ? kRecording : 0) | (step.timing ? kTiming : 0)));
  }
  into.add(prefix + "step_tokens", step_tokens, {milliseconds.size(), 2});
  into.add(prefix + "step_ms", milliseconds);
  into.add(prefix + "step_flags", flags);
  std::vector<std::uint64_t> memory;
  for (const MemorySample& sample : run.trace->memory) {
    sample_tokens.push_back(sample.tokens);
    memory.insert(memory.end(), {sample.bytes.weights, sample.bytes.kv, sample.bytes.compute, sample.bytes.other});
  }
  into.add(prefix + "memory_tokens", sample_tokens);
  into.add(prefix + "memory_bytes", memory, {sample_tokens.size(), 4});
  add_routing(into, prefix, run.trace->routing);
  add_rows(into, prefix, run.trace->heads);
  return run_header(run);
}

// Reads one run's arrays, each held against the others; the first contradiction is what went wrong.
class RunReader {
 public:
  RunReader(const ArrayFile& file, std::string prefix) : file_(file), prefix_(std::move(prefix)) {}

  tl::expected<RunRecord, std::string> read(const nlohmann::json& header) {
    auto run = read_run_header(header);
    if (!run) return run;
    trace_ = *run->trace;
    model_ = run->model;
    tokens();
    run->prompt = text("prompt");
    run->system = text("system");
    steps();
    memory();
    routing();
    rows();
    if (!problem_.empty()) return tl::unexpected(problem_);
    run->trace = std::make_shared<const TraceSnapshot>(std::move(trace_));
    return run;
  }

 private:
  template <class T>
  std::vector<T> array(const char* name, std::uint64_t row = 1, const char* type = array_type<T>()) {
    auto found = file_.read<T>(prefix_ + name, row, type);
    if (!found && problem_.empty()) problem_ = fmt::format("its array \"{}\" is missing or of another form", name);
    return found ? std::move(*found) : std::vector<T>{};
  }
  void need(bool fine, const char* sentence) {
    if (!fine && problem_.empty()) problem_ = sentence;
  }
  [[nodiscard]] bool there(const char* name) const { return file_.has(prefix_ + name); }

  std::string text(const char* name) {
    const auto bytes = array<std::uint8_t>(name);
    return {bytes.begin(), bytes.end()};
  }
  void tokens() {
    const auto ids = array<std::int32_t>("tokens");
    need(ids.size() <= kMostTokens && trace_.prompt_tokens <= ids.size(), "it has fewer tokens than its prompt, or more than there can be");
    const auto spell = [&](const char* name, const char* ends_name, auto put) {
      const auto bytes = array<std::uint8_t>(name);
      const auto ends = array<std::uint64_t>(ends_name);
      need(ends.size() == ids.size() && std::ranges::is_sorted(ends) && (ends.empty() || ends.back() == bytes.size()),
           "the texts of its tokens do not fit its tokens");
      if (!problem_.empty()) return;
      for (std::size_t i = 0; i < ends.size(); ++i) {
        const std::size_t begin = i == 0 ? 0 : ends[i - 1];
        put(i, std::string(bytes.begin() + static_cast<std::ptrdiff_t>(begin), bytes.begin() + static_cast<std::ptrdiff_t>(ends[i])));
      }
    };
    if (!problem_.empty()) return;
    std::vector<TokenText> made(ids.size());
    for (std::size_t i = 0; i < ids.size(); ++i) made[i] = {.id = ids[i], .prompt = i < trace_.prompt_tokens};
    spell("token_text", "token_text_end", [&](std::size_t i, std::string text) { made[i].text = std::move(text); });
    spell("token_piece", "token_piece_end", [&](std::size_t i, std::string text) { made[i].piece = std::move(text); });
    trace_.tokens = std::make_shared<const std::vector<TokenText>>(std::move(made));
  }
  void steps() {
    const auto spans = array<std::uint32_t>("step_tokens", 2);
    const auto milliseconds = array<float>("step_ms");
    const auto flags = array<std::uint8_t>("step_flags");
    need(spans.size() == 2 * milliseconds.size() && flags.size() == milliseconds.size(), "its steps have times and tokens of other numbers");
    std::uint32_t end = 0;
    for (std::size_t i = 0; i < milliseconds.size() && problem_.empty(); ++i) {
      need(milliseconds[i] >= 0 && milliseconds[i] < 1e12f && spans[2 * i] >= end && spans[2 * i] <= kMostTokens && spans[2 * i + 1] <= kMostTokens,
           "its steps are out of order, or one has no such time or tokens");
      end = spans[2 * i] + spans[2 * i + 1];
      trace_.steps.push_back({spans[2 * i], spans[2 * i + 1], milliseconds[i], (flags[i] & kPrefill) != 0, (flags[i] & kRecording) != 0, (flags[i] & kTiming) != 0});
    }
  }
  void memory() {
    const auto samples = array<std::uint32_t>("memory_tokens");
    const auto bytes = array<std::uint64_t>("memory_bytes", 4);
    need(bytes.size() == 4 * samples.size(), "its samples of memory have other numbers of bytes");
    need(std::ranges::all_of(bytes, [](std::uint64_t b) { return b < std::uint64_t{1} << 50; }), "a sample of memory has more bytes than there can be");
    for (std::size_t i = 0; i < samples.size() && problem_.empty(); ++i)
      trace_.memory.push_back({samples[i], {bytes[4 * i], bytes[4 * i + 1], bytes[4 * i + 2], bytes[4 * i + 3]}});
  }
  void routing() {
    RoutingTrace& routing = trace_.routing;
    routing.layers = model_.layers;
    routing.experts = model_.experts;
    routing.slots = model_.experts_used;
    if (!there("ffn_moe_topk") || !problem_.empty()) return;
    const std::uint64_t row = std::uint64_t{routing.layers} * routing.slots;
    need(row > 0, "it has experts and its model none");
    if (!problem_.empty()) return;
    const auto chunks = array<std::uint32_t>("ffn_moe_tokens", 2);
    const auto experts = array<std::uint16_t>("ffn_moe_topk", row);
    const auto weights = array<float>("ffn_moe_weights", row);
    need(experts.size() == weights.size(), "its experts and their weights are of other numbers");
    need(std::ranges::all_of(experts, [&](std::uint16_t e) { return e < routing.experts || e == kUnusedSlot; }), "it has experts that its model has not");
    std::uint64_t at = 0, end = 0;
    for (std::size_t i = 0; i + 1 < chunks.size() && problem_.empty(); i += 2) {
      RoutingChunk chunk{chunks[i], chunks[i + 1], routing.layers, routing.slots, {}, {}};
      const auto cells = checked_mul(chunk.tokens, row);
      need(chunk.first_token >= end && chunk.tokens > 0 && chunk.tokens <= kMostTokens && chunk.first_token <= kMostTokens && cells && at + *cells <= experts.size(),
           "its experts are of tokens out of order, or fewer than it says");
      if (!problem_.empty()) return;
      end = std::uint64_t{chunk.first_token} + chunk.tokens;
      const auto from = static_cast<std::ptrdiff_t>(at), to = static_cast<std::ptrdiff_t>(at + *cells);
      chunk.experts.assign(experts.begin() + from, experts.begin() + to);
      chunk.weights.assign(weights.begin() + from, weights.begin() + to);
      at += *cells;
      routing.chunks.push_back(std::make_shared<const RoutingChunk>(std::move(chunk)));
    }
  }
  void rows() {
    if (!there("kq_soft_max_rows") || !problem_.empty()) return;
    const auto chunks = array<std::uint32_t>("kq_soft_max_rows", 4);
    const auto weights = array<std::uint16_t>("kq_soft_max", 1, "f16");
    std::uint64_t at = 0;
    for (std::size_t i = 0; i + 3 < chunks.size() && problem_.empty(); i += 4) {
      const HeadId id{chunks[i], chunks[i + 1]};
      AttentionChunk chunk{.first_query = chunks[i + 2], .rows = chunks[i + 3], .weights = {}};
      // Row r has first_query + r + 1 weights; both below 2^24, so the sum fits.
      const std::uint64_t size = std::uint64_t{chunk.rows} * (std::uint64_t{chunk.first_query} + 1) + std::uint64_t{chunk.rows} * (std::max(chunk.rows, 1u) - 1) / 2;
      need(id.layer < model_.layers && id.head < model_.query_heads && chunk.rows > 0 && chunk.rows <= kMostTokens && chunk.first_query <= kMostTokens &&
               size <= weights.size() - at, "its rows of attention are of heads that its model has not, or fewer than it says");
      if (!problem_.empty()) return;
      if (trace_.heads.empty() || !(trace_.heads.back().id == id)) {
        need(trace_.head(id) == nullptr, "its rows of attention come twice");
        trace_.heads.push_back({.id = id, .chunks = {}});
      }
      auto& known = trace_.heads.back().chunks;
      need(known.empty() || known.back()->first_query + known.back()->rows <= chunk.first_query, "its rows of attention are out of order");
      chunk.weights.assign(weights.begin() + static_cast<std::ptrdiff_t>(at), weights.begin() + static_cast<std::ptrdiff_t>(at + size));
      at += size;
      known.push_back(std::make_shared<const AttentionChunk>(std::move(chunk)));
    }
  }

  const ArrayFile& file_;
  std::string prefix_, problem_;
  TraceSnapshot trace_;
  RunModel model_;
};

Json store(const PairScores& scores, ArrayWriter& into) {
  into.add("nll_a", scores.nll_a);
  into.add("nll_b", scores.nll_b);
  into.add("kl", scores.kl);
  into.add("same_top", scores.same_top);
  return {{"text", scores.text}, {"first", scores.first}};
}

bool finite(const std::vector<double>& values) {
  return std::ranges::all_of(values, [](double v) { return std::isfinite(v); });
}

std::shared_ptr<const PairScores> read_scores(const ArrayFile& file, const nlohmann::json& header, std::string& problem) {
  PairScores scores;
  HeaderFields fields(&header, problem);
  fields.read("text", scores.text);
  fields.read("first", scores.first, kMostTokens);
  const auto a = file.read<double>("nll_a"), b = file.read<double>("nll_b"), kl = file.read<double>("kl");
  const auto top = file.read<std::uint8_t>("same_top");
  if (problem.empty() && (!a || !b || !kl || !top || a->size() != b->size() || a->size() != kl->size() || a->size() != top->size() || kl->size() > kMostTokens ||
                          !finite(*a) || !finite(*b) || !finite(*kl)))
    problem = "its scores of A and B are of other numbers, or are none";
  if (!problem.empty()) return nullptr;
  scores.nll_a = *a;
  scores.nll_b = *b;
  scores.kl = *kl;
  scores.same_top = *top;
  return std::make_shared<const PairScores>(std::move(scores));
}

Json store(const Frontier& frontier) {
  Json value{{"text", frontier.text}, {"tokens", frontier.tokens}, {"own_bytes", frontier.own_bytes}, {"points", Json::array()}};
  for (const FrontierPoint& point : frontier.points)
    value["points"].push_back({{"policy", policy_json(point.policy)}, {"fixed", point.fixed}, {"k_mean", point.k_mean}, {"expert_bytes", point.expert_bytes},
                               {"perplexity", point.perplexity}, {"delta_ppl_percent", point.delta_ppl_percent},
                               {"delta_stderr_percent", point.delta_stderr_percent}});
  return value;
}

std::shared_ptr<const Frontier> read_frontier(const nlohmann::json& header, std::string& problem) {
  Frontier frontier;
  HeaderFields fields(&header, problem);
  fields.read("text", frontier.text);
  fields.read("tokens", frontier.tokens);
  fields.read("own_bytes", frontier.own_bytes);
  const nlohmann::json* const points = fields.field("points");
  if (points == nullptr || !fields.check("points", points->is_array() && points->size() <= 4096)) return nullptr;
  for (const auto& entry : *points) {
    FrontierPoint point;
    HeaderFields each(&entry, problem);
    HeaderFields policy(each.field("policy"), problem);
    policy.read("attention", point.policy.attention);
    policy.read("moe", point.policy.moe);
    policy.read("kv", point.policy.kv);
    policy.read("activations", point.policy.activations);
    each.read("fixed", point.fixed);
    each.read("k_mean", point.k_mean);
    each.read("expert_bytes", point.expert_bytes);
    each.read("perplexity", point.perplexity);
    each.read("delta_ppl_percent", point.delta_ppl_percent);
    each.read("delta_stderr_percent", point.delta_stderr_percent);
    frontier.points.push_back(std::move(point));
  }
  return problem.empty() ? std::make_shared<const Frontier>(std::move(frontier)) : nullptr;
}

}  // namespace

RunFile with_sums(RunFile file, std::stop_token stop) {
  for (auto* run : {&file.a, &file.b}) {
    if (!*run || (*run)->path.empty() || !(*run)->model.sha256.empty()) continue;
    auto summed = std::make_shared<RunRecord>(**run);
    const bool known = run == &file.b && file.a->path == summed->path;
    // A file that has gone has no sum; the run stays what it was.
    summed->model.sha256 = known ? file.a->model.sha256 : file_sha256(summed->path, stop).value_or("");
    *run = std::move(summed);
  }
  return file;
}

Result<void> write_run_file(const std::filesystem::path& path, const RunFile& file) {
  ArrayWriter arrays;
  Json header{{"program", "fovea"}, {"a", store(*file.a, arrays, "")}};
  if (file.b) header["b"] = store(*file.b, arrays, "b/");
  if (file.scores) header["scores"] = store(*file.scores, arrays);
  if (file.frontier) header["frontier"] = store(*file.frontier);
  return arrays.write(path, std::move(header));
}

Result<RunFile> read_run_file(const std::filesystem::path& path) {
  FOVEA_ASSIGN(const ArrayFile file, ArrayFile::open(path));
  RunFile found;
  std::string problem;
  const auto read = [&](const char* key, const char* prefix, std::shared_ptr<const RunRecord>& into) {
    const auto header = file.header().find(key);
    if (header == file.header().end() || !problem.empty()) return;
    auto run = RunReader(file, prefix).read(*header);
    if (run)
      into = std::make_shared<const RunRecord>(std::move(*run));
    else
      problem = run.error();
  };
  read("a", "", found.a);
  read("b", "b/", found.b);
  if (!found.a && problem.empty()) problem = "it holds no run";
  if (const auto scores = file.header().find("scores"); problem.empty() && scores != file.header().end()) found.scores = read_scores(file, *scores, problem);
  if (const auto frontier = file.header().find("frontier"); problem.empty() && frontier != file.header().end()) found.frontier = read_frontier(*frontier, problem);
  if (!problem.empty()) return fail(ErrorCode::format, file.what(), problem, "the file is damaged: copy it again");
  return found;
}

}  // namespace fovea
