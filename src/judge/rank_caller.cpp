#include "judge/rank_caller.h"

#include <algorithm>
#include <utility>

#include "judge/reply.h"

namespace thoughtrank {
namespace {

std::vector<int64_t> branches_of(const LabelRanking& ranking, const VerdictRow& shown) {
  std::vector<int64_t> branches;
  for (const std::string& label : ranking) {
    const auto at = std::find(shown.labels.begin(), shown.labels.end(), label);
    branches.push_back(shown.branches[static_cast<size_t>(at - shown.labels.begin())]);
  }
  return branches;
}

Verdict read_answer(const Answer& answer, const std::vector<std::string>& labels) {
  if (!answer.completion.failure.empty()) return Abstention{answer.completion.failure};
  return read_ranking(answer.completion.text, labels);
}

}  // namespace

RankCaller::RankCaller(Client& client, const Protocol& protocol, Identity identity, size_t window)
    : client_(client), protocol_(protocol), identity_(std::move(identity)), window_(window) {}

std::vector<JudgedCall> RankCaller::wait() {
  std::vector<JudgedCall> done;
  while (done.empty()) {
    feed();
    if (asked_.empty()) break;
    for (const Answer& answer : client_.wait()) take(answer, done);
  }
  return done;
}

void RankCaller::forget_abstentions() {
  for (const std::string& request : abstained_) client_.forget(request);
}

void RankCaller::feed() {
  while (!waiting_.empty() && asked_.size() < window_) {
    Asked asked{.call = std::move(waiting_.front()), .shown = {}, .showings = 0, .verdict = {}};
    waiting_.pop_front();
    asked.verdict.prompt_id = asked.call.prompt->prompt_id;
    asked.verdict.round = identity_.round;
    asked.verdict.stage = asked.call.stage;
    asked.verdict.call = asked.call.number;
    asked.verdict.judge = identity_.judge;
    ask(std::move(asked));
  }
}

void RankCaller::ask(Asked asked) {
  const StreamKey key{.seed = identity_.seed,
                      .round = identity_.round,
                      .prompt = stable_hash(asked.call.prompt->prompt_id)};
  asked.shown = show(asked.call, key, asked.showings++);
  asked.verdict.labels = asked.shown.labels;
  asked.verdict.branches.clear();
  for (const size_t i : asked.shown.order) {
    asked.verdict.branches.push_back(asked.call.branches[i]);
  }
  const uint64_t ticket = ++tickets_;
  client_.submit(ticket, protocol_.request_body(asked.call, asked.shown));
  asked_.emplace(ticket, std::move(asked));
}

void RankCaller::take(const Answer& answer, std::vector<JudgedCall>& done) {
  Asked asked = std::move(asked_.extract(answer.ticket).mapped());
  VerdictRow& row = asked.verdict;
  row.request_sha256 = answer.request_sha256;
  row.attempts += answer.attempts;
  row.usd += answer.usd;
  row.reply = answer.completion.text;
  if (answer.completion.usage) {
    row.input_tokens += answer.completion.usage->input;
    row.output_tokens += answer.completion.usage->output;
  }
  const Verdict verdict = read_answer(answer, row.labels);
  if (const auto* ranking = std::get_if<LabelRanking>(&verdict)) {
    row.ranking = branches_of(*ranking, row);
  } else if (answer.outcome == Outcome::answered && asked.showings < kMostShowings) {
    return ask(std::move(asked));
  } else {
    row.abstained = true;
    row.reason = std::get<Abstention>(verdict).reason;
  }
  if (row.abstained) abstained_.push_back(row.request_sha256);
  done.push_back({.task = asked.call.task, .verdict = std::move(row)});
}

}  // namespace thoughtrank
