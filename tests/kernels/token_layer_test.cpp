// A layer of one token in two steps: to the bit what the steps apart make of it, and the reference.
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "engine/decoder/device_weights.hpp"
#include "engine/kernels/linear.hpp"
#include "engine/kernels/token_layer.hpp"
#include "engine/reference/expert_ffn.hpp"
#include "engine/reference/matvec.hpp"
#include "engine/reference/rms_norm.hpp"
#include "tests/kernels/paged_cache.hpp"
#include "tests/support/kernel_test.hpp"
#include "tests/support/tolerance.hpp"

namespace fovea::test {
namespace {

constexpr float kEpsilon = 1e-5f;

struct Case {
  const char* name;
  DType type;
  std::uint32_t width, kv_heads, head_width, hidden;
  bool norm;
  friend void PrintTo(const Case& c, std::ostream* out) { *out << c.name; }
};

class TokenLayer : public KernelTest, public testing::WithParamInterface<Case> {
 protected:
  static constexpr std::uint32_t kExperts = 11, kSlots = 4;

  void attend_at(std::uint32_t position, bool keeps_queries) {
    SCOPED_TRACE(position);
    const Case c = GetParam();
    const std::uint32_t query_heads = c.width / c.head_width, rows = (query_heads + 2 * c.kv_heads) * c.head_width;
    Seeded random(position + c.width);
    ModelConfig config;
    config.query_heads = query_heads;
    config.kv_heads = c.kv_heads;
    config.head_width = config.rope_width = c.head_width;
    config.rope_base = 10000.0f;
    const DeviceMatrix projections = place(stored_matrix(c.type, c.width, rows, random)), product = place(stored_matrix(c.type, c.width, c.width, random)),
                       router = place(stored_matrix(DType::F32, c.width, kExperts, random));
    const std::uint64_t norm = place(random.normals(c.width)), router_norm = place(random.normals(c.width)), head_norm = place(random.normals(c.head_width)),
                        turns = place(rope_turns(config));
    const std::vector<float> residual = random.normals(c.width);
    PagedCache caches[2] = {filled(position), filled(position)};
    set_state(position, 1);
    std::vector<std::vector<std::byte>> left[2];
    for (const bool together : {false, true}) {
      PagedCache& cache = caches[together ? 1 : 0];
      const std::uint64_t pages = place(cache.table());
      GuardBuffer x = output(c.width), qkv = output(rows), query = output(c.width), attended = output(c.width), sums = output(attention_layer_bytes(c.kv_heads, c.width) / 4),
                  arrived = output(1), logits = output(kExperts), experts = output(kSlots), weights = output(kSlots), values = output(std::uint64_t{c.width} * 64),
                  partial = output(std::uint64_t{query_heads} * 128);
      x.set_initial<float>(residual);
      arrived.set_initial<std::uint32_t>(std::vector<std::uint32_t>{0});
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
            const RopeStoreArgs rope{.shape = {.query_heads = query_heads, .kv_heads = c.kv_heads, .head_width = c.head_width, .tokens = 1, .layer_offset = cache.layer_offset(), .pages = pages, .state = state},
                                     .qkv = qkv.address(), .query = keeps_queries ? query.address() : 0, .query_norm = c.norm ? head_norm : 0, .key_norm = c.norm ? head_norm : 0,
                                     .turns = turns, .qkv_stride = rows, .rope_width = c.head_width, .norm = c.norm ? 1u : 0u, .epsilon = kEpsilon};
            const RouterTokenArgs route{.router = router, .x = x.address(), .norm = {router_norm, kEpsilon},
                                        .choice = {.logits = logits.address(), .experts = experts.address(), .weights = weights.address(), .state = state, .expert_count = kExperts, .slots = kSlots}};
            EXPECT_TRUE(runs_attention_layer(kernels, rope, projections, product, router));
            if (together)
              return record_attention_layer(kernels, {.rope = rope, .projections = projections, .output = product, .x = x.address(), .norm = {norm, kEpsilon},
                                                      .attended = attended.address(), .sums = sums.address(), .arrived = arrived.address(), .router = route});
            FOVEA_TRY(record_matmul(kernels, {.weights = projections, .x = x.address(), .y = qkv.address(), .state = state, .x_stride = c.width, .y_stride = rows, .norm = {norm, kEpsilon}}));
            kernels.plan().barrier();
            FOVEA_TRY(record_rope_attention(kernels, {.rope = rope, .y = attended.address(), .values = values.address(), .partial = partial.address(), .splits = 1}));
            kernels.plan().barrier();
            FOVEA_TRY(record_matmul(kernels, {.weights = product, .x = attended.address(), .y = x.address(), .state = state, .x_stride = c.width, .y_stride = c.width, .accumulate = true}));
            kernels.plan().barrier();
            return record_router_token(kernels, route);
          },
          {&x, &qkv, &query, &attended, &sums, &arrived, &logits, &experts, &weights, &values, &partial, &cache.memory()}, ProductForm::cpu);
      EXPECT_EQ(arrived.values<std::uint32_t>().front(), 0u);
      for (const GuardBuffer* buffer : {&qkv, &query, &attended, &x, &logits, &experts, &weights}) left[together ? 1 : 0].push_back(buffer->contents());
    }
    for (std::size_t i = 0; i < left[0].size(); ++i) EXPECT_TRUE(left[0][i] == left[1][i]) << "buffer " << i;
    EXPECT_TRUE(caches[0].memory().contents() == caches[1].memory().contents()) << "the cache";
  }

  // `used` experts of kSlots.
  void multiply(std::uint32_t used) {
    SCOPED_TRACE(used);
    const Case c = GetParam();
    Seeded random(used + c.hidden);
    const StoredMatrix stored[] = {stored_matrix(c.type, c.width, c.hidden, random, kExperts), stored_matrix(c.type, c.width, c.hidden, random, kExperts),
                                   stored_matrix(c.type, c.hidden, c.width, random, kExperts)};
    const DeviceMatrix gate = place(stored[0]), up = place(stored[1]), down = place(stored[2]);
    std::vector<std::uint32_t> experts{7, 0, 10, 3};
    std::vector<float> weights{0.5f, 0.25f, 0.4f, 0.125f};
    for (std::uint32_t slot = used; slot < kSlots; ++slot) {
      experts[slot] = shader::kNoExpert;
      weights[slot] = 0;
    }
    const std::vector<float> residual = random.normals(c.width), norm = random.normals(c.width);
    const ExpertBatch batch{.mode = ExpertMode::direct, .slots = kSlots, .experts = place(experts), .weights = place(weights), .varies = true};
    const std::uint64_t norm_at = place(norm);
    std::vector<float> results[2];
    for (const bool together : {false, true}) {
      GuardBuffer x = output(c.width), act = output(kSlots * c.hidden), partial = output((kSlots + 1) * c.width), arrived = output(1);
      x.set_initial<float>(residual);
      arrived.set_initial<std::uint32_t>(std::vector<std::uint32_t>{0});
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
            EXPECT_TRUE(runs_expert_layer(kernels, gate, down));
            ExpertBatch own = batch;
            own.state = state;
            if (together)
              return record_expert_layer(kernels, own, {.gate = gate, .up = up, .down = down, .x = x.address(), .norm = {norm_at, kEpsilon}, .act = act.address(),
                                                        .partial = partial.address(), .arrived = arrived.address()});
            FOVEA_TRY(record_gate_up(kernels, own, {.gate = gate, .up = up, .x = x.address(), .act = act.address(), .x_stride = c.width, .act_stride = c.hidden, .norm = {norm_at, kEpsilon}}));
            kernels.plan().barrier();
            return record_expert_down(kernels, own, {.down = down, .act = act.address(), .partial = partial.address(), .x = x.address(), .act_stride = c.hidden, .partial_stride = c.width, .x_stride = c.width});
          },
          {&x, &act, &partial, &arrived}, ProductForm::cpu);
      EXPECT_EQ(arrived.values<std::uint32_t>().front(), 0u);
      results[together ? 1 : 0] = x.values<float>();
    }
    if (used % 2 == 0) {
      EXPECT_EQ(results[0], results[1]);
    } else {  // halves of an expert are added up once they are sums
      EXPECT_TRUE(near_enough(results[1], results[0], {2e-6, 4e-6}));
    }
    std::vector<float> normed(c.width), expected = residual, hidden(c.hidden), ups(c.hidden), out(c.width);
    reference::rms_norm(residual, norm, kEpsilon, normed);
    for (std::uint32_t slot = 0; slot < used; ++slot) {
      reference::matvec(stored[0].view(), normed, hidden, {.matrix = experts[slot]});
      reference::matvec(stored[1].view(), normed, ups, {.matrix = experts[slot]});
      reference::swiglu(hidden, ups, hidden);
      reference::matvec(stored[2].view(), hidden, out, {.matrix = experts[slot]});
      for (std::uint32_t i = 0; i < c.width; ++i) expected[i] += weights[slot] * out[i];
    }
    EXPECT_TRUE(near_enough(results[1], expected, {2e-5, 4e-5}));
  }

  void SetUp() override {
    KernelTest::SetUp();
    if (!IsSkipped() && (!device().facts().cpu || device().facts().subgroup != 8)) GTEST_SKIP() << "layers are not taken in two steps here";
  }

 private:
  [[nodiscard]] static PagedCache filled(std::uint32_t position) {
    Seeded random(position + 7);
    PagedCache cache(device(), GetParam().kv_heads, GetParam().head_width, 0, position + 1, 5);
    cache.fill(position, random);
    return cache;
  }
};

TEST_P(TokenLayer, attends_and_routes_as_the_steps_apart) {
  for (const std::uint32_t position : {0u, 1u, 31u, 32u, 333u}) attend_at(position, position % 2 == 0);
}

TEST_P(TokenLayer, takes_experts_as_the_steps_apart_and_as_the_reference) {
  for (std::uint32_t used = 1; used <= kSlots; ++used) multiply(used);
}

INSTANTIATE_TEST_SUITE_P(Shapes, TokenLayer,
                         testing::Values(Case{"q8_0", DType::Q8_0, 512, 2, 64, 512, true}, Case{"q4_k", DType::Q4_K, 512, 2, 64, 256, true},
                                         Case{"q6_k", DType::Q6_K, 512, 1, 32, 256, false}, Case{"q5_k", DType::Q5_K, 256, 1, 64, 256, true},
                                         Case{"f32", DType::F32, 512, 2, 128, 512, false}),
                         [](const auto& entry) { return std::string(entry.param.name); });

}  // namespace
}  // namespace fovea::test
