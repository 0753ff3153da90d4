// The rows that stages exchange, one struct per file of a run folder. to_json() gives every key of
// a row in a fixed order with a fixed type, so that the same row is the same bytes and `datasets`
// reads the file. from_json() checks every key; its errors name `where` ("outputs.jsonl:12").
#pragma once

#include <cstdint>
#include <filesystem>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/core/enum_words.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {

using TokenIds = std::vector<int64_t>;

// Branches of a prompt: a forced character each, and samples of each character.
inline constexpr int64_t kMostChars = 62;
inline constexpr int64_t kMostSamples = 64;

// One line of the user's prompt file, or of round-NN/prompts.jsonl (then with token_ids).
struct PromptRow {
  std::string prompt_id;
  std::string prompt;  // the user's message
  std::string system;  // "" = none
  std::string answer;  // "" = unknown
  TokenIds token_ids;  // every token before the branch head; empty in the user's file
};

// What closed a branch's thought.
enum class ThoughtEnd : uint8_t {
  none,   // the branch has no thought, or still thinks
  model,  // the model wrote the close tag
  eos,    // the model ended its text
  cap,    // the budget of thought tokens was reached
  loop,   // the model repeated itself
};
inline constexpr EnumWords<ThoughtEnd, 5> kThoughtEnds = {{{ThoughtEnd::model, "model"},
                                                           {ThoughtEnd::eos, "eos"},
                                                           {ThoughtEnd::cap, "cap"},
                                                           {ThoughtEnd::loop, "loop"},
                                                           {ThoughtEnd::none, ""}}};

// What ended a branch's answer.
enum class Finish : uint8_t {
  eos,     // the model ended its text
  length,  // the budget of answer tokens was reached
  loop,    // the model repeated itself
  error,   // the model's numbers were not finite
};
inline constexpr EnumWords<Finish, 4> kFinishes = {{{Finish::eos, "eos"},
                                                    {Finish::length, "length"},
                                                    {Finish::loop, "loop"},
                                                    {Finish::error, "error"}}};

// One finished branch. Held-out generations have branch -1 and char "".
struct OutputRow {
  std::string prompt_id;
  int64_t round = 0;
  // Position in branches.chars (0..61), times the samples of a character, plus the sample.
  int64_t branch = 0;
  std::string char_;     // key "char"
  std::string thought;   // text between the tags, UTF-8
  std::string answer;    // text after the close tag, without eos
  TokenIds token_ids;    // every token after the prompt: head, thought, close, answer, eos if the
                         // model produced it
  int64_t head_len = 0;  // tokens of the head
  int64_t answer_start =
      0;  // index in token_ids of the first token after the one that ends the close tag
  int64_t answer_offset = 0;  // bytes of that closing token that belong to the answer
  ThoughtEnd thought_end = ThoughtEnd::none;
  Finish finish = Finish::eos;
  double thought_logprob = 0;  // sum over the tokens that were chosen (not forced)
  double answer_logprob = 0;
  double answer_margin = 0;  // mean top-1 − top-2 logit difference over the answer's tokens
  std::string model_sha256;
};

// The part of a prompt's judging that a call belongs to.
enum class VerdictStage : uint8_t {
  pass_a,
  halve,
  finals,
  repeat,     // a set of pass A shown a second time, for the audit
  planted,    // a set with planted answers, for the audit
  anchor,     // a held-out answer against its anchor
  test,       // judge-test; never in a file
  pointwise,  // scores, no call
};
inline constexpr EnumWords<VerdictStage, 8> kVerdictStages = {
    {{VerdictStage::pass_a, "pass_a"},
     {VerdictStage::halve, "halve"},
     {VerdictStage::finals, "finals"},
     {VerdictStage::repeat, "repeat"},
     {VerdictStage::planted, "planted"},
     {VerdictStage::anchor, "anchor"},
     {VerdictStage::test, "test"},
     {VerdictStage::pointwise, "pointwise"}}};

// One judge call; pointwise judges: one row per prompt.
struct VerdictRow {
  std::string prompt_id;
  int64_t round = 0;
  VerdictStage stage = VerdictStage::pass_a;
  int64_t call = 0;   // number of the call within its prompt
  std::string judge;  // "openai:some-judge"
  std::string request_sha256;
  std::vector<std::string> labels;  // label shown for each candidate, in the order shown
  std::vector<int64_t> branches;    // the candidate behind each label; -1 = the anchor,
                                    // -2 = a planted duplicate, -3 = planted nonsense
  std::vector<int64_t> ranking;     // branches, best first; empty when abstained
  std::vector<double> scores;       // pointwise: score of each of `branches`
  bool abstained = false;
  std::string reason;  // why it abstained
  int64_t attempts = 0;
  int64_t input_tokens = 0;
  int64_t output_tokens = 0;
  double usd = 0;
  std::string reply;
};

// One distinct answer of a prompt after ranking.
struct RankedItem {
  int64_t branch = 0;        // the branch that stands for the answer, drawn among `branches`
  int64_t multiplicity = 1;  // branches that gave the answer
  // The branches that could stand for it; empty in rows of an earlier version, which took the
  // lowest.
  std::vector<int64_t> branches = {};
  double utility = 0;    // posterior mean (ranking judges) or score (pointwise)
  double deviation = 0;  // posterior deviation; 0 for pointwise judges
  double p_best = 0;
};

// Whether a prompt has a winner, and whether it is trained on.
enum class SelectionStatus : uint8_t {
  trained,        // a winner that the model is trained on
  uncertain,      // a winner that may be chance
  skipped,        // no usable verdict, or no difference between the answers
  no_candidates,  // too few answers to judge
};
inline constexpr EnumWords<SelectionStatus, 4> kSelectionStatuses = {
    {{SelectionStatus::trained, "trained"},
     {SelectionStatus::uncertain, "uncertain"},
     {SelectionStatus::skipped, "skipped"},
     {SelectionStatus::no_candidates, "no_candidates"}}};

struct BestOutputRow {
  std::string prompt_id;
  int64_t round = 0;
  SelectionStatus status = SelectionStatus::skipped;
  std::string reason;
  int64_t winner = -1;  // branch; -1 = none
  int64_t runner_up = -1;
  int64_t worst = -1;
  std::vector<RankedItem> items;  // best first
  double regret = 0;
  int64_t calls = 0;
  double usd = 0;
};

// What a winner's thought did for its answer: the mean log-likelihood of the answer's tokens, by
// the weights that generated it.
struct ThoughtRow {
  std::string prompt_id;
  int64_t round = 0;
  int64_t branch = 0;
  std::string other_prompt_id;  // the winner whose thought was tried; "" = there is no other
  int64_t other_branch = -1;
  int64_t answer_tokens = 0;
  double own = 0;               // given the answer's own thought
  double none = 0;              // given a thought that is closed at once
  std::optional<double> other;  // given the thought of the other winner
  double shuffled = 0;          // given its own thought with the tokens after the head shuffled
  double lift = 0;              // own - none
  std::string model_sha256;
};

// Loss weight of the tokens [from, to) of input_ids.
struct Span {
  int64_t from = 0;
  int64_t to = 0;
  double weight = 1;
};

struct TrainingRow {
  std::string prompt_id = {};
  int64_t round = 0;
  int64_t branch = -1;
  std::string prompt = {};
  std::string completion = {};
  TokenIds input_ids = {};  // prompt and completion
  std::vector<Span> spans = {};
  double weight = 1;
};

struct PreferencePairRow {
  std::string prompt_id;
  int64_t round = 0;
  std::string prompt;
  std::string chosen;
  std::string rejected;
  TokenIds prompt_ids;
  TokenIds chosen_ids;
  TokenIds rejected_ids;
  std::vector<Span> chosen_spans;  // positions in prompt_ids + chosen_ids
  std::vector<Span> rejected_spans;
  double utility_gap = 0;
};

struct MetricsRow {
  int64_t round = 0;
  int64_t step = 0;
  double epoch = 0;
  double loss = 0;
  double grad_norm = 0;
  double learning_rate = 0;
  int64_t loss_tokens = 0;
  int64_t tokens = 0;
  bool skipped = false;
  std::optional<double> reward_margin;    // objective dpo_nll
  std::optional<double> reward_accuracy;  // objective dpo_nll
};

struct EvalRow {
  std::string prompt_id;
  int64_t round = 0;
  std::string thought;
  std::string answer;
  TokenIds token_ids;
  std::optional<double> score;  // pointwise judges
  std::optional<double> win;    // ranking judges: 1, 0.5, 0 against the anchor
  std::optional<double> heldout_loss;
  int64_t thought_tokens = 0;
  int64_t answer_tokens = 0;
};

// How the untrained model is asked a held-out prompt. Its best form is the anchor of a run.
enum class AnswerForm : uint8_t {
  direct,   // no thought; the answer has the tokens of both
  thought,  // the open tag is forced
  direct_with_examples,
  thought_with_examples,
};
inline constexpr EnumWords<AnswerForm, 4> kAnswerForms = {
    {{AnswerForm::direct, "direct"},
     {AnswerForm::thought, "thought"},
     {AnswerForm::direct_with_examples, "direct_with_examples"},
     {AnswerForm::thought_with_examples, "thought_with_examples"}}};

// A held-out answer of the untrained model in one of its forms. `win` is against the direct form.
struct FormRow : EvalRow {
  AnswerForm form = AnswerForm::direct;
};

// The answer to a question of a task, by a round's weights. Round 0 has a row for each form.
struct TaskRow {
  std::string task;
  std::string prompt_id;
  int64_t round = 0;
  AnswerForm form = AnswerForm::thought;
  std::string thought;
  std::string answer;
  std::string reference;  // the question's own answer
  bool is_right = false;  // key "right"
  bool is_cut = false;    // key "cut": the answer reached its limit of tokens
};

Json to_json(const PromptRow& row);
Json to_json(const OutputRow& row);
Json to_json(const VerdictRow& row);
Json to_json(const BestOutputRow& row);
Json to_json(const ThoughtRow& row);
Json to_json(const TrainingRow& row);
Json to_json(const PreferencePairRow& row);
Json to_json(const MetricsRow& row);
Json to_json(const EvalRow& row);
Json to_json(const FormRow& row);
Json to_json(const TaskRow& row);

// Row from_json<Row>(json, where)
template <class Row>
Row from_json(const Json& json, const std::string& where);
template <>
PromptRow from_json<PromptRow>(const Json& json, const std::string& where);
template <>
OutputRow from_json<OutputRow>(const Json& json, const std::string& where);
template <>
VerdictRow from_json<VerdictRow>(const Json& json, const std::string& where);
template <>
BestOutputRow from_json<BestOutputRow>(const Json& json, const std::string& where);
template <>
ThoughtRow from_json<ThoughtRow>(const Json& json, const std::string& where);
template <>
TrainingRow from_json<TrainingRow>(const Json& json, const std::string& where);
template <>
PreferencePairRow from_json<PreferencePairRow>(const Json& json, const std::string& where);
template <>
MetricsRow from_json<MetricsRow>(const Json& json, const std::string& where);
template <>
EvalRow from_json<EvalRow>(const Json& json, const std::string& where);
template <>
FormRow from_json<FormRow>(const Json& json, const std::string& where);
template <>
TaskRow from_json<TaskRow>(const Json& json, const std::string& where);

}  // namespace thoughtrank
