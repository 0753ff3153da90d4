// Who judges, how answers are ranked, which answers are dropped before, and which findings of the
// audit end a round: the keys under `judge` and `select` of a config.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/config/fields.h"
#include "thoughtrank/llm/server_options.h"

namespace thoughtrank {

// There is no default: it would be read as advice.
enum class JudgeKind : uint8_t { unset, openai, anthropic, likelihood, reference, command, replay };
inline constexpr EnumWords<JudgeKind, 6> kJudgeKinds = {{{JudgeKind::openai, "openai"},
                                                         {JudgeKind::anthropic, "anthropic"},
                                                         {JudgeKind::likelihood, "likelihood"},
                                                         {JudgeKind::reference, "reference"},
                                                         {JudgeKind::command, "command"},
                                                         {JudgeKind::replay, "replay"}}};
// Returns the kinds with what each is, a line each, for whoever has to choose.
[[nodiscard]] std::string judge_kinds_text();
// Says whether the judge scores each answer by itself; the others rank groups of answers.
[[nodiscard]] bool gives_scores(JudgeKind kind);
// Says whether the judge is asked through calls that take time and may cost money.
[[nodiscard]] bool makes_calls(JudgeKind kind);
// Returns the server that the judge's calls go to; nullopt where it makes none.
[[nodiscard]] std::optional<ServerKind> server_kind(JudgeKind kind);

// How kind reference compares an answer with the prompt's own.
enum class ReferenceMatch : uint8_t { exact, numeric, choice, regex };
inline constexpr EnumWords<ReferenceMatch, 4> kReferenceMatches = {
    {{ReferenceMatch::exact, "exact"},
     {ReferenceMatch::numeric, "numeric"},
     {ReferenceMatch::choice, "choice"},
     {ReferenceMatch::regex, "regex"}}};

// One judge: what each has for itself.
struct JudgeServer {
  JudgeKind kind = JudgeKind::unset;
  ServerOptions server;
  std::string rubric;  // path of the judging instructions; "" = built in
  double max_abstained = 0.05;
  void visit(FieldVisitor& v);
  // The fields before those that all judges share.
  void visit_identity(FieldVisitor& v);
  void visit_max_abstained(FieldVisitor& v);
};

// How groups of answers are put together and shown.
struct SchemeOptions {
  int64_t group_size = 8;
  int64_t finals = 12;
  bool length_control = false;
  int64_t max_input_tokens = 24000;
  void visit(FieldVisitor& v);
};

struct DropOptions {
  bool truncated = false;
  bool loop = true;
  bool echo = true;
  bool bare = true;
  void visit(FieldVisitor& v);
};

// Gates on the round's audit; 1 = off.
struct GateOptions {
  double max_flip_rate = 1;
  double max_position_bias = 1;
  double max_length_correlation = 1;
  double max_planted_errors = 1;
  void visit(FieldVisitor& v);
};

struct JudgeOptions {
  JudgeServer first;
  std::vector<JudgeServer> others;  // further ranking judges; all rankings join one fit
  ReferenceMatch match = ReferenceMatch::exact;
  double max_usd = 0;  // 0: nothing may be spent (local judges cost nothing)
  SchemeOptions scheme;
  DropOptions drop;
  GateOptions gates;
  void visit(FieldVisitor& v);
};
// Returns the first judge and the others. Where the first one is a replay, so are the others:
// nothing may be sent at all.
[[nodiscard]] std::vector<JudgeServer> all_judges(const JudgeOptions& options);

// Returns the same judges without patience, for commands that a person waits for: a server that is
// not there is told at once.
[[nodiscard]] JudgeOptions without_patience(JudgeOptions options);

// Takes the judges' keys out of this process's environment; the judges find them later.
void hide_judge_keys(const JudgeOptions& options);

// What a study compares the recipe with: a choice that the judge has no part in, or thoughts that
// have no part in the answer.
enum class SelectControl : uint8_t {
  none,
  random_winner,      // any branch that could be judged, each as likely
  likeliest_winner,   // the branch whose answer the model itself finds likeliest
  shuffled_thoughts,  // the judge's winners, each with the thought of another prompt's winner
};
inline constexpr EnumWords<SelectControl, 4> kSelectControls = {
    {{SelectControl::none, "none"},
     {SelectControl::random_winner, "random_winner"},
     {SelectControl::likeliest_winner, "likeliest_winner"},
     {SelectControl::shuffled_thoughts, "shuffled_thoughts"}}};
// Says whether the judge's verdicts decide; where they do not, it is not asked about a round.
[[nodiscard]] bool follows_judge(SelectControl control);

struct SelectOptions {
  int64_t winners_per_prompt = 1;
  double max_regret = 0.3;
  double min_confidence = 0.6;
  std::optional<double> min_score;
  std::optional<double> min_lift;
  SelectControl control = SelectControl::none;
  void visit(FieldVisitor& v);
};

}  // namespace thoughtrank
