// judge.others: several servers, one ledger, one fit; and the same bytes from the ledger alone.
#include <gtest/gtest.h>

#include <set>

#include "judge/judge_room.h"
#include "llm/loopback_server.h"

namespace thoughtrank {
namespace {

double longest(const std::string& answer) { return static_cast<double>(answer.size()); }

class OthersTest : public JudgeTest {
 protected:
  JudgeOptions two(const LoopbackServer& first, const LoopbackServer& second) {
    JudgeOptions options = server_options(first.base_url());
    options.others = {server_options(second.base_url()).first};
    return options;
  }
};

TEST_F(OthersTest, both_rank_every_group_and_a_replay_gives_the_same_bytes) {
  LoopbackServer first(ranks_by(longest)), second(ranks_by(longest));
  JudgeOptions options = two(first, second);
  const auto tasks = make_tasks(6, 20);
  const auto judged = run(options, tasks);
  std::set<std::string> names;
  for (const JudgedPrompt& prompt : judged) {
    EXPECT_GE(prompt.best.winner, 17) << prompt.best.reason;
    std::set<int64_t> numbers;
    for (const VerdictRow& row : prompt.verdicts) {
      names.insert(row.judge);
      EXPECT_TRUE(numbers.insert(row.call).second) << "two calls have number " << row.call;
    }
  }
  EXPECT_EQ(names, (std::set<std::string>{"openai:mock", "openai:mock #2"}));
  const size_t asked = first.count() + second.count();
  options.first.kind = JudgeKind::replay;  // of the others, too
  EXPECT_EQ(bytes_of(run(options, tasks)), bytes_of(judged));
  EXPECT_EQ(first.count() + second.count(), asked);
}

TEST_F(OthersTest, the_win_against_the_anchor_is_the_mean_of_all) {
  LoopbackServer first(ranks_by(longest));
  LoopbackServer second(ranks_by([](const std::string& answer) { return -longest(answer); }));
  Judge judge = open(two(first, second));
  Progress progress = silent_progress();
  const auto verdicts =
      judge.evaluate({{prompt_row("p", "Question?"), "a longer answer", "short"}}, progress);
  EXPECT_EQ(verdicts[0].win, 0.5);
  EXPECT_EQ(verdicts[0].verdicts.size(), 4u);
}

TEST_F(OthersTest, one_cap_holds_for_all) {
  LoopbackServer first(ranks_by(longest)), second(ranks_by(longest));
  JudgeOptions options = two(first, second);
  options.first.server.price = {{"input_per_million", 0},
                                {"output_per_million", 781.25}};  // 1/64 a reply
  options.others[0].server.price = options.first.server.price;
  options.first.server.max_output_tokens = options.others[0].server.max_output_tokens = 20;
  options.max_usd = 0.5;
  expect_error(
      [&] { (void)run(options, make_tasks(6, 20)); }, ExitCode::kSpendingCap, {"judge.max_usd"});
  EXPECT_LE(open(options).spent_usd(), 0.5);
  EXPECT_GT(open(options).spent_usd(), 0.4);
}

TEST_F(OthersTest, only_ranking_judges_can_join) {
  JudgeOptions scores;
  scores.first.kind = JudgeKind::reference;
  JudgeOptions options = server_options("http://127.0.0.1:9/v1");
  options.others = {scores.first};
  expect_error([&] { (void)open(options); }, ExitCode::kConfig, {"judge.others", "reference"});
  scores.others = {server_options("http://127.0.0.1:9/v1").first};
  expect_error([&] { (void)open(scores); }, ExitCode::kConfig, {"judge.others"});
  scores.others.clear();
  scores.scheme.length_control = true;
  expect_error([&] { (void)open(scores); }, ExitCode::kConfig, {"judge.length_control"});
}

}  // namespace
}  // namespace thoughtrank
