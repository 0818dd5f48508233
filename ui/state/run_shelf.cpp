#include "ui/state/run_shelf.hpp"

#include <algorithm>

namespace fovea {

void RunShelf::put(const Run& run, const QString& file) {
  entries_.push_back({run, ++count_, file});
  forget_old();
}

void RunShelf::forget_old() {
  for (auto at = entries_.begin(); entries_.size() > kMostRuns && at != entries_.end();) {
    if (at->run == a_ || at->run == b_) {
      ++at;
      continue;
    }
    std::erase_if(measured_, [&](const auto& entry) { return entry.first.first == at->run.get() || entry.first.second == at->run.get(); });
    at = entries_.erase(at);
  }
}

void RunShelf::add(const Run& run) {
  put(run, {});
  if (!chosen_ || !b_) {
    a_ = b_ ? b_ : a_ ? a_ : run;
    b_ = a_ == run ? nullptr : run;
  }
  Q_EMIT entries_changed();
  compare();
}

void RunShelf::add(const RunFile& file, const QString& name) {
  put(file.a, name);
  if (file.b) {
    put(file.b, name);
    a_ = file.a;
    b_ = file.b;
    measured_[{a_.get(), b_.get()}] = {file.scores, file.frontier};
  } else {
    const bool second = chosen_ && a_ && !b_;
    if (!a_ || !second) {
      if (a_ && !b_) b_ = a_;
      a_ = file.a;
    } else {
      b_ = file.a;
    }
  }
  chosen_ = true;
  Q_EMIT entries_changed();
  compare();
}

void RunShelf::choose(Side side, std::size_t index) {
  if (index >= entries_.size()) return;
  (side == Side::a ? a_ : b_) = entries_[index].run;
  chosen_ = true;
  compare();
}

void RunShelf::swap() {
  if (!a_ || !b_) return;
  std::swap(a_, b_);
  chosen_ = true;
  compare();
}

std::optional<std::size_t> RunShelf::index(Side side) const {
  const auto found = std::ranges::find(entries_, run(side), &Entry::run);
  return found == entries_.end() ? std::nullopt : std::optional(static_cast<std::size_t>(found - entries_.begin()));
}

void RunShelf::compare() {
  comparison_.reset();
  if (a_ && b_) {
    const auto known = measured_.find({a_.get(), b_.get()});
    const Measured found = known == measured_.end() ? Measured{} : known->second;
    comparison_.emplace(RunFile{a_, b_, found.scores, found.frontier});
  }
  Q_EMIT pair_changed();
}

void RunShelf::expect(RequestId id) {
  expected_ = {id, {a_.get(), b_.get()}};
  progress_ = {.id = id, .doing = {}, .fraction = 0};
  Q_EMIT progress_changed();
}

void RunShelf::end_measuring() {
  expected_.reset();
  Q_EMIT progress_changed();
}

void RunShelf::take(const Event& event) {
  if (!expected_) return;
  const auto [id, pair] = *expected_;
  const auto hold = [&](auto put) {
    put(measured_[pair]);
    if (pair != Pair{a_.get(), b_.get()} || !comparison_) return;
    const Measured& found = measured_[pair];
    comparison_.emplace(RunFile{a_, b_, found.scores, found.frontier});
    Q_EMIT measured();
  };
  if (const auto* advanced = std::get_if<ScoresAdvanced>(&event); advanced != nullptr && advanced->id == id) {
    progress_ = *advanced;
    Q_EMIT progress_changed();
  } else if (const auto* scored = std::get_if<PairScored>(&event); scored != nullptr && scored->id == id) {
    hold([&](Measured& into) { into.scores = scored->scores; });
    end_measuring();
  } else if (const auto* points = std::get_if<FrontierMeasured>(&event); points != nullptr && points->id == id) {
    hold([&](Measured& into) { into.frontier = points->frontier; });
    if (points->complete) end_measuring();
  } else if (const auto* failure = std::get_if<ScoresFailed>(&event); failure != nullptr && failure->id == id) {
    end_measuring();
    if (failure->error.code != ErrorCode::cancelled) Q_EMIT failed(failure->error);
  }
}

}  // namespace fovea
