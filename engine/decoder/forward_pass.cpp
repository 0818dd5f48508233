#include "engine/decoder/forward_pass.hpp"

#include <algorithm>
#include <cmath>

#include "engine/kernels/attention.hpp"
#include "engine/kernels/attention_top.hpp"
#include "engine/kernels/linear.hpp"
#include "engine/kernels/product_tile.hpp"
#include "engine/kernels/row_streams.hpp"
#include "engine/kernels/sample.hpp"

namespace fovea {

Result<void> ForwardPass::record(KernelRecorder& kernels, std::uint32_t tokens, Head head, const CaptureLayout* capture) const {
  if (ahead && !reuses) {
    // Scores beside the embedding and the choice beside the first products: both wait for nothing in this token.
    kernels.plan().tag("page scores");
    FOVEA_TRY(selection->record_choice_ahead(kernels, attention_shape(0, tokens), PageChoiceArgs::Part::scores));
  }
  const std::optional<TokenLayersArgs> together = token_layers(kernels, tokens, capture);
  kernels.plan().tag("embed");
  FOVEA_TRY(record_embed(kernels, {.table = weights.token_embedding, .history = history, .x = together ? together->x : activations.x, .state = state,
                                   .stride = activations.strides.width, .tokens = tokens}));
  if (together) record_token_table(kernels, *together);
  kernels.plan().barrier();
  if (ahead && !reuses) {
    kernels.plan().tag("page choice");
    FOVEA_TRY(selection->record_choice_ahead(kernels, attention_shape(0, tokens), PageChoiceArgs::Part::choice));
    if (takes_attention_layer(kernels, 0, tokens, capture)) kernels.plan().barrier();  // which attends as its first step
  }
  if (together) {
    kernels.plan().tag("layers");
    FOVEA_TRY(record_token_layers(kernels, *together));
    kernels.plan().barrier();
  } else {
    FOVEA_TRY(record_layers(kernels, tokens, capture));
  }
  static_assert(shader::kPageKeys % shader::kRouterBlock == 0);
  if (selection != nullptr && tokens == 1 && ends) {
    // Nobody reads them before the next token, and what comes next reads none of the cache: no step of its own.
    kernels.plan().tag("page bounds");
    FOVEA_TRY(selection->record_bounds_of_token(kernels, attention_shape(0, tokens), cache));
  }
  if (selection != nullptr && !dense && !reuses) {
    kernels.plan().tag("page guide");
    FOVEA_TRY(selection->record_guide(kernels, state, ahead));
  }
  if (routing != nullptr && tokens == 1 && ends && routing->folds() && (kernels.folds_steps() || chooses_in_router(kernels, tokens))) FOVEA_TRY(routing->record_memory(kernels, state));
  const bool rounded = together && together->output_words != 0;
  if (cache.tiers() == nullptr || stages(tokens)) return record_head(kernels, tokens, head, rounded);
  // Pages leave the window behind all that reads them, beside the head, which reads none.
  kernels.plan().tag("tiers");
  FOVEA_TRY(cache.tiers()->record_choice(kernels, state));
  if (head == Head::none)
    kernels.plan().barrier();
  else
    FOVEA_TRY(record_head(kernels, tokens, head, rounded));
  kernels.plan().tag("tiers");
  return cache.tiers()->record_store(kernels, state, tokens);
}

Result<void> ForwardPass::record_layers(KernelRecorder& kernels, std::uint32_t tokens, const CaptureLayout* capture) const {
  for (std::uint32_t layer = 0; layer < config.layers; ++layer) {
    const bool routed = takes_attention_layer(kernels, layer, tokens, capture);
    FOVEA_TRY(routed ? record_attention_layer(kernels, layer) : record_attention(kernels, layer, tokens, capture));
    FOVEA_TRY(record_feed_forward(kernels, layer, tokens, capture, routed));
    // Beside the first steps of the layer that comes, whose choice of experts is the first to read it.
    if (routing != nullptr) FOVEA_TRY(routing->record_prior(kernels, layer, activations.x, activations.strides.width, state, tokens));
    if (capture != nullptr && capture->early_layers == layer + 1) {
      // The residual is not written again before the barriers of the next layer's attention, nor by the head.
      kernels.plan().tag("trace");
      kernels.plan().copy(activations.buffer(), activations.offset_of(activations.x), *capture->hidden, 0,
                          std::uint64_t{tokens} * activations.strides.width * sizeof(float));
    }
  }
  return {};
}

Result<ForwardPass::NormedRows> ForwardPass::record_norm(KernelRecorder& kernels, std::uint64_t weight, std::uint32_t tokens,
                                                         const DeviceMatrix& reader, const DeviceMatrix* writer,
                                                         NormedAs as) const {
  const FoldedNorm norm{.weight = weight, .epsilon = config.norm_epsilon};
  if (tokens == 1 && kernels.folds_steps()) {
    if (writer != nullptr && hands_on(kernels, tokens, *writer, reader))
      return NormedRows{activations.x, norm, activations.residual_words, true};
    // A step rounds once what every workgroup of the products behind it would have to round for itself.
    if (!uses_dot(kernels, tokens, reader)) return NormedRows{activations.x, norm};
  }
  // On a CPU driver a step costs more than norming a row in every workgroup that reads it.
  if (norms_in_rows(kernels, tokens, reader))
    return NormedRows{activations.x, norm};
  kernels.plan().tag("norm");
  if (uses_dot(kernels, tokens, reader)) {
    FOVEA_TRY(record_quantize(kernels, {.x = activations.x, .q8 = activations.residual_words, .y = activations.normed,
                                        .width = config.width, .x_stride = activations.strides.width, .norm = norm}));
    kernels.plan().barrier();
    return NormedRows{activations.normed, {}, activations.residual_words};
  }
  const std::uint64_t y = as == NormedAs::halves ? 0 : activations.normed, halves = as == NormedAs::halves || as == NormedAs::both ? activations.halves : 0;
  FOVEA_TRY(record_rms_norm(kernels, {.weight = weight, .x = activations.x, .y = y, .state = state, .halves = halves, .width = config.width,
                                      .stride = activations.strides.width, .tokens = tokens, .epsilon = config.norm_epsilon, .last_only = as == NormedAs::last_float}));
  kernels.plan().barrier();
  return NormedRows{.x = y, .halves = halves};
}

bool ForwardPass::uses_dot(const KernelRecorder& kernels, std::uint32_t tokens, const DeviceMatrix& matrix) const {
  return tokens == 1 && activation_type == ActivationType::q8_0 && takes_dot(kernels, matrix);
}

bool ForwardPass::norms_in_rows(const KernelRecorder& kernels, std::uint32_t tokens, const DeviceMatrix& reader) const {
  return tokens == 1 && !kernels.folds_steps() && !uses_dot(kernels, tokens, reader) && streams_rows(kernels, reader, tokens);
}

bool ForwardPass::chooses_in_router(const KernelRecorder& kernels, std::uint32_t tokens) const {
  return config.mixture() && (routing == nullptr || routing->folds()) && std::ranges::all_of(weights.layers, [&](const DeviceLayer& layer) {
    return norms_in_rows(kernels, tokens, layer.gate) && takes_router_token(kernels, layer.router);
  });
}

ForwardPass::NormAhead ForwardPass::norm_after(std::uint32_t layer) const {
  if (layer + 1 == config.layers) return {weights.output_norm, &weights.output};
  return {weights.layers[layer + 1].attention_norm, &weights.layers[layer + 1].qkv.front()};
}

bool ForwardPass::normed_before(const KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens) const {
  if (layer == 0 || layer == config.layers || !config.mixture() || !leaves_normed(kernels, config.width)) return false;
  const DeviceLayer& before = weights.layers[layer - 1];
  return experts_take_tiles(kernels, tokens, before.gate, before.down) &&
         std::ranges::all_of(weights.layers[layer].qkv, [&](const DeviceMatrix& projection) { return takes_tiles(kernels, projection, tokens); });
}

bool ForwardPass::hands_on(const KernelRecorder& kernels, std::uint32_t tokens, const DeviceMatrix& writer,
                           const DeviceMatrix& reader) const {
  return uses_dot(kernels, tokens, writer) && uses_dot(kernels, tokens, reader) && leaves_next(kernels, writer);
}

NextInput ForwardPass::next_input(const KernelRecorder& kernels, std::uint32_t tokens, const DeviceMatrix& writer,
                                  const NormAhead& behind) const {
  if (!hands_on(kernels, tokens, writer, *behind.reader)) return {};
  return {activations.residual_words, behind.weight};
}

std::uint32_t ForwardPass::router_parts(const KernelRecorder& kernels, std::uint32_t tokens, std::uint32_t layer) const {
  const DeviceLayer& w = weights.layers[layer];
  if (!config.mixture() || !hands_on(kernels, tokens, w.attention_output, w.gate)) return 0;
  return logit_parts(kernels, w.attention_output, w.router);
}

ActivationType ForwardPass::decode_activations(const KernelRecorder& kernels) const {
  const auto takes = [&](const DeviceMatrix& matrix) { return uses_dot(kernels, 1, matrix); };
  const auto layer_takes = [&](const DeviceLayer& layer) {
    return takes(layer.qkv.front()) || takes(layer.attention_output) || takes(layer.gate) || takes(layer.down);
  };
  return takes(weights.output) || std::ranges::any_of(weights.layers, layer_takes) ? ActivationType::q8_0 : ActivationType::f32;
}

DotInput ForwardPass::dot_input(const NormedRows& rows) {
  if (rows.words == 0) return {.address = rows.x, .norm = rows.norm};
  return {.address = rows.words, .norm = rows.norm, .rounded = true, .norm_pending = rows.norm_pending};
}

Result<DotInput> ForwardPass::record_rounding(KernelRecorder& kernels, std::uint64_t x, std::uint32_t width, std::uint32_t stride,
                                              std::uint32_t rows) const {
  kernels.plan().tag("round");
  FOVEA_TRY(record_quantize(kernels, {.x = x, .q8 = activations.words, .width = width, .x_stride = stride,
                                      .q8_stride = q8_words(width), .rows = rows}));
  kernels.plan().barrier();
  return DotInput{.address = activations.words, .rounded = true};
}

Result<std::uint64_t> ForwardPass::record_halves(KernelRecorder& kernels, std::uint64_t x, std::uint32_t columns,
                                                 std::uint32_t stride, std::uint32_t tokens) const {
  kernels.plan().tag("round");
  FOVEA_TRY(record_half_rows(kernels, tokens, {.x = x, .y = activations.halves, .state = state, .columns = columns, .x_stride = stride}));
  kernels.plan().barrier();
  return activations.halves;
}

AttentionShape ForwardPass::attention_shape(std::uint32_t layer, std::uint32_t tokens) const {
  const std::uint32_t rows = selection != nullptr ? selection->tile_rows(layer) : kChoiceRows;
  if (stages(tokens))
    return {.query_heads = config.query_heads, .kv_heads = config.kv_heads, .head_width = config.head_width, .tokens = tokens,
            .pages = cache.tiers()->staged_table(), .tile_rows = rows, .state = state};
  return {.query_heads = config.query_heads, .kv_heads = config.kv_heads, .head_width = config.head_width, .tokens = tokens,
          .layer_offset = cache.layer_offset(layer), .pages = cache.page_table(), .tile_rows = rows, .state = state, .kv = cache.type(),
          .tiered = cache.tiers() != nullptr};
}

Result<void> ForwardPass::record_attention(KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens,
                                           const CaptureLayout* capture) const {
  const DeviceLayer& w = weights.layers[layer];
  const Activations& a = activations;
  const AttentionShape shape = attention_shape(layer, tokens);
  if (stages(tokens)) {  // beside what makes the keys that come behind
    kernels.plan().tag("tiers");
    FOVEA_TRY(cache.tiers()->record_unpack(kernels, state, layer));
  }
  const auto in_tiles = [&](const DeviceMatrix& projection) { return takes_tiles(kernels, projection, tokens); };
  const bool all_in_tiles = std::ranges::all_of(w.qkv, in_tiles);
  NormedRows input{.halves = a.halves};
  if (!normed_before(kernels, layer, tokens)) {
    FOVEA_ASSIGN(input, record_norm(kernels, w.attention_norm, tokens, w.qkv.front(), layer > 0 ? &weights.layers[layer - 1].down : nullptr,
                                    all_in_tiles ? NormedAs::halves : NormedAs::floats));
  }

  std::uint64_t halves = input.halves;
  if (!all_in_tiles && std::ranges::any_of(w.qkv, in_tiles)) {
    FOVEA_ASSIGN(halves, record_halves(kernels, input.x, config.width, a.strides.width, tokens));
  }
  kernels.plan().tag("qkv");
  std::uint32_t column = 0;  // of this projection in a qkv row
  for (const DeviceMatrix& projection : w.qkv) {
    const std::uint64_t y = a.qkv + column * sizeof(float);
    column += projection.rows;
    if (uses_dot(kernels, tokens, projection) && (kernels.folds_steps() || input.words != 0)) {
      FOVEA_TRY(record_matvec_dot(kernels, {.weights = projection, .x = dot_input(input), .y = y}));
      continue;
    }
    FOVEA_TRY(record_matmul(kernels, {.weights = projection, .x = input.x, .y = y, .state = state,
                                      .x_stride = a.strides.width, .y_stride = a.strides.qkv, .tokens = tokens,
                                      .norm = input.norm, .unpacked = a.unpacked,
                                      .halves = in_tiles(projection) ? halves : 0}));
  }
  kernels.plan().barrier();

  const bool captured = capture != nullptr && capture->layers[layer].slots > 0;
  const bool measured = capture != nullptr && capture->pages != nullptr;
  // Where the next token chooses by this one's queries they stay.
  const bool keeps = selection != nullptr && selection->chooses(layer) && selection->chooses_ahead();
  const std::uint64_t query = keeps && tokens == 1 ? selection->kept_query(layer) : a.query;
  RopeStoreArgs rope = rope_of(shape, layer);
  rope.query = query;
  rope.last_query = keeps && tokens > 1 ? selection->kept_query(layer) : 0;
  const bool ranked = cache.tiers() != nullptr && cache.tiers()->ranks();  // by heat
  const bool sparse = is_sparse(layer);
  // What is brought in behind attention goes by its sums and into its output as floats, which the folded step leaves nowhere.
  const bool periphery = sparse && selection->sees_periphery();
  const bool folded = tokens == 1 && !top_share && !periphery && takes_rope_attention(kernels, shape) && (!sparse || ahead || choice_rotates(kernels, shape));
  const bool rounds = folded && kernels.folds_steps() && uses_dot(kernels, tokens, w.attention_output) && config.head_width % 32 == 0;
  bool in_halves = false;  // attention leaves its output as the product behind it reads it
  if (folded) {
    if (sparse && !ahead) {
      kernels.plan().tag("page choice");
      FOVEA_TRY(selection->record_choice(kernels, shape, layer, 0, &rope));
      kernels.plan().barrier();
    }
    kernels.plan().tag("attention");
    RopeAttentionArgs attention{.rope = rope, .y = rounds ? a.attended_words : a.attended, .rounded = rounds, .values = a.split_values, .partial = a.split_partial,
                                .arrived = a.split_arrived, .splits = rope_attention_splits(kernels.facts(), config.kv_heads, deep),
                                .deep = deep};
    if (!captured && !measured && !ranked && !keeps) attention.rope.query = 0;
    if (sparse) attention.rope.shape = selection->chosen(shape, layer, ahead);
    FOVEA_TRY(record_rope_attention(kernels, attention));
    // What is captured reads its queries and the newest key.
    if (captured || measured) kernels.plan().barrier();
  } else {
    kernels.plan().tag("rope+kv");
    const bool bounds = sparse && !ahead && tokens > 1;
    RopeStoreArgs stored = rope;
    if (bounds) {  // of the keys, which come first then, beside the queries
      stored.part = RopeStoreArgs::Part::keys_and_values;
      FOVEA_TRY(record_rope_store(kernels, stored));
      kernels.plan().barrier();
      FOVEA_TRY(selection->record_bounds(kernels, shape, layer));
      stored.part = RopeStoreArgs::Part::queries;
    }
    FOVEA_TRY(record_rope_store(kernels, stored));
    kernels.plan().barrier();
    if (sparse && !ahead) {
      kernels.plan().tag("page choice");
      FOVEA_TRY(selection->record_choice(kernels, shape, layer, query, nullptr));
      kernels.plan().barrier();
    }
    kernels.plan().tag("attention");
    const AttentionShape keys = sparse ? selection->chosen(shape, layer, ahead) : shape;
    in_halves = tokens > 1 && !top_share && !periphery && takes_tiles(kernels, w.attention_output, tokens) && leaves_halves(kernels, keys);
    const AttentionArgs attention{.shape = keys, .query = query, .y = in_halves ? a.halves : a.attended, .y_stride = in_halves ? w.attention_output.columns : a.strides.attended,
                                  .in_halves = in_halves, .values = a.split_values, .partial = a.split_partial, .sums = periphery ? selection->row_sums() : 0};
    if (top_share) {
      FOVEA_TRY(record_attention_top(kernels, {.shape = shape, .query = a.query, .y = a.attended, .scores = top_scores, .y_stride = a.strides.attended, .keys = cache.context(),
                                               .keep = static_cast<std::uint32_t>(std::llround(*top_share * 1e6))}));
    } else {
      FOVEA_TRY(tokens == 1 ? record_attention_decode(kernels, attention) : record_attention_prefill(kernels, attention));
    }
    if (periphery) {
      kernels.plan().barrier();
      kernels.plan().tag("page periphery");
      FOVEA_TRY(selection->record_periphery(kernels, shape, layer, ahead, query, a.attended, a.strides.attended));
    }
  }
  if (captured) {
    // Reads what attention read and writes elsewhere, so it needs no barrier of its own.
    const CaptureLayout::Layer& rows = capture->layers[layer];
    kernels.plan().tag("attention rows");
    const std::uint64_t slot_bytes = std::uint64_t{capture->tokens_capacity} * capture->row_stride * 2;
    FOVEA_TRY(record_attention_rows(kernels, {.shape = shape, .query = query, .heads = rows.heads,
                                              .rows = capture->rows + rows.first_slot * slot_bytes, .slots = rows.slots,
                                              .row_stride = capture->row_stride, .tokens_capacity = capture->tokens_capacity}));
  }
  if (ranked && stages(tokens)) {
    kernels.plan().tag("page heat");
    FOVEA_TRY(cache.tiers()->record_heat(kernels, shape, layer, a.query, PageHeatArgs::Part::scores));
  }
  if (measured) FOVEA_TRY(capture->pages->record_layer(kernels, shape, layer, query, ahead, capture->pages_slot));
  kernels.plan().barrier();
  if (ranked) {  // beside the output product
    kernels.plan().tag("page heat");
    FOVEA_TRY(cache.tiers()->record_heat(kernels, shape, layer, a.query, stages(tokens) ? PageHeatArgs::Part::masses : PageHeatArgs::Part::whole));
  }

  if (uses_dot(kernels, tokens, w.attention_output)) {
    DotInput heads{.address = rounds ? a.attended_words : a.attended, .rounded = rounds};
    if (!kernels.folds_steps()) {
      FOVEA_ASSIGN(heads, record_rounding(kernels, a.attended, w.attention_output.columns, a.strides.attended, 1));
    }
    kernels.plan().tag("attention output");
    MatvecDotArgs product{.weights = w.attention_output, .x = heads, .y = a.x, .accumulate = true,
                          .next = next_input(kernels, tokens, w.attention_output, {w.feed_forward_norm, &w.gate})};
    if (router_parts(kernels, tokens, layer) > 0) product.logits = {w.router.address, a.router_parts, config.experts};
    FOVEA_TRY(record_matvec_dot(kernels, product));
  } else {
    std::uint64_t heads = in_halves ? a.halves : 0;
    if (!in_halves && takes_tiles(kernels, w.attention_output, tokens)) {
      FOVEA_ASSIGN(heads, record_halves(kernels, a.attended, w.attention_output.columns, a.strides.attended, tokens));
    }
    kernels.plan().tag("attention output");
    FOVEA_TRY(record_matmul(kernels, {.weights = w.attention_output, .x = a.attended, .y = a.x, .state = state,
                                      .x_stride = a.strides.attended, .y_stride = a.strides.width, .tokens = tokens,
                                      .accumulate = true, .unpacked = a.unpacked, .halves = heads}));
  }
  kernels.plan().barrier();
  return {};
}

Result<void> ForwardPass::record_feed_forward(KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens,
                                              const CaptureLayout* capture, bool routed) const {
  const DeviceLayer& w = weights.layers[layer];
  const Activations& a = activations;
  const bool in_tiles = experts_take_tiles(kernels, tokens, w.gate, w.down);
  // A router reads floats.
  FOVEA_ASSIGN(const NormedRows input, record_norm(kernels, w.feed_forward_norm, tokens, w.gate, &w.attention_output,
                                                      !in_tiles ? NormedAs::floats : config.mixture() ? NormedAs::both : NormedAs::halves));

  ExpertBatch batch{.tokens = tokens, .in_tiles = in_tiles,
                    .in_lanes = lanes_unpack(w.gate.type) && lanes_unpack(w.down.type), .state = state};
  if (config.mixture()) {
    const RouterArgs choice = choice_of(layer, tokens);
    batch.mode = tokens > 1              ? ExpertMode::grouped
                 : !kernels.folds_steps() ? ExpertMode::direct
                 : routing != nullptr     ? (routing->folds() ? ExpertMode::by_policy : ExpertMode::direct)
                                          : ExpertMode::routed;
    batch.slots = config.experts_used;
    batch.experts = choice.experts;
    batch.weights = choice.weights;
    batch.logits = a.router;
    batch.expert_count = config.experts;
    batch.normalize = config.normalize_expert_weights;
    batch.varies = routing != nullptr;
    batch.sorted = a.sorted;
    batch.tiles = a.tiles;
    batch.dispatch = &a.dispatch();
    batch.logit_parts = a.router_parts;
    const std::uint32_t parts = router_parts(kernels, tokens, layer);
    batch.parts = batch.mode == ExpertMode::direct ? 0 : parts;
    const bool in_router = chooses_in_router(kernels, tokens);
    if (batch.parts == 0 && !routed) {
      kernels.plan().tag("router");
      if (in_router) {
        FOVEA_TRY(record_router_token(kernels, router_token(layer, input.x, input.norm)));
      } else if (parts > 0) {
        FOVEA_TRY(record_router_logits(kernels, {.parts = a.router_parts, .count = parts, .experts = config.experts, .width = config.width,
                                                 .words = a.residual_words, .logits = a.router, .epsilon = config.norm_epsilon}));
      } else {
        FOVEA_TRY(record_matmul(kernels, {.weights = w.router, .x = input.x, .y = a.router, .state = state,
                                          .x_stride = a.strides.width, .y_stride = a.strides.router, .tokens = tokens,
                                          .norm = input.norm}));
      }
      kernels.plan().barrier();
      record_logits_trace(kernels, layer, tokens, capture);
    }
    if (batch.mode == ExpertMode::by_policy) batch.policy = routing->folded(layer, choice);
    if (!in_router && (batch.mode == ExpertMode::direct || batch.mode == ExpertMode::grouped)) {
      FOVEA_TRY(routing != nullptr ? routing->record_choice(kernels, layer, choice) : record_router_topk(kernels, choice));
      kernels.plan().barrier();
    }
    if (batch.mode == ExpertMode::grouped) {
      FOVEA_TRY(record_expert_group(kernels, batch, w.gate, w.down));
      kernels.plan().barrier();
    }
  }

  if (takes_expert_layer(kernels, layer, batch)) {
    kernels.plan().tag("experts");
    FOVEA_TRY(record_expert_layer(kernels, batch, expert_layer(layer)));
    kernels.plan().barrier();
    return {};
  }
  if (stages(tokens)) {  // who is refined beside these products, the coding beside the next: steps of few workgroups
    kernels.plan().tag("tiers");
    FOVEA_TRY(cache.tiers()->record_choice(kernels, state, layer));
  }
  kernels.plan().tag("gate+up");
  // On a GPU the rows that a workgroup ends with are rounded there for the down product.
  const bool rounds = kernels.folds_steps() && uses_dot(kernels, tokens, w.gate) && uses_dot(kernels, tokens, w.down);
  if (uses_dot(kernels, tokens, w.gate)) {
    FOVEA_TRY(record_gate_up_dot(kernels, batch, {.gate = w.gate, .up = w.up, .x = dot_input(input),
                                                  .act = rounds ? a.words : a.hidden,
                                                  .act_stride = rounds ? q8_words(w.down.columns) : a.strides.hidden,
                                                  .rounded = rounds}));
  } else {
    FOVEA_TRY(record_gate_up(kernels, batch, {.gate = w.gate, .up = w.up, .x = input.x, .act = a.hidden,
                                              .x_stride = a.strides.width, .act_stride = a.strides.hidden,
                                              .unpacked = a.unpacked, .halves = input.halves, .norm = input.norm}));
  }
  kernels.plan().barrier();
  if (batch.parts > 0) record_logits_trace(kernels, layer, tokens, capture);
  if (stages(tokens)) {
    kernels.plan().tag("tiers");
    FOVEA_TRY(cache.tiers()->record_store(kernels, state, tokens, layer));
  }
  FOVEA_TRY(record_down(kernels, layer, batch, rounds));
  kernels.plan().barrier();
  return {};
}

void ForwardPass::record_logits_trace(KernelRecorder& kernels, std::uint32_t layer, std::uint32_t tokens, const CaptureLayout* capture) const {
  if (capture == nullptr || capture->early_layers == 0) return;
  const std::uint64_t bytes = std::uint64_t{tokens} * activations.strides.router * sizeof(float);
  kernels.plan().tag("trace");
  kernels.plan().copy(activations.buffer(), activations.offset_of(activations.router), *capture->router, layer * bytes, bytes);
}

Result<void> ForwardPass::record_down(KernelRecorder& kernels, std::uint32_t layer, const ExpertBatch& batch,
                                      bool rounded) const {
  const DeviceMatrix& down = weights.layers[layer].down;
  const Activations& a = activations;
  if (uses_dot(kernels, batch.tokens, down)) {
    DotInput hidden{.address = a.words, .rounded = true};
    if (!rounded) {
      FOVEA_ASSIGN(hidden, record_rounding(kernels, a.hidden, down.columns, a.strides.hidden, config.mixture() ? batch.slots : 1));
    }
    kernels.plan().tag("down");
    const NextInput next = next_input(kernels, batch.tokens, down, norm_after(layer));
    if (!config.mixture())
      return record_matvec_dot(kernels, {.weights = down, .x = hidden, .y = a.x, .accumulate = true, .next = next});
    // By what plans are chained by, and not by the chain itself: a token is the same with barriers.
    return record_expert_down_dot(kernels, batch, {.down = down, .act = hidden.address, .x = a.x,
                                                   .act_stride = q8_words(down.columns), .next = next,
                                                   .streamed = gains_by_chained_steps(kernels, attention_shape(layer, 1))});
  }
  kernels.plan().tag("down");
  if (config.mixture()) {
    ExpertDownArgs product{.down = down, .act = a.hidden, .partial = a.partial, .x = a.x, .act_stride = a.strides.hidden,
                           .partial_stride = a.strides.width, .x_stride = a.strides.width};
    if (normed_before(kernels, layer + 1, batch.tokens)) product.next = {weights.layers[layer + 1].attention_norm, a.halves, config.norm_epsilon};
    return record_expert_down(kernels, batch, product);
  }
  return record_matmul(kernels, {.weights = down, .x = a.hidden, .y = a.x, .state = state, .x_stride = a.strides.hidden,
                                 .y_stride = a.strides.width, .tokens = batch.tokens, .accumulate = true,
                                 .unpacked = a.unpacked, .halves = batch.in_tiles ? a.hidden : 0});
}

Result<void> ForwardPass::record_head(KernelRecorder& kernels, std::uint32_t tokens, Head head, bool rounded) const {
  if (head == Head::none) return {};
  const bool last = head == Head::last_logits, in_tiles = !last && takes_tiles(kernels, weights.output, tokens);
  FOVEA_ASSIGN(const NormedRows input, record_norm(kernels, weights.output_norm, tokens, weights.output, &weights.layers.back().down,
                                                      last ? NormedAs::last_float : in_tiles ? NormedAs::halves : NormedAs::floats));
  kernels.plan().tag("output");
  if (uses_dot(kernels, tokens, weights.output)) {
    FOVEA_TRY(record_matvec_dot(kernels, {.weights = weights.output, .x = dot_input(input), .y = logits}));
    kernels.plan().barrier();
    return {};
  }
  const std::uint64_t keys = last && keyed(kernels, tokens) ? sample_keys : 0;
  if (last && in_eights(kernels, tokens)) {
    FOVEA_TRY(record_eight_rows(kernels, {.weights = weights.output_eights, .x = input.x, .norm = input.norm, .words = activations.output_words, .rounded = rounded,
                                          .y = logits, .keys = keys}));
    kernels.plan().barrier();
    return {};
  }
  FOVEA_TRY(record_matmul(kernels, {.weights = weights.output, .x = input.x, .y = logits, .state = state,
                                    .x_stride = activations.strides.width, .y_stride = config.vocabulary, .tokens = tokens,
                                    .one_row = last, .norm = input.norm, .halves = input.halves, .keys = keys}));
  kernels.plan().barrier();
  return {};
}

bool ForwardPass::in_eights(const KernelRecorder& kernels, std::uint32_t tokens) const {
  return weights.output_eights.address != 0 && !uses_dot(kernels, tokens, weights.output);
}

bool ForwardPass::keyed(const KernelRecorder& kernels, std::uint32_t tokens) const {
  return sample_keys != 0 && takes_keys(config.vocabulary) && !uses_dot(kernels, tokens, weights.output) &&
         (in_eights(kernels, tokens) || leaves_keys(kernels, weights.output));
}

}  // namespace fovea
