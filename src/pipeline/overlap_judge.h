// Judges a round's prompts on a thread of its own while others are still being generated: a prompt
// is asked about as soon as all its branches are there. Only the ledger learns of it; the judge
// stage finds the replies there, so a round's files are the same with and without it. What goes
// wrong here (a judge that is down, a cap) is a warning: the judge stage meets it again.
#pragma once

#include <atomic>
#include <condition_variable>
#include <memory>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "pipeline/session.h"

namespace thoughtrank {

class OverlapJudge {
 public:
  // Does nothing where the session does not want it or the judge makes no calls.
  OverlapJudge(Session& session, int64_t round);
  // Asks no more. What is on its way is charged as if the process had been killed.
  ~OverlapJudge();
  // Hands over a prompt all of whose branches are there. Throws what the judging thread has given
  // up for.
  void add(JudgeTask task);
  // Waits for the replies to everything added. Error(kStopped) when the run is asked to stop.
  void finish();
  // The number of prompts whose replies are in the ledger.
  [[nodiscard]] int64_t judged() const { return judged_; }

 private:
  void complete();
  void work();
  void judge_all();
  std::vector<JudgeTask> next_tasks(bool may_wait);
  bool wait_to_try_again();

  Session& session_;
  int64_t round_;
  Clock& clock_;
  StopFlag stop_;
  std::unique_ptr<Judge> judge_;
  std::atomic<int64_t> judged_{0};
  std::mutex mutex_;  // of all members below
  std::condition_variable changed_;
  std::vector<JudgeTask> tasks_;
  bool is_complete_ = false;      // true once no more tasks come
  bool is_over_ = false;          // true once the thread has done them all, or given up
  std::optional<Error> failure_;  // the error that no time will mend
  std::thread thread_;
};

}  // namespace thoughtrank
