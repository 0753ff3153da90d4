#include "thoughtrank/llm/server_options.h"

namespace thoughtrank {

void ServerOptions::visit_address(FieldVisitor& v) {
  v.text("base_url", base_url, "the judge server's address up to /v1, HTTPS or loopback");
  v.text("model", model, "the judge model's name on that server");
  v.may_change().text("api_key_env", api_key_env, "environment variable that holds the key");
  v.may_change().path(
      "api_key_file", api_key_file, "file with the key in its first line, mode 0600");
}

void ServerOptions::visit_command(FieldVisitor& v) {
  v.command(
      "command", command, "command: program and arguments; request on stdin, reply on stdout");
}

void ServerOptions::visit_calls(FieldVisitor& v) {
  v.may_change().json(
      "price", price, "{input_per_million, output_per_million, …}; null = configs/prices.yaml");
  v.may_change().integer("concurrency", concurrency, {1, 1024}, "judge calls in flight");
}

void ServerOptions::visit_limits(FieldVisitor& v) {
  v.integer("max_output_tokens", max_output_tokens, {16, 1000000}, "bound of one reply");
  v.may_change().number(
      "timeout_s", timeout_s, {0.1, 86400}, "seconds until a call counts as failed");
  v.may_change().number(
      "patience_s", patience_s, {0, 86400}, "seconds a judge may be down before the run ends");
  v.boolean("allow_http", allow_http, "plain HTTP to a host other than this machine");
  v.may_change().path("ca_file", ca_file, "extra certificate authorities (PEM)");
  v.may_change().text("proxy", proxy, "HTTP proxy; empty = what https_proxy and NO_PROXY say");
  v.json("extra_body", extra_body, "further keys of the request body");
}

}  // namespace thoughtrank
