// What the window chooses for the models that it opens from now on, among what this version runs: experts are static.
#pragma once

#include <optional>

#include "engine/api/activation_type.hpp"
#include "engine/api/kv_type.hpp"
#include "engine/api/sparse_attention.hpp"

namespace fovea {

struct WorkbenchPolicy {
  KvType kv = KvType::f16;
  std::optional<SparseAttention> attention;   // nullopt: dense
  std::optional<ActivationType> activations;  // nullopt: what suits the device
};

}  // namespace fovea
