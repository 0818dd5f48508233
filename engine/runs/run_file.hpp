// Run files, NAME.fovea: a run, or two of them with what was measured between them. Versioned; read as untrusted.
#pragma once

#include <filesystem>
#include <memory>
#include <stop_token>

#include "engine/api/policy_scores.hpp"
#include "engine/api/run_record.hpp"
#include "engine/base/result.hpp"

namespace fovea {

struct RunFile {
  std::shared_ptr<const RunRecord> a, b;      // b null: a single run
  std::shared_ptr<const PairScores> scores;   // null: not measured
  std::shared_ptr<const Frontier> frontier;   // likewise
};

// The same with the sums of the models' files, where these are known and were not summed yet: a pass over each file.
[[nodiscard]] RunFile with_sums(RunFile file, std::stop_token stop = {});

// What is kept: all of the record but the choices of pages and kernel times. `a` must be there.
[[nodiscard]] Result<void> write_run_file(const std::filesystem::path& path, const RunFile& file);
// Errors: unreadable, not a run file, a later version, numbers that contradict each other.
[[nodiscard]] Result<RunFile> read_run_file(const std::filesystem::path& path);

}  // namespace fovea
