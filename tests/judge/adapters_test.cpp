// The ways to a judge beside the plain call: Anthropic's messages, batch files, prompts asked about
// before the round is complete.
#include <gtest/gtest.h>

#include <sstream>

#include "judge/judge_room.h"
#include "llm/loopback_server.h"
#include "thoughtrank/llm/ledger.h"

namespace thoughtrank {
namespace {

double longest(const std::string& answer) { return static_cast<double>(answer.size()); }

// The text that ranks_by() would give to a chat request.
std::string ranking_for(const std::string& body) {
  const std::string http = ranks_by(longest)({.head = "", .body = body});
  const Json chat = parse_json(http.substr(http.find("\r\n\r\n") + 4), "reply");
  return chat["choices"][0]["message"]["content"].get<std::string>();
}

Json message_with(const std::string& text) {
  return {{"type", "message"},
          {"role", "assistant"},
          {"content", Json::array({{{"type", "text"}, {"text", text}}})},
          {"stop_reason", "end_turn"},
          {"usage", {{"input_tokens", 1000}, {"output_tokens", 20}}}};
}

std::string messages_response(const SeenRequest& request) {
  return http_response(200, dump_json(message_with(ranking_for(request.body))));
}

class AdaptersTest : public JudgeTest {
 protected:
  [[nodiscard]] JudgeOptions anthropic(const std::string& base_url) const {
    JudgeOptions options = server_options(base_url);
    options.first.kind = JudgeKind::anthropic;
    options.first.server.price = {{"input_per_million", 1000}, {"output_per_million", 1000}};
    options.max_usd = 1000;
    return options;
  }

  // One step of a batch: -1 when the round is finished, else how many calls were written.
  int64_t export_batch(const JudgeOptions& options, const std::vector<JudgeTask>& tasks) {
    Judge judge({.options = options,
                 .select = select_,
                 .seed = 7,
                 .round = 1,
                 .ledger = ledger(),
                 .batch_export = folder_ / "batch.jsonl",
                 .scorer = {},
                 .clock = clock_,
                 .stop = stop_});
    if (std::filesystem::exists(folder_ / "results.jsonl")) {
      (void)judge.import_batch(folder_ / "results.jsonl");
    }
    Progress progress = silent_progress();
    try {
      finished_ = bytes_of(judge.judge(tasks, progress));
    } catch (const BatchWritten& written) {
      return written.calls();
    }
    return -1;
  }

  // What a provider makes of the batch file; `fails` says which lines it does not answer.
  void answer_batch(bool is_anthropic, int fail_every) {
    std::istringstream lines(read_file(folder_ / "batch.jsonl"));
    std::string results;
    int number = 0;
    for (std::string line; std::getline(lines, line);) {
      const Json call = parse_json(line, "batch");
      Json result = {{"custom_id", call["custom_id"]}};
      const bool fails = ++number % fail_every == 0;
      if (is_anthropic) {
        result["result"] =
            fails ? Json{{"type", "expired"}}
                  : Json{{"type", "succeeded"},
                         {"message", message_with(ranking_for(dump_json(call["params"])))}};
      } else {
        const std::string http = ranks_by(longest)({.head = "", .body = dump_json(call["body"])});
        const Json body = parse_json(http.substr(http.find("\r\n\r\n") + 4), "reply");
        result["response"] = fails ? Json() : Json{{"status_code", 200}, {"body", body}};
        result["error"] = fails ? Json{{"code", "batch_expired"}} : Json();
      }
      results = dump_json(result) + "\n" + results;  // in any order
    }
    publish_file(folder_ / "results.jsonl", results);
  }

  std::string finished_;
};

TEST_F(AdaptersTest, anthropic_is_spoken_to_in_its_own_words) {
  ::setenv("THOUGHTRANK_ANTHROPIC_KEY", "sk-ant-canary", 1);
  LoopbackServer server(messages_response);
  JudgeOptions options = anthropic(server.base_url());
  options.first.server.api_key_env = "THOUGHTRANK_ANTHROPIC_KEY";
  const auto judged = run(options, make_tasks(3, 20));
  for (const JudgedPrompt& prompt : judged) {
    EXPECT_EQ(prompt.best.status, SelectionStatus::trained) << prompt.best.reason;
    EXPECT_GE(prompt.best.winner, 17);
    EXPECT_NEAR(prompt.best.usd, 1.02 * static_cast<double>(prompt.best.calls), 1e-9);
  }
  EXPECT_EQ(judged[0].verdicts[0].judge, "anthropic:mock");
  for (const SeenRequest& request : server.seen()) {
    EXPECT_TRUE(request.head.starts_with("POST /v1/messages ")) << request.head;
    EXPECT_NE(request.head.find("x-api-key: sk-ant-canary"), std::string::npos);
    EXPECT_NE(request.head.find("anthropic-version: 2023-06-01"), std::string::npos);
    EXPECT_EQ(request.head.find("Authorization"), std::string::npos);
    EXPECT_EQ(request.body.find("PLANTED"), std::string::npos);
    const Json body = parse_json(request.body, "request");
    EXPECT_TRUE(body["system"].is_string());
    EXPECT_TRUE(body["max_tokens"].is_number_integer());
    ASSERT_EQ(body["messages"].size(), 1u);
    EXPECT_EQ(body["messages"][0]["role"], "user");
  }
}

TEST_F(AdaptersTest, a_replay_speaks_as_the_recorded_run_did) {
  std::string first;
  JudgeOptions options;
  {
    LoopbackServer server(messages_response);
    options = anthropic(server.base_url());
    first = bytes_of(run(options, make_tasks(2, 20)));
  }
  options.first.kind = JudgeKind::replay;
  EXPECT_EQ(bytes_of(run(options, make_tasks(2, 20))), first);
}

TEST_F(AdaptersTest, a_round_by_batch_files_equals_one_that_was_asked) {
  const auto tasks = make_tasks(3, 30);
  for (const bool is_anthropic : {false, true}) {
    std::filesystem::remove(ledger());
    std::filesystem::remove(folder_ / "results.jsonl");
    LoopbackServer server(is_anthropic ? LoopbackServer::Handler(messages_response)
                                       : ranks_by(longest));
    JudgeOptions options = anthropic(server.base_url());
    options.first.kind = is_anthropic ? JudgeKind::anthropic : JudgeKind::openai;
    int steps = 0;
    // Some results are missing the first time and asked for again in the next file.
    for (int64_t calls = export_batch(options, tasks); calls > 0;
         calls = export_batch(options, tasks)) {
      ASSERT_LT(++steps, 40);
      EXPECT_GT(Ledger(ledger()).reserved_usd(), 0);
      answer_batch(is_anthropic, steps % 2 == 1 ? 3 : 1000);
    }
    EXPECT_EQ(Ledger(ledger()).reserved_usd(), 0);
    EXPECT_EQ(server.count(), 0u);
    const std::string by_batch = finished_;
    std::filesystem::remove(ledger());
    EXPECT_EQ(bytes_of(run(options, tasks)), by_batch);
  }
}

TEST_F(AdaptersTest, a_batch_is_reserved_once_and_within_the_cap) {
  JudgeOptions options = anthropic("http://127.0.0.1:9/v1");
  const auto tasks = make_tasks(2, 20);
  const int64_t calls = export_batch(options, tasks);
  const double reserved = Ledger(ledger()).reserved_usd();
  EXPECT_EQ(export_batch(options, tasks), calls) << "exported again, not reserved again";
  EXPECT_EQ(Ledger(ledger()).reserved_usd(), reserved);
  EXPECT_EQ(Ledger(ledger()).spent_usd(), 0);
  // Given up: somebody may have worked on it, until the results say what it cost.
  EXPECT_EQ(open(options).discard_batch(), calls);
  EXPECT_EQ(Ledger(ledger()).reserved_usd(), 0);
  EXPECT_NEAR(Ledger(ledger()).spent_usd(), reserved, 1e-9);
  answer_batch(/*is_anthropic=*/true, /*fail_every=*/1000);
  EXPECT_EQ(open(options).import_batch(folder_ / "results.jsonl"), calls);
  EXPECT_LT(Ledger(ledger()).spent_usd(), reserved);
  EXPECT_GT(Ledger(ledger()).spent_usd(), 0);
  EXPECT_EQ(open(options).import_batch(folder_ / "results.jsonl"), 0) << "again: nothing is new";
  std::filesystem::remove(ledger());
  std::filesystem::remove(folder_ / "results.jsonl");
  options.max_usd = reserved / 2;
  expect_error([&] { (void)export_batch(options, tasks); }, ExitCode::kSpendingCap, {"max_usd"});
  publish_file(folder_ / "results.jsonl",
               R"({"custom_id":"of another run","result":{}})"
               "\n");
  expect_error([&] { (void)open(options).import_batch(folder_ / "results.jsonl"); },
               ExitCode::kBadData,
               {"results"});
}

TEST_F(AdaptersTest, what_is_in_a_batch_file_is_not_asked_online_unless_it_is_given_up) {
  LoopbackServer server(ranks_by(longest));
  JudgeOptions options = anthropic(server.base_url());
  options.first.kind = JudgeKind::openai;
  const auto tasks = make_tasks(2, 20);
  const int64_t calls = export_batch(options, tasks);
  const EvalTask heldout{tasks[0].prompt, "a long answer", "short"};
  Progress progress = silent_progress();
  const std::vector<std::string> says = {
      fmt::format("{} calls are in a batch file", calls), "--import", "--discard-batch"};
  expect_error([&] { (void)run(options, tasks); }, ExitCode::kConfig, says);
  expect_error([&] { open(options).overlap(tasks, progress); }, ExitCode::kConfig, says);
  expect_error([&] { (void)open(options).evaluate({heldout}, progress); }, ExitCode::kConfig, says);
  EXPECT_EQ(server.count(), 0u);

  answer_batch(/*is_anthropic=*/false, /*fail_every=*/1000);
  EXPECT_EQ(open(options).import_batch(folder_ / "results.jsonl"), calls);
  const std::string finished = bytes_of(run(options, tasks));
  const size_t asked = server.count();

  std::filesystem::remove(ledger());
  std::filesystem::remove(folder_ / "results.jsonl");
  (void)export_batch(options, tasks);
  EXPECT_EQ(open(options).discard_batch(), calls);
  EXPECT_EQ(open(options).discard_batch(), 0);
  EXPECT_EQ(Ledger(ledger()).reserved_usd(), 0);
  EXPECT_EQ(bytes_of(run(options, tasks)), finished);
  EXPECT_EQ(server.count(), 2 * asked + static_cast<size_t>(calls)) << "paid once each";
  const double paid = Ledger(ledger()).spent_usd();

  std::filesystem::remove(ledger());
  (void)export_batch(options, tasks);
  const double reserved = Ledger(ledger()).reserved_usd();
  EXPECT_EQ(open(options).discard_batch(), calls);
  (void)export_batch(options, tasks);
  EXPECT_EQ(open(options).discard_batch(), calls);
  EXPECT_EQ(bytes_of(run(options, tasks)), finished);
  EXPECT_NEAR(Ledger(ledger()).spent_usd(), paid + reserved, 1e-9)
      << "each file that was given up may have been worked on";
}

TEST_F(AdaptersTest, the_heldout_comparison_goes_by_batch_files_too) {
  LoopbackServer server(ranks_by(longest));
  JudgeOptions options = anthropic(server.base_url());
  options.first.kind = JudgeKind::openai;
  const PromptRow prompt = prompt_row("p", "Q?");
  const std::vector<EvalTask> tasks = {{prompt, "a long answer", "short"},
                                       {prompt, "no", "a long anchor"},
                                       {prompt, "same", "same"}};
  Progress progress = silent_progress();
  Judge::Setup setup{.options = options,
                     .select = select_,
                     .seed = 7,
                     .round = 1,
                     .ledger = ledger(),
                     .batch_export = folder_ / "batch.jsonl",
                     .scorer = {},
                     .clock = clock_,
                     .stop = stop_};
  EXPECT_THROW((void)Judge(setup).evaluate(tasks, progress), BatchWritten);
  answer_batch(/*is_anthropic=*/false, /*fail_every=*/1000);
  Judge judge(setup);
  EXPECT_EQ(judge.import_batch(folder_ / "results.jsonl"), 4);
  const auto verdicts = judge.evaluate(tasks, progress);
  EXPECT_EQ(verdicts[0].win, 1);
  EXPECT_EQ(verdicts[1].win, 0);
  EXPECT_EQ(verdicts[2].win, 0.5);
  EXPECT_EQ(server.count(), 0u);
}

TEST_F(AdaptersTest, prompts_asked_about_ahead_change_nothing_and_cost_nothing_twice) {
  const auto tasks = make_tasks(6, 30);
  LoopbackServer server(ranks_by(longest));
  const auto options = server_options(server.base_url());
  const std::string plain = bytes_of(run(options, tasks));
  const size_t asked = server.count();
  std::filesystem::remove(ledger());
  {
    Judge ahead = open(options);
    Progress progress = silent_progress();
    for (const size_t first : {4, 0, 2}) {  // in whatever order they are finished
      ahead.overlap({tasks[first], tasks[first + 1]}, progress);
    }
  }
  const size_t asked_ahead = server.count() - asked;
  EXPECT_GT(asked_ahead, asked / 2);
  EXPECT_EQ(bytes_of(run(options, tasks)), plain);
  EXPECT_EQ(server.count(), 2 * asked);
}

TEST_F(AdaptersTest, the_ledger_says_what_a_restart_has_saved) {
  LoopbackServer server(messages_response);
  const JudgeOptions options = anthropic(server.base_url());
  (void)run(options, make_tasks(1, 9));
  EXPECT_EQ(read_ledger_accounts(ledger()).saved_usd(), 0);
  (void)run(options, make_tasks(1, 9));
  const LedgerAccounts accounts = read_ledger_accounts(ledger());
  EXPECT_EQ(accounts.saved_usd(), 0) << "the same process: nothing was restarted";
  EXPECT_NEAR(accounts.spent_usd(), 1.02 * static_cast<double>(server.count()), 1e-9);
}

}  // namespace
}  // namespace thoughtrank
