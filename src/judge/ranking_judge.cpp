#include "judge/ranking_judge.h"

#include <algorithm>
#include <map>
#include <utility>

#include "judge/candidates.h"
#include "judge/command_transport.h"
#include "judge/credentials.h"
#include "judge/curl_transport.h"
#include "judge/dialect_probe.h"
#include "judge/ranking_round.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

constexpr uint64_t kLongestRubric = 1 << 18;

// Replay never sends; the client refuses what the ledger does not hold before it comes here.
class NoTransport : public Transport {
 public:
  void start(uint64_t /*ticket*/, std::string /*body*/) override {
    fail(ExitCode::kInternal, "judge.kind replay: nothing may be sent");
  }
  [[nodiscard]] std::vector<FinishedTransfer> wait(double /*timeout_s*/) override { return {}; }
};

std::string rubric_of(const JudgeOptions& options) {
  if (options.rubric.empty()) return default_rubric();
  const std::string text = read_file(options.rubric, kLongestRubric);
  if (!is_valid_utf8(text) || trimmed(text).empty()) {
    fail(ExitCode::kConfig, "{}: expected judging instructions in UTF-8", options.rubric);
  }
  return std::string(trimmed(text));
}

void check_extra_body(const Json& extra) {
  if (extra.is_null()) return;
  if (!extra.is_object()) fail(ExitCode::kConfig, "judge.extra_body: expected a mapping");
  for (const char* key : {"messages",
                          "model",
                          "stream",
                          "n",
                          "best_of",
                          "max_tokens",
                          "max_completion_tokens",
                          "response_format"}) {
    if (extra.contains(key)) {
      fail(ExitCode::kConfig, "judge.extra_body: '{}' is set by the program. Remove it", key);
    }
  }
}

// The answer, shown first, against the anchor.
RankCall comparison(const EvalTask& task, size_t index, int64_t most_tokens) {
  RankCall call{.task = index, .number = 0, .stage = "anchor"};
  call.prompt = &task.prompt;
  for (const std::string* answer : {&task.answer, &task.anchor}) {
    call.answers.push_back(cut_to_tokens(std::string(trimmed(*answer)), most_tokens));
  }
  call.branches = {0, -1};
  call.keeps_order = true;
  return call;
}

// The mean over the orders that were judged.
void settle_win(EvalVerdict& verdict) {
  std::sort(verdict.verdicts.begin(), verdict.verdicts.end(), [](const auto& a, const auto& b) {
    return a.call < b.call;
  });
  double wins = 0, judged = 0;
  for (const VerdictRow& row : verdict.verdicts) {
    if (row.abstained) continue;
    ++judged;
    if (row.ranking[0] == 0) ++wins;
  }
  if (judged > 0) verdict.win = wins / judged;
}

bool is_command(const JudgeOptions& options) {
  return options.kind == "command" || (options.kind == "replay" && !options.command.empty());
}

}  // namespace

RankingJudge::RankingJudge(const Judge::Setup& setup, const JudgeOptions& given, Ledger& ledger)
    : options_(given),
      ledger_(ledger),
      clock_(setup.clock),
      key_{.seed = setup.seed, .round = setup.round, .prompt = 0},
      rubric_(rubric_of(given)),
      secret_(std::make_shared<const Secret>()) {
  if (setup.select.min_score) {
    fail(ExitCode::kConfig,
         "select.min_score needs a judge with scores, judge.kind is {}. "
         "Set it to null",
         options_.kind);
  }
  connect(setup);
}

RankingJudge::~RankingJudge() = default;

void RankingJudge::connect(const Judge::Setup& setup) {
  const bool is_replay = options_.kind == "replay";
  ClientOptions options{.concurrency = options_.concurrency,
                        .max_output_tokens = options_.max_output_tokens,
                        .max_usd = options_.max_usd,
                        .seed = setup.seed,
                        .is_replay = is_replay};
  if (is_command(options_)) {
    if (options_.command.empty()) {
      fail(ExitCode::kConfig, "judge.kind command: judge.command is empty. Name a program");
    }
    name_ = "command:" + std::filesystem::path(options_.command[0]).filename().string();
    endpoint_ = name_;
    protocol_ = std::make_unique<CommandProtocol>(rubric_);
    transport_ = std::make_unique<CommandTransport>(options_.command, options_.timeout_s);
  } else {
    if (options_.model.empty()) {
      fail(ExitCode::kConfig, "judge.kind openai: judge.model is empty. Name the judge's model");
    }
    check_extra_body(options_.extra_body);
    const Endpoint endpoint = chat_endpoint(options_.base_url, options_.allow_http);
    endpoint_ = endpoint.url;
    name_ = "openai:" + options_.model;
    auto chat = std::make_unique<ChatProtocol>(options_, rubric_);
    chat_ = chat.get();
    protocol_ = std::move(chat);
    if (!is_replay) {
      options.price = price_of(options_, find_price_file());
      secret_ = judge_key(options_);
      transport_ = std::make_unique<CurlTransport>(CurlOptions{.endpoint = endpoint,
                                                               .timeout_s = options_.timeout_s,
                                                               .ca_file = options_.ca_file,
                                                               .proxy = options_.proxy},
                                                   *secret_);
    }
  }
  if (is_replay) transport_ = std::make_unique<NoTransport>();
  if (!options.price.is_free() && options_.max_usd == 0) {
    fail(ExitCode::kConfig,
         "judge.max_usd is 0 and '{}' costs money. Set judge.max_usd to what "
         "the whole run may spend",
         options_.model);
  }
  options.endpoint = endpoint_;
  client_ = std::make_unique<Client>(std::move(options),
                                     Client::Parts{.ledger = ledger_,
                                                   .transport = *transport_,
                                                   .protocol = *protocol_,
                                                   .key = *secret_,
                                                   .clock = setup.clock,
                                                   .stop = setup.stop});
}

void RankingJudge::settle() {
  if (chat_ != nullptr) settle_dialect(*client_, *chat_, ledger_, endpoint_, options_.model);
}

RankCaller RankingJudge::open_caller() {
  settle();
  return {*client_,
          *protocol_,
          {.judge = name_, .seed = key_.seed, .round = key_.round},
          2 * static_cast<size_t>(options_.concurrency)};
}

int64_t RankingJudge::system_tokens() const { return estimated_tokens(system_text(rubric_)); }

std::vector<EvalVerdict> RankingJudge::evaluate(const std::vector<EvalTask>& tasks,
                                                Progress& progress) {
  std::vector<EvalVerdict> verdicts(tasks.size());
  RankCaller caller(*client_,
                    *protocol_,
                    {.judge = name_, .seed = key_.seed, .round = key_.round},
                    2 * static_cast<size_t>(options_.concurrency));
  const int64_t most_tokens = (options_.max_input_tokens - system_tokens()) / 4;
  size_t asked = 0;
  for (size_t t = 0; t < tasks.size(); ++t) {
    if (collapsed(tasks[t].answer) == collapsed(tasks[t].anchor)) {
      verdicts[t].win = 0.5;
      progress.advance(1, 0);
      continue;
    }
    RankCall call = comparison(tasks[t], t, most_tokens);
    RankCall turned = call;
    turned.number = 1;
    std::reverse(turned.answers.begin(), turned.answers.end());
    std::reverse(turned.branches.begin(), turned.branches.end());
    caller.submit(std::move(call));
    caller.submit(std::move(turned));
    ++asked;
  }
  if (asked > 0) settle();
  AbstentionRule rule(options_.max_abstained, static_cast<int64_t>(2 * asked));
  caller.or_ask_again([&] {
    for (auto done = caller.wait(); !done.empty(); done = caller.wait()) {
      for (JudgedCall& call : done) {
        rule.count(call.verdict);
        EvalVerdict& verdict = verdicts[call.task];
        verdict.verdicts.push_back(std::move(call.verdict));
        progress.advance(verdict.verdicts.size() == 2 ? 1 : 0, 2);  // two answers were read
      }
    }
    rule.check_at_end();
  });
  for (EvalVerdict& verdict : verdicts) settle_win(verdict);
  return verdicts;
}

std::vector<VerdictRow> RankingJudge::rank_whole(const std::vector<JudgeTask>& tasks,
                                                 int64_t showings,
                                                 Progress& progress) {
  RankCaller caller = open_caller();
  for (const JudgeTask& task : tasks) {
    for (int64_t number = 0; number < showings; ++number) {
      RankCall call{.task = 0, .number = number, .stage = "test", .prompt = &task.prompt};
      for (const OutputRow& output : task.outputs) {
        call.answers.push_back(output.answer);
        call.branches.push_back(output.branch);
      }
      caller.submit(std::move(call));
    }
  }
  std::vector<VerdictRow> rows;
  for (auto done = caller.wait(); !done.empty(); done = caller.wait()) {
    for (JudgedCall& call : done) {
      progress.advance(1, static_cast<int64_t>(call.verdict.labels.size()));
      rows.push_back(std::move(call.verdict));
    }
  }
  return rows;
}

std::string RankingJudge::probe() {
  try {
    settle();
    return probe_ranking(*client_, *protocol_, clock_.utc_time());
  } catch (const Error& error) {
    if (error.code() == ExitCode::kStopped || error.code() == ExitCode::kInterrupted) throw;
    return error.what();
  }
}

}  // namespace thoughtrank
