#include "judge/ranking_judge.h"

#include <algorithm>
#include <limits>
#include <map>
#include <utility>

#include "judge/candidates.h"
#include "judge/ranking_round.h"
#include "judge/reply.h"
#include "judge/rubric.h"
#include "thoughtrank/llm/batch.h"
#include "thoughtrank/llm/dialect_probe.h"
#include "thoughtrank/llm/tokens.h"

namespace thoughtrank {
namespace {

// The answer, shown first, against the anchor.
RankCall comparison(const EvalTask& task, size_t index, int64_t most_tokens) {
  RankCall call{.task = index, .number = 0, .stage = VerdictStage::anchor};
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

}  // namespace

RankingJudge::RankingJudge(const Judge::Setup& setup, const JudgeServer& judge, Ledger& ledger)
    : judge_(judge),
      max_input_tokens_(setup.options.scheme.max_input_tokens),
      ledger_(ledger),
      clock_(setup.clock),
      key_{.seed = setup.seed, .round = setup.round, .prompt = 0},
      rubric_(read_rubric(judge.rubric)),
      connection_(
          open_connection(judge.server,
                          {.kind = server_kind(judge.kind), .max_usd = setup.options.max_usd},
                          ledger)),
      channel_options_{.concurrency = judge.server.concurrency,
                       .max_output_tokens = judge.server.max_output_tokens,
                       .max_usd = setup.options.max_usd,
                       .patience_s = judge.server.patience_s,
                       .seed = setup.seed,
                       .batch_export = setup.batch_export},
      channel_(open_channel(connection_,
                            channel_options_,
                            {.ledger = ledger, .clock = setup.clock, .stop = setup.stop})) {
  if (setup.select.min_score) {
    fail(ExitCode::kConfig,
         "select.min_score needs a judge with scores, judge.kind is {}. "
         "Set it to null",
         word_of(judge.kind, kJudgeKinds));
  }
}

void RankingJudge::settle_dialect() {
  if (exports()) return assume_dialect(connection_, ledger_);
  thoughtrank::settle_dialect(
      *channel_,
      connection_,
      ledger_,
      {.format = probe_question(rubric_, "dialect"), .limit = probe_question(rubric_, "limit")});
}

// What is in a batch file would be paid a second time.
void RankingJudge::require_no_batch_out() const {
  if (ledger_.exported() == 0 || exports() || judge_.kind == JudgeKind::replay) return;
  fail(
      ExitCode::kConfig,
      "{} calls are in a batch file whose results were not imported: asking for them now would pay "
      "for them twice. Give this command again with --import RESULTS, or with --discard-batch to "
      "give the file up if nobody works on it any more",
      ledger_.exported());
}

RankCaller RankingJudge::open_caller() {
  require_no_batch_out();
  settle_dialect();
  return make_caller();
}

// A batch file wants every call of a stage at once.
RankCaller RankingJudge::make_caller() {
  const size_t window = exports() ? std::numeric_limits<size_t>::max()
                                  : 2 * static_cast<size_t>(judge_.server.concurrency);
  return {*channel_,
          *connection_.protocol,
          {.judge = name(), .rubric = rubric_, .seed = key_.seed, .round = key_.round},
          window};
}

int64_t RankingJudge::system_tokens() const { return estimated_tokens(system_text(rubric_)); }

int64_t RankingJudge::import_batch(const std::filesystem::path& file) {
  return thoughtrank::import_batch(file, connection_, channel_options_, ledger_);
}

std::vector<EvalVerdict> RankingJudge::evaluate(const std::vector<EvalTask>& tasks,
                                                Progress& progress) {
  require_no_batch_out();
  std::vector<EvalVerdict> verdicts(tasks.size());
  RankCaller caller = make_caller();
  const int64_t most_tokens = (max_input_tokens_ - system_tokens()) / 4;
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
  if (asked > 0) settle_dialect();
  AbstentionRule rule(judge_.max_abstained, static_cast<int64_t>(2 * asked));
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
      RankCall call{
          .task = 0, .number = number, .stage = VerdictStage::test, .prompt = &task.prompt};
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
    settle_dialect();
    const Question question = probe_question(rubric_, clock_.utc_time());
    channel_->submit(0, connection_.protocol->body(question));
    const Reply reply = channel_->wait().at(0);
    if (!reply.completion.failure.empty()) return reply.completion.failure;
    const Verdict verdict = read_ranking(reply.completion.text, question.labels);
    const auto* abstention = std::get_if<Abstention>(&verdict);
    return abstention == nullptr ? std::string() : abstention->reason;
  } catch (const Error& error) {
    if (error.code() == ExitCode::kStopped || error.code() == ExitCode::kInterrupted) throw;
    return error.what();
  }
}

}  // namespace thoughtrank
