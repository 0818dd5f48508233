// Bounds of pages, the choice of pages by them and attention over those, in many shapes, against the reference.
#include "tests/kernels/sparse_attention_fixture.hpp"

namespace fovea::test {
namespace {

// A CPU driver sees what hangs on no shape in few of them: others only cost it time.
bool is_seen(const Heads& heads) { return !shared_device()->facts().cpu || heads.width == 6 || (heads.width == 64 && heads.query == 8); }

TEST_P(SparseAttention, bounds_of_full_pages_and_of_no_others) {
  for (const std::uint32_t scorer : {shader::kScorerAutomatic, shader::kScorerQuest, shader::kScorerMean}) {
    bounds(0, 1, scorer);
    bounds(31, 1, scorer);
    bounds(95, 1, scorer);
    bounds(96, 1, scorer);
    bounds(0, 32, scorer);
    bounds(0, 75, scorer);
    bounds(40, 30, scorer);
    bounds(1050, 45, scorer);
  }
}

// Invariant 3: whatever the type of the cache, no score of a key as attention reads it is above its page's bound.
TEST_P(SparseAttention, invariant_3_no_score_is_above_the_bound_of_its_page) {
  const Heads heads = GetParam();
  constexpr std::uint32_t kCount = 256, kPages = 8;
  Seeded random(9);
  PagedCache cache(device(), heads.kv, heads.width, 0, kCount, 3, heads.type);
  cache.fill(kCount, random);
  GuardBuffer out(device(), page_bounds_bytes(heads.kv, heads.width, kPages, shader::kScorerQuest));
  set_state(0, kCount);
  const std::uint64_t table = place(cache.table());
  run(
      [&](KernelRecorder& kernels, std::uint64_t state) {
        return record_page_bounds(kernels, {.shape = shape(cache, table, state, kCount), .bounds = out.address(), .pages = kPages,
                                            .scorer = shader::kScorerQuest});
      },
      {&out});
  const std::vector<std::uint16_t> written = out.values<std::uint16_t>();
  for (std::uint32_t head = 0; head < heads.kv; ++head)
    for (int turn = 0; turn < 8; ++turn) {
      const std::vector<float> query = random.normals(heads.width, 2);
      for (std::uint32_t key = 0; key < kCount; ++key) {
        const std::vector<float> stored = cache.stored(false, head, key);
        double score = 0, bound = 0;
        for (std::uint32_t d = 0; d < heads.width; ++d) {
          const auto q = static_cast<double>(query[d]);
          const auto edge = [&](std::uint32_t plane) {
            return static_cast<double>(half_to_float(written[bound_at(heads, kPages, shader::kScorerQuest, head, key / 32, plane, d)]));
          };
          score += q * static_cast<double>(stored[d]);
          bound += std::max(q * edge(0), q * edge(1));
        }
        ASSERT_LE(score, bound) << "head " << head << " key " << key;
      }
    }
}


TEST_P(SparseAttention, of_one_token_equals_the_reference) {
  for (const Form form : {Form::cpu, Form::gpu, Form::gpu_apart, Form::gpu_tile})
    for (const std::uint32_t position : {31u, 227u, 228u, 999u, 1311u})
      if (form == Form::cpu || form == Form::gpu || is_seen(GetParam())) choose(position, 1, kSmall, form);
}

// Layers that choose together, as they do ahead of a token: by equal queries what each chooses for itself.
TEST_P(SparseAttention, ahead_with_equal_queries_chooses_what_own_chooses) {
  const Heads heads = GetParam();
  constexpr std::uint32_t kLayers = 2;
  const bool many = heads.width == 64 && heads.query == 8 && heads.type == DType::F16;  // whose remote pages are counted in several turns
  const std::uint32_t kPages = many ? 165 : 70;  // 70: as other choices have it, which are the same pipelines
  const PageRule rule = rule_of(kSmall).device;
  const std::uint32_t row = heads.query * heads.width;
  for (const ProductForm form : {ProductForm::cpu, ProductForm::gpu})
    for (const std::uint32_t position : {40u, many ? 5000u : 1312u}) {
      if (device().facts().cpu && form == ProductForm::gpu && group() > 4) continue;  // seen in smaller groups, and this one of one layer
      Seeded random(position);
      std::vector<std::uint64_t> bounds;  // of each layer alone
      std::vector<std::uint16_t> all_bounds;
      PagedCache cache(device(), heads.kv, heads.width, 0, position + 1, 3, heads.type);
      for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
        cache.fill(position + 1, random);
        const std::vector<std::uint16_t> of_layer = bounds_of(cache, position, kPages, rule.scorer);
        bounds.push_back(place(of_layer));
        all_bounds.insert(all_bounds.end(), of_layer.begin(), of_layer.end());
      }
      const std::vector<float> query = random.normals(std::size_t{kLayers} * row, many ? 40 : 2);
      const std::uint64_t table = place(cache.table()), queries = place(query), together = place(all_bounds);
      PageChoiceBuffers one, all;
      const std::uint64_t one_bytes = one.lay_out(0, heads.query, heads.kv, kPages, 1);
      GuardBuffer alone(device(), kLayers * one_bytes), scratch(device(), all.lay_out(0, kLayers * heads.query, kLayers * heads.kv, kPages, 1));
      GuardBuffer alone_facts(device(), kLayers * heads.kv * shader::kFactWords * 4), facts(device(), alone_facts.bytes());
      all.lay_out(scratch.address(), kLayers * heads.query, kLayers * heads.kv, kPages, 1);
      for (GuardBuffer* buffer : {&alone, &scratch, &alone_facts, &facts}) buffer->set_initial<std::uint32_t>(std::vector<std::uint32_t>(buffer->bytes() / 4, 0));
      set_state(position, 1);
      run(
          [&](KernelRecorder& kernels, std::uint64_t state) -> Result<void> {
            PageChoiceArgs choice{.shape = shape(cache, table, state, 1), .rule = rule, .buffers = all, .query = queries, .bounds = together,
                                  .facts = facts.address(), .pages = kPages, .layers = kLayers};
            choice.apart = form == ProductForm::gpu;
            FOVEA_TRY(record_page_choice(kernels, choice));
            choice.apart = false;
            choice.scoring = {};
            choice.layers = 1;
            for (std::uint32_t layer = 0; layer < kLayers; ++layer) {
              choice.buffers.lay_out(alone.address() + layer * one_bytes, heads.query, heads.kv, kPages, 1);
              choice.query = queries + std::uint64_t{layer} * row * sizeof(float);
              choice.bounds = bounds[layer];
              choice.facts = alone_facts.address() + std::uint64_t{layer} * heads.kv * shader::kFactWords * 4;
              FOVEA_TRY(record_page_choice(kernels, choice));
            }
            return {};
          },
          {&alone, &scratch, &alone_facts, &facts}, form);
      if (HasFatalFailure()) return;
      const std::vector<std::uint32_t> told = facts.values<std::uint32_t>(), told_alone = alone_facts.values<std::uint32_t>();
      for (std::size_t i = 0; i < told.size(); ++i)  // sums of masses and of entropies may end differently
        if (i % shader::kFactWords < shader::kFactMass) {
          ASSERT_EQ(told[i], told_alone[i]) << "fact word " << i;
        }
      const std::vector<std::uint32_t> of_all = scratch.values<std::uint32_t>(), of_one = alone.values<std::uint32_t>();
      for (std::uint32_t slot = 0; slot < kLayers * heads.kv; ++slot) {
        const std::uint32_t layer = slot / heads.kv, head = slot % heads.kv;
        one.lay_out(layer * one_bytes, heads.query, heads.kv, kPages, 1);
        const AttentionShape read = over_chosen_pages(shape(cache, table, 0, 1), all, kPages, layer * heads.kv);
        const std::uint32_t keys = of_all[(read.listed_keys - scratch.address()) / 4 + head];
        ASSERT_EQ(keys, of_one[one.keys / 4 + head]) << "slot " << slot << " at " << position;
        for (std::uint32_t n = 0; n < (keys + 31) / 32; ++n) {
          ASSERT_EQ(of_all[(all.list - scratch.address()) / 4 + std::size_t{slot} * kPages + n], of_one[one.list / 4 + std::size_t{head} * kPages + n]);
          ASSERT_EQ(of_all[(read.pages - scratch.address()) / 4 + 2 * (std::size_t{head} * kPages + n)], of_one[one.table / 4 + 2 * (std::size_t{head} * kPages + n)]);
        }
        ASSERT_NEAR(std::bit_cast<float>(of_all[(all.keys - scratch.address()) / 4 - 1 - slot]), std::bit_cast<float>(of_one[one.keys / 4 - 1 - head]), 1e-6);
      }
    }
}

TEST_P(SparseAttention, of_a_prompt_equals_the_reference) {
  for (const Form form : {Form::cpu, Form::gpu, Form::gpu_tile}) {
    // Tiles score halves of the same kind whatever the cache's type: a CPU driver compiles them once, with heads that share a KV head.
    if (form == Form::gpu_tile && device().facts().cpu && (GetParam().type != DType::F16 || GetParam().query == GetParam().kv)) continue;
    choose(0, 5, kSmall, form);
    choose(0, 330, kSmall, form);
    choose(600, 70, kSmall, form);
    choose(700, 2, kSmall, form);
    if (form != Form::gpu_tile || is_seen(GetParam())) choose(801, 129, kSmall, form);  // tiles of more subgroups at odd positions
  }
}

// Tiles of fewer queries.
TEST_P(SparseAttention, of_narrow_tiles_equals_the_reference) {
  const Heads heads = GetParam();
  if (!is_seen(heads)) GTEST_SKIP() << "seen in other shapes";
  choose(801, 21, kSmall, Form::cpu, true, 70, 4);
  choose(801, 21, kSmall, Form::cpu, true, 70, 1);
  if (device().facts().cpu && heads.type != DType::F16) return;
  choose(801, 21, kSmall, Form::gpu, false, 70, 8);
  if (!device().facts().cpu) choose(801, 21, kSmall, Form::gpu_tile, false, 70, 4);
  for (const Form form : {Form::gpu, Form::gpu_tile}) choose(801, 21, kSmall, form, form == Form::gpu, 70, 1);
}

INSTANTIATE_TEST_SUITE_P(Shapes, SparseAttention,
                         testing::Values(Heads{64, 8, 2}, Heads{128, 8, 1}, Heads{64, 4, 4}, Heads{6, 2, 1}, Heads{100, 3, 3},
                                         Heads{64, 8, 2, DType::Q8_0}, Heads{80, 6, 2, DType::Q8_0}, Heads{128, 4, 1, DType::Q8_0},
                                         Heads{100, 2, 2, DType::Q8_0}),
                         heads_name);

}  // namespace
}  // namespace fovea::test
