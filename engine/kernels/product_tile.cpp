#include "engine/kernels/product_tile.hpp"

#include <algorithm>
#include <array>
#include <span>
#include <vector>

#include "shaders/interface/half_weights.h"

namespace fovea {
namespace {

struct TileSize {
  std::uint32_t rows, tokens;
};
// From the largest to the smallest: the larger a tile, the more often each weight and activation in it is used. Matrix
// cores need large ones, so that unpacking weights keeps up with them; in registers a lane's sums are the bound.
constexpr std::array kMatrixCoreTiles{TileSize{128, 256}, TileSize{128, 128}, TileSize{128, 64}, TileSize{64, 64}, TileSize{64, 32}};
constexpr std::array kPlainTiles{TileSize{64, 64}, TileSize{64, 32}};

// Fewer tokens read a weight too seldom to pay for its being written as a half and read twice as wide.
constexpr std::uint32_t kTokensToUnpackFor = 256;
// Fewer sums do not fill a large GPU: such products had better run beside one another than behind barriers of their own.
constexpr std::uint64_t kSumsToUnpackFor = std::uint64_t{1} << 21;
constexpr std::uint32_t kStretchRows = 128;  // stretches are multiples of a tile

constexpr std::uint32_t kTilesWanted = 96;  // workgroups that leave no large GPU half idle
std::uint32_t tile_count(const TileShape& shape, std::uint32_t rows, std::uint32_t tokens) {
  return (rows + shape.rows - 1) / shape.rows * ((tokens + shape.tokens - 1) / shape.tokens);
}

// Parts as small as leave every invocation at least one piece of weights and of activations to bring (the shader's
// WEIGHT_PIECES and TOKEN_PIECES). A part has two fragments of rows at least: one of gate, one of up.
void share_among_subgroups(TileShape& shape, std::uint32_t subgroup) {
  shape.part_rows = 32;
  shape.part_tokens = 16;
  const std::uint32_t most = std::min(shape.rows * 2, shape.tokens * 4);
  const auto invocations = [&] { return shape.rows / shape.part_rows * (shape.tokens / shape.part_tokens) * subgroup; };
  while (invocations() > most)
    if (shape.part_tokens < shape.part_rows && shape.part_tokens < shape.tokens)
      shape.part_tokens *= 2;
    else
      shape.part_rows *= 2;
  shape.invocations = invocations();
}

// On matrix cores a step of 64 columns with two barriers is faster than two of 32 with one each (H200: 222 and 152
// TFLOP/s), where shared memory has room for it. In registers there is more to do between barriers.
TileShape shape_of(TileForm form, TileSize size, const gpu::DeviceFacts& facts) {
  TileShape shape{.form = form, .rows = size.rows, .tokens = size.tokens};
  if (form == TileForm::workgroup_matrices)
    shape.invocations = size.rows * size.tokens >= 8192 ? 256 : 128;
  else
    share_among_subgroups(shape, facts.subgroup);
  if (form == TileForm::registers) {
    shape.buffers = 2;
    return shape;
  }
  shape.depth = 64;
  if (!runs(facts, shape)) shape.depth = 32;
  return shape;
}

ShaderId shader_of(const TileShape& shape, DType type) {
  if (shape.in_lanes) {
    const bool registers = shape.form == TileForm::registers;
    if (type == DType::Q4_K) return registers ? ShaderId::product_lanes_PLAIN_Q4_K : ShaderId::product_lanes_KHR_Q4_K;
    return registers ? ShaderId::product_lanes_PLAIN_Q6_K : ShaderId::product_lanes_KHR_Q6_K;
  }
  constexpr std::array kFirst{ShaderId::product_tile_PLAIN_F16, ShaderId::product_tile_KHR_F16, ShaderId::product_workgroup_F16};
  return shader_for(kFirst.at(static_cast<std::size_t>(shape.form)), type, DType::F16);
}

// Tokens that a matrix of a workgroup can be cut to in steps of.
std::uint32_t least_tokens(const gpu::DeviceFacts& facts, const TileShape& shape) {
  for (const gpu::WorkgroupMatrices& matrices : facts.workgroup_matrices)
    if (matrices.invocations == shape.invocations) return matrices.tokens;
  return shape.tokens;
}

std::vector<std::uint32_t> constants(const KernelRecorder& kernels, const TileShape& shape, const shader::ProductTilePush& push,
                                     bool grouped) {
  const std::uint32_t paired = push.up != 0 ? 1 : 0, depth = push.columns % shape.depth == 0 ? shape.depth : 32;
  if (shape.in_lanes) return {shape.invocations, kernels.subgroup(), shape.rows, shape.tokens, shape.part_rows, grouped ? 1u : 0u, paired};
  if (shape.form == TileForm::workgroup_matrices)
    return {shape.invocations, shape.rows >> paired, shape.tokens, depth, grouped ? 1u : 0u, paired, least_tokens(kernels.facts(), shape)};
  return {shape.invocations, kernels.subgroup(), shape.rows, shape.tokens, shape.part_rows, shape.part_tokens,
          grouped ? 1u : 0u, paired, depth, shape.buffers};
}

bool lanes_run(const KernelRecorder& kernels, const TileShape& shape) { return kernels.fills_fragments() && runs(kernels.facts(), shape); }

}  // namespace

std::uint32_t TileShape::shared_bytes() const {
  if (in_lanes)  // no weights, but in registers those of a sub-block
    return buffers * tokens * (depth / 8 + 1) * 16 + (form == TileForm::registers ? rows * 80 : 16) + rows / part_rows * 1024 + tokens * 4;
  const std::uint32_t operands = buffers * (rows + tokens) * (depth / 8 + 1) * 16;  // rows of halves, padded
  if (form == TileForm::workgroup_matrices) return operands + tokens * 4;
  return operands + rows / part_rows * (tokens / part_tokens) * 1024;  // and what a subgroup writes its sums through
}

bool takes_tiles(const KernelRecorder& kernels, const DeviceMatrix& weights, std::uint32_t tokens) {
  return !kernels.cpu_form() && tokens > 8 && weights.type != DType::F32 && weights.columns % 32 == 0 &&
         !tile_shapes(kernels).empty();
}

bool runs(const gpu::DeviceFacts& facts, const TileShape& shape) {
  if (shape.invocations > facts.max_workgroup_invocations || shape.invocations > facts.max_workgroup_subgroups * facts.subgroup) return false;
  if (!shape.in_lanes && shape.invocations > std::min(shape.rows * 2, shape.tokens * 4)) return false;  // pieces of a step of 32 columns
  if (shape.form != TileForm::workgroup_matrices) return shape.shared_bytes() <= facts.shared_memory_bytes;
  // Paired, a matrix has half the rows.
  return shape.shared_bytes() + facts.workgroup_matrix_shared_bytes <= facts.shared_memory_bytes &&
         std::ranges::any_of(facts.workgroup_matrices, [&](const gpu::WorkgroupMatrices& matrices) {
           return matrices.invocations == shape.invocations && shape.rows / 2 % matrices.rows == 0 &&
                  shape.tokens % matrices.tokens == 0 && 32 % matrices.columns == 0;
         });
}

std::vector<TileShape> tile_shapes(const KernelRecorder& kernels, TileForm form) {
  const gpu::DeviceFacts& facts = kernels.facts();
  std::vector<TileShape> shapes;
  if (facts.subgroup < 4 || facts.subgroup > 64) return shapes;
  std::span<const TileSize> sizes = kPlainTiles;
  if (form != TileForm::registers) sizes = kMatrixCoreTiles;
  for (const TileSize size : sizes)
    if (const TileShape shape = shape_of(form, size, facts); runs(facts, shape)) shapes.push_back(shape);
  return shapes;
}

std::vector<TileShape> tile_shapes(const KernelRecorder& kernels) {
  if (!kernels.matrix_cores()) return tile_shapes(kernels, TileForm::registers);
  std::vector<TileShape> shapes = tile_shapes(kernels, TileForm::workgroup_matrices);
  return shapes.empty() ? tile_shapes(kernels, TileForm::subgroup_matrices) : shapes;
}

bool lanes_unpack(DType type) { return type == DType::Q4_K || type == DType::Q6_K; }

TileShape lane_tile(const gpu::DeviceFacts& facts, TileForm form, std::uint32_t rows, std::uint32_t tokens) {
  constexpr std::uint32_t kPartRows = 32;
  return {.form = form, .rows = rows, .tokens = tokens, .part_rows = kPartRows, .part_tokens = tokens,
          .invocations = rows / kPartRows * facts.subgroup, .depth = 128, .buffers = 2, .in_lanes = true};
}

TileShape dense_tile(const KernelRecorder& kernels, std::uint32_t rows, std::uint32_t tokens) {
  const std::vector<TileShape> shapes = tile_shapes(kernels);
  for (const TileShape& shape : shapes) {
    if (tokens > shape.tokens / 2 && tile_count(shape, rows, tokens) >= kTilesWanted) return shape;
  }
  return shapes.back();
}

// Tokens of an expert, on average, up to which lanes unpack its weights (H200: prompts of 4,096 of olmoe-1b-7b, of 256 tokens an expert,
// 56,500 t/s in place of 52,200, of 128 75,000 in place of 69,700; of qwen3-30b-a3b, of 128, 20,800 of 19,100). More were not measured.
constexpr std::uint32_t kMostInLanes = 256;

TileShape expert_tile(const KernelRecorder& kernels, bool in_lanes, std::uint32_t assignments, std::uint32_t experts) {
  // Experts differ: a tile of about the mean to twice it is full often enough and unpacks weights seldom twice.
  const std::uint32_t mean = assignments / experts;
  const TileShape lanes = lane_tile(kernels.facts(), TileForm::subgroup_matrices, 256, mean <= 32 ? 48 : 64);
  if (in_lanes && mean >= 24 && mean <= kMostInLanes && lanes_run(kernels, lanes)) return lanes;
  const std::uint32_t most = mean >= 48 ? 128 : mean >= 24 ? 64 : 32;
  const std::vector<TileShape> shapes = tile_shapes(kernels);
  // Of few tokens a tile of fewer rows is faster: more of them hide one another's waiting.
  for (const TileShape& shape : shapes)
    if (shape.tokens <= most && (most > 64 || shape.rows <= 64)) return shape;
  return shapes.back();
}

std::uint32_t tile_groups(const TileShape& shape, std::uint32_t rows, bool paired) {
  const std::uint32_t outputs = paired ? shape.rows / 2 : shape.rows;
  return (rows + outputs - 1) / outputs;
}

Result<void> record_half_rows(KernelRecorder& kernels, std::uint32_t tokens, const shader::HalfRowsPush& push) {
  const std::uint32_t pieces = push.columns / 8, lanes = kernels.subgroup();
  const std::uint32_t local = std::min((pieces + lanes - 1) / lanes, std::max(256 / lanes, 1u)) * lanes;
  return kernels.dispatch(ShaderId::half_rows, {local}, push, tokens, (pieces + local - 1) / local);
}

Result<void> record_half_weights(KernelRecorder& kernels, const DeviceMatrix& weights, std::uint64_t y) {
  const shader::HalfWeightsPush push{.weights = weights.address, .y = y, .columns = weights.columns, .rows = weights.rows,
                                     .row_bytes = weights.row_bytes};
  const std::uint32_t local = std::max<std::uint32_t>(128 / kernels.subgroup(), 1) * kernels.subgroup();
  const std::uint32_t pieces = weights.rows * (weights.columns / 16);
  return kernels.dispatch(shader_for(ShaderId::half_weights_F16, weights.type, DType::F16), {local}, push, (pieces + local - 1) / local);
}

Result<void> record_dense_tiles(KernelRecorder& kernels, const TileShape& shape, DType type, std::uint32_t tokens,
                                const shader::ProductTilePush& push) {
  return kernels.dispatch(shader_of(shape, type), constants(kernels, shape, push, false), push,
                          (tokens + shape.tokens - 1) / shape.tokens, tile_groups(shape, push.rows, push.up != 0));
}

std::uint64_t unpacked_bytes(const gpu::DeviceFacts& facts, std::uint32_t tokens, std::uint64_t weights) {
  constexpr std::uint64_t kMost = std::uint64_t{128} << 20;  // stretches of half of it are tiles enough for a large GPU
  return facts.cooperative_matrix && tokens >= kTokensToUnpackFor ? std::min(2 * weights, kMost) : 0;
}

Result<void> record_dense_product(KernelRecorder& kernels, DType type, std::uint32_t tokens, const UnpackedRoom& room,
                                  const shader::ProductTilePush& push) {
  const std::uint32_t matrices = push.up != 0 ? 2 : 1;
  const std::uint64_t sums = matrices * std::uint64_t{push.rows} * tokens, row = std::uint64_t{push.columns} * 2 * matrices, half = room.bytes / 2 / 256 * 256;
  const bool whole = row * push.rows <= room.bytes;
  // Products too small to write weights for (H200, 512 tokens by 2,048 x 4,096 of Q4_K, added to what is there: 66 us in place of 73).
  if (const TileShape lanes = lane_tile(kernels.facts(), TileForm::subgroup_matrices, 128, 64);
      lanes_unpack(type) && tokens >= kTokensToUnpackFor && sums < kSumsToUnpackFor && tile_count(lanes, matrices * push.rows, tokens) >= kTilesWanted && lanes_run(kernels, lanes))
    return record_dense_tiles(kernels, lanes, type, tokens, push);
  const std::uint32_t most = whole ? push.rows : static_cast<std::uint32_t>(half / row / kStretchRows * kStretchRows);
  if (type == DType::F16 || tokens < kTokensToUnpackFor || sums < kSumsToUnpackFor || most == 0)
    return record_dense_tiles(kernels, dense_tile(kernels, matrices * push.rows, tokens), type, tokens, push);
  // A stretch of rows at a time, all of them where they fit; stretches take turns between two halves of the scratch.
  const auto place = [&](std::uint32_t first) { return room.address + first / most % 2 * half; };
  const auto unpack = [&](std::uint32_t first) -> Result<void> {
    const std::uint32_t rows = std::min(most, push.rows - first);
    DeviceMatrix stretch{.address = push.weights + std::uint64_t{first} * push.row_bytes, .type = type, .columns = push.columns,
                         .rows = rows, .matrices = 1, .row_bytes = push.row_bytes};
    FOVEA_TRY(record_half_weights(kernels, stretch, place(first)));
    if (push.up == 0) return {};
    stretch.address = push.up + std::uint64_t{first} * push.row_bytes;
    return record_half_weights(kernels, stretch, place(first) + std::uint64_t{rows} * push.columns * 2);
  };
  kernels.plan().barrier();  // the product before may still read the scratch
  FOVEA_TRY(unpack(0));
  for (std::uint32_t first = 0; first < push.rows; first += most) {
    kernels.plan().barrier();
    const std::uint32_t rows = std::min(most, push.rows - first);
    shader::ProductTilePush part = push;
    part.weights = place(first);
    if (push.up != 0) part.up = place(first) + std::uint64_t{rows} * push.columns * 2;
    part.rows = rows;
    part.row_bytes = push.columns * 2;
    part.y += std::uint64_t{first} * (push.up != 0 ? 2 : 4);
    FOVEA_TRY(record_dense_tiles(kernels, dense_tile(kernels, matrices * rows, tokens), DType::F16, tokens, part));
    if (first + most < push.rows) FOVEA_TRY(unpack(first + most));
  }
  return {};
}

Result<void> record_expert_tiles(KernelRecorder& kernels, const TileShape& shape, DType type, const gpu::Buffer& counts,
                                 std::uint64_t offset, const shader::ProductTilePush& push) {
  return kernels.dispatch_indirect(shader_of(shape, type), constants(kernels, shape, push, true), push, counts, offset);
}

}  // namespace fovea
