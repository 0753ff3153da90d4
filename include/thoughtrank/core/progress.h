// One progress line per stage on stderr: stage, done/total, rate, time left. On a terminal the line
// is redrawn in place a few times a second; elsewhere a plain line is printed every ten seconds and
// at the end.
#pragma once

#include <cstdint>
#include <string>

#include "thoughtrank/core/clock.h"

namespace thoughtrank {

struct ProgressOptions {
  std::string stage;         // "round 1 generate"
  std::string unit;          // what is counted: "branches"
  int64_t total = 0;         // 0: unknown
  int64_t already_done = 0;  // units found finished on resume; not part of the rate
  std::string rate_unit;     // what the rate counts: "tok"
};

// "45s", "1m20s", "2h05m".
[[nodiscard]] std::string format_duration(double seconds);

class Progress {
 public:
  Progress(ProgressOptions options, const Clock& clock);
  ~Progress();
  Progress(const Progress&) = delete;
  Progress& operator=(const Progress&) = delete;
  // `done` more units and `work` more rate units (tokens) since the last call.
  void advance(int64_t done, int64_t work);
  // Sets a total that is known only once the work has begun.
  void set_total(int64_t total) { options_.total = total; }
  // Prints the last line. The destructor does so where nobody has.
  void finish();
  [[nodiscard]] double seconds() const;
  [[nodiscard]] int64_t work() const { return work_; }

 private:
  ProgressOptions options_;
  const Clock& clock_;
  double started_s_;
  double printed_s_;
  int64_t done_ = 0;
  int64_t work_ = 0;
  bool is_terminal_;
  bool is_finished_ = false;
  [[nodiscard]] std::string line() const;
};

// False mutes every Progress of the process (-q, tests).
void show_progress(bool shown);

}  // namespace thoughtrank
