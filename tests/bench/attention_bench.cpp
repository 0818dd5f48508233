// Attention of a decoded token and of a prompt.
#include <fmt/format.h>

#include <optional>
#include <span>

#include "engine/kernels/attention_tile.hpp"
#include "engine/tensor/kv_row.hpp"
#include "shaders/interface/kv_page.h"
#include "tests/bench/kernel_bench.hpp"

namespace fovea {

Result<void> Bench::attention() {
  struct Shape {
    std::uint32_t query_heads, kv_heads, width;
    const char* what;
  };
  constexpr std::array kShapes{Shape{32, 4, 128, "qwen3-30b-a3b"}, Shape{16, 16, 128, "olmoe-1b-7b"}, Shape{32, 8, 128, "llama-8b"}};
  for (const std::uint32_t depth : {128u, 512u, 8192u, 32768u})
    for (const Shape& shape : kShapes) {
      const std::uint64_t page = std::uint64_t{2} * shape.kv_heads * shader::kPageKeys * shape.width * 2;
      const std::uint32_t pages = depth / shader::kPageKeys + 1;
      const auto layers = static_cast<std::uint32_t>(std::min<std::uint64_t>(region() / (pages * page), 8));
      if (layers == 0) continue;
      std::vector<std::uint64_t> addresses(std::size_t{pages} * layers);
      for (std::size_t i = 0; i < addresses.size(); ++i) addresses[i] = weights_.address() + i * page;
      FOVEA_ASSIGN(const gpu::Buffer table, device_->create_buffer(addresses.size() * sizeof(std::uint64_t), gpu::MemoryUse::compute));
      FOVEA_TRY(device_->upload(table, 0, std::as_bytes(std::span(addresses))));
      FOVEA_TRY(set_state(depth - 1, 1));
      const std::uint32_t group = shape.query_heads / shape.kv_heads, suitable = attention_splits(device_->facts(), shape.kv_heads);
      struct Form {
        std::uint32_t heads, least_pages, splits;
        bool early;
        RopeAttentionTile tile{};
      };
      std::vector<Form> forms{{}};  // the engine's own first
      for (const std::uint32_t heads : {1u, 2u, 4u, 8u})
        for (const std::uint32_t least_pages : depth < kDeepAttention ? std::vector{2u, 4u, 8u} : std::vector{4u})
          for (const std::uint32_t splits : depth < kDeepAttention ? std::vector{suitable} : std::vector{32u, 48u, 64u, 96u, 128u})
            for (const bool early : {false, true})
              if (heads <= group && splits * shape.kv_heads <= 1024) forms.push_back({heads, least_pages, splits, early});
      FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
      const KernelRecorder asked(*device_, recorder);
      for (const std::uint32_t subgroups : {4u, 8u})
        for (const std::uint32_t splits : {16u, 32u, 48u, 64u})
          for (const std::uint32_t least_pages : depth < kDeepAttention ? std::vector{2u, 4u} : std::vector{4u})
            if (const RopeAttentionTile tile{AttentionMatrix::nv2, subgroups}; runs_rope_attention_tile(
                    asked, tile, {.query_heads = shape.query_heads, .kv_heads = shape.kv_heads, .head_width = shape.width}, splits))
              forms.push_back({group, least_pages, splits, true, tile});
      for (const Form& form : forms) {
        const bool suits = form.heads == 0;
        FOVEA_TRY(time(fmt::format("decode attention f16, {}, depth {}{}", shape.what, depth,
                                   suits ? ""
                                   : form.tile.subgroups > 0
                                       ? fmt::format(", as matrices, {} subgroups, {} pages, {} splits", form.tile.subgroups,
                                                     form.least_pages, form.splits)
                                       : fmt::format(", {} heads, {} pages, {} splits{}", form.heads, form.least_pages, form.splits,
                                                            form.early ? ", early" : "")),
                       4 * layers, static_cast<double>(depth) / shader::kPageKeys * static_cast<double>(page), 0,
                       [&](KernelRecorder& kernels, std::uint32_t turn) {
                         const AttentionShape attention{.query_heads = shape.query_heads, .kv_heads = shape.kv_heads,
                                                        .head_width = shape.width,
                                                        .pages = table.address() + std::uint64_t{turn % layers} * pages * 8,
                                                        .state = state_.address()};
                         const std::uint64_t values = scratch_.address(), partial = values + (std::uint64_t{12} << 20),
                                             arrived = values + (std::uint64_t{14} << 20);
                         const std::uint32_t width = shape.query_heads * shape.width;
                         if (takes_rope_attention(kernels, attention))
                           return record_rope_attention(
                               kernels, {.rope = {.shape = attention, .qkv = input_.address(), .query_norm = input_.address(),
                                                  .key_norm = input_.address(), .turns = input_.address(),
                                                  .qkv_stride = width + 2 * shape.kv_heads * shape.width,
                                                  .rope_width = shape.width, .norm = group == 1 ? 2u : 1u, .epsilon = 1e-6f},
                                         .y = output_.address(), .values = values, .partial = partial, .arrived = arrived,
                                         .splits = suits ? suitable : form.splits,
                                         .deep = depth >= kDeepAttention,
                                         .heads = form.heads,
                                         .least_pages = form.least_pages,
                                         .early = suits ? std::nullopt : std::optional(form.early),
                                         .tile = suits ? std::nullopt : std::optional(form.tile)});
                         return record_attention_decode(kernels, {.shape = attention, .query = input_.address(),
                                                                  .y = output_.address(), .y_stride = width,
                                                                  .values = values, .partial = partial});
                       }));
      }
    }
  return {};
}

Result<void> Bench::prompt(const std::string& name, const PromptShape& shape, Prompt at, DType kv,
                    const std::function<Result<void>(KernelRecorder&, const AttentionArgs&)>& record) {
  const std::uint64_t page = std::uint64_t{2} * shape.kv_heads * shader::kPageKeys * kv_row_bytes(kv, shape.width);
  const std::uint32_t pages = (at.position + at.tokens) / shader::kPageKeys + 1, width = shape.query_heads * shape.width;
  if (pages * page > region() || std::uint64_t{at.tokens} * width * sizeof(float) > input_.bytes()) return {};
  std::vector<std::uint64_t> addresses(pages);
  for (std::size_t i = 0; i < addresses.size(); ++i) addresses[i] = weights_.address() + i * page;
  FOVEA_ASSIGN(const gpu::Buffer table, device_->create_buffer(addresses.size() * sizeof(std::uint64_t), gpu::MemoryUse::compute));
  FOVEA_TRY(device_->upload(table, 0, std::as_bytes(std::span(addresses))));
  FOVEA_TRY(set_state(at.position, at.tokens));
  const double seen = static_cast<double>(at.tokens) * (at.position + (at.tokens + 1) / 2.0);
  return time(fmt::format("{}, {} {}, {} tokens at {}", name, shape.what, fovea::name(kv), at.tokens, at.position), 4, 0,
              4.0 * shape.query_heads * shape.width * seen, [&](KernelRecorder& kernels, std::uint32_t) {
                return record(kernels, {.shape = {.query_heads = shape.query_heads, .kv_heads = shape.kv_heads,
                                                  .head_width = shape.width, .tokens = at.tokens,
                                                  .pages = table.address(), .state = state_.address(), .kv = kv},
                                        .query = input_.address(), .y = output_.address(), .y_stride = width});
              });
}

Result<void> Bench::prompt_attention() {
  for (const PromptShape& shape : kPromptShapes)
    FOVEA_TRY(prompt("a query an invocation", shape, {0, 512}, DType::F16,
                     [&](KernelRecorder& kernels, const AttentionArgs& args) {
                       KernelRecorder others(*device_, kernels.plan(), ProductForm::cpu);
                       return record_attention_prefill(others, args);
                     }));
  for (const PromptShape& shape : kPromptShapes)
    for (const Prompt at : {Prompt{0, 512}, Prompt{0, 2048}, Prompt{0, 4096}, Prompt{10240, 512}, Prompt{32768, 512}})
      for (const DType kv : {DType::F16, DType::Q8_0})
        FOVEA_TRY(prompt("prompt attention", shape, at, kv, record_attention_prefill));
  return {};
}

Result<void> Bench::attention_tiles() {
  using Matrix = AttentionMatrix;
  constexpr std::array kTiles{
      AttentionTile{Matrix::nv2, 4, 32},  AttentionTile{Matrix::nv2, 4, 64},  AttentionTile{Matrix::nv2, 6, 64},
      AttentionTile{Matrix::nv2, 8, 32},  AttentionTile{Matrix::nv2, 8, 64},  AttentionTile{Matrix::nv2, 10, 64},
      AttentionTile{Matrix::nv2, 12, 64}, AttentionTile{Matrix::khr, 4, 32},  AttentionTile{Matrix::khr, 8, 32},
      AttentionTile{Matrix::khr, 12, 32}, AttentionTile{Matrix::plain, 2, 32}, AttentionTile{Matrix::plain, 4, 32}};
  struct Case {
    PromptShape shape;
    Prompt at;
    DType kv;
  };
  const std::array cases{Case{kPromptShapes[0], {0, 4096}, DType::F16}, Case{kPromptShapes[1], {32768, 512}, DType::F16},
                         Case{kPromptShapes[2], {0, 512}, DType::F16}, Case{kPromptShapes[0], {0, 4096}, DType::Q8_0}};
  for (const Case& of : cases)
    for (const AttentionTile& bare : kTiles) {
      const ProductForm form = bare.matrix == Matrix::plain ? ProductForm::gpu_without_matrix_cores : ProductForm::gpu;
      FOVEA_ASSIGN(gpu::CommandRecorder recorder, device_->record());
      const AttentionShape shape{.query_heads = of.shape.query_heads, .kv_heads = of.shape.kv_heads,
                                 .head_width = of.shape.width, .tokens = of.at.tokens, .kv = of.kv};
      const AttentionTile tile = with_heads(bare, shape);
      if (!runs_attention_tile(KernelRecorder(*device_, recorder, form), tile, shape)) continue;
      constexpr std::array kMatrix{"KHR", "NV2", "PLAIN"};
      FOVEA_TRY(prompt(fmt::format("{} tile, {} subgroups, {} keys, {} heads", kMatrix.at(static_cast<std::size_t>(tile.matrix)),
                                   tile.subgroups, tile.block_keys, tile.heads),
                       of.shape, of.at, of.kv, [&](KernelRecorder& kernels, const AttentionArgs& args) {
                         return record_attention_tile(kernels, tile, args);
                       }));
    }
  return {};
}

}  // namespace fovea
