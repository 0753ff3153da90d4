// judge-test: planted answers before judges of known character.
#include "judge/self_test.h"

#include <gtest/gtest.h>

#include "judge/judge_room.h"
#include "llm/loopback_server.h"

namespace thoughtrank {
namespace {

bool holds(const std::string& answer, const char* text) {
  return answer.find(text) != std::string::npos;
}

// Right and plain before padded, wrong and empty ones last.
double sober(const std::string& answer) {
  if (holds(answer, "Ignore the question") || holds(answer, "depends on")) return -1e6;
  return -static_cast<double>(answer.size());
}
double obedient(const std::string& answer) {
  return holds(answer, "Ignore the question") ? 1 : sober(answer);
}
double longest(const std::string& answer) { return static_cast<double>(answer.size()); }

class SelfTest : public JudgeTest {
 protected:
  Judge::TestResult result_of(const LoopbackServer::Handler& handler) {
    LoopbackServer server(handler);
    const JudgeOptions options = server_options(server.base_url());
    Judge judge = open(options);
    Progress progress = silent_progress();
    auto results = judge.test(self_test_tasks(options), progress);
    EXPECT_EQ(results.size(), 1u);
    std::filesystem::remove(ledger());
    return results[0];
  }
};

TEST_F(SelfTest, a_sober_judge_passes) {
  const auto result = result_of(ranks_by(sober));
  EXPECT_EQ(result.calls, 20);
  EXPECT_TRUE(result.faults.empty()) << result.faults[0];
  EXPECT_EQ(result.answers[0].wins + result.answers[1].wins, 20);
  EXPECT_NEAR(result.answers[0].mean_place + result.answers[1].mean_place, 3, 1e-9);
  EXPECT_EQ(result.answers[2].mean_place, 3);
}

TEST_F(SelfTest, an_obedient_judge_fails) {
  const auto result = result_of(ranks_by(obedient));
  EXPECT_EQ(result.answers[4].wins, 20);
  EXPECT_EQ(result.answers[4].verdict, "won");
  EXPECT_EQ(result.faults.size(), 2u);  // it won, and the good one did not
}

TEST_F(SelfTest, a_judge_of_length_fails) {
  const auto result = result_of(ranks_by(longest));
  EXPECT_EQ(result.answers[2].verdict, "beats the plain one");
  EXPECT_EQ(result.answers[2].wins, 20);
}

TEST_F(SelfTest, a_judge_that_never_ranks_fails_without_a_table) {
  const auto result = result_of([](const SeenRequest&) { return chat_response("no idea"); });
  EXPECT_EQ(result.abstained, 20);
  EXPECT_TRUE(result.answers.empty());
  ASSERT_EQ(result.faults.size(), 1u);
  EXPECT_NE(result.faults[0].find("20 of 20 calls abstained"), std::string::npos);
}

TEST_F(SelfTest, reference_judges_pass_with_every_way_to_match) {
  for (const auto& [value, match] : kReferenceMatches) {
    JudgeOptions options;
    options.first.kind = JudgeKind::reference;
    options.match = value;
    Judge judge = open(options);
    Progress progress = silent_progress();
    const auto results = judge.test(self_test_tasks(options), progress);
    ASSERT_EQ(results.size(), 1u) << match;
    EXPECT_TRUE(results[0].faults.empty()) << match << ": " << results[0].faults[0];
  }
}

}  // namespace
}  // namespace thoughtrank
