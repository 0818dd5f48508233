// The whole reference decoder against recorded logits, and against itself.
#include "engine/reference/decoder.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <numeric>
#include <optional>

namespace fovea::reference {
namespace {

const std::filesystem::path shared_logits = std::filesystem::path(FOVEA_SHARED) / "fixtures/logits";
const std::filesystem::path small_model = std::filesystem::path(FOVEA_TEST_DATA) / "stories260K/stories260K-F16.gguf";

std::vector<std::int32_t> read_tokens(const std::filesystem::path& path) {
  std::ifstream file(path);
  return {std::istream_iterator<std::int32_t>(file), {}};
}

struct Logits {
  std::int32_t tokens = 0, vocabulary = 0;
  std::vector<float> values;
};

Logits read_logits(const std::filesystem::path& path) {
  std::ifstream file(path, std::ios::binary);
  Logits logits;
  file.read(reinterpret_cast<char*>(&logits.tokens), 4);
  file.read(reinterpret_cast<char*>(&logits.vocabulary), 4);
  logits.values.resize(static_cast<std::size_t>(logits.tokens) * static_cast<std::size_t>(logits.vocabulary));
  file.read(reinterpret_cast<char*>(logits.values.data()), static_cast<std::streamsize>(logits.values.size() * 4));
  return logits;
}

double distance(const std::vector<float>& a, const std::vector<float>& b) {
  double difference = 0, norm = 0;
  for (std::size_t i = 0; i < a.size(); ++i) {
    difference += std::pow(static_cast<double>(a[i]) - static_cast<double>(b[i]), 2);
    norm += std::pow(static_cast<double>(b[i]), 2);
  }
  return difference / norm;
}

double same_top(const std::vector<float>& a, const std::vector<float>& b, std::size_t vocabulary) {
  std::size_t same = 0;
  for (std::size_t at = 0; at < a.size(); at += vocabulary) {
    const auto top = [&](const std::vector<float>& v) {
      const auto begin = v.begin() + static_cast<std::ptrdiff_t>(at);
      return std::max_element(begin, begin + static_cast<std::ptrdiff_t>(vocabulary)) - begin;
    };
    same += top(a) == top(b);
  }
  return static_cast<double>(same * vocabulary) / static_cast<double>(a.size());
}

struct Fixture {
  const char* name;
  double most_distance, least_same_top;
};

class RecordedLogits : public testing::TestWithParam<Fixture> {};

TEST_P(RecordedLogits, AreReproduced) {
  const Fixture fixture = GetParam();
  if (!std::filesystem::exists(shared_logits)) GTEST_SKIP() << "the recorded logits are not on this machine";
  const auto file = GgufFile::open(shared_logits / (std::string(fixture.name) + ".gguf"));
  ASSERT_TRUE(file) << file.error().sentence();
  auto decoder = ReferenceDecoder::create(*file);
  ASSERT_TRUE(decoder) << decoder.error().sentence();
  const auto tokens = read_tokens(shared_logits / (std::string(fixture.name) + ".tokens"));
  const Logits expected = read_logits(shared_logits / (std::string(fixture.name) + ".logits"));
  ASSERT_EQ(tokens.size(), static_cast<std::size_t>(expected.tokens));

  const auto logits = decoder->logits(tokens);
  ASSERT_TRUE(logits) << logits.error().sentence();
  ASSERT_EQ(logits->size(), expected.values.size());
  const double d = distance(*logits, expected.values);
  const double top = same_top(*logits, expected.values, static_cast<std::size_t>(expected.vocabulary));
  RecordProperty("distance", std::to_string(d));
  RecordProperty("same_top", std::to_string(top));
  EXPECT_LE(d, fixture.most_distance);
  EXPECT_GE(top, fixture.least_same_top);
}

// The recorder rounds activations to 8 bits where weights are in blocks, hence the wider bound.
INSTANTIATE_TEST_SUITE_P(Models, RecordedLogits,
                         testing::Values(Fixture{"llama-q4_0", 4e-3, 0.93}, Fixture{"llama-q6_k", 4e-3, 0.93},
                                         Fixture{"mixtral-q5_k", 4e-3, 0.93}, Fixture{"olmoe-q8_0", 4e-3, 0.93},
                                         Fixture{"qwen3moe-f16", 5e-5, 0.95}, Fixture{"qwen3moe-q4_k", 4e-3, 0.93}),
                         [](const auto& entry) {
                           std::string name = entry.param.name;
                           std::ranges::replace(name, '-', '_');
                           return name;
                         });

class SmallModel : public testing::Test {
 protected:
  void SetUp() override {
    auto opened = GgufFile::open(small_model);
    ASSERT_TRUE(opened) << opened.error().sentence();
    file_.emplace(std::move(*opened));
  }
  ReferenceDecoder decoder(ReferenceOptions options = {}) const {
    auto created = ReferenceDecoder::create(*file_, options);
    EXPECT_TRUE(created) << created.error().sentence();
    return std::move(*created);
  }
  std::optional<GgufFile> file_;
  const std::vector<std::int32_t> tokens_{1, 403, 407, 261, 378, 410, 291, 376};
};

TEST_F(SmallModel, AllAtOnceAndTokenByTokenAreTheSameBits) {
  auto at_once = decoder(), stepwise = decoder();
  const auto all = at_once.logits(tokens_);
  ASSERT_TRUE(all);
  std::vector<float> joined;
  for (const std::int32_t token : tokens_) {
    const auto row = stepwise.extend(std::span(&token, 1));
    ASSERT_TRUE(row);
    joined.insert(joined.end(), row->begin(), row->end());
  }
  EXPECT_EQ(*all, joined);
  EXPECT_EQ(*at_once.logits(tokens_), *all);  // and again, from an empty cache
}

TEST_F(SmallModel, LaterTokensDoNotChangeEarlierLogits) {
  auto d = decoder();
  const auto all = d.logits(tokens_);
  auto changed = tokens_;
  changed.back() = 300;
  const auto other = d.logits(changed);
  ASSERT_TRUE(all && other);
  const std::size_t kept = (tokens_.size() - 1) * d.config().vocabulary;
  EXPECT_TRUE(std::equal(all->begin(), all->begin() + static_cast<std::ptrdiff_t>(kept), other->begin()));
  EXPECT_NE(*all, *other);
}

TEST_F(SmallModel, AHalfPrecisionCacheChangesLittle) {
  auto exact = decoder(), half = decoder({.kv = DType::F16});
  const auto a = exact.logits(tokens_), b = half.logits(tokens_);
  ASSERT_TRUE(a && b);
  EXPECT_NE(*a, *b);
  EXPECT_LT(distance(*b, *a), 1e-5);
}

TEST_F(SmallModel, ACacheOfQ8ChangesLittle) {
  auto exact = decoder(), rounded = decoder({.kv = DType::Q8_0});
  const auto a = exact.logits(tokens_), b = rounded.logits(tokens_);
  ASSERT_TRUE(a && b);
  EXPECT_NE(*a, *b);
  EXPECT_LT(distance(*b, *a), 1e-3);
}

TEST_F(SmallModel, CapturesAttentionRowsThatSumToOne) {
  auto d = decoder();
  ReferenceCapture capture;
  ASSERT_TRUE(d.extend(std::span(tokens_).first(3), &capture));
  ASSERT_TRUE(d.extend(std::span(tokens_).subspan(3), &capture));
  const ModelConfig& c = d.config();
  EXPECT_EQ(capture.first, 3u);
  EXPECT_EQ(capture.tokens, 5u);
  ASSERT_EQ(capture.attention_rows.size(), c.layers * c.query_heads * 5u);
  EXPECT_TRUE(capture.routings.empty());
  for (std::size_t i = 0; i < capture.attention_rows.size(); ++i) {
    const auto& row = capture.attention_rows[i];
    ASSERT_EQ(row.size(), 3 + i % 5 + 1);
    EXPECT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 1.0, 1e-5);
  }
}

TEST_F(SmallModel, RefusesWhatItCannotRun) {
  auto d = decoder({.context = 4});
  EXPECT_FALSE(d.logits({}));
  EXPECT_FALSE(d.logits(std::vector<std::int32_t>{-1}));
  EXPECT_FALSE(d.logits(std::vector<std::int32_t>{512}));
  EXPECT_FALSE(d.logits(std::vector<std::int32_t>(5, 1)));
  ASSERT_TRUE(d.logits(std::vector<std::int32_t>(4, 1)));
  EXPECT_FALSE(d.extend(std::vector<std::int32_t>{1}));
  EXPECT_EQ(d.position(), 4u);
}

TEST(RecordedRouting, CapturesChosenExperts) {
  if (!std::filesystem::exists(shared_logits)) GTEST_SKIP() << "the recorded models are not on this machine";
  const auto file = GgufFile::open(shared_logits / "olmoe-q8_0.gguf");
  ASSERT_TRUE(file);
  auto d = ReferenceDecoder::create(*file);
  ASSERT_TRUE(d);
  ReferenceCapture capture;
  capture.attention = false;
  ASSERT_TRUE(d->logits(std::vector<std::int32_t>{5, 6, 7}, &capture));
  EXPECT_TRUE(capture.attention_rows.empty());
  ASSERT_EQ(capture.routings.size(), d->config().layers * 3u);
  for (const Routing& routing : capture.routings) {
    EXPECT_EQ(routing.experts.size(), d->config().experts_used);
    EXPECT_LT(std::accumulate(routing.weights.begin(), routing.weights.end(), 0.0), 0.999);  // not renormalised
    EXPECT_TRUE(std::ranges::is_sorted(routing.weights, std::greater<>()));
  }
}

std::vector<float> story_logits(std::optional<SparseRule> rule, std::size_t dense_layers, ReferenceCapture* capture = nullptr) {
  const auto file = GgufFile::open(small_model.string());
  auto decoder = ReferenceDecoder::create(*file, {.context = 200, .sparse = rule, .dense_layers = dense_layers});
  std::vector<std::int32_t> tokens(150);
  for (std::size_t i = 0; i < tokens.size(); ++i) tokens[i] = static_cast<std::int32_t>((i * 37 + 11) % 500);
  // In two parts, so that pages fill up between calls.
  std::vector<float> all = *decoder->extend(std::span(tokens).first(61), nullptr);
  const std::vector<float> rest = *decoder->extend(std::span(tokens).subspan(61), capture);
  all.insert(all.end(), rest.begin(), rest.end());
  return all;
}

constexpr SparseRule kShortRule{.window = 16, .page = 8, .sinks = 8, .global = 0.25};

TEST(SparseDecoder, IsTheDenseOneWhereEverythingIsRead) {
  const std::vector<float> dense = story_logits(std::nullopt, 0);
  SparseRule all = kShortRule;
  all.global = 1;
  EXPECT_EQ(story_logits(all, 0), dense);
  EXPECT_EQ(story_logits(SparseRule{}, 0), dense);  // a window of 512
  EXPECT_EQ(story_logits(kShortRule, 100), dense);  // no layer is sparse
  EXPECT_NE(story_logits(kShortRule, 0), dense);
}

TEST(SparseDecoder, ReadsNoMoreKeysThanTheRuleAllowsInLayersThatAreSparse) {
  ReferenceCapture capture;
  story_logits(kShortRule, 2, &capture);
  const std::size_t heads = 8, tokens = 89;  // of the model; of the second part
  std::size_t all_read = 0, most = 0;
  for (std::size_t layer = 0; layer < 5; ++layer)
    for (std::size_t q = 0; q < heads; ++q)
      for (std::size_t t = 0; t < tokens; ++t) {
        const std::vector<float>& row = capture.attention_rows[(layer * heads + q) * tokens + t];
        ASSERT_EQ(row.size(), 61 + t + 1);
        const auto read = static_cast<std::size_t>(std::ranges::count_if(row, [](float weight) { return weight > 0; }));
        const std::size_t window_first = (row.size() - 16) / 8, remote = window_first - 1;
        const std::size_t allowed = 8 + (remote + 3) / 4 * 8 + row.size() - window_first * 8;
        if (layer < 2) {
          ASSERT_GT(read, allowed);
          continue;
        }
        ASSERT_LE(read, allowed) << "layer " << layer << " head " << q << " token " << t;
        most += allowed;
        all_read += read;
        ASSERT_NEAR(std::accumulate(row.begin(), row.end(), 0.0), 1, 1e-5);
      }
  // A weight may be too small for a float.
  EXPECT_GT(all_read, most * 98 / 100);
}

}  // namespace
}  // namespace fovea::reference
