#include "tests/cli/program.hpp"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <csignal>
#include <fstream>
#include <regex>
#include <sstream>

namespace fovea::test {
namespace {

// A file without a name, so that nothing has to be cleaned up.
int anonymous_file(const std::string& content) {
  const int file = memfd_create("fovea-cli-test", MFD_CLOEXEC);
  EXPECT_EQ(::write(file, content.data(), content.size()), static_cast<ssize_t>(content.size()));
  lseek(file, 0, SEEK_SET);
  return file;
}

std::vector<std::string> environment_with(const Environment& changes) {
  std::vector<std::string> all;
  for (const auto& [name, value] : changes) all.push_back(name + "=" + value);
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('='));
    bool changed = false;
    for (const auto& change : changes) changed = changed || change.first == name;
    if (!changed) all.push_back(text);
  }
  return all;
}

std::vector<char*> pointers(std::vector<std::string>& strings) {
  std::vector<char*> list;
  for (std::string& text : strings) list.push_back(text.data());
  list.push_back(nullptr);
  return list;
}

}  // namespace

Program::Program(const Arguments& arguments, const std::string& input, const Environment& environment) {
  int ends[2] = {-1, -1};
  EXPECT_EQ(pipe2(ends, O_CLOEXEC), 0);
  output_ = ends[0];
  errors_ = anonymous_file("");
  const int given = anonymous_file(input);

  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  posix_spawn_file_actions_adddup2(&actions, given, STDIN_FILENO);
  posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
  posix_spawn_file_actions_adddup2(&actions, errors_, STDERR_FILENO);
  // Whatever started the tests may ignore or block signals; the program shall not inherit that.
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none, defaults;
  sigemptyset(&none);
  sigemptyset(&defaults);
  for (const int signal : {SIGINT, SIGTERM, SIGPIPE}) sigaddset(&defaults, signal);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setsigdefault(&attributes, &defaults);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF);

  std::vector<std::string> words{FOVEA_CLI};
  words.insert(words.end(), arguments.begin(), arguments.end());
  auto variables = environment_with(environment);
  EXPECT_EQ(
      posix_spawn(&process_, FOVEA_CLI, &actions, &attributes, pointers(words).data(), pointers(variables).data()), 0);
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  close(ends[1]);
  close(given);
}

Program::~Program() {
  if (process_ > 0) {
    kill(process_, SIGKILL);
    waitpid(process_, nullptr, 0);
  }
  stop_reading();
  close(errors_);
}

std::string Program::read_some() {
  std::array<char, 4096> block;
  const ssize_t got = output_ < 0 ? 0 : read(output_, block.data(), block.size());
  const std::string text(block.data(), got > 0 ? static_cast<std::size_t>(got) : 0);
  read_so_far_ += text;
  return text;
}

void Program::stop_reading() {
  if (output_ >= 0) close(output_);
  output_ = -1;
}

void Program::send(int signal) { kill(process_, signal); }

Outcome Program::finish() {
  while (!read_some().empty()) {
  }
  int ended = 0;
  waitpid(process_, &ended, 0);
  process_ = -1;
  Outcome outcome;
  outcome.out = read_so_far_;
  if (WIFEXITED(ended)) outcome.status = WEXITSTATUS(ended);
  if (WIFSIGNALED(ended)) outcome.signal = WTERMSIG(ended);
  std::array<char, 4096> block;
  lseek(errors_, 0, SEEK_SET);
  for (ssize_t got = 0; (got = read(errors_, block.data(), block.size())) > 0;)
    outcome.err.append(block.data(), static_cast<std::size_t>(got));
  return outcome;
}

Outcome run(const Arguments& arguments, const std::string& input, const Environment& environment) {
  return Program(arguments, input, environment).finish();
}

nlohmann::json run_json(Arguments arguments, const std::string& input) {
  arguments.emplace_back("--json");
  const Outcome outcome = run(arguments, input);
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(outcome.err.find("vulkan:"), std::string::npos) << outcome.err;
  auto value = nlohmann::json::parse(outcome.out, nullptr, false);
  EXPECT_FALSE(value.is_discarded()) << outcome.out;
  return value;
}

void expect_failure(const Outcome& outcome, const std::string& part) {
  EXPECT_EQ(outcome.status, 1) << "signal " << outcome.signal << "\n" << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_TRUE(std::regex_match(outcome.err, std::regex("fovea: error: [^\n]+: [^\n]+; [^\n]+\n"))) << outcome.err;
  EXPECT_NE(outcome.err.find(part), std::string::npos) << "missing: " << part << "\nin: " << outcome.err;
}

void expect_usage(const Outcome& outcome, const std::string& part) {
  EXPECT_EQ(outcome.status, 2) << "signal " << outcome.signal << "\n" << outcome.err;
  EXPECT_EQ(outcome.out, "");
  EXPECT_NE(outcome.err.find("--help"), std::string::npos) << outcome.err;
  EXPECT_NE(outcome.err.find(part), std::string::npos) << "missing: " << part << "\nin: " << outcome.err;
}

std::string stories_model() { return FOVEA_TEST_DATA "/stories260K/stories260K-F16.gguf"; }

TemporaryFolder::TemporaryFolder() {
  std::string pattern = (std::filesystem::temp_directory_path() / "fovea-cli-XXXXXX").string();
  path_ = mkdtemp(pattern.data());
}

TemporaryFolder::~TemporaryFolder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

std::string TemporaryFolder::write(const std::string& name, const std::string& bytes) const {
  return write(name, std::as_bytes(std::span(bytes)));
}

std::string TemporaryFolder::write(const std::string& name, std::span<const std::byte> bytes) const {
  std::ofstream(file(name), std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()), static_cast<std::streamsize>(bytes.size()));
  return file(name);
}

std::string read_whole(const std::string& path) {
  std::ifstream file(path, std::ios::binary);
  std::ostringstream content;
  content << file.rdbuf();
  return content.str();
}

}  // namespace fovea::test
