// Runs fovea-cli as a process of its own and says what it wrote and how it ended.
#pragma once

#include <sys/types.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <span>
#include <string>
#include <utility>
#include <vector>

namespace fovea::test {

using Arguments = std::vector<std::string>;
using Environment = std::vector<std::pair<std::string, std::string>>;  // set over the test's own

struct Outcome {
  int status = -1;  // the exit status; -1 = ended by a signal
  int signal = 0;
  std::string out, err;
};

class Program {
 public:
  explicit Program(const Arguments& arguments, const std::string& input = "", const Environment& environment = {});
  ~Program();
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;

  std::string read_some();  // waits for output; "" at its end
  void stop_reading();      // closes the pipe that the program writes to
  void send(int signal);
  Outcome finish();  // reads the rest and waits

 private:
  pid_t process_ = -1;
  int output_ = -1, errors_ = -1;
  std::string read_so_far_;
};

// Runs to the end.
Outcome run(const Arguments& arguments, const std::string& input = "", const Environment& environment = {});
// Runs, expects status 0 and nothing of the validation layer on stderr, and parses what was printed as JSON.
nlohmann::json run_json(Arguments arguments, const std::string& input = "");

// Status 1, nothing on stdout and exactly one line "fovea: error: WHAT: WHY; WHAT TO DO" that contains `part`.
void expect_failure(const Outcome& outcome, const std::string& part = "");
// Status 2 and a message that contains `part`.
void expect_usage(const Outcome& outcome, const std::string& part = "");

// A 260,000-parameter Llama that is always there.
std::string stories_model();

// A folder of its own for one test, removed with it.
class TemporaryFolder {
 public:
  TemporaryFolder();
  ~TemporaryFolder();
  TemporaryFolder(const TemporaryFolder&) = delete;
  TemporaryFolder& operator=(const TemporaryFolder&) = delete;

  [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }
  std::string write(const std::string& name, const std::string& bytes) const;
  std::string write(const std::string& name, std::span<const std::byte> bytes) const;

 private:
  std::filesystem::path path_;
};

std::string read_whole(const std::string& path);

}  // namespace fovea::test
