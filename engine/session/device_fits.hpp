// Everything that depends on the device, in one list: decided where it belongs (engine/decoder, engine/kernels), told here.
#pragma once

#include <cstdint>
#include <optional>

#include "engine/api/activation_type.hpp"
#include "engine/api/device_fit.hpp"
#include "engine/api/kv_type.hpp"
#include "engine/api/model_summary.hpp"
#include "engine/base/result.hpp"
#include "engine/gpu/device.hpp"
#include "engine/model/model_config.hpp"

namespace fovea {

// Without a model: what the device's abilities alone decide.
[[nodiscard]] DeviceFits device_fits(const gpu::DeviceFacts& facts);
// And with one. `kv`: of the load; `kv_asked`: a person chose it. `f16`: the estimate with keys and values as f16. `activations`:
// nullopt where what suits the device is taken; `eights`: decoding reads a copy of the output matrix (output_eights_bytes).
[[nodiscard]] DeviceFits device_fits(const gpu::DeviceFacts& facts, const ModelConfig& config, std::uint32_t context, KvType kv, bool kv_asked,
                                     const MemoryBytes& f16, std::optional<ActivationType> activations, bool eights = false);

// What a run may take of the device's memory: nine tenths.
[[nodiscard]] std::uint64_t usable_memory(const gpu::DeviceFacts& facts);

// How keys and values are kept where nobody said: f16 where everything fits into nine tenths of the device's memory so, else
// q8_0. `f16`: as above.
[[nodiscard]] KvType suitable_kv(const gpu::DeviceFacts& facts, const MemoryBytes& f16);

// Bytes a second, 10^9, that the device copies within its own memory, read and written counted: the best of several goes.
// Errors: no memory, a lost device.
[[nodiscard]] Result<double> measure_copy_bandwidth(std::int32_t device);

}  // namespace fovea
