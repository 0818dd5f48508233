// Sparse attention by pages beside dense attention: what a choice costs, and what attention over the pages chosen does.
#include <fmt/format.h>

#include <random>
#include <span>

#include "engine/kernels/attention_tile.hpp"
#include "engine/kernels/sparse_attention.hpp"
#include "engine/tensor/half.hpp"
#include "tests/bench/kernel_bench.hpp"

namespace fovea {
namespace {

constexpr std::uint32_t kBoundsLayers = 48;  // of a model: no cache holds the bounds of all
constexpr std::uint32_t kMostLayers = 16;    // whose keys the region holds
constexpr std::uint32_t kTokenLists = 24;    // of pages that one token's attention reads in turn, each by other queries: no cache holds the few of all

struct Budget {
  const char* what;
  PageRule rule;
};
const std::array kBudgets{Budget{"25 %", {}}, Budget{"5 %", {.global = 50'000}},
                          Budget{"adaptive", {.global = 400'000, .mass = static_cast<std::uint32_t>(0.95 * (1u << 30))}}};

std::string shown(const PageScoring& scoring) {
  return fmt::format("{} subgroups, {} blocks{}", scoring.subgroups, scoring.blocks,
                     scoring.choosing > 0 ? fmt::format(", {} choosing", scoring.choosing) : std::string{});
}

}  // namespace

struct Bench::SparseLayers {
  std::uint32_t depth = 0, pages = 0, layers = 0;
  std::uint64_t bounds_bytes = 0;
  AttentionShape shape;                    // of the first layer
  gpu::Buffer table, bounds, query, kept;  // page tables of the layers; bounds; random queries; buffers of choices, and facts
  std::vector<PageChoiceBuffers> choices;  // of each layer; of one token, of each list, which are of the layers in turn
  [[nodiscard]] AttentionShape at(std::uint32_t turn) const {
    AttentionShape layer = shape;
    layer.pages = table.address() + std::uint64_t{turn % layers} * pages * sizeof(std::uint64_t);
    return layer;
  }
  [[nodiscard]] AttentionShape listed(std::uint32_t turn) const { return over_chosen_pages(at(turn % lists()), choices[turn % lists()], pages); }
  [[nodiscard]] std::uint32_t lists() const { return static_cast<std::uint32_t>(choices.size()); }
};

Result<void> Bench::once(const Record& record) {
  if (dry_) return {};
  FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
  KernelRecorder kernels(*device_, recorder);
  FOVEA_TRY(record(kernels, 0));
  recorder.barrier();
  FOVEA_ASSIGN(const gpu::CommandPlan plan, recorder.finish());
  FOVEA_ASSIGN(const std::uint64_t ticket, device_->submit(plan));
  return device_->wait(ticket);
}

Result<Bench::SparseLayers> Bench::sparse_layers(const PromptShape& shape, Prompt at) {
  SparseLayers s;
  s.depth = at.position;
  s.pages = (at.position + at.tokens) / shader::kPageKeys + 1;
  const std::uint64_t page = std::uint64_t{2} * shape.kv_heads * shader::kPageKeys * shape.width * 2;
  s.layers = static_cast<std::uint32_t>(std::min<std::uint64_t>(region() / (s.pages * page), kMostLayers));
  if (s.layers == 0) return s;
  s.shape = {.query_heads = shape.query_heads, .kv_heads = shape.kv_heads, .head_width = shape.width, .tokens = at.tokens,
             .state = state_.address()};
  std::vector<std::uint64_t> addresses(std::size_t{s.pages} * s.layers);
  for (std::size_t i = 0; i < addresses.size(); ++i) addresses[i] = weights_.address() + i * page;
  FOVEA_ASSIGN(s.table, device_->create_buffer(addresses.size() * sizeof(std::uint64_t), gpu::MemoryUse::compute));
  FOVEA_TRY(device_->upload(s.table, 0, std::as_bytes(std::span(addresses))));

  // Keys about some centre, wider in some pages than in others; in the order of bounds: planes of smallest and largest.
  std::mt19937 random(1);
  std::normal_distribution<float> normal;
  s.bounds_bytes = page_bounds_bytes(shape.kv_heads, shape.width, s.pages, shader::kScorerAutomatic);
  std::vector<std::uint16_t> bounds(s.bounds_bytes / 2);
  constexpr std::size_t kPlane = std::size_t{shader::kPageBlock} * shader::kBoundPiece;
  for (std::size_t piece = 0; piece + 2 * kPlane <= bounds.size(); piece += 2 * kPlane)
    for (std::size_t i = 0; i < kPlane; ++i) {
      const float centre = normal(random), range = 1 + static_cast<float>(i / shader::kBoundPiece % 5) / 4;
      bounds[piece + i] = float_to_half(centre - range);
      bounds[piece + kPlane + i] = float_to_half(centre + range);
    }
  const std::uint32_t bounds_layers = at.tokens == 1 ? kBoundsLayers : 1;
  FOVEA_ASSIGN(s.bounds, device_->create_buffer(s.bounds_bytes * bounds_layers, gpu::MemoryUse::kv));
  for (std::uint32_t layer = 0; layer < bounds_layers; ++layer)
    FOVEA_TRY(device_->upload(s.bounds, layer * s.bounds_bytes, std::as_bytes(std::span(bounds))));
  const std::size_t query_rows = at.tokens == 1 ? kBoundsLayers : at.tokens;  // of one token those of all layers
  std::vector<float> query(query_rows * (shape.query_heads + 2 * shape.kv_heads) * shape.width);
  for (float& x : query) x = normal(random);
  FOVEA_ASSIGN(s.query, device_->create_buffer(query.size() * sizeof(float), gpu::MemoryUse::compute));
  FOVEA_TRY(device_->upload(s.query, 0, std::as_bytes(std::span(query))));

  s.choices.resize(at.tokens == 1 ? kTokenLists : s.layers);
  const std::uint64_t bytes = s.choices[0].lay_out(0, shape.query_heads, shape.kv_heads, s.pages, at.tokens);
  FOVEA_ASSIGN(s.kept, device_->create_buffer(bytes * s.lists() + std::uint64_t{shape.kv_heads} * shader::kFactWords * 4, gpu::MemoryUse::compute));
  for (std::uint32_t list = 0; list < s.lists(); ++list)
    s.choices[list].lay_out(s.kept.address() + list * bytes, shape.query_heads, shape.kv_heads, s.pages, at.tokens);
  return s;
}

PageChoiceArgs Bench::sparse_choice(const SparseLayers& s, std::uint32_t turn, const PageRule& rule) const {
  const std::uint32_t bounds_layers = s.shape.tokens == 1 ? kBoundsLayers : 1;
  return {.shape = s.at(turn), .rule = rule, .buffers = s.choices[turn % s.lists()], .query = s.query.address(),
          .bounds = s.bounds.address() + turn % bounds_layers * s.bounds_bytes,
          .facts = s.kept.address() + s.kept.bytes() - std::uint64_t{s.shape.kv_heads} * shader::kFactWords * 4, .pages = s.pages};
}

Result<void> Bench::sparse_decode(std::uint32_t depth) {
  if (!timed("1 token at ", depth)) return {};
  const PromptShape& shape = kPromptShapes[1];
  FOVEA_ASSIGN(const SparseLayers s, sparse_layers(shape, {depth - 1, 1}));
  if (s.layers == 0) return {};
  FOVEA_TRY(set_state(depth - 1, 1));
  const std::uint32_t splits = attention_splits(device_->facts(), shape.kv_heads);
  const auto raw = [&](std::uint32_t turn) {
    const std::uint64_t row = std::uint64_t{shape.query_heads + 2 * shape.kv_heads} * shape.width * sizeof(float);
    return RopeStoreArgs{.shape = s.at(turn), .qkv = s.query.address() + turn % kBoundsLayers * row, .query_norm = input_.address(), .key_norm = input_.address(),
                         .turns = input_.address(), .qkv_stride = (shape.query_heads + 2 * shape.kv_heads) * shape.width,
                         .rope_width = shape.width, .norm = 1, .epsilon = 1e-6f};
  };
  const auto choose = [&](KernelRecorder& kernels, std::uint32_t turn, const PageRule& rule, const PageScoring& scoring) {
    PageChoiceArgs choice = sparse_choice(s, turn, rule);
    const RopeStoreArgs rope = raw(turn);
    choice.scoring = scoring;
    choice.apart = scoring.choosing > 0;
    if (choice_rotates(kernels, choice.shape)) choice.rope = &rope;
    return record_page_choice(kernels, choice);
  };
  const auto attend = [&](KernelRecorder& kernels, std::uint32_t turn, bool listed, RopeAttentionArgs form) {
    const std::uint64_t values = scratch_.address(), partial = values + (std::uint64_t{12} << 20), arrived = values + (std::uint64_t{14} << 20);
    const AttentionShape keys = listed ? s.listed(turn) : s.at(turn);
    if (!takes_rope_attention(kernels, keys))
      return record_attention_decode(kernels, {.shape = keys, .query = s.query.address(), .y = output_.address(), .y_stride = shape.query_heads * shape.width,
                                               .values = values, .partial = partial});
    form.rope = raw(turn);
    form.rope.shape = keys;
    form.y = output_.address();
    form.values = values;
    form.partial = partial;
    form.arrived = arrived;
    if (form.splits == 1) form.splits = splits;
    return record_rope_attention(kernels, form);
  };
  const auto name = [&](const std::string& what) { return fmt::format("{}, {} f16, 1 token at {}", what, shape.what, depth); };
  const double bytes = 4.0 * shape.kv_heads * shape.width * depth;
  const std::uint32_t chain = 4 * kBoundsLayers;
  FOVEA_TRY(time(name("dense attention"), chain, bytes, 0, [&](KernelRecorder& kernels, std::uint32_t turn) { return attend(kernels, turn, false, {.deep = true}); }));
  FOVEA_ASSIGN(gpu::CommandRecorder of_dense, device_->record());
  constexpr std::array kForms{std::pair{4u, 64u}, std::pair{8u, 64u}, std::pair{8u, 32u}, std::pair{8u, 16u}};
  for (const auto& [subgroups, parts] : kForms)
    if (const RopeAttentionTile tile{AttentionMatrix::nv2, subgroups}; runs_rope_attention_tile(KernelRecorder(*device_, of_dense), tile, s.shape, parts))
      FOVEA_TRY(time(name(fmt::format("dense attention, as matrices, {} subgroups, {} splits", subgroups, parts)), chain, bytes, 0,
                     [&](KernelRecorder& kernels, std::uint32_t turn) { return attend(kernels, turn, false, {.splits = parts, .deep = true, .tile = tile}); }));
  if (depth < 10240) return {};  // whose cost is fixed
  for (const Budget& budget : kBudgets)
    FOVEA_TRY(time(name(fmt::format("page choice {}", budget.what)), chain, static_cast<double>(s.bounds_bytes), 0,
                   [&](KernelRecorder& kernels, std::uint32_t turn) { return choose(kernels, turn, budget.rule, {}); }));
  using Part = PageChoiceArgs::Part;
  const auto part = [&](Part which, const Budget& budget, const PageScoring& scoring) {
    return time(name(fmt::format("page {} alone {}, {}", which == Part::scores ? "scores" : "choice", budget.what, shown(scoring))), chain, 0, 0,
                [&, which](KernelRecorder& kernels, std::uint32_t turn) {
                  PageChoiceArgs choice = sparse_choice(s, turn, budget.rule);
                  const RopeStoreArgs rope = raw(turn);
                  choice.scoring = scoring;
                  choice.apart = true;
                  choice.part = which;
                  if (choice_rotates(kernels, choice.shape)) choice.rope = &rope;
                  return record_page_choice(kernels, choice);
                });
  };
  for (const PageScoring& scoring : {PageScoring{}, PageScoring{8, 1}, PageScoring{8, 2}, PageScoring{8, 3}, PageScoring{16, 1}, PageScoring{4, 1}})
    FOVEA_TRY(part(Part::scores, kBudgets[0], scoring));
  for (const std::uint32_t choosing : {8u, 12u, 16u, 24u}) FOVEA_TRY(part(Part::choice, kBudgets[0], {.choosing = choosing}));
  for (const PageScoring& scoring : {PageScoring{8, 1}, PageScoring{16, 1}, PageScoring{.choosing = 8}, PageScoring{.choosing = 16}})
    FOVEA_TRY(time(name(fmt::format("page choice 25 %, {}", shown(scoring))), chain, static_cast<double>(s.bounds_bytes), 0,
                   [&](KernelRecorder& kernels, std::uint32_t turn) { return choose(kernels, turn, kBudgets[0].rule, scoring); }));
  // Of all layers at once, ahead of the token.
  PageChoiceBuffers of_layers;
  FOVEA_ASSIGN(const gpu::Buffer ahead, device_->create_buffer(of_layers.lay_out(0, kBoundsLayers * shape.query_heads, kBoundsLayers * shape.kv_heads, s.pages, 1) +
                                                                   std::uint64_t{kBoundsLayers} * shape.kv_heads * shader::kFactWords * 4,
                                                               gpu::MemoryUse::compute));
  const std::uint64_t ahead_bytes = of_layers.lay_out(ahead.address(), kBoundsLayers * shape.query_heads, kBoundsLayers * shape.kv_heads, s.pages, 1);
  const auto choose_ahead = [&](KernelRecorder& kernels, const PageRule& rule, Part which, const PageScoring& scoring) {
    PageChoiceArgs choice = sparse_choice(s, 0, rule);
    choice.buffers = of_layers;
    choice.bounds = s.bounds.address();
    choice.facts = ahead.address() + ahead_bytes;
    choice.layers = kBoundsLayers;
    choice.scoring = scoring;
    choice.part = which;
    return record_page_choice(kernels, choice);
  };
  for (const PageScoring& scoring : {PageScoring{.alone = 0}, PageScoring{.subgroups = 8, .blocks = 16, .alone = 1}, PageScoring{.subgroups = 8, .blocks = 8, .alone = 1}, PageScoring{.subgroups = 8, .blocks = 32, .alone = 1},
                                     PageScoring{.subgroups = 16, .blocks = 16, .alone = 1}, PageScoring{.subgroups = 16, .blocks = 32, .alone = 1}, PageScoring{.subgroups = 12, .blocks = 24, .alone = 1},
                                     PageScoring{.subgroups = 8, .blocks = 16, .alone = 2}})
    FOVEA_TRY(time(name(fmt::format("page scores ahead of {} layers, {}, {} alone", kBoundsLayers, shown(scoring), scoring.alone.value_or(0))), 4, static_cast<double>(s.bounds_bytes * kBoundsLayers), 0,
                   [&](KernelRecorder& kernels, std::uint32_t) { return choose_ahead(kernels, kBudgets[0].rule, Part::scores, scoring); }));
  for (const Budget& budget : kBudgets)
    for (const std::uint32_t choosing : {8u, 16u, 32u})
      FOVEA_TRY(time(name(fmt::format("page choice ahead of {} layers, {}, {} subgroups", kBoundsLayers, budget.what, choosing)), 4, 0, 0,
                     [&](KernelRecorder& kernels, std::uint32_t) { return choose_ahead(kernels, budget.rule, Part::choice, {.choosing = choosing}); }));
  for (const Budget& budget : kBudgets) {
    for (std::uint32_t list = 0; list < s.lists(); ++list)
      FOVEA_TRY(once([&](KernelRecorder& kernels, std::uint32_t) { return choose(kernels, list, budget.rule, {}); }));
    const auto of_budget = [&](const std::string& form) { return name(fmt::format("attention over {}{}", budget.what, form)); };
    FOVEA_TRY(time(of_budget(""), chain, 0, 0, [&](KernelRecorder& kernels, std::uint32_t turn) { return attend(kernels, turn, true, {.deep = true}); }));
    FOVEA_ASSIGN(gpu::CommandRecorder asked, device_->record());
    const KernelRecorder recorder(*device_, asked);
    for (const auto& [subgroups, parts] : kForms)
      if (const RopeAttentionTile tile{AttentionMatrix::nv2, subgroups}; budget.rule.mass == 0 && runs_rope_attention_tile(recorder, tile, s.shape, parts))
        FOVEA_TRY(time(of_budget(fmt::format(", as matrices, {} subgroups, {} splits", subgroups, parts)), chain, 0, 0,
                       [&](KernelRecorder& kernels, std::uint32_t turn) { return attend(kernels, turn, true, {.splits = parts, .deep = true, .tile = tile}); }));
    FOVEA_TRY(time(name(fmt::format("choice and attention {}", budget.what)), chain, 0, 0, [&](KernelRecorder& kernels, std::uint32_t turn) -> Result<void> {
      auto done = choose(kernels, turn, budget.rule, {});
      kernels.plan().barrier();
      return done.and_then([&] { return attend(kernels, turn, true, {.deep = true}); });
    }));
  }
  return {};
}

Result<void> Bench::sparse_prompt(const PromptShape& shape, Prompt at) {
  FOVEA_ASSIGN(const SparseLayers s, sparse_layers(shape, at));
  if (s.layers == 0) return {};
  FOVEA_TRY(set_state(at.position, at.tokens));
  const std::uint32_t width = shape.query_heads * shape.width;
  const bool all = shape.query_heads / shape.kv_heads == 8;  // forms and budgets
  const auto name = [&](const std::string& what) { return fmt::format("{}, {} f16, {} tokens at {}", what, shape.what, at.tokens, at.position); };
  const double operations = 4.0 * width * at.tokens * (at.position + (at.tokens + 1) / 2.0);
  const auto args = [&](const AttentionShape& keys) { return AttentionArgs{.shape = keys, .query = s.query.address(), .y = output_.address(), .y_stride = width}; };
  const auto choose = [&](KernelRecorder& kernels, std::uint32_t turn, const PageRule& rule, const PageScoring& scoring) {
    PageChoiceArgs choice = sparse_choice(s, turn, rule);
    choice.scoring = scoring;
    return record_page_choice(kernels, choice);
  };
  FOVEA_TRY(time(name("dense attention"), 4, 0, operations, [&](KernelRecorder& kernels, std::uint32_t turn) { return record_attention_prefill(kernels, args(s.at(turn))); }));
  FOVEA_TRY(time(name("page bounds"), 4, 0, 0, [&](KernelRecorder& kernels, std::uint32_t turn) {
    return record_page_bounds(kernels, {.shape = s.at(turn), .bounds = s.kept.address(), .pages = s.pages});
  }));
  for (const Budget& budget : std::span(kBudgets).first(all ? kBudgets.size() : 1))
    FOVEA_TRY(time(name(fmt::format("page choice {}", budget.what)), 4, 0, 0,
                   [&](KernelRecorder& kernels, std::uint32_t turn) { return choose(kernels, turn, budget.rule, {}); }));
  using Part = PageChoiceArgs::Part;
  const auto part = [&](Part which, const PageScoring& scoring) {
    const std::string form = scoring.tile && scoring.tile->subgroups > 0 ? fmt::format("matrices, {} subgroups, {} blocks", scoring.tile->subgroups, scoring.tile->blocks)
                                                                         : shown(scoring);
    return time(name(fmt::format("page {} alone 25 %, {}", which == Part::scores ? "scores" : "choice", form)), 4, 0, 0, [&, which](KernelRecorder& kernels, std::uint32_t turn) {
      PageChoiceArgs choice = sparse_choice(s, turn, kBudgets[0].rule);
      choice.scoring = scoring;
      choice.part = which;
      return record_page_choice(kernels, choice);
    });
  };
  FOVEA_ASSIGN(gpu::CommandRecorder asked, device_->record());
  FOVEA_TRY(part(Part::scores, {.tile = PageScoreTile{}}));
  constexpr std::array kScoreTiles{std::pair{2u, 4u}, std::pair{4u, 2u}, std::pair{4u, 3u}, std::pair{4u, 4u}, std::pair{4u, 5u}, std::pair{4u, 8u}, std::pair{4u, 16u}, std::pair{6u, 3u},
                                   std::pair{6u, 4u}, std::pair{6u, 6u}, std::pair{8u, 2u}, std::pair{8u, 3u}, std::pair{8u, 4u}, std::pair{8u, 5u}, std::pair{8u, 6u}, std::pair{8u, 9u}};
  for (const auto& [subgroups, blocks] : kScoreTiles)
    if (const PageScoreTile tile{AttentionMatrix::nv2, subgroups, blocks}; runs_page_score_tile(KernelRecorder(*device_, asked), tile, s.shape, shader::kScorerAutomatic))
      FOVEA_TRY(part(Part::scores, {.tile = tile}));
  for (const std::uint32_t choosing : {4u, 8u, 16u, 32u}) FOVEA_TRY(part(Part::choice, {.choosing = choosing}));
  using Matrix = AttentionMatrix;
  constexpr std::array kTiles{AttentionTile{Matrix::nv2, 8, 64}, AttentionTile{Matrix::nv2, 8, 32}, AttentionTile{Matrix::nv2, 4, 64}, AttentionTile{Matrix::nv2, 4, 32},
                              AttentionTile{Matrix::khr, 8, 32}, AttentionTile{Matrix::khr, 4, 32}, AttentionTile{Matrix::plain, 4, 32}};
  constexpr std::array kMatrix{"KHR", "NV2", "PLAIN"};
  for (const Budget& budget : std::span(kBudgets).first(all ? kBudgets.size() : 1)) {
    for (std::uint32_t layer = 0; layer < s.layers; ++layer)
      FOVEA_TRY(once([&](KernelRecorder& kernels, std::uint32_t) { return choose(kernels, layer, budget.rule, {}); }));
    FOVEA_TRY(time(name(fmt::format("attention over {}", budget.what)), 4, 0, 0, [&](KernelRecorder& kernels, std::uint32_t turn) { return record_attention_prefill(kernels, args(s.listed(turn))); }));
    for (const AttentionTile& bare : kTiles) {
      FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
      const AttentionTile tile = over_lists(bare, s.shape);
      if (!runs_attention_tile(KernelRecorder(*device_, recorder, bare.matrix == Matrix::plain ? ProductForm::gpu_without_matrix_cores : ProductForm::gpu), tile, s.shape)) continue;
      FOVEA_TRY(time(name(fmt::format("attention over {}, {} tile, {} subgroups, {} keys, {} heads", budget.what, kMatrix.at(static_cast<std::size_t>(tile.matrix)),
                                      tile.subgroups, tile.block_keys, tile.heads)),
                     4, 0, 0, [&](KernelRecorder& kernels, std::uint32_t turn) { return record_attention_tile(kernels, tile, args(s.listed(turn))); }));
    }
  }
  return {};
}

Result<void> Bench::sparse() {
  for (const std::uint32_t depth : {98304u, 32768u, 10240u, 5120u, 1024u, 64u}) FOVEA_TRY(sparse_decode(depth));
  if (!timed("1 token at ", 0)) return {};
  for (const PromptShape& shape : {kPromptShapes[1], kPromptShapes[0], kPromptShapes[2]}) FOVEA_TRY(sparse_prompt(shape, {32768, 512}));
  return {};
}

}  // namespace fovea
