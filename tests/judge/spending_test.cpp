// R27 of the reliability rows: whatever a run's concurrency, prices and fate, the server's own bill
// never passes the cap, and what was paid is not paid again.
// Control (seen red): is_affordable without reserved_usd().
#include <gtest/gtest.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>

#include <chrono>
#include <map>
#include <thread>

#include "judge/judge_room.h"
#include "llm/loopback_server.h"
#include "support/trials.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/data/ledger_accounts.h"
#include "thoughtrank/llm/price.h"

namespace thoughtrank {
namespace {

// Bills every request that arrives, whether or not its reply does; the bill is in this process, out
// of the run's reach.
class BillingServer {
 public:
  BillingServer(Price price, uint64_t seed)
      : price_(price),
        random_(seed, "billing"),
        server_(LoopbackServer::Wire([this](int fd, const SeenRequest& r) { serve(fd, r); })) {}

  [[nodiscard]] std::string base_url() const { return server_.base_url(); }
  [[nodiscard]] double billed() const {
    const std::lock_guard lock(mutex_);
    return billed_;
  }
  // Whole replies to requests that had one before. What ends half way may be asked for again.
  [[nodiscard]] int paid_twice() const {
    const std::lock_guard lock(mutex_);
    return paid_twice_;
  }

 private:
  void serve(int fd, const SeenRequest& request) {
    std::string reply = ranks_by(
        [](const std::string& answer) { return static_cast<double>(answer.size()); })(request);
    int64_t input = 0, output = 0;
    uint64_t fate = 0, pause_ms = 0;
    {
      const std::lock_guard lock(mutex_);
      input = static_cast<int64_t>(random_.below(request.body.size()));
      output = static_cast<int64_t>(random_.below(51));
      fate = random_.below(20);
      pause_ms = random_.below(4);
      billed_ += price_.cost(input, output);
      const bool is_whole = fate > 1;
      if (is_whole) paid_twice_ += answered_[request.body]++ > 0 ? 1 : 0;
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(pause_ms));  // the server's work
    Json body = parse_json(reply.substr(reply.find("\r\n\r\n") + 4), "reply");
    body["usage"] = {{"prompt_tokens", input}, {"completion_tokens", output}};
    if (fate == 2) body.erase("usage");
    reply = http_response(200, dump_json(body));
    if (fate == 0) return;  // billed, and nothing sent
    send_all(fd, fate == 1 ? reply.substr(0, reply.size() - 9) : reply);
  }

  Price price_;
  mutable std::mutex mutex_;
  RandomStream random_;
  double billed_ = 0;
  int paid_twice_ = 0;
  std::map<std::string, int> answered_;
  LoopbackServer server_;
};

struct Ended {
  bool is_killed = false;
  int code = 0;
};

// Runs the driver; kills it after `kill_after_ms`, 0: never.
Ended run_driver(std::vector<std::string> words, int kill_after_ms) {
  const char* other = std::getenv("MONEY_DRIVER");  // one with a protection broken
  const std::string driver = other == nullptr ? MONEY_DRIVER : other;
  words.insert(words.begin(), driver);
  std::vector<char*> arguments;
  for (std::string& word : words) arguments.push_back(word.data());
  arguments.push_back(nullptr);
  posix_spawn_file_actions_t quiet;
  posix_spawn_file_actions_init(&quiet);
  posix_spawn_file_actions_addopen(&quiet, 2, "/dev/null", 1, 0);
  pid_t pid = -1;
  EXPECT_EQ(::posix_spawn(&pid, driver.c_str(), &quiet, nullptr, arguments.data(), environ), 0);
  posix_spawn_file_actions_destroy(&quiet);
  if (kill_after_ms > 0) {
    std::this_thread::sleep_for(std::chrono::milliseconds(kill_after_ms));
    ::kill(pid, SIGKILL);
  }
  int status = 0;
  ::waitpid(pid, &status, 0);
  return {WIFSIGNALED(status), WIFEXITED(status) ? WEXITSTATUS(status) : 0};
}

TEST(Spending, the_bill_never_passes_the_cap_across_kills_and_resumes) {
  std::string folder = testing::TempDir() + "thoughtrank-spending-XXXXXX";
  ASSERT_NE(mkdtemp(folder.data()), nullptr);
  std::map<int, int> ends;
  int kills = 0;
  for (int trial = 0; trial < trials_of(100); ++trial) {
    RandomStream random(static_cast<uint64_t>(trial), "spending");
    const Price price{.input_per_million = 10 * random.uniform(),
                      .output_per_million = 100 * random.uniform()};
    const double whole = 40 * price.cost(3500, 50);  // about what all calls are reserved at
    const double cap = whole * (0.05 + 1.2 * random.uniform());
    const auto concurrency = static_cast<int>(1 + random.below(32));
    BillingServer server(price, static_cast<uint64_t>(trial));
    const std::string ledger = folder + "/" + std::to_string(trial) + ".jsonl";
    const std::vector<std::string> words = {ledger,
                                            server.base_url(),
                                            fmt::format("{:.9f}", cap),
                                            fmt::format("{:.9f}", price.input_per_million),
                                            fmt::format("{:.9f}", price.output_per_million),
                                            std::to_string(concurrency),
                                            "3",
                                            "16"};
    int killed_here = 0;
    for (auto left = static_cast<int>(random.below(4)); left >= 0; --left) {
      const int kill_after_ms = left == 0 ? 0 : static_cast<int>(3 + random.below(80));
      const Ended ended = run_driver(words, kill_after_ms);
      ASSERT_LE(server.billed(), cap * (1 + 1e-9)) << "trial " << trial;
      killed_here += ended.is_killed ? 1 : 0;
      if (ended.is_killed) continue;
      ++ends[ended.code];
      ASSERT_TRUE(ended.code == 0 || ended.code == 80 || ended.code == 69) << ended.code;
    }
    kills += killed_here;
    const LedgerAccounts accounts = read_ledger_accounts(ledger);
    const double booked =
        accounts.spent_usd() + accounts.reserved_usd();  // on its way at an early end
    EXPECT_GE(booked + 1e-9, server.billed());
    EXPECT_LE(booked, cap * (1 + 1e-9));
    EXPECT_LE(server.paid_twice(), killed_here * concurrency) << "only what was in flight";
  }
  std::filesystem::remove_all(folder);
  record_trials(trials_of(100));
  // The trials have met both ends, and kills.
  EXPECT_GT(ends[0], 10);
  EXPECT_GT(ends[80], 10);
  EXPECT_GT(kills, 20);
}

}  // namespace
}  // namespace thoughtrank
