// Sends requests to the judge: within the concurrency, within the money, at most three attempts
// each, every one in the ledger first. A server in trouble is asked less: see pacing.h. The caller
// waits here while the transport works; the order in which answers come back means nothing.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <vector>

#include "judge/ledger.h"
#include "judge/outcome.h"
#include "judge/pacing.h"
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
  double patience_s = 600;  // with a judge that does not answer at all
  bool is_replay = false;   // a request that is not in the ledger is Error(kJudge)
  // Requests go into this file; wait() throws BatchWritten when only they are left.
  std::filesystem::path batch_export = {};
};

struct Answer {
  uint64_t ticket = 0;
  std::string request_sha256;
  // Or retry (tried in vain), failed, too_long: see completion.failure.
  Outcome outcome = Outcome::answered;
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
  // kSpendingCap, kJudge (down for longer than patience_s, certificate), and what the stop flag
  // says.
  // With a batch file: BatchWritten.
  [[nodiscard]] std::vector<Answer> wait();
  // A reply that was of no use may be asked for again; one that is only replayed stays.
  void forget(const std::string& request) {
    if (!options_.is_replay) parts_.ledger.forget(request);
  }
  // Takes the reply to a request that went into a batch file, also one that was given up: its
  // answer, or that it failed. Replies that the ledger knows and requests that it does not know
  // change nothing; nor do failures of a file that `is_again` here: another batch may be out by
  // now.
  enum class Imported : uint8_t { answered, failed, refused, repeated, known, foreign };
  Imported import(const std::string& request, TransportReply reply, bool is_again);
  // Files of results, by their digest.
  [[nodiscard]] bool has_imported(const std::string& file_sha256) const {
    return parts_.ledger.note("imported " + file_sha256) != nullptr;
  }
  void note_import(const std::string& file_sha256) {
    parts_.ledger.remember("imported " + file_sha256, true);
  }
  [[nodiscard]] size_t pending() const { return ready_.size() + queue_.size() + flying_.size(); }

 private:
  static constexpr int64_t kMostAttempts = 3;
  struct Call {
    uint64_t ticket = 0;
    std::string body = {};
    std::string request = {};
    double reserved_usd = 0;
    double lost_usd = 0;
    int64_t attempts = 0;
    double started_s = 0;
  };
  using Queue = std::multimap<double, Call>;

  void answer_from_ledger(const Call& call);
  void give_up_as_before(Call call, const FailedAttempts& failure);
  void put_into_batch(const Call& call);
  [[noreturn]] void finish_batch() const;
  [[nodiscard]] PaidReply priced(const Call& call, std::string body, bool is_too_long) const;
  void dispatch();
  void send(Call call);
  [[nodiscard]] bool may_fly() const;
  [[nodiscard]] double next_departure_s() const;
  [[nodiscard]] bool is_affordable(const Call& call) const;
  [[noreturn]] void fail_for_cap(const Call& call) const;
  void take_all(std::vector<FinishedTransfer> finished);
  void take(FinishedTransfer finished);
  void learn(const Call& call, const TransportReply& reply, const Classified& meaning);
  void answer(const Call& call, const PaidReply& reply);
  void retry(Call call, const TransportReply& reply);
  void give_up(const Call& call, Outcome outcome, const std::string& reason);
  void check_patience(const std::string& reason) const;
  [[noreturn]] void end_work(Outcome outcome, const std::string& reason) const;

  ClientOptions options_;
  Parts parts_;
  std::vector<Answer> ready_;
  std::vector<std::string> batch_;   // lines of the batch file
  int64_t exported_before_ = 0;      // of them
  Queue queue_;                      // by the time they may leave; equal times in order
  std::map<uint64_t, Call> flying_;  // by transfer number
  uint64_t transfers_ = 0;
  double paused_until_s_ = 0;
  RetryBudget retries_;
  CircuitBreaker breaker_;
  ConcurrencyLimit limit_;
  TokenBucket requests_, tokens_;  // as the server's rate headers say
};

}  // namespace thoughtrank
