// What is told about a model: the summary from its file, the estimate, the counted bytes.
#pragma once

#include <optional>
#include <vector>

#include "engine/api/kernel_times.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/decoder/page_selection.hpp"
#include "engine/gpu/device.hpp"
#include "engine/io/gguf.hpp"
#include "engine/model/model_config.hpp"
#include "engine/tensor/dtype.hpp"

namespace fovea {

[[nodiscard]] std::vector<KernelTime> kernel_times(const std::vector<gpu::TagTime>& tags);
[[nodiscard]] DeviceSummary summarize(const gpu::DeviceFacts& facts);
// Everything that follows from the file and the card beside it; device and measured memory are left empty.
// `kv`: nullopt takes what suits the device, which the summary then tells.
[[nodiscard]] ModelSummary summarize(const GgufFile& file, const ModelConfig& config, std::uint32_t context, std::optional<KvType> kv,
                                     std::optional<ActivationType> activations, const std::optional<SparseAttention>& attention,
                                     std::optional<double> top_share, const gpu::DeviceFacts& facts, const KvTiers& tiers = {});
// What sparse attention keeps beside the cache under a policy; nothing of a dense one.
[[nodiscard]] PageSelection::Bytes page_bytes(const ModelConfig& config, std::uint32_t context, const std::optional<SparseAttention>& attention,
                                              const gpu::DeviceFacts& facts);
// Of a second copy of the output matrix that decoding reads in 8 bits, with eight rows side by side (engine/kernels/eight_rows.hpp); 0: the
// device gains nothing by it, or floats were asked for.
[[nodiscard]] std::uint64_t output_eights_bytes(const GgufFile& file, const ModelConfig& config, const gpu::DeviceFacts& facts,
                                                std::optional<ActivationType> activations);
// What the engine's rooms call a type of cache: in tiers that of new pages.
[[nodiscard]] DType element_type(KvType kv);
// The context a load gets when `wanted` positions are asked for (0: a sensible default). Error: beyond the model's.
[[nodiscard]] Result<std::uint32_t> choose_context(const ModelConfig& config, std::uint32_t wanted);

}  // namespace fovea
