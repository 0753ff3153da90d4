#include "judge/rank_caller.h"

#include <algorithm>
#include <utility>

#include "judge/reply.h"
#include "thoughtrank/core/log.h"

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

Verdict read_reply(const Reply& reply, const std::vector<std::string>& labels) {
  if (!reply.completion.failure.empty()) return Abstention{reply.completion.failure};
  return read_ranking(reply.completion.text, labels);
}

}  // namespace

std::vector<RankCall> split_call(const RankCall& call) {
  constexpr int64_t kParts = 1000;
  const size_t count = call.answers.size();
  const size_t half = (count + 1) / 2;
  const size_t second = std::min(half, count - 2);  // the second part holds two at least
  std::vector<RankCall> parts;
  for (const auto& [from, to] : {std::pair(size_t{0}, half), std::pair(second, count)}) {
    RankCall part = call;
    part.number = kParts * (call.number + 1) + static_cast<int64_t>(parts.size());
    part.answers.clear();
    part.branches.clear();
    for (size_t i = from; i < to; ++i) {
      part.answers.push_back(call.answers[i]);
      part.branches.push_back(call.branches[i]);
    }
    parts.push_back(std::move(part));
  }
  return parts;
}

RankCaller::RankCaller(Channel& channel, const Protocol& protocol, Identity identity, size_t window)
    : channel_(channel), protocol_(protocol), identity_(std::move(identity)), window_(window) {}

std::vector<JudgedCall> RankCaller::wait() {
  std::vector<JudgedCall> done;
  while (done.empty()) {
    feed();
    if (asked_.empty()) break;
    for (const Reply& reply : channel_.wait()) take(reply, done);
  }
  return done;
}

void RankCaller::forget_abstentions() {
  for (const std::string& request : abstained_) channel_.forget(request);
}

void RankCaller::feed() {
  while (!waiting_.empty() && asked_.size() < window_) {
    Asked asked = std::move(waiting_.front());
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
  channel_.submit(ticket,
                  protocol_.body(ranking_question(identity_.rubric, asked.call, asked.shown)));
  asked_.emplace(ticket, std::move(asked));
}

void RankCaller::take(const Reply& reply, std::vector<JudgedCall>& done) {
  Asked asked = std::move(asked_.extract(reply.ticket).mapped());
  VerdictRow& row = asked.verdict;
  row.request_sha256 = reply.request_sha256;
  row.attempts += reply.attempts;
  row.usd += reply.usd;
  row.reply = reply.completion.text;
  if (reply.completion.usage) {
    row.input_tokens += reply.completion.usage->input;
    row.output_tokens += reply.completion.usage->output;
  }
  if (reply.outcome == Outcome::too_long && asked.call.answers.size() >= kLeastToSplit) {
    return split(asked);
  }
  const Verdict verdict = read_reply(reply, row.labels);
  if (const auto* ranking = std::get_if<LabelRanking>(&verdict)) {
    row.ranking = branches_of(*ranking, row);
  } else if (reply.outcome == Outcome::answered && asked.showings < kMostShowings) {
    return ask(std::move(asked));
  } else {
    row.abstained = true;
    row.reason = std::get<Abstention>(verdict).reason;
  }
  if (row.abstained) abstained_.push_back(row.request_sha256);
  const bool is_last = --parts_out_[asked.family] == 0;
  done.push_back({.task = asked.call.task, .verdict = std::move(row), .is_last = is_last});
}

void RankCaller::split(const Asked& asked) {
  log_warning(
      "judge: {} answers of prompt '{}' are more than the judge's context holds, asking in "
      "parts. A lower judge.max_input_tokens saves these calls",
      asked.call.answers.size(),
      asked.call.prompt->prompt_id);
  ++parts_out_[asked.family];
  for (RankCall& part : split_call(asked.call)) {
    waiting_.push_front({.call = std::move(part), .family = asked.family});
  }
}

}  // namespace thoughtrank
