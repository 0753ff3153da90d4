#include "thoughtrank/data/records.h"

#include "data/record_fields.h"

namespace thoughtrank {
namespace {

constexpr int64_t kLargestCount = int64_t{1} << 53;  // exact in every JSON reader
constexpr int64_t kLargestId = std::numeric_limits<int32_t>::max();
constexpr int64_t kLastBranch = kMostChars * kMostSamples - 1;

constexpr Rule kName = {.may_be_empty = false};
constexpr Rule kCount = {.lowest = 0, .highest = kLargestCount};
constexpr Rule kTokens = {.lowest = 0, .highest = kLargestId};
constexpr Rule kBranch = {.lowest = 0, .highest = kLastBranch};
constexpr Rule kBranchOrNone = {.lowest = -1, .highest = kLastBranch};
constexpr Rule kShown = {.lowest = -3, .highest = kLastBranch};  // or the anchor, or planted
constexpr Rule kMeasured = {.may_be_nan = true};  // a broken branch or a skipped step measures NaN

}  // namespace

template <>
inline constexpr auto kFields<PromptRow> = std::tuple{
    Field{"prompt_id", &PromptRow::prompt_id, kName},
    Field{"prompt", &PromptRow::prompt, kName},
    Field{"system", &PromptRow::system},
    Field{"answer", &PromptRow::answer},
    Field{"token_ids", &PromptRow::token_ids, kTokens},
};

template <>
inline constexpr auto kFields<OutputRow> = std::tuple{
    Field{"prompt_id", &OutputRow::prompt_id, kName},
    Field{"round", &OutputRow::round, kCount},
    Field{"branch", &OutputRow::branch, kBranchOrNone},
    Field{"char", &OutputRow::char_},
    Field{"thought", &OutputRow::thought},
    Field{"answer", &OutputRow::answer},
    Field{"token_ids", &OutputRow::token_ids, kTokens},
    Field{"head_len", &OutputRow::head_len, kCount},
    Field{"answer_start", &OutputRow::answer_start, kCount},
    Field{"answer_offset", &OutputRow::answer_offset, kCount},
    Field{"thought_end", &OutputRow::thought_end},
    Field{"finish", &OutputRow::finish},
    Field{"thought_logprob", &OutputRow::thought_logprob, kMeasured},
    Field{"answer_logprob", &OutputRow::answer_logprob, kMeasured},
    Field{"answer_margin", &OutputRow::answer_margin, kMeasured},
    Field{"model_sha256", &OutputRow::model_sha256},
};

template <>
inline constexpr auto kFields<VerdictRow> = std::tuple{
    Field{"prompt_id", &VerdictRow::prompt_id, kName},
    Field{"round", &VerdictRow::round, kCount},
    Field{"stage", &VerdictRow::stage},
    Field{"call", &VerdictRow::call, kCount},
    Field{"judge", &VerdictRow::judge, kName},
    Field{"request_sha256", &VerdictRow::request_sha256},
    Field{"labels", &VerdictRow::labels},
    Field{"branches", &VerdictRow::branches, kShown},
    Field{"ranking", &VerdictRow::ranking, kShown},
    Field{"scores", &VerdictRow::scores},
    Field{"abstained", &VerdictRow::abstained},
    Field{"reason", &VerdictRow::reason},
    Field{"attempts", &VerdictRow::attempts, kCount},
    Field{"input_tokens", &VerdictRow::input_tokens, kCount},
    Field{"output_tokens", &VerdictRow::output_tokens, kCount},
    Field{"usd", &VerdictRow::usd},
    Field{"reply", &VerdictRow::reply},
};

template <>
inline constexpr auto kFields<RankedItem> = std::tuple{
    Field{"branch", &RankedItem::branch, kBranch},
    Field{"multiplicity", &RankedItem::multiplicity, Rule{.lowest = 1, .highest = kLastBranch + 1}},
    Field{"branches", &RankedItem::branches, kBranch},
    Field{"utility", &RankedItem::utility},
    Field{"deviation", &RankedItem::deviation},
    Field{"p_best", &RankedItem::p_best},
};

template <>
inline constexpr auto kFields<BestOutputRow> = std::tuple{
    Field{"prompt_id", &BestOutputRow::prompt_id, kName},
    Field{"round", &BestOutputRow::round, kCount},
    Field{"status", &BestOutputRow::status},
    Field{"reason", &BestOutputRow::reason},
    Field{"winner", &BestOutputRow::winner, kBranchOrNone},
    Field{"runner_up", &BestOutputRow::runner_up, kBranchOrNone},
    Field{"worst", &BestOutputRow::worst, kBranchOrNone},
    Field{"items", &BestOutputRow::items},
    Field{"regret", &BestOutputRow::regret},
    Field{"calls", &BestOutputRow::calls, kCount},
    Field{"usd", &BestOutputRow::usd},
};

template <>
inline constexpr auto kFields<ThoughtRow> = std::tuple{
    Field{"prompt_id", &ThoughtRow::prompt_id, kName},
    Field{"round", &ThoughtRow::round, kCount},
    Field{"branch", &ThoughtRow::branch, kBranch},
    Field{"other_prompt_id", &ThoughtRow::other_prompt_id},
    Field{"other_branch", &ThoughtRow::other_branch, kBranchOrNone},
    Field{"answer_tokens", &ThoughtRow::answer_tokens, kCount},
    Field{"own", &ThoughtRow::own},
    Field{"none", &ThoughtRow::none},
    Field{"other", &ThoughtRow::other},
    Field{"shuffled", &ThoughtRow::shuffled},
    Field{"lift", &ThoughtRow::lift},
    Field{"model_sha256", &ThoughtRow::model_sha256},
};

template <>
inline constexpr auto kFields<TrainingRow> = std::tuple{
    Field{"prompt_id", &TrainingRow::prompt_id},
    Field{"round", &TrainingRow::round, kCount},
    Field{"branch", &TrainingRow::branch, kBranchOrNone},
    Field{"prompt", &TrainingRow::prompt},
    Field{"completion", &TrainingRow::completion},
    Field{"input_ids", &TrainingRow::input_ids, kTokens},
    Field{"spans", &TrainingRow::spans},
    Field{"weight", &TrainingRow::weight},
};

template <>
inline constexpr auto kFields<PreferencePairRow> = std::tuple{
    Field{"prompt_id", &PreferencePairRow::prompt_id, kName},
    Field{"round", &PreferencePairRow::round, kCount},
    Field{"prompt", &PreferencePairRow::prompt},
    Field{"chosen", &PreferencePairRow::chosen},
    Field{"rejected", &PreferencePairRow::rejected},
    Field{"prompt_ids", &PreferencePairRow::prompt_ids, kTokens},
    Field{"chosen_ids", &PreferencePairRow::chosen_ids, kTokens},
    Field{"rejected_ids", &PreferencePairRow::rejected_ids, kTokens},
    Field{"chosen_spans", &PreferencePairRow::chosen_spans},
    Field{"rejected_spans", &PreferencePairRow::rejected_spans},
    Field{"utility_gap", &PreferencePairRow::utility_gap},
};

template <>
inline constexpr auto kFields<MetricsRow> = std::tuple{
    Field{"round", &MetricsRow::round, kCount},
    Field{"step", &MetricsRow::step, kCount},
    Field{"epoch", &MetricsRow::epoch},
    Field{"loss", &MetricsRow::loss, kMeasured},
    Field{"grad_norm", &MetricsRow::grad_norm, kMeasured},
    Field{"learning_rate", &MetricsRow::learning_rate},
    Field{"loss_tokens", &MetricsRow::loss_tokens, kCount},
    Field{"tokens", &MetricsRow::tokens, kCount},
    Field{"skipped", &MetricsRow::skipped},
    Field{"reward_margin", &MetricsRow::reward_margin, kMeasured},
    Field{"reward_accuracy", &MetricsRow::reward_accuracy, kMeasured},
};

template <>
inline constexpr auto kFields<EvalRow> = std::tuple{
    Field{"prompt_id", &EvalRow::prompt_id, kName},
    Field{"round", &EvalRow::round, kCount},
    Field{"thought", &EvalRow::thought},
    Field{"answer", &EvalRow::answer},
    Field{"token_ids", &EvalRow::token_ids, kTokens},
    Field{"score", &EvalRow::score, kMeasured},
    Field{"win", &EvalRow::win},
    Field{"heldout_loss", &EvalRow::heldout_loss, kMeasured},
    Field{"thought_tokens", &EvalRow::thought_tokens, kCount},
    Field{"answer_tokens", &EvalRow::answer_tokens, kCount},
};

template <>
inline constexpr auto kFields<FormRow> = std::tuple_cat(std::tuple{Field{"form", &FormRow::form}},
                                                        kFields<EvalRow>);

template <>
inline constexpr auto kFields<TaskRow> = std::tuple{
    Field{"task", &TaskRow::task, kName},
    Field{"prompt_id", &TaskRow::prompt_id, kName},
    Field{"round", &TaskRow::round, kCount},
    Field{"form", &TaskRow::form},
    Field{"thought", &TaskRow::thought},
    Field{"answer", &TaskRow::answer},
    Field{"reference", &TaskRow::reference},
    Field{"right", &TaskRow::is_right},
    Field{"cut", &TaskRow::is_cut},
};

namespace {

// A position may be one behind the last token.
void require_position(int64_t position, const char* key, size_t tokens, const std::string& where) {
  if (position > static_cast<int64_t>(tokens)) {
    fail(ExitCode::kBadData, "{}: '{}' is {}, the row has {} tokens", where, key, position, tokens);
  }
}

void require_spans_inside(const std::vector<Span>& spans,
                          const char* key,
                          size_t tokens,
                          const std::string& where) {
  for (const Span& span : spans) require_position(span.to, key, tokens, where);
}

// Empty, or one entry for each branch.
void require_one_per_branch(size_t count,
                            const char* key,
                            size_t branches,
                            const std::string& where) {
  if (count != 0 && count != branches) {
    fail(ExitCode::kBadData,
         "{}: '{}' has {} entries, 'branches' has {}",
         where,
         key,
         count,
         branches);
  }
}

}  // namespace

Json to_json(const PromptRow& row) { return write_row(row); }
Json to_json(const OutputRow& row) { return write_row(row); }
Json to_json(const VerdictRow& row) { return write_row(row); }
Json to_json(const BestOutputRow& row) { return write_row(row); }
Json to_json(const ThoughtRow& row) { return write_row(row); }
Json to_json(const TrainingRow& row) { return write_row(row); }
Json to_json(const PreferencePairRow& row) { return write_row(row); }
Json to_json(const MetricsRow& row) { return write_row(row); }
Json to_json(const EvalRow& row) { return write_row(row); }
Json to_json(const FormRow& row) { return write_row(row); }
Json to_json(const TaskRow& row) { return write_row(row); }

template <>
PromptRow from_json<PromptRow>(const Json& json, const std::string& where) {
  return read_row<PromptRow>(json, where);
}

template <>
OutputRow from_json<OutputRow>(const Json& json, const std::string& where) {
  OutputRow row = read_row<OutputRow>(json, where);
  require_position(row.head_len, "head_len", row.token_ids.size(), where);
  require_position(row.answer_start, "answer_start", row.token_ids.size(), where);
  return row;
}

template <>
VerdictRow from_json<VerdictRow>(const Json& json, const std::string& where) {
  VerdictRow row = read_row<VerdictRow>(json, where);
  require_one_per_branch(row.labels.size(), "labels", row.branches.size(), where);
  require_one_per_branch(row.scores.size(), "scores", row.branches.size(), where);
  return row;
}

template <>
RankedItem from_json<RankedItem>(const Json& json, const std::string& where) {
  if (!json.is_object() || json.contains("branches")) return read_row<RankedItem>(json, where);
  Json whole = json;  // of a version that did not draw
  whole["branches"] = Json::array();
  return read_row<RankedItem>(whole, where);
}

template <>
BestOutputRow from_json<BestOutputRow>(const Json& json, const std::string& where) {
  return read_row<BestOutputRow>(json, where);
}

template <>
ThoughtRow from_json<ThoughtRow>(const Json& json, const std::string& where) {
  return read_row<ThoughtRow>(json, where);
}

template <>
TrainingRow from_json<TrainingRow>(const Json& json, const std::string& where) {
  TrainingRow row = read_row<TrainingRow>(json, where);
  require_spans_inside(row.spans, "spans", row.input_ids.size(), where);
  return row;
}

template <>
PreferencePairRow from_json<PreferencePairRow>(const Json& json, const std::string& where) {
  PreferencePairRow row = read_row<PreferencePairRow>(json, where);
  const size_t prompt = row.prompt_ids.size();
  require_spans_inside(row.chosen_spans, "chosen_spans", prompt + row.chosen_ids.size(), where);
  require_spans_inside(
      row.rejected_spans, "rejected_spans", prompt + row.rejected_ids.size(), where);
  return row;
}

template <>
MetricsRow from_json<MetricsRow>(const Json& json, const std::string& where) {
  return read_row<MetricsRow>(json, where);
}

template <>
EvalRow from_json<EvalRow>(const Json& json, const std::string& where) {
  return read_row<EvalRow>(json, where);
}

template <>
FormRow from_json<FormRow>(const Json& json, const std::string& where) {
  return read_row<FormRow>(json, where);
}

template <>
TaskRow from_json<TaskRow>(const Json& json, const std::string& where) {
  return read_row<TaskRow>(json, where);
}

}  // namespace thoughtrank
