// The runs of this session and of opened files, the two of them that are compared, and what was measured between those.
#pragma once

#include <QObject>
#include <QString>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "engine/api/event.hpp"
#include "engine/runs/comparison.hpp"

namespace fovea {

class RunShelf : public QObject {
  Q_OBJECT
 public:
  using Run = std::shared_ptr<const RunRecord>;
  struct Entry {
    Run run;
    int number = 0;   // of the session, from 1
    QString file;     // its name without folders; "" = it ran in this session
  };
  enum class Side { a, b };
  static constexpr std::size_t kMostRuns = 24;  // older ones that are not compared are let go

  using QObject::QObject;

  // Until a person chooses, the newest run is B and the one before it A.
  void add(const Run& run);
  // A run becomes A, or B where A was chosen from a file before; a comparison both, with what was measured.
  void add(const RunFile& file, const QString& name);
  void choose(Side side, std::size_t index);
  void swap();

  [[nodiscard]] const std::vector<Entry>& entries() const { return entries_; }
  [[nodiscard]] std::optional<std::size_t> index(Side side) const;  // of the run of a side
  [[nodiscard]] const Run& run(Side side) const { return side == Side::a ? a_ : b_; }  // null: none
  [[nodiscard]] const Comparison* comparison() const { return comparison_ ? &*comparison_ : nullptr; }  // nullptr: fewer than two runs

  // Measuring: for the pair that is compared when it was asked for, whichever is when the answer comes.
  void expect(RequestId id);
  [[nodiscard]] bool measuring() const { return expected_.has_value(); }
  [[nodiscard]] const ScoresAdvanced& progress() const { return progress_; }
  void take(const Event& event);  // others than those about scores are nobody's business here

 Q_SIGNALS:
  void entries_changed();
  void pair_changed();      // other runs
  void measured();          // scores or a frontier of the pair came
  void progress_changed();  // began, went on, ended
  void failed(const fovea::Error& error);

 private:
  using Pair = std::pair<const RunRecord*, const RunRecord*>;
  struct Measured {
    std::shared_ptr<const PairScores> scores;
    std::shared_ptr<const Frontier> frontier;
  };
  void put(const Run& run, const QString& file);
  void compare();
  void forget_old();
  void end_measuring();

  std::vector<Entry> entries_;
  int count_ = 0;
  Run a_, b_;
  bool chosen_ = false;  // by a person
  std::optional<Comparison> comparison_;
  std::map<Pair, Measured> measured_;
  std::optional<std::pair<RequestId, Pair>> expected_;
  ScoresAdvanced progress_;
};

}  // namespace fovea
