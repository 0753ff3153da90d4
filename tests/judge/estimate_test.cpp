// What `plan` says of judging: the figures by hand, and the worst case sent to a server that makes
// the most of it.
#include "thoughtrank/judge/estimate.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <mutex>
#include <set>

#include "judge/judge_room.h"
#include "judge/rubric.h"
#include "llm/loopback_server.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/data/ledger_accounts.h"

namespace thoughtrank {
namespace {

JudgingSize size_of(int64_t prompts, int64_t branches, int64_t answer_tokens) {
  JudgingSize size{
      .branches = branches, .answer_tokens = answer_tokens, .heldout_tokens = answer_tokens};
  size.questions.add(prompt_row("p", "Why?"), prompts);
  return size;
}

class EstimateTest : public JudgeTest {
 protected:
  EstimateTest() {
    options_ = server_options("https://api.example.com/v1");
    options_.first.server.price = {{"input_per_million", 1}, {"output_per_million", 1}};
    options_.max_usd = 1;
  }
  JudgeOptions options_;
};

TEST_F(EstimateTest, counts_the_schemes_calls_and_the_audits) {
  const JudgeEstimate estimate = estimate_judging(options_, size_of(10, 62, 100));
  EXPECT_EQ(estimate.calls, 270 + 2 * 5);  // 27 a prompt, 2 % repeats, 2 % planted
  EXPECT_EQ(estimate.answer_reads, 10 * 165 + 10 * 8);
  EXPECT_GT(estimate.usd_expected, 0.0);
  EXPECT_GT(estimate.usd_worst, estimate.usd_expected);
  options_.others = {options_.first};
  EXPECT_EQ(estimate_judging(options_, size_of(10, 62, 100)).calls, 2 * estimate.calls);
  EXPECT_NEAR(
      estimate_judging(options_, size_of(10, 62, 100)).usd_worst, 2 * estimate.usd_worst, 1e-9);
}

TEST_F(EstimateTest, long_answers_need_more_calls_since_fewer_fit_into_one) {
  const JudgeEstimate few = estimate_judging(options_, size_of(1, 62, 10));
  const JudgeEstimate many = estimate_judging(options_, size_of(1, 62, 100'000));
  EXPECT_EQ(few.calls, 27);
  EXPECT_EQ(many.calls, 16 + 8 + 4 + 2 + 12) << "four answers in a call, and finals";
}

// Direct answers have the room of a thought, too; 3 · 2 comparisons of two answers each.
TEST_F(EstimateTest, held_out_answers_have_a_bound_of_their_own) {
  JudgingSize size = size_of(1, 1, 10);
  size.heldout.add(prompt_row("h", "How?"), 3);
  const JudgeEstimate before = estimate_judging(options_, size);
  size.heldout_tokens += 100;
  const JudgeEstimate longer = estimate_judging(options_, size);
  EXPECT_EQ(longer.calls, before.calls);
  EXPECT_NEAR(longer.usd_expected - before.usd_expected, 12 * 100 * 1e-6, 1e-9);
  EXPECT_GE(longer.bytes_worst - before.bytes_worst, 12 * 100 * size.token_json_bytes);
}

TEST_F(EstimateTest, held_out_prompts_are_compared_in_both_orders) {
  JudgingSize size = size_of(1, 1, 10);  // one answer: nothing to rank
  size.heldout.add(prompt_row("h", "How?"), 3);
  const JudgeEstimate estimate = estimate_judging(options_, size);
  EXPECT_EQ(estimate.calls, 6);
  EXPECT_EQ(estimate.answer_reads, 12);
}

TEST_F(EstimateTest, judges_that_score_or_replay_cost_nothing) {
  options_.first.kind = JudgeKind::reference;
  const JudgeEstimate scored = estimate_judging(options_, size_of(2, 5, 10));
  EXPECT_EQ(scored.calls, 0);
  EXPECT_EQ(scored.answer_reads, 10);
  EXPECT_EQ(scored.usd_worst, 0);
  options_.first.kind = JudgeKind::replay;
  const JudgeEstimate replayed = estimate_judging(options_, size_of(2, 5, 10));
  EXPECT_GT(replayed.calls, 0);
  EXPECT_EQ(replayed.usd_worst, 0);
  options_.first.kind = JudgeKind::command;
  EXPECT_EQ(estimate_judging(options_, size_of(2, 5, 10)).usd_worst, 0);
}

TEST_F(EstimateTest, the_rubric_that_is_sent_is_the_one_that_is_priced) {
  const JudgeEstimate built_in = estimate_judging(options_, size_of(10, 20, 10));
  const std::string rubric(9000, 'r');
  publish_file(folder_ / "rubric.txt", rubric);
  options_.first.rubric = (folder_ / "rubric.txt").string();
  const JudgeEstimate own = estimate_judging(options_, size_of(10, 20, 10));
  const auto more =
      static_cast<double>(worst_json_bytes(rubric) - worst_json_bytes(default_rubric()));
  const auto calls = static_cast<double>(own.calls);
  EXPECT_NEAR(own.usd_expected - built_in.usd_expected, calls * more / 3 / 1e6, 1e-6);
  EXPECT_GE(own.bytes_worst - built_in.bytes_worst, static_cast<int64_t>(calls * more));
  options_.first.rubric = (folder_ / "absent.txt").string();
  EXPECT_THROW((void)estimate_judging(options_, size_of(1, 2, 3)), Error);
}

TEST(WorstJsonBytes, bound_every_text_and_the_parts_of_a_text_bound_the_whole) {
  RandomStream random(1, "bytes");
  const std::vector<std::string> parts = {"a",
                                          "\"",
                                          "\\",
                                          "\x01",
                                          "\n",
                                          "\x7F",
                                          "\xC3\xA9",
                                          "\xE2",
                                          "\x96",
                                          "\xF0\x9F",
                                          "\xFF",
                                          "\xE2\x96\x81",
                                          "\b",
                                          "\v"};
  for (int trial = 0; trial < 5000; ++trial) {
    std::string text;
    int64_t sum = 0;
    for (uint64_t n = random.below(12); n > 0; --n) {
      const std::string& part = parts[random.below(parts.size())];
      text += part;
      sum += worst_json_bytes(part);
    }
    const int64_t written = std::ssize(dump_json(Json(text))) - 2;  // without the quotes
    ASSERT_LE(written, worst_json_bytes(text)) << dump_json(Json(text));
    ASSERT_LE(written, sum) << dump_json(Json(text));
  }
  EXPECT_EQ(worst_json_bytes("plain"), 5);
  EXPECT_EQ(worst_json_bytes("\x01"), 6);
  EXPECT_EQ(worst_json_bytes("\xFF"), 3);
}

// The worst server there is: each request is lost twice on its way back, so that it may have been
// billed; the first showing of a call gets no ranking; the second is said to be too long, until two
// answers are left.
class WorstServer {
 public:
  std::string operator()(const SeenRequest& request) {
    const std::lock_guard lock(mutex_);
    bytes_ += std::ssize(request.body);
    const auto shown = shown_answers(request);
    if (shown.empty() || request.body.find("two plus two") != std::string::npos) {
      return without_bill(ranks_by(longest)(request));
    }
    if (++tries_[request.body] < 3) return "HTTP/1.1 200 OK\r\nContent-Length: 900\r\n\r\n{";
    std::multiset<std::string> answers;
    for (const auto& [label, answer] : shown) answers.insert(answer);
    if (++showings_[{answers, question_of(request)}] % 2 == 1) {
      return without_bill(chat_response("no ranking"));
    }
    if (shown.size() > 2) return http_response(413, R"({"error":{"message":"too long"}})");
    return without_bill(ranks_by(longest)(request));
  }
  [[nodiscard]] int64_t bytes() const { return bytes_; }

 private:
  static double longest(const std::string& answer) { return static_cast<double>(answer.size()); }
  // A reply without a bill costs what was reserved for it.
  static std::string without_bill(const std::string& http) {
    Json body = parse_json(http.substr(http.find("\r\n\r\n") + 4), "reply");
    body.erase("usage");
    return http_response(200, dump_json(body));
  }
  static std::string question_of(const SeenRequest& request) {
    constexpr size_t kCode = 12;  // bytes of the fence's random code, which differs
    const size_t fence = request.body.find("<question ") + std::string("<question ").size();
    return request.body.substr(fence + kCode, request.body.find("</question ") - fence - kCode);
  }

  std::mutex mutex_;
  std::map<std::string, int> tries_;
  std::map<std::pair<std::multiset<std::string>, std::string>, int> showings_;
  int64_t bytes_ = 0;
};

// `answer`: of branch b. Every token of it is worth `token_json_bytes` in JSON.
struct WorstCase {
  const char* name;
  std::string token;
  int64_t answer_tokens;
  int64_t max_input_tokens;
};

class WorstCaseTest : public JudgeTest, public testing::WithParamInterface<WorstCase> {
 protected:
  static constexpr int64_t kPrompts = 6, kBranches = 9, kHeldout = 2;

  // Distinct answers of `answer_tokens` tokens: the branch's number is spelled in two of them.
  static std::string answer_of(int64_t branch) {
    const WorstCase& worst = GetParam();
    std::string text = "A" + std::string(1, static_cast<char>('a' + branch));
    for (int64_t n = 2; n < worst.answer_tokens; ++n) text += worst.token;
    return text;
  }
  static std::vector<JudgeTask> tasks() {
    std::vector<JudgeTask> tasks;
    for (int64_t p = 0; p < kPrompts; ++p) {
      JudgeTask task;
      task.prompt =
          prompt_row("p" + std::to_string(p), "Which\x01 of \"" + std::to_string(p) + "\"?");
      task.prompt.system = "In a line.";
      for (int64_t b = 0; b < kBranches; ++b) {
        task.outputs.push_back(output(task.prompt.prompt_id, b, answer_of(b)));
      }
      tasks.push_back(std::move(task));
    }
    return tasks;
  }
  static std::vector<EvalTask> heldout() {
    std::vector<EvalTask> tasks;
    for (int64_t n = 0; n < kHeldout; ++n) {
      tasks.push_back(
          {prompt_row("h" + std::to_string(n), "Held out " + std::to_string(n) + "?"),
           answer_of(1) + answer_of(1),  // direct answers have the room of a thought, too
           answer_of(2) + answer_of(2)});
    }
    return tasks;
  }
  static JudgingSize size() {
    JudgingSize size{.branches = kBranches,
                     .answer_tokens = GetParam().answer_tokens,
                     .heldout_tokens = 2 * GetParam().answer_tokens,
                     .token_json_bytes = worst_json_bytes(GetParam().token)};
    for (const JudgeTask& task : tasks()) size.questions.add(task.prompt);
    for (const EvalTask& task : heldout()) size.heldout.add(task.prompt);
    return size;
  }
};

TEST_P(WorstCaseTest, is_within_the_plans_bound_and_not_far_from_it) {
  WorstServer worst;
  LoopbackServer server(LoopbackServer::Handler([&](const SeenRequest& r) { return worst(r); }));
  JudgeOptions options = server_options(server.base_url());
  options.first.server.price = {{"input_per_million", 2}, {"output_per_million", 8}};
  options.first.server.max_output_tokens = 16;
  options.first.server.patience_s = 86400;
  options.first.max_abstained = 1;
  options.scheme.group_size = 4;
  options.scheme.finals = 2;
  options.scheme.max_input_tokens = GetParam().max_input_tokens;
  options.max_usd = 1000;
  publish_file(folder_ / "rubric.txt", "Rank by length.\n\"Long\" is good.");
  options.first.rubric = (folder_ / "rubric.txt").string();
  {
    Judge judge = open(options);
    Progress progress = silent_progress();
    (void)judge.judge(tasks(), progress);
    (void)judge.evaluate(heldout(), progress);
  }
  const JudgeEstimate plan = estimate_judging(options, size());
  const double spent = read_ledger_accounts(ledger()).spent_usd();
  EXPECT_LE(worst.bytes(), plan.bytes_worst);
  EXPECT_LE(spent, plan.usd_worst);
  RecordProperty("bytes_share", std::to_string(double(worst.bytes()) / double(plan.bytes_worst)));
  RecordProperty("usd_share", std::to_string(spent / plan.usd_worst));
  // Of nine tries that a call may take, three are those of judging while generating, which is not
  // done here.
  constexpr double kWithoutOverlap = 6.0 / 9;
  const double bytes_bound = kWithoutOverlap * static_cast<double>(plan.bytes_worst);
  EXPECT_GE(static_cast<double>(worst.bytes()), 0.25 * bytes_bound);
  EXPECT_GE(spent, 0.25 * kWithoutOverlap * plan.usd_worst);
}

INSTANTIATE_TEST_SUITE_P(Answers,
                         WorstCaseTest,
                         testing::Values(WorstCase{"plain", "word", 40, 24000},
                                         WorstCase{"control", "\x01", 200, 24000},
                                         WorstCase{"invalid", "\xFF", 200, 24000},
                                         WorstCase{"cut", "longword", 400, 3000}),
                         [](const auto& param) { return std::string(param.param.name); });

}  // namespace
}  // namespace thoughtrank
