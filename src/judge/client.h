// Sends requests to the judge: within the concurrency, within the money, at most three attempts
// each, every one in the ledger first. Runs on the thread that waits; the order in which answers
// come back means nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "judge/ledger.h"
#include "judge/outcome.h"
#include "judge/price.h"
#include "judge/protocol.h"
#include "judge/transport.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/secret.h"

namespace thoughtrank {

struct ClientOptions {
  std::string endpoint = {};  // part of the request hash
  int64_t concurrency = 16;
  int64_t max_output_tokens = 2048;
  double max_usd = 0;
  Price price = {};
  uint64_t seed = 0;
  bool is_replay = false;  // a request that is not in the ledger is Error(kJudge)
};

struct Answer {
  uint64_t ticket = 0;
  std::string request_sha256;
  Outcome outcome = Outcome::answered;  // or retry (tried in vain), failed: see completion.failure
  Completion completion;
  int64_t attempts = 0;
  double usd = 0;
};

class Client {
 public:
  struct Parts {
    Ledger& ledger;
    Transport& transport;
    const Protocol& protocol;
    const Secret& key;  // to keep it out of the ledger and of messages
    Clock& clock;
    const StopFlag& stop;
  };
  Client(ClientOptions options, Parts parts);

  void submit(uint64_t ticket, std::string body);
  // At least one answer, unless nothing is pending. Throws what ends the work: kCredentials,
  // kSpendingCap, kJudge (20 calls in a row failed, certificate), and what the stop flag says.
  [[nodiscard]] std::vector<Answer> wait();
  // A reply that was of no use may be asked for again; one that is only replayed stays.
  void forget(const std::string& request) {
    if (!options_.is_replay) parts_.ledger.forget(request);
  }
  [[nodiscard]] size_t pending() const { return ready_.size() + queue_.size() + flying_.size(); }

 private:
  static constexpr int64_t kMostAttempts = 3;
  static constexpr int kMostFailuresInARow = 20;
  struct Call {
    uint64_t ticket = 0;
    std::string body = {};
    std::string request = {};
    double reserved_usd = 0;
    double lost_usd = 0;
    int64_t attempts = 0;
  };

  void dispatch();
  [[nodiscard]] bool is_affordable(const Call& call) const;
  void take(FinishedTransfer finished);
  void answer(const Call& call, const PaidReply& reply);
  void retry(Call call, const TransportReply& reply);
  void give_up(const Call& call, Outcome outcome, const std::string& reason);
  [[noreturn]] void end_work(Outcome outcome, const std::string& reason) const;
  [[nodiscard]] double seconds_to_next() const;

  ClientOptions options_;
  Parts parts_;
  std::vector<Answer> ready_;
  std::multimap<double, Call> queue_;  // by the time they may leave; equal times in order
  std::map<uint64_t, Call> flying_;    // by transfer number
  uint64_t transfers_ = 0;
  double paused_until_s_ = 0;
  int failures_in_a_row_ = 0;
};

}  // namespace thoughtrank
