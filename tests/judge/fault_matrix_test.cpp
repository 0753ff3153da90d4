// R23 of the reliability rows: a server that fails in every way that servers fail, now and then or
// always, after its first answer. Each call ends in the right ranking or in none, after at most
// three tries of a request. Control (seen red): kMostAttempts = 4 in client.h.
#include <gtest/gtest.h>
#include <sys/socket.h>

#include <atomic>
#include <chrono>
#include <map>

#include "judge/judge_room.h"
#include "judge/rank_caller.h"
#include "llm/loopback_server.h"
#include "support/trials.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

using namespace std::chrono_literals;

constexpr int kCalls = 5;

double longest(const std::string& answer) { return static_cast<double>(answer.size()); }

std::string http_date(int seconds_from_now) {
  const std::time_t then = std::time(nullptr) + seconds_from_now;
  char text[64];
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", std::gmtime(&then));
  return text;
}

void reset(int fd) {
  const linger now{.l_onoff = 1, .l_linger = 0};
  ::setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
}

struct Fault {
  const char* name;
  LoopbackServer::Wire wire;
  bool is_slow = false;    // lasts until the client's patience ends
  bool ends_work = false;  // money and credentials: never tried again
};

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

Fault status(const char* name, int code, const std::string& headers = "", bool ends_work = false) {
  const std::string body = ends_work ? R"({"error":{"code":"insufficient_quota","message":"x"}})"
                                     : R"({"error":{"message":"scripted"}})";
  return {name,
          [=](int fd, const auto&) { send_all(fd, http_response(code, body, headers)); },
          false,
          ends_work};
}

// Everything that sends `bytes` and closes.
Fault says(const char* name, const std::string& bytes) {
  return {name, [bytes](int fd, const auto&) { send_all(fd, bytes); }};
}

void wait_for_peer(int fd, std::chrono::milliseconds most) {
  const timeval patience{.tv_sec = most.count() / 1000, .tv_usec = (most.count() % 1000) * 1000};
  ::setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  char byte = 0;
  (void)::recv(fd, &byte, 1, 0);
}

void drip(int fd, const SeenRequest& request) {
  for (const char c : ranks_by(longest)(request)) {
    if (::send(fd, &c, 1, MSG_NOSIGNAL) != 1) return;
    wait_for_peer(fd, 50ms);
  }
}

void reset_in_the_middle(int fd, const SeenRequest& request) {
  const std::string whole = ranks_by(longest)(request);
  send_all(fd, whole.substr(0, whole.size() - 40));
  reset(fd);
}

std::vector<Fault> faults() {
  const std::string head = "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n";
  return {
      status("429_seconds", 429, "Retry-After: 2\r\n"),
      status("429_date", 429, "Retry-After: " + http_date(20) + "\r\n"),
      status("429_past", 429, "Retry-After: " + http_date(-3600) + "\r\n"),
      status("429_huge", 429, "Retry-After: 1000000000\r\n"),
      status("429_garbage", 429, "Retry-After: soon, dear\r\n"),
      status("429_negative", 429, "Retry-After: -7\r\n"),
      status("429_plain", 429),
      status("408", 408),
      status("500", 500),
      status("502", 502),
      status("503", 503),
      status("529", 529),
      status("quota", 429, "", /*ends_work=*/true),
      status("401", 401, "", /*ends_work=*/true),
      {"reset_at_once", [](int fd, const auto&) { reset(fd); }},
      {"reset_in_the_middle", reset_in_the_middle},
      {"half_open", [](int fd, const auto&) { wait_for_peer(fd, 2000ms); }, /*is_slow=*/true},
      {"one_byte_at_a_time", drip, /*is_slow=*/true},
      {"late_first_byte",
       [](int fd, const auto& request) {
         wait_for_peer(fd, 20ms);
         send_all(fd, ranks_by(longest)(request));
       }},
      says("silence", ""),
      says("short_body", head + "Content-Length: 900\r\n\r\n{\"choices\":["),
      says("cut_at_close", head + "\r\n{\"choices\":[{\"mess"),
      says("keep_alive_lie", head + "Connection: keep-alive\r\nContent-Length: 2\r\n\r\n{}"),
  };
}

class FaultMatrixTest : public JudgeTest,
                        public testing::WithParamInterface<std::tuple<Fault, double>> {
 protected:
  struct Trial {
    std::vector<VerdictRow> verdicts;
    std::optional<ExitCode> ended;
    std::map<std::string, int> tries;  // of each request
  };

  Trial run_trial(const Fault& fault, double share, int number) {
    Trial trial;
    std::mutex mutex;
    RandomStream random(static_cast<uint64_t>(number), fault.name);
    LoopbackServer server(LoopbackServer::Wire([&](int fd, const SeenRequest& request) {
      bool fails = false;
      {
        const std::lock_guard lock(mutex);
        const bool is_first = trial.tries.empty();
        ++trial.tries[request.body];
        fails = !is_first && random.uniform() < share;
      }
      fails ? fault.wire(fd, request) : send_all(fd, ranks_by(longest)(request));
    }));
    Ledger accounts(folder_ / (std::string(fault.name) + std::to_string(number)));
    ServerOptions options = server_at(server.base_url());
    options.timeout_s = fault.is_slow ? 0.15 : 20;
    const Connection connection = open_connection(options, {.kind = ServerKind::openai}, accounts);
    const auto channel = open_channel(connection,
                                      {.concurrency = 8, .seed = static_cast<uint64_t>(number)},
                                      {.ledger = accounts, .clock = clock_, .stop = stop_});
    RankCaller caller(
        *channel, *connection.protocol, {.judge = "test", .seed = 1, .round = 1}, 100);
    PromptRow prompt = prompt_row("p", "Which?");
    const auto submit = [&](int64_t n) {
      RankCall call{.task = 0, .number = n, .stage = VerdictStage::pass_a};
      call.prompt = &prompt;
      call.answers = {"short", "a longer answer"};
      call.branches = {0, 1};
      caller.submit(std::move(call));
    };
    submit(kCalls);  // answered: the server is there, what follows is no start that is waited for
    EXPECT_EQ(caller.wait().size(), 1U);
    for (int n = 0; n < kCalls; ++n) submit(n);
    try {
      for (auto done = caller.wait(); !done.empty(); done = caller.wait()) {
        for (JudgedCall& one : done) trial.verdicts.push_back(std::move(one.verdict));
      }
    } catch (const Error& error) {
      trial.ended = error.code();
    }
    return trial;
  }
};

TEST_P(FaultMatrixTest, ends_in_the_right_ranking_or_in_none) {
  const auto& [fault, share] = GetParam();
  const int trials = trials_of(fault.is_slow ? 5 : 50);
  record_trials(trials);
  size_t abstained = 0, ranked = 0;
  for (int number = 0; number < trials; ++number) {
    const Trial trial = run_trial(fault, share, number);
    for (const auto& [request, tries] : trial.tries) {
      // What is on its way when the work ends has left already.
      ASSERT_LE(tries, fault.ends_work ? 1 : 3);
    }
    for (const VerdictRow& row : trial.verdicts) {
      row.abstained ? ++abstained : ++ranked;
      const std::vector<int64_t> right = {1, 0};
      ASSERT_EQ(row.ranking, row.abstained ? std::vector<int64_t>() : right);
      ASSERT_GE(row.attempts, row.abstained ? 2 : 1) << "given up too early";
    }
    if (trial.ended) {
      ASSERT_TRUE(fault.ends_work);
    } else {
      ASSERT_EQ(trial.verdicts.size(), static_cast<size_t>(kCalls));
    }
  }
  const bool is_harmless = std::string(fault.name) == "late_first_byte";
  EXPECT_TRUE(share < 1.0 || (ranked > 0) == is_harmless);
  EXPECT_TRUE(share > 0.1 || fault.ends_work || ranked > 20 * abstained) << "tries are in vain";
}

INSTANTIATE_TEST_SUITE_P(Faults,
                         FaultMatrixTest,
                         testing::Combine(testing::ValuesIn(faults()),
                                          testing::Values(0.1, 0.5, 1.0)),
                         [](const auto& param) {
                           return std::string(std::get<0>(param.param).name) + "_" +
                                  std::to_string(static_cast<int>(100 * std::get<1>(param.param)));
                         });

}  // namespace
}  // namespace thoughtrank
