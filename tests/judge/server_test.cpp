// The whole judge against a server on loopback: its taste decides, its faults do not.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>

#include "judge/judge_room.h"
#include "llm/loopback_server.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

class ServerTest : public JudgeTest {};

double longest(const std::string& answer) { return static_cast<double>(answer.size()); }
double shortest(const std::string& answer) { return -longest(answer); }

TEST_F(ServerTest, the_servers_taste_decides) {
  const auto tasks = make_tasks(3, 62);
  LoopbackServer server(ranks_by(longest));
  const auto judged = run(server_options(server.base_url()), tasks);
  ASSERT_EQ(judged.size(), 3u);
  for (const JudgedPrompt& prompt : judged) {
    EXPECT_EQ(prompt.best.status, SelectionStatus::trained) << prompt.best.reason;
    EXPECT_GE(prompt.best.winner, 58);
    EXPECT_LE(prompt.best.worst, 15);
    EXPECT_LE(prompt.best.calls, 21);  // one of them the audit's
    EXPECT_EQ(prompt.best.items.size(), 62u);
  }
}

TEST_F(ServerTest, the_opposite_taste_makes_other_branches_win) {
  LoopbackServer server(ranks_by(shortest));
  for (const JudgedPrompt& prompt : run(server_options(server.base_url()), make_tasks(3, 62))) {
    EXPECT_EQ(prompt.best.status, SelectionStatus::trained) << prompt.best.reason;
    EXPECT_LE(prompt.best.winner, 3);
  }
}

TEST_F(ServerTest, results_do_not_depend_on_concurrency_or_order_of_replies) {
  const auto tasks = make_tasks(4, 20);
  LoopbackServer server(ranks_by(longest));
  JudgeOptions options = server_options(server.base_url());
  options.first.server.concurrency = 1;
  const std::string one = bytes_of(run(options, tasks));
  std::filesystem::remove(ledger());
  options.first.server.concurrency = 16;
  EXPECT_EQ(bytes_of(run(options, tasks)), one);
}

TEST_F(ServerTest, resume_from_the_ledger_asks_nothing_again) {
  const auto tasks = make_tasks(2, 20);
  LoopbackServer server(ranks_by(longest));
  const auto options = server_options(server.base_url());
  const std::string first = bytes_of(run(options, tasks));
  const size_t asked = server.count();
  EXPECT_GT(asked, 10u);
  EXPECT_EQ(bytes_of(run(options, tasks)), first);
  EXPECT_EQ(server.count(), asked);
}

TEST_F(ServerTest, replay_answers_from_the_ledger_only) {
  const auto tasks = make_tasks(2, 20);
  JudgeOptions options;
  std::string first;
  {
    LoopbackServer server(ranks_by(longest));
    options = server_options(server.base_url());
    first = bytes_of(run(options, tasks));
  }
  options.first.kind = JudgeKind::replay;
  EXPECT_EQ(bytes_of(run(options, tasks)), first);
  expect_error(
      [&] { (void)run(options, make_tasks(3, 20)); }, ExitCode::kJudge, {"not in the ledger"});
}

TEST_F(ServerTest, no_thought_char_or_key_leaves_or_stays_behind) {
  ::setenv("THOUGHTRANK_TEST_KEY", "sk-canary-0123456789", 1);
  LoopbackServer server([](const SeenRequest& request) {
    // An echo of the headers, as careless gateways do.
    return chat_response(request.head);
  });
  JudgeOptions options = server_options(server.base_url());
  options.first.server.api_key_env = "THOUGHTRANK_TEST_KEY";
  expect_error([&] { (void)run(options, make_tasks(1, 20)); }, ExitCode::kJudge, {"abstained"});
  ASSERT_GT(server.count(), 0u);
  for (const SeenRequest& request : server.seen()) {
    EXPECT_NE(request.head.find("Authorization: Bearer sk-canary-0123456789"), std::string::npos);
    EXPECT_EQ(request.body.find("PLANTED"), std::string::npos);
    EXPECT_EQ(request.body.find("\"char\""), std::string::npos);
    EXPECT_EQ(request.body.find("canary"), std::string::npos);
  }
  const std::string accounts = read_file(ledger());
  EXPECT_EQ(accounts.find("canary"), std::string::npos);
  EXPECT_NE(accounts.find("[secret]"), std::string::npos);
  EXPECT_EQ(std::getenv("THOUGHTRANK_TEST_KEY"), nullptr);
  (void)open(options);  // the next round's judge still has the key
}

TEST_F(ServerTest, a_server_that_is_not_there_is_exit_69) {
  std::string base_url;
  { base_url = LoopbackServer(ranks_by(longest)).base_url(); }
  expect_error([&] { (void)run(server_options(base_url), make_tasks(2, 10)); },
               ExitCode::kJudge,
               {"no judge answers", "base_url"});
}

TEST_F(ServerTest, a_server_that_dies_on_the_way_is_exit_69_and_can_be_resumed) {
  const auto tasks = make_tasks(8, 40);
  std::atomic<int> calls = 0;
  std::atomic<bool> is_up = true;
  LoopbackServer server([&](const SeenRequest& request) {
    if (++calls > 30) is_up = false;
    return is_up ? ranks_by(longest)(request) : std::string();
  });
  const auto options = server_options(server.base_url());
  expect_error([&] { (void)run(options, tasks); }, ExitCode::kJudge, {"Server returned nothing"});
  calls = -1000000;
  is_up = true;
  const std::string resumed = bytes_of(run(options, tasks));
  std::filesystem::remove(ledger());
  EXPECT_EQ(bytes_of(run(options, tasks)), resumed);
}

// Each fault on every reply leads to exit 69, never to a ranking.
struct Fault {
  const char* name;
  std::string response;
  std::string reason;
};

void PrintTo(const Fault& fault, std::ostream* out) { *out << fault.name; }

class FaultTest : public JudgeTest, public testing::WithParamInterface<Fault> {};

TEST_P(FaultTest, leads_to_abstentions_and_exit_69) {
  const Fault& fault = GetParam();
  LoopbackServer server([&](const SeenRequest& request) {
    return request.body.find("two plus two") != std::string::npos ? ranks_by(longest)(request)
                                                                  : fault.response;
  });
  expect_error([&] { (void)run(server_options(server.base_url()), make_tasks(2, 9)); },
               ExitCode::kJudge,
               {fault.reason});
}

std::string huge() {
  return "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n" + std::string((6 << 20), ' ');
}

INSTANTIATE_TEST_SUITE_P(
    Replies,
    FaultTest,
    testing::Values(
        Fault{"refuses", chat_response("I cannot judge these 2 answers."), "no JSON object"},
        Fault{"babbles", chat_response("A > B > C, I think, maybe 1 2 3"), "no JSON object"},
        Fault{"unknown labels", chat_response(R"({"ranking":["first","second"]})"), "not sent"},
        Fault{"empty list", chat_response(R"({"ranking":[]})"), "0 of"},
        Fault{"length", chat_response(R"({"ranking":["A"]})", "length"), "cut off"},
        Fault{"filter", chat_response("{}", "content_filter"), "content_filter"},
        Fault{"error inside 200",
              http_response(200, R"({"error":{"message":"overloaded"}})"),
              "inside a success"},
        Fault{"not JSON", http_response(200, "<html>hello</html>"), "not valid JSON"},
        Fault{"not UTF-8", http_response(200, "\xFF\xFE{}"), "not valid JSON"},
        Fault{"cut in the middle",
              "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n\r\n{\"choices\":[{\"mess",
              "not valid JSON"},
        Fault{"short body",
              "HTTP/1.1 200 OK\r\nContent-Length: 9999\r\n\r\n{\"choices\":[",
              "partial file"},
        Fault{"page", "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n\r\n{}", "text/html"},
        Fault{"huge body", huge(), "too large"},
        Fault{"huge header",
              "HTTP/1.1 200 OK\r\nX: " + std::string(90000, 'x') + "\r\n\r\n",
              "abstained"},
        Fault{"server error", http_response(500, R"({"error":{"message":"oops"}})"), "oops"},
        Fault{"bad request", http_response(400, R"({"error":{"message":"context"}})"), "context"},
        Fault{"silence", "", "has not answered"}),
    [](const auto& param_info) {
      std::string name = param_info.param.name;
      std::replace(name.begin(), name.end(), ' ', '_');
      std::erase(name, '-');
      return name;
    });

TEST_F(ServerTest, a_gzip_body_that_nobody_asked_for_is_not_unpacked) {
  LoopbackServer server([](const SeenRequest& request) {
    if (request.body.find("two plus two") != std::string::npos) return ranks_by(longest)(request);
    return http_response(
        200, std::string("\x1f\x8b\x08\x00 bomb", 9), "Content-Encoding: gzip\r\n");
  });
  expect_error([&] { (void)run(server_options(server.base_url()), make_tasks(1, 9)); },
               ExitCode::kJudge,
               {"not valid JSON"});
}

TEST_F(ServerTest, redirects_are_never_followed) {
  LoopbackServer second([](const SeenRequest&) { return chat_response("here I am"); });
  for (const int status : {301, 302, 303, 307, 308}) {
    LoopbackServer first([&](const SeenRequest&) {
      return http_response(status, "", "Location: " + second.base_url() + "/chat/completions\r\n");
    });
    expect_error([&] { (void)run(server_options(first.base_url()), make_tasks(1, 9)); },
                 ExitCode::kConfig,
                 {"redirects are not followed"});
  }
  EXPECT_EQ(second.count(), 0u);
}

TEST_F(ServerTest, refused_credentials_and_empty_accounts_end_the_work_at_once) {
  const auto tasks = make_tasks(1, 9);
  const auto expect_end = [&](int status, const std::string& body, ExitCode code) {
    LoopbackServer server([&](const SeenRequest&) { return http_response(status, body); });
    expect_error([&] { (void)run(server_options(server.base_url()), tasks); }, code, {"127.0.0.1"});
    EXPECT_EQ(server.count(), 1u) << "status " << status << " was tried again";
  };
  expect_end(401, R"({"error":{"message":"bad key"}})", ExitCode::kCredentials);
  expect_end(403, "{}", ExitCode::kCredentials);
  expect_end(402, "{}", ExitCode::kSpendingCap);
  expect_end(
      429, R"({"error":{"code":"insufficient_quota","message":"x"}})", ExitCode::kSpendingCap);
}

TEST_F(ServerTest, too_many_requests_waits_as_long_as_asked) {
  std::atomic<int> calls = 0;
  LoopbackServer server([&](const SeenRequest& request) {
    if (++calls == 3) return http_response(429, "{}", "Retry-After: 77\r\n");
    return ranks_by(longest)(request);
  });
  const double before = clock_.now_s();
  const auto judged = run(server_options(server.base_url()), make_tasks(1, 9));
  EXPECT_EQ(judged[0].best.status, SelectionStatus::trained);
  EXPECT_GE(clock_.now_s() - before, 77);
  EXPECT_LE(clock_.now_s() - before, 90);
}

TEST_F(ServerTest, one_bad_reply_is_asked_again_with_a_fresh_shuffle) {
  std::atomic<int> calls = 0;
  LoopbackServer server([&](const SeenRequest& request) {
    if (++calls == 3) return chat_response("hm");
    return ranks_by(longest)(request);
  });
  const auto judged = run(server_options(server.base_url()), make_tasks(3, 20));
  size_t abstained = 0, asked_again = 0;
  for (const JudgedPrompt& prompt : judged) {
    for (const VerdictRow& row : prompt.verdicts) {
      abstained += row.abstained ? 1 : 0;
      asked_again += row.attempts > 1 ? 1 : 0;
    }
  }
  EXPECT_EQ(abstained, 0u);
  EXPECT_EQ(asked_again, 1u);
}

TEST_F(ServerTest, the_dialect_falls_down_the_ladder_and_is_remembered) {
  LoopbackServer server([](const SeenRequest& request) {
    const Json body = parse_json(request.body, "request");
    if (body.contains("response_format") || body.contains("max_completion_tokens")) {
      return http_response(400, R"({"error":{"message":"unknown field"}})");
    }
    return ranks_by(longest)(request);
  });
  const auto options = server_options(server.base_url());
  (void)run(options, make_tasks(1, 9));
  size_t refused = 0;
  for (const SeenRequest& request : server.seen()) {
    refused += request.body.find("max_completion_tokens") != std::string::npos ||
                       request.body.find("response_format") != std::string::npos
                   ? 1
                   : 0;
  }
  EXPECT_EQ(refused, 7u);
  (void)run(options, make_tasks(2, 9));
  for (size_t n = server.count(); n-- > 14;) {
    EXPECT_EQ(server.seen()[n].body.find("max_completion_tokens"), std::string::npos);
  }
}

// llama-cpp-python's server refuses json_schema with a 500 and ignores max_completion_tokens.
TEST_F(ServerTest, a_server_that_ignores_a_limit_is_asked_with_the_other) {
  LoopbackServer server([](const SeenRequest& request) {
    const Json body = parse_json(request.body, "request");
    if (request.body.find("json_schema") != std::string::npos) {
      return http_response(500, R"({"error":{"message":"1 validation error: 'type'"}})");
    }
    if (!body.contains("max_tokens")) return chat_response("{", "length", 1900);
    return ranks_by(longest)(request);
  });
  const auto judged = run(server_options(server.base_url()), make_tasks(1, 9));
  EXPECT_EQ(judged[0].best.status, SelectionStatus::trained);
  size_t unlimited = 0;
  for (const SeenRequest& request : server.seen()) {
    unlimited += request.body.find("\"max_tokens\"") == std::string::npos ? 1 : 0;
  }
  EXPECT_EQ(unlimited, 3u);  // each format, and the limit's probe
  const Json format = parse_json(server.seen().back().body, "request")["response_format"];
  EXPECT_EQ(format["type"], "json_object");
  const Json& ranking = format["schema"]["properties"]["ranking"];
  EXPECT_EQ(ranking["minItems"], ranking["items"]["enum"].size());
  EXPECT_EQ(ranking["maxItems"], ranking["items"]["enum"].size());
}

TEST_F(ServerTest, a_coin_flip_judge_trains_on_nothing) {
  // A guess that depends on nothing but the request, its random labels and nonce included.
  LoopbackServer server([](const SeenRequest& request) {
    return ranks_by([&](const std::string& answer) {
      return static_cast<double>(stable_hash(request.body + answer));
    })(request);
  });
  const auto options = server_options(server.base_url());
  for (const size_t prompts : {8, 16}) {
    const auto tasks = make_tasks(prompts, 62);
    std::vector<VerdictRow> verdicts;
    std::vector<BestOutputRow> best;
    for (const JudgedPrompt& prompt : run(options, tasks)) {
      EXPECT_EQ(prompt.best.status, SelectionStatus::uncertain) << prompt.best.reason;
      best.push_back(prompt.best);
      verdicts.insert(verdicts.end(), prompt.verdicts.begin(), prompt.verdicts.end());
    }
    const Json audit = audit_round(tasks, verdicts, best, options, 1);
    EXPECT_EQ(audit["ranked"], prompts);
    if (prompts < 16) {
      check_gates(audit, options);  // too few prompts to know
      continue;
    }
    expect_error([&] { check_gates(audit, options); },
                 ExitCode::kJudge,
                 {"cannot tell these answers apart", "16 prompts"});
    EXPECT_NE(dump_json(audit["findings"]).find("cannot tell"), std::string::npos);
  }
}

TEST_F(ServerTest, evaluation_compares_with_the_anchor_in_both_orders) {
  const PromptRow prompt = prompt_row("p", "Q?");
  const std::vector<EvalTask> tasks = {{prompt, "a long answer", "short"},
                                       {prompt, "no", "a long anchor"},
                                       {prompt, " the  same", "the same "}};
  LoopbackServer server(ranks_by(longest));
  Judge judge = open(server_options(server.base_url()));
  Progress progress = silent_progress();
  const auto verdicts = judge.evaluate(tasks, progress);
  EXPECT_EQ(verdicts[0].win, 1.0);
  EXPECT_EQ(verdicts[1].win, 0.0);
  EXPECT_EQ(verdicts[2].win, 0.5);
  EXPECT_TRUE(verdicts[2].verdicts.empty());
  ASSERT_EQ(verdicts[0].verdicts.size(), 2u);
  EXPECT_EQ(verdicts[0].verdicts[0].branches, (std::vector<int64_t>{0, -1}));
  EXPECT_EQ(verdicts[0].verdicts[1].branches, (std::vector<int64_t>{-1, 0}));

  LoopbackServer first_wins(ranks_by([](const std::string&) { return 0.0; }));
  Judge biased = open(server_options(first_wins.base_url()));
  EXPECT_EQ(biased.evaluate(tasks, progress)[0].win, 0.5) << "a position bias is worth nothing";
}

TEST_F(ServerTest, probe_says_what_is_wrong) {
  LoopbackServer good(ranks_by(longest));
  EXPECT_EQ(open(server_options(good.base_url())).probe(), "");
  LoopbackServer bad([](const SeenRequest&) { return http_response(404, "{}"); });
  EXPECT_NE(open(server_options(bad.base_url())).probe().find("404"), std::string::npos);
}

TEST_F(ServerTest, a_stop_leaves_the_ledger_whole) {
  std::atomic<int> calls = 0;
  LoopbackServer server([&](const SeenRequest& request) {
    if (++calls == 15) stop_.request(15);
    return ranks_by(longest)(request);
  });
  const auto options = server_options(server.base_url());
  const auto tasks = make_tasks(2, 62);
  expect_error([&] { (void)run(options, tasks); }, ExitCode::kStopped, {});
  const int before = calls;
  stop_.request(0);
  const std::string resumed = bytes_of(run(options, tasks));
  const int resumed_calls = calls - before;
  std::filesystem::remove(ledger());
  const int at_start = calls;
  EXPECT_EQ(bytes_of(run(options, tasks)), resumed);
  EXPECT_LE(resumed_calls, calls - at_start - before + 8 + 8) << "paid twice";
}

}  // namespace
}  // namespace thoughtrank
