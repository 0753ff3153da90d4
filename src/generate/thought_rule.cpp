#include "generate/thought_rule.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "generate/token_bytes.h"

namespace thoughtrank {
namespace {

// Length of the longest end of `text` with which `tag` begins, the whole tag excluded.
size_t begun_length(std::string_view text, std::string_view tag) {
  size_t length = std::min(text.size(), tag.size() - 1);
  while (!text.ends_with(tag.substr(0, length))) --length;
  return length;
}

}  // namespace

int64_t ThoughtPlan::most_tokens() const {
  // A half-written tag may exceed the budget by one token for each of its bytes.
  return thought_tokens + std::ssize(close) + std::ssize(close_ids) + answer_tokens;
}

ThoughtRule::ThoughtRule(const ThoughtPlan& plan, ThoughtStart start) : plan_(plan) {
  stage_ = !start.has_thought  ? Stage::answering
           : start.takes_first ? Stage::head
                               : Stage::thinking;
  result_.thought = std::move(start.thought);
}

BranchStep ThoughtRule::on_token(const TokenChoice& token) {
  switch (stage_) {
    case Stage::head:
      return begin(token);
    case Stage::thinking:
      return think(token);
    case Stage::closing:
      return close(token);
    case Stage::answering:
      return answer(token);
  }
  return {};
}

BranchStep ThoughtRule::begin(const TokenChoice& token) {
  result_.head_tokens = 1;
  stage_ = Stage::thinking;
  if (!takes_close_tag(token.id)) return {};
  result_.thought_end = ThoughtEnd::model;
  return begin_answer();
}

BranchStep ThoughtRule::think(const TokenChoice& token) {
  if (plan_.thought_tokens == 0) return force_close(ThoughtEnd::cap, /*drops_token=*/true);
  if (is_eos(token.id)) return force_close(ThoughtEnd::eos, /*drops_token=*/true);
  result_.thought_logprob += token.log_probability;
  starts_.push_back(result_.thought.size());
  if (takes_close_tag(token.id)) {
    result_.thought_end = ThoughtEnd::model;
    return begin_answer();
  }
  if (plan_.loop_rule && loop_.add(token.id))
    return force_close(ThoughtEnd::loop, /*drops_token=*/false);
  if (counted_tokens() >= plan_.thought_tokens)
    return force_close(ThoughtEnd::cap, /*drops_token=*/false);
  return {};
}

BranchStep ThoughtRule::close(const TokenChoice&) {
  return --closing_left_ == 0 ? begin_answer() : BranchStep{};
}

BranchStep ThoughtRule::answer(const TokenChoice& token) {
  result_.answer_tokens += 1;
  result_.answer_logprob += token.log_probability;
  result_.margin_sum += token.margin;
  if (is_eos(token.id)) return stop(Finish::eos);
  result_.answer += bytes_of(plan_.tokenizer, token.id);
  if (plan_.loop_rule && loop_.add(token.id)) return stop(Finish::loop);
  if (result_.answer_tokens >= plan_.answer_tokens) return stop(Finish::length);
  return {};
}

BranchStep ThoughtRule::force_close(ThoughtEnd thought_end, bool drops_token) {
  result_.thought_end = thought_end;
  stage_ = Stage::closing;
  closing_left_ = plan_.close_ids.size();
  return {.kind = BranchStep::Kind::force, .drops_token = drops_token, .forced = plan_.close_ids};
}

BranchStep ThoughtRule::begin_answer() {
  stage_ = Stage::answering;
  loop_.clear();
  return plan_.answer_tokens == 0 ? stop(Finish::length) : BranchStep{};
}

BranchStep ThoughtRule::stop(Finish finish) {
  result_.finish = finish;
  return {.kind = BranchStep::Kind::stop, .drops_token = false, .forced = {}};
}

// Adds a token to the thought; where that completes the close tag, what follows it moves to the
// answer.
bool ThoughtRule::takes_close_tag(int64_t id) {
  std::string& thought = result_.thought;
  const size_t begun = begun_length(thought, plan_.close);
  const size_t from = thought.size() - begun;  // a tag begins here at the earliest
  thought += bytes_of(plan_.tokenizer, id);
  const size_t tag = thought.find(plan_.close, from);
  if (tag == std::string::npos) return false;
  result_.answer = thought.substr(tag + plan_.close.size());
  result_.answer_offset = std::ssize(result_.answer);
  thought.resize(tag);
  return true;
}

int64_t ThoughtRule::counted_tokens() const {
  const size_t begun = begun_length(result_.thought, plan_.close);
  if (begun == 0) return std::ssize(starts_);
  const auto tag = std::lower_bound(starts_.begin(), starts_.end(), result_.thought.size() - begun);
  // Tokens without bytes never complete a tag: no more tokens wait than the tag has bytes.
  return std::max<int64_t>(tag - starts_.begin(), std::ssize(starts_) - std::ssize(plan_.close));
}

bool ThoughtRule::is_eos(int64_t id) const {
  return std::find(plan_.eos_ids.begin(), plan_.eos_ids.end(), id) != plan_.eos_ids.end();
}

}  // namespace thoughtrank
