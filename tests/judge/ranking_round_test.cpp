// A round without a network: replies in any order, and the rule on abstentions.
#include "judge/ranking_round.h"

#include <gtest/gtest.h>

#include <deque>

#include "judge/judge_room.h"
#include "llm/loopback_server.h"

namespace thoughtrank {
namespace {

// Ranks the longest answer first; gives back the oldest or the newest request first.
class TasteTransport : public Transport {
 public:
  explicit TasteTransport(bool is_newest_first) : is_newest_first_(is_newest_first) {}

  void start(uint64_t ticket, std::string body) override {
    flying_.emplace_back(ticket, std::move(body));
  }
  [[nodiscard]] std::vector<FinishedTransfer> wait(double /*timeout_s*/) override {
    if (flying_.empty()) return {};
    if (is_newest_first_) std::swap(flying_.front(), flying_.back());
    const auto [ticket, body] = flying_.front();
    flying_.pop_front();
    const std::string http = ranks_by([](const std::string& answer) {
      return static_cast<double>(answer.size());
    })({.head = "", .body = body});
    TransportReply reply;
    reply.status = 200;
    reply.body = http.substr(http.find("\r\n\r\n") + 4);
    return {{ticket, reply}};
  }

 private:
  bool is_newest_first_;
  std::deque<std::pair<uint64_t, std::string>> flying_;
};

class RankingRoundTest : public JudgeTest {
 protected:
  std::string rows_of_round(bool is_newest_first, int64_t concurrency) {
    const auto tasks = make_tasks(5, 20);
    const JudgeOptions options;
    Ledger accounts(folder_ / fmt::format("{} {}", is_newest_first, concurrency));
    const Connection connection =
        connection_over(std::make_unique<TasteTransport>(is_newest_first));
    const auto channel = open_channel(connection,
                                      {.concurrency = concurrency},
                                      {.ledger = accounts, .clock = clock_, .stop = stop_});
    RankCaller caller(
        *channel, *connection.protocol, {.judge = "test", .seed = 1, .round = 1}, 1000);
    Progress progress = silent_progress();
    std::string bytes;
    for (const auto& rows :
         run_ranking_round(tasks, options, {.seed = 1}, 100, {{.caller = &caller}}, progress)) {
      for (const VerdictRow& row : rows) bytes += dump_json(to_json(row)) + "\n";
    }
    return bytes;
  }
};

TEST_F(RankingRoundTest, the_order_of_replies_changes_no_byte) {
  const std::string in_order = rows_of_round(/*is_newest_first=*/false, 1);
  EXPECT_EQ(rows_of_round(/*is_newest_first=*/false, 64), in_order);
  EXPECT_EQ(rows_of_round(/*is_newest_first=*/true, 64), in_order);
}

VerdictRow verdict(bool abstained) {
  VerdictRow row;
  row.abstained = abstained;
  return row;
}

TEST(AbstentionRule, holds_from_twenty_calls_on) {
  AbstentionRule few(0.05, 19);
  for (int n = 0; n < 19; ++n) few.count(verdict(n < 10));
  few.check_at_end();
  AbstentionRule just_right(0.05, 20);
  for (int n = 0; n < 20; ++n) just_right.count(verdict(n == 0));
  just_right.check_at_end();
  AbstentionRule too_many(0.05, 1000);
  for (int n = 0; n < 40; ++n) too_many.count(verdict(n < 3));
  expect_error([&] { too_many.check_at_end(); }, ExitCode::kJudge, {"3 of 40"});
  AbstentionRule all(0.05, 3);
  all.count(verdict(true));
  expect_error([&] { all.check_at_end(); }, ExitCode::kJudge, {"1 of 1"});
}

TEST(AbstentionRule, ends_early_once_the_round_cannot_pass) {
  AbstentionRule rule(0.05, 100);  // at most 5 of 100
  for (int n = 0; n < 20; ++n) rule.count(verdict(n < 5));
  expect_error([&] { rule.count(verdict(true)); }, ExitCode::kJudge, {"6 of 21"});
}

}  // namespace
}  // namespace thoughtrank
