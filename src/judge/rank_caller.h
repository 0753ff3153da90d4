// Turns comparisons into verdicts: shows a call, reads the reply, asks once more with a fresh
// shuffle when the reply is invalid, and abstains after that. A group that is more than the judge's
// context holds is asked for in two parts.
#pragma once

#include <cstdint>
#include <deque>
#include <map>
#include <string>
#include <vector>

#include "judge/request_text.h"
#include "thoughtrank/llm/channel.h"

namespace thoughtrank {

struct JudgedCall {
  size_t task = 0;
  VerdictRow verdict;
  bool is_last = true;  // false: another part of the call that was submitted is still out
};

// The answers of a call in two parts with call numbers of their own, which no other call has; of
// three, both parts hold the second one. At least three answers.
[[nodiscard]] std::vector<RankCall> split_call(const RankCall& call);

inline constexpr int64_t kMostShowings = 2;  // showings of a call before the judge abstains
inline constexpr size_t kLeastToSplit = 3;   // answers of a call that may be asked for in parts

class RankCaller {
 public:
  struct Identity {
    std::string judge;  // name, "openai:some-judge"
    std::string rubric = {};
    uint64_t seed = 0;
    int64_t round = 0;
  };
  // Keeps up to `window` calls in the channel; the rest wait here without their text.
  RankCaller(Channel& channel, const Protocol& protocol, Identity identity, size_t window);

  void submit(RankCall call) {
    parts_out_.push_back(1);
    waiting_.push_back({.call = std::move(call), .family = parts_out_.size() - 1});
  }
  // At least one verdict, unless nothing was submitted.
  [[nodiscard]] std::vector<JudgedCall> wait();
  // Runs `work`; where it ends with Error(kJudge), the calls that abstained may be asked again by
  // the next run.
  template <class Work>
  void or_ask_again(const Work& work) {
    try {
      work();
    } catch (const Error& error) {
      if (error.code() == ExitCode::kJudge) forget_abstentions();
      throw;
    }
  }

 private:
  struct Asked {
    RankCall call;
    size_t family = 0;  // number that the parts of one submitted call share
    ShownCall shown = {};
    int64_t showings = 0;
    VerdictRow verdict = {};
  };

  void forget_abstentions();
  void feed();
  void ask(Asked asked);
  void split(const Asked& asked);
  void take(const Reply& reply, std::vector<JudgedCall>& done);

  Channel& channel_;
  const Protocol& protocol_;
  Identity identity_;
  size_t window_;
  std::deque<Asked> waiting_;
  std::vector<int> parts_out_;  // parts of each family that are still out
  std::map<uint64_t, Asked> asked_;
  uint64_t tickets_ = 0;
  std::vector<std::string> abstained_;  // hashes of requests
};

}  // namespace thoughtrank
