#include "engine/gpu/pipeline_cache.hpp"

#include <cstdlib>
#include <cstring>
#include <fstream>

#include "tests/unit/gpu/gpu_fixture.hpp"

namespace fovea::gpu {
namespace {

namespace fs = std::filesystem;

std::vector<char> bytes_of(const fs::path& file) {
  std::ifstream in(file, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), {}};
}

void write_bytes(const fs::path& file, const std::vector<char>& bytes) {
  std::ofstream(file, std::ios::binary | std::ios::trunc)
      .write(bytes.data(), static_cast<std::streamsize>(bytes.size()));
}

class PipelineCacheFile : public testing::Test {
 protected:
  void SetUp() override {
    folder_ = fs::path(testing::TempDir()) / ("fovea_cache_" + std::to_string(getpid()));
    key_ = {0x10de, 0x2335, 7, {1, 2, 3}, 42};
    file_ = pipeline_cache_file(folder_, key_);
    VkPipelineCacheHeaderVersionOne header{
        sizeof header, VK_PIPELINE_CACHE_HEADER_VERSION_ONE, 0x10de, 0x2335, {1, 2, 3}};
    data_.resize(200, std::byte{0x5a});
    std::memcpy(data_.data(), &header, sizeof header);
  }
  void TearDown() override { fs::remove_all(folder_); }
  fs::path folder_, file_;
  PipelineCacheKey key_;
  std::vector<std::byte> data_;
};

TEST_F(PipelineCacheFile, what_is_written_is_read_again_and_nothing_lies_beside_it) {
  EXPECT_EQ(read_pipeline_cache(file_, key_), std::nullopt);
  ASSERT_TRUE(write_pipeline_cache(file_, key_, data_));
  EXPECT_EQ(read_pipeline_cache(file_, key_), data_);
  EXPECT_EQ(std::distance(fs::directory_iterator(folder_), fs::directory_iterator()), 1);
}

TEST_F(PipelineCacheFile, another_driver_or_shader_library_makes_it_worthless) {
  ASSERT_TRUE(write_pipeline_cache(file_, key_, data_));
  for (int field = 0; field < 5; ++field) {
    PipelineCacheKey other = key_;
    if (field == 0) ++other.vendor_id;
    if (field == 1) ++other.device_id;
    if (field == 2) ++other.driver_version;
    if (field == 3) ++other.cache_uuid[15];
    if (field == 4) ++other.shaders;
    EXPECT_EQ(read_pipeline_cache(file_, other), std::nullopt) << field;
  }
}

TEST_F(PipelineCacheFile, any_damage_is_noticed) {
  ASSERT_TRUE(write_pipeline_cache(file_, key_, data_));
  const std::vector<char> whole = bytes_of(file_);
  for (std::size_t at = 0; at < whole.size(); ++at) {
    auto damaged = whole;
    damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
    write_bytes(file_, damaged);
    ASSERT_EQ(read_pipeline_cache(file_, key_), std::nullopt) << at;
    write_bytes(file_, {whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(at)});
    ASSERT_EQ(read_pipeline_cache(file_, key_), std::nullopt) << at;
  }
}

TEST_F(PipelineCacheFile, a_driver_header_that_does_not_fit_is_not_handed_to_the_driver) {
  data_[8] = std::byte{0xff};  // vendorID
  ASSERT_TRUE(write_pipeline_cache(file_, key_, data_));
  EXPECT_EQ(read_pipeline_cache(file_, key_), std::nullopt);
}

TEST_F(PipelineCacheFile, a_folder_that_cannot_be_made_is_an_error) {
  fs::create_directories(folder_);
  write_bytes(folder_ / "plain", {'x'});
  const auto written = write_pipeline_cache(folder_ / "plain" / "cache.bin", key_, data_);
  ASSERT_FALSE(written);
  EXPECT_EQ(written.error().code, ErrorCode::file);
}

TEST(PipelineCacheFolder, follows_the_option_then_the_cache_folder_then_home) {
  const auto set = [](const char* name, const char* value) { value ? setenv(name, value, 1) : unsetenv(name); };
  const char* old_cache = std::getenv("XDG_CACHE_HOME");
  const char* old_home = std::getenv("HOME");
  const std::string cache = old_cache ? old_cache : "", home = old_home ? old_home : "";
  set("XDG_CACHE_HOME", "/x/cache");
  set("HOME", "/x/home");
  EXPECT_EQ(pipeline_cache_folder("/here"), "/here");
  EXPECT_EQ(pipeline_cache_folder({}), "/x/cache/fovea");
  set("XDG_CACHE_HOME", "relative");
  EXPECT_EQ(pipeline_cache_folder({}), "/x/home/.cache/fovea");
  set("XDG_CACHE_HOME", nullptr);
  set("HOME", nullptr);
  EXPECT_EQ(pipeline_cache_folder({}), "");
  EXPECT_EQ(pipeline_cache_file({}, {}), "");
  set("XDG_CACHE_HOME", old_cache ? cache.c_str() : nullptr);
  set("HOME", old_home ? home.c_str() : nullptr);
}

using PipelineCacheTest = GpuTest;

TEST_F(PipelineCacheTest, is_written_when_it_grew_and_survives_damage) {
  ASSERT_TRUE(device_->pipeline({ShaderId::test_affine, {64}, 0}));
  EXPECT_FALSE(fs::exists(cache_folder_));
  const auto saved = device_->save_pipeline_cache();
  ASSERT_TRUE(saved) << saved.error().sentence();
  ASSERT_EQ(std::distance(fs::directory_iterator(cache_folder_), fs::directory_iterator()), 1);
  const fs::path file = fs::directory_iterator(cache_folder_)->path();
  const auto first = bytes_of(file);
  ASSERT_GT(first.size(), 64u + 32u - 1u);

  // Read again and not grown: left alone.
  const auto old_time = fs::file_time_type::clock::now() - std::chrono::hours(1);
  fs::last_write_time(file, old_time);
  open({});
  const auto written_at = fs::last_write_time(file);
  ASSERT_TRUE(device_->pipeline({ShaderId::test_affine, {64}, 0}));
  ASSERT_TRUE(device_->save_pipeline_cache());
  EXPECT_EQ(fs::last_write_time(file), written_at);

  // Damaged: ignored, and written anew.
  auto damaged = first;
  damaged[damaged.size() / 2] = static_cast<char>(~damaged[damaged.size() / 2]);
  write_bytes(file, damaged);
  open({});
  ASSERT_TRUE(device_->pipeline({ShaderId::test_affine, {64}, 0}));
  ASSERT_TRUE(device_->save_pipeline_cache());
  EXPECT_NE(bytes_of(file), damaged);
}

}  // namespace
}  // namespace fovea::gpu
