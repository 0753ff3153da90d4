#include "thoughtrank/judge/judge.h"

namespace thoughtrank {

void DropOptions::visit(FieldVisitor& v) {
  v.boolean("truncated", truncated, "drop answers that were cut at generate.answer_tokens");
  v.boolean("loop", loop, "drop answers that the loop rule stopped");
  v.boolean("echo", echo, "drop answers that only repeat the prompt");
  v.boolean("bare", bare, "drop bare openers such as ':' or 'Thought process:'");
}

void JudgeOptions::visit_as(FieldVisitor& v, bool is_first) {
  v.choice("kind",
           kind,
           {"openai", "anthropic", "likelihood", "reference", "command", "replay"},
           "who judges: an OpenAI-compatible server, Anthropic's, the frozen round-0 model, the "
           "prompt's answer, a program, or the ledger only");
  v.text("base_url", base_url, "the judge server's address up to /v1, HTTPS or loopback");
  v.text("model", model, "the judge model's name on that server");
  v.may_change().text("api_key_env", api_key_env, "environment variable that holds the key");
  v.may_change().path(
      "api_key_file", api_key_file, "file with the key in its first line, mode 0600");
  v.path("rubric", rubric, "file with the judging instructions; empty = built in");
  v.command(
      "command", command, "command: program and arguments; request on stdin, reply on stdout");
  if (is_first) {
    v.choice("match",
             match,
             {"exact", "numeric", "regex"},
             "reference: how an answer is compared with the prompt's answer");
    v.may_change().number("max_usd", max_usd, {0, 1e9}, "spending cap of the whole run in dollars");
  }
  v.json("price", price, "{input_per_million, output_per_million}; null = configs/prices.yaml");
  v.may_change().integer("concurrency", concurrency, {1, 1024}, "judge calls in flight");
  if (is_first) {
    v.integer("group_size", group_size, {2, 26}, "answers in one call");
    v.integer("finals", finals, {0, 64}, "most calls spent on the last few answers of a prompt");
    v.boolean(
        "length_control",
        length_control,
        "utilities at equal length: what a judge likes in length itself is fitted and removed");
    v.integer("max_input_tokens", max_input_tokens, {1000, 10000000}, "bound of one request");
  }
  v.integer("max_output_tokens", max_output_tokens, {16, 1000000}, "bound of one reply");
  v.may_change().number(
      "timeout_s", timeout_s, {0.1, 86400}, "seconds until a call counts as failed");
  v.may_change().number(
      "patience_s", patience_s, {0, 86400}, "seconds a judge may be down before the run ends");
  v.boolean("allow_http", allow_http, "plain HTTP to a host other than this machine");
  v.may_change().path("ca_file", ca_file, "extra certificate authorities (PEM)");
  v.may_change().text("proxy", proxy, "HTTP proxy; empty = what https_proxy and NO_PROXY say");
  v.json("extra_body", extra_body, "further keys of the request body");
  if (is_first) v.group("drop", drop, "answers that are not worth a judge's reading");
  v.number("max_abstained", max_abstained, {0, 1}, "share of failed calls that ends the round");
  if (is_first) visit_audit(v);
}

void JudgeOptions::visit_audit(FieldVisitor& v) {
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
  v.groups(
      "others",
      others,
      [](JudgeOptions& other, FieldVisitor& w) { other.visit_as(w, /*is_first=*/false); },
      "further ranking judges with keys of their own; all rankings join one fit");
}

std::vector<JudgeOptions> all_judges(const JudgeOptions& options) {
  std::vector<JudgeOptions> judges = {options};
  judges[0].others.clear();
  for (const JudgeOptions& other : options.others) {
    JudgeOptions& judge = judges.emplace_back(other);
    judge.max_usd = options.max_usd;
    judge.group_size = options.group_size;
    judge.finals = options.finals;
    judge.max_input_tokens = options.max_input_tokens;
    judge.drop = options.drop;
    if (options.kind == "replay") judge.kind = "replay";  // nothing may be sent at all
  }
  return judges;
}

void SelectOptions::visit(FieldVisitor& v) {
  v.integer("winners_per_prompt", winners_per_prompt, {1, 62}, "answers of a prompt to train on");
  v.number("max_regret", max_regret, {0, 100}, "expected regret over sigma that is still trusted");
  v.number("min_confidence", min_confidence, {0, 1}, "least P(winner beats the average answer)");
  v.optional_number("min_score", min_score, {}, "pointwise judges: least score of a winner");
}

}  // namespace thoughtrank
