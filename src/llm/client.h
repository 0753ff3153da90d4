// The channel that sends requests to a server: within the concurrency, within the money, at most
// three attempts each, every one in the ledger first. A server in trouble is asked less: see
// pacing.h. The caller waits here while the transport works.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "llm/call_accounts.h"
#include "llm/pacing.h"
#include "thoughtrank/core/clock.h"
#include "thoughtrank/core/secret.h"
#include "thoughtrank/llm/transport.h"

namespace thoughtrank {

struct ClientOptions {
  int64_t concurrency = 16;
  double patience_s = 600;  // time that a server may not answer at all
  uint64_t seed = 0;
};

class Client : public Channel {
 public:
  struct Parts {
    Transport& transport;
    const Secret& key;  // kept out of the ledger and of messages
    Clock& clock;
    const StopFlag& stop;
  };
  Client(ClientOptions options, CallAccounts accounts, Parts parts);

  void submit(uint64_t ticket, std::string body) override;
  // Error(kJudge) when the server is down for longer than patience_s; UntrustedServer.
  [[nodiscard]] std::vector<Reply> wait() override;
  void forget(const std::string& request_sha256) override;
  [[nodiscard]] size_t pending() const { return ready_.size() + queue_.size() + flying_.size(); }

 private:
  using Queue = std::multimap<double, Call>;

  void dispatch();
  void send(Call call);
  [[nodiscard]] bool may_fly() const;
  [[nodiscard]] double next_departure_s() const;
  void take_all(std::vector<FinishedTransfer> finished);
  void take(FinishedTransfer finished);
  void learn(const Call& call, const TransportReply& reply, const Classified& meaning);
  void take_failure(Call call, const TransportReply& reply, const Classified& meaning);
  void retry(Call call, const TransportReply& reply);
  void check_patience(const std::string& reason) const;
  [[nodiscard]] bool is_starting(const TransportReply& reply) const;
  void wait_for_start(Call call, const std::string& reason);
  [[noreturn]] void fail_for_patience(double down_s, const std::string& reason) const;
  [[noreturn]] void end_work(Outcome outcome, const std::string& reason) const;

  ClientOptions options_;
  CallAccounts accounts_;
  Parts parts_;
  std::vector<Reply> ready_;
  Queue queue_;                      // calls by the time they may leave; equal times in order
  std::map<uint64_t, Call> flying_;  // calls by the number of their transfer
  uint64_t transfers_ = 0;
  double paused_until_s_ = 0;
  // Until the server has answered for the first time: it may only be starting.
  bool has_answered_ = false;
  std::optional<double> first_try_s_;  // when it was first found not to be there
  int64_t start_tries_ = 0;
  RetryBudget retries_;
  CircuitBreaker breaker_;
  ConcurrencyLimit limit_;
  TokenBucket requests_, tokens_;  // what the server's rate headers leave
};

}  // namespace thoughtrank
