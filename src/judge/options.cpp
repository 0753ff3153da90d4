#include "thoughtrank/judge/options.h"

#include "thoughtrank/llm/credentials.h"

namespace thoughtrank {

bool gives_scores(JudgeKind kind) {
  switch (kind) {
    case JudgeKind::likelihood:
    case JudgeKind::reference:
      return true;
    case JudgeKind::openai:
    case JudgeKind::anthropic:
    case JudgeKind::command:
    case JudgeKind::replay:
      return false;
    case JudgeKind::unset:
      break;
  }
  fail(ExitCode::kInternal, "a judge without a kind was asked for");
}

std::string judge_kinds_text() {
  return "  openai      a server that speaks OpenAI's chat completions (judge.base_url, "
         "judge.model)\n"
         "  anthropic   a server that speaks Anthropic's messages (judge.model)\n"
         "  command     a program of yours (judge.command)\n"
         "  reference   the prompts' own \"answer\", compared by judge.match\n"
         "  likelihood  the untrained model's own probabilities: shows the machinery, teaches "
         "little\n"
         "  replay      the calls of an earlier run, from its ledger";
}

bool makes_calls(JudgeKind kind) { return server_kind(kind).has_value(); }

std::optional<ServerKind> server_kind(JudgeKind kind) {
  switch (kind) {
    case JudgeKind::openai:
      return ServerKind::openai;
    case JudgeKind::anthropic:
      return ServerKind::anthropic;
    case JudgeKind::command:
      return ServerKind::command;
    case JudgeKind::likelihood:
    case JudgeKind::reference:
    case JudgeKind::replay:
      return std::nullopt;
    case JudgeKind::unset:
      break;
  }
  fail(ExitCode::kInternal, "a judge without a kind was asked for");
}

void DropOptions::visit(FieldVisitor& v) {
  v.boolean("truncated", truncated, "drop answers that were cut at generate.answer_tokens");
  v.boolean("loop", loop, "drop answers that the loop rule stopped");
  v.boolean("echo", echo, "drop answers that only repeat the prompt");
  v.boolean("bare", bare, "drop bare openers such as ':' or 'Thought process:'");
}

void JudgeServer::visit_identity(FieldVisitor& v) {
  v.choice_without_default("kind",
                           kind,
                           JudgeKind::unset,
                           kJudgeKinds,
                           "who judges: an OpenAI-compatible server, Anthropic's, the frozen "
                           "round-0 model, the prompt's answer, a program, or the ledger only");
  server.visit_address(v);
  v.may_change().path("rubric", rubric, "file with the judging instructions; empty = built in");
  server.visit_command(v);
}

void JudgeServer::visit_max_abstained(FieldVisitor& v) {
  v.number("max_abstained", max_abstained, {0, 1}, "share of failed calls that ends the round");
}

void JudgeServer::visit(FieldVisitor& v) {
  visit_identity(v);
  server.visit_calls(v);
  server.visit_limits(v);
  visit_max_abstained(v);
}

void SchemeOptions::visit(FieldVisitor& v) {
  v.integer("group_size", group_size, {2, 26}, "answers in one call");
  v.integer(
      "finals",
      finals,
      {0, 64},
      "most calls spent on the last few answers of a prompt; they end when its winner is clear");
  v.boolean("length_control",
            length_control,
            "utilities at equal length: what a judge likes in length itself is fitted and removed");
  v.integer("max_input_tokens", max_input_tokens, {1000, 10000000}, "bound of one request");
}

void GateOptions::visit(FieldVisitor& v) {
  v.may_change().number("max_flip_rate",
                        max_flip_rate,
                        {0, 1},
                        "gate: share of sets shown twice whose first place may change; 1 = off");
  v.may_change().number(
      "max_position_bias",
      max_position_bias,
      {0, 1},
      "gate: largest correlation of the place shown with the place given; 1 = off");
  v.may_change().number(
      "max_length_correlation",
      max_length_correlation,
      {0, 1},
      "gate: largest correlation of an answer's length with its utility; 1 = off");
  v.may_change().number(
      "max_planted_errors",
      max_planted_errors,
      {0, 1},
      "gate: share of planted bad answers that may rank in the better half; 1 = off");
}

// The order of the keys is part of the config's face, so what belongs together in code is visited
// apart.
void JudgeOptions::visit(FieldVisitor& v) {
  first.visit_identity(v);
  v.choice("match",
           match,
           kReferenceMatches,
           "reference: how an answer is compared with the prompt's answer");
  v.may_change().number("max_usd", max_usd, {0, 1e9}, "spending cap of the whole run in dollars");
  first.server.visit_calls(v);
  scheme.visit(v);
  first.server.visit_limits(v);
  v.group("drop", drop, "answers that are not worth a judge's reading");
  first.visit_max_abstained(v);
  gates.visit(v);
  v.groups(
      "others",
      others,
      [](JudgeServer& other, FieldVisitor& w) { other.visit(w); },
      "further ranking judges with keys of their own; all rankings join one fit");
}

std::vector<JudgeServer> all_judges(const JudgeOptions& options) {
  std::vector<JudgeServer> judges = {options.first};
  for (const JudgeServer& other : options.others) {
    judges.push_back(other);
    if (options.first.kind == JudgeKind::replay) judges.back().kind = JudgeKind::replay;
  }
  return judges;
}

JudgeOptions without_patience(JudgeOptions options) {
  options.first.server.patience_s = 0;
  for (JudgeServer& other : options.others) other.server.patience_s = 0;
  return options;
}

void hide_judge_keys(const JudgeOptions& options) {
  for (const JudgeServer& judge : all_judges(options)) hide_server_key(judge.server);
}

void SelectOptions::visit(FieldVisitor& v) {
  v.integer("winners_per_prompt", winners_per_prompt, {1, 62}, "answers of a prompt to train on");
  v.number("max_regret",
           max_regret,
           {0, 100},
           "share of the best answer's lead over an average one that a winner may be expected to "
           "lack; 1 = off");
  v.number("min_confidence", min_confidence, {0, 1}, "least P(winner beats the average answer)");
  v.optional_number("min_score", min_score, {}, "pointwise judges: least score of a winner");
  v.optional_number(
      "min_lift",
      min_lift,
      {},
      "least gain of a winner's answer, in log p a token, by its own thought over none");
  v.choice("control",
           control,
           kSelectControls,
           "for studies: what the recipe is compared with; random_winner and likeliest_winner do "
           "not ask the judge");
}

bool follows_judge(SelectControl control) {
  switch (control) {
    case SelectControl::none:
    case SelectControl::shuffled_thoughts:
      return true;
    case SelectControl::random_winner:
    case SelectControl::likeliest_winner:
      return false;
  }
  return true;
}

}  // namespace thoughtrank
