#include "thoughtrank/judge/judge.h"

namespace thoughtrank {

void DropOptions::visit(FieldVisitor& v) {
  v.boolean("truncated", truncated, "drop answers that were cut at generate.answer_tokens");
  v.boolean("loop", loop, "drop answers that the loop rule stopped");
  v.boolean("echo", echo, "drop answers that only repeat the prompt");
  v.boolean("bare", bare, "drop bare openers such as ':' or 'Thought process:'");
}

void JudgeOptions::visit(FieldVisitor& v) {
  v.choice("kind",
           kind,
           {"openai", "anthropic", "likelihood", "reference", "command", "replay"},
           "who judges: an OpenAI-compatible server, Anthropic's, the frozen round-0 model, the "
           "prompt's answer, a program, or the ledger only");
  v.text("base_url", base_url, "the judge server's address up to /v1, HTTPS or loopback");
  v.text("model", model, "the judge model's name on that server");
  v.text("api_key_env", api_key_env, "environment variable that holds the key");
  v.path("api_key_file", api_key_file, "file with the key in its first line, mode 0600");
  v.path("rubric", rubric, "file with the judging instructions; empty = built in");
  v.texts("command", command, "command: program and arguments; request on stdin, reply on stdout");
  v.choice("match",
           match,
           {"exact", "numeric", "regex"},
           "reference: how an answer is compared with the prompt's answer");
  v.number("max_usd", max_usd, {0, 1e9}, "spending cap of the whole run in dollars");
  v.json("price", price, "{input_per_million, output_per_million}; null = configs/prices.yaml");
  v.integer("concurrency", concurrency, {1, 1024}, "judge calls in flight");
  v.integer("group_size", group_size, {2, 26}, "answers in one call");
  v.integer("finals", finals, {0, 64}, "most calls spent on the last few answers of a prompt");
  v.integer("max_input_tokens", max_input_tokens, {1000, 10000000}, "bound of one request");
  v.integer("max_output_tokens", max_output_tokens, {16, 1000000}, "bound of one reply");
  v.number("timeout_s", timeout_s, {0.1, 86400}, "seconds until a call counts as failed");
  v.number("patience_s", patience_s, {0, 86400}, "seconds a judge may be down before the run ends");
  v.boolean("allow_http", allow_http, "plain HTTP to a host other than this machine");
  v.path("ca_file", ca_file, "extra certificate authorities (PEM)");
  v.text("proxy", proxy, "HTTP proxy; empty = what https_proxy and NO_PROXY say");
  v.json("extra_body", extra_body, "further keys of the request body");
  v.group("drop", drop, "answers that are not worth a judge's reading");
  v.number("max_abstained", max_abstained, {0, 1}, "share of failed calls that ends the round");
}

void SelectOptions::visit(FieldVisitor& v) {
  v.integer("winners_per_prompt", winners_per_prompt, {1, 62}, "answers of a prompt to train on");
  v.number("max_regret", max_regret, {0, 100}, "expected regret over sigma that is still trusted");
  v.number("min_confidence", min_confidence, {0, 1}, "least P(winner beats the average answer)");
  v.optional_number("min_score", min_score, {}, "pointwise judges: least score of a winner");
}

}  // namespace thoughtrank
