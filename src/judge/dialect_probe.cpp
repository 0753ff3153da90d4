#include "judge/dialect_probe.h"

#include "judge/reply.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

struct TinyCall {
  explicit TinyCall(const std::string& nonce) {
    prompt.prompt_id = "probe " + nonce;
    prompt.prompt = "What is two plus two?";
    call.prompt = &prompt;
    call.answers = {"Four.", "Eleven."};
    call.branches = {0, 1};
    shown = show(call, {.seed = 0, .round = 0, .prompt = stable_hash(prompt.prompt_id)}, 0);
  }
  TinyCall(const TinyCall&) = delete;
  PromptRow prompt;
  RankCall call;
  ShownCall shown;
};

Answer ask(Client& client, const Protocol& protocol, const TinyCall& tiny) {
  client.submit(0, protocol.request_body(tiny.call, tiny.shown));
  return client.wait().at(0);
}

// Some servers ignore a limit whose name they do not know; replies without end would cost money and
// minutes. Asked for one token, such a server sends more; any other answer, an error too, shows
// that the limit was read.
bool ignores_limit(Client& client, const ChatProtocol& protocol, const Dialect& dialect) {
  const TinyCall tiny("limit");
  Json body = parse_json(protocol.request_body(tiny.call, tiny.shown), "request");
  body[dialect.limit_key] = 1;
  client.submit(0, dump_json(body));
  const Answer answer = client.wait().at(0);
  const std::optional<TokenUsage>& usage = answer.completion.usage;
  return answer.outcome == Outcome::answered && usage && usage->output > 1;
}

std::string note_name(const std::string& endpoint, const std::string& model) {
  return "dialect of " + endpoint + " " + model;
}

// False when the ledger does not know.
bool speak_as_known(ChatProtocol& protocol, const Ledger& ledger, const std::string& name) {
  const Json* known = ledger.note(name);
  if (known == nullptr) return false;
  protocol.speak({.format = require_string(*known, "format", name),
                  .limit_key = require_string(*known, "limit_key", name)});
  return true;
}

void speak_and_remember(ChatProtocol& protocol,
                        const Dialect& dialect,
                        Ledger& ledger,
                        const std::string& name) {
  protocol.speak(dialect);
  ledger.remember(name, {{"format", dialect.format}, {"limit_key", dialect.limit_key}});
}

}  // namespace

void assume_dialect(ChatProtocol& protocol,
                    Ledger& ledger,
                    const std::string& endpoint,
                    const std::string& model) {
  const std::string name = note_name(endpoint, model);
  if (speak_as_known(protocol, ledger, name)) return;
  speak_and_remember(protocol, dialects().front(), ledger, name);
}

void settle_dialect(Client& client,
                    ChatProtocol& protocol,
                    Ledger& ledger,
                    const std::string& endpoint,
                    const std::string& model) {
  const std::string name = note_name(endpoint, model);
  if (speak_as_known(protocol, ledger, name)) return;
  std::string refusal;
  std::optional<Dialect> unlimited;
  for (const Dialect& dialect : dialects()) {
    protocol.speak(dialect);
    const Answer answer = ask(client, protocol, TinyCall("dialect"));
    if (answer.outcome == Outcome::answered && ignores_limit(client, protocol, dialect)) {
      log_info("judge: {} takes {}, but ignores {}", endpoint, dialect.format, dialect.limit_key);
      if (!unlimited) unlimited = dialect;
      continue;
    }
    if (answer.outcome == Outcome::answered) {
      log_info("judge: {} takes {} and {}", endpoint, dialect.format, dialect.limit_key);
      return speak_and_remember(protocol, dialect, ledger, name);
    }
    if (answer.outcome == Outcome::retry) {
      fail(ExitCode::kJudge,
           "no judge answers at {}: {}. Is the server running, and judge.base_url right?",
           endpoint,
           answer.completion.failure);
    }
    if (refusal.empty()) refusal = answer.completion.failure;
  }
  if (unlimited) {
    log_warning("judge: {} keeps to no limit of a reply's length", endpoint);
    return speak_and_remember(protocol, *unlimited, ledger, name);
  }
  fail(ExitCode::kConfig,
       "the judge at {} refuses every form of request for model '{}'; the first refusal: {}. Check "
       "judge.base_url, judge.model and judge.extra_body",
       endpoint,
       model,
       refusal);
}

std::string probe_ranking(Client& client, const Protocol& protocol, const std::string& nonce) {
  const TinyCall tiny(nonce);
  const Answer answer = ask(client, protocol, tiny);
  if (!answer.completion.failure.empty()) return answer.completion.failure;
  const Verdict verdict = read_ranking(answer.completion.text, tiny.shown.labels);
  const auto* abstention = std::get_if<Abstention>(&verdict);
  return abstention == nullptr ? std::string() : abstention->reason;
}

}  // namespace thoughtrank
