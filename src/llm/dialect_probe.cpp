#include "thoughtrank/llm/dialect_probe.h"

#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

Reply ask(Channel& channel, std::string body) {
  channel.submit(0, std::move(body));
  return channel.wait().at(0);
}

// Some servers ignore a limit whose name they do not know; replies without end would cost money and
// minutes. Asked for one token, such a server sends more; any other answer, an error too, shows
// that the limit was read.
bool ignores_limit(Channel& channel,
                   const ChatProtocol& protocol,
                   const Dialect& dialect,
                   const Question& question) {
  Json body = parse_json(protocol.body(question), "request");
  body[word_of(dialect.limit_key, kLimitKeys)] = 1;
  const Reply reply = ask(channel, dump_json(body));
  const std::optional<TokenUsage>& usage = reply.completion.usage;
  return reply.outcome == Outcome::answered && usage && usage->output > 1;
}

std::string note_name(const Connection& connection) {
  return "dialect of " + connection.endpoint + " " + connection.model;
}

template <class Enum, size_t N>
Enum read_word(const Json& note,
               const char* key,
               const EnumWords<Enum, N>& words,
               const std::string& name) {
  const std::string word = require_string(note, key, name);
  const std::optional<Enum> value = value_of(word, words);
  if (!value) fail(ExitCode::kBadData, "{}: unknown {} '{}'", name, key, word);
  return *value;
}

// Returns false when the ledger does not know.
bool speak_as_known(ChatProtocol& protocol, const Ledger& ledger, const std::string& name) {
  const Json* known = ledger.note(name);
  if (known == nullptr) return false;
  protocol.speak({.format = read_word(*known, "format", kReplyFormats, name),
                  .limit_key = read_word(*known, "limit_key", kLimitKeys, name)});
  return true;
}

void speak_and_remember(ChatProtocol& protocol,
                        const Dialect& dialect,
                        Ledger& ledger,
                        const std::string& name) {
  protocol.speak(dialect);
  ledger.remember(name,
                  {{"format", word_of(dialect.format, kReplyFormats)},
                   {"limit_key", word_of(dialect.limit_key, kLimitKeys)}});
}

}  // namespace

void assume_dialect(const Connection& connection, Ledger& ledger) {
  if (connection.chat == nullptr) return;
  const std::string name = note_name(connection);
  if (speak_as_known(*connection.chat, ledger, name)) return;
  speak_and_remember(*connection.chat, dialects().front(), ledger, name);
}

void settle_dialect(Channel& channel,
                    const Connection& connection,
                    Ledger& ledger,
                    const ProbeQuestions& questions) {
  if (connection.chat == nullptr) return;
  ChatProtocol& protocol = *connection.chat;
  const std::string name = note_name(connection);
  if (speak_as_known(protocol, ledger, name)) return;
  std::string refusal;
  std::optional<Dialect> unlimited;
  for (const Dialect& dialect : dialects()) {
    protocol.speak(dialect);
    const std::string format = word_of(dialect.format, kReplyFormats);
    const std::string limit = word_of(dialect.limit_key, kLimitKeys);
    const Reply reply = ask(channel, protocol.body(questions.format));
    if (reply.outcome == Outcome::answered &&
        ignores_limit(channel, protocol, dialect, questions.limit)) {
      log_info("judge: {} takes {}, but ignores {}", connection.endpoint, format, limit);
      if (!unlimited) unlimited = dialect;
      continue;
    }
    if (reply.outcome == Outcome::answered) {
      log_info("judge: {} takes {} and {}", connection.endpoint, format, limit);
      return speak_and_remember(protocol, dialect, ledger, name);
    }
    if (reply.outcome == Outcome::retry) {
      fail(ExitCode::kJudge,
           "no judge answers at {}: {}. Is the server running, and judge.base_url right?",
           connection.endpoint,
           reply.completion.failure);
    }
    if (refusal.empty()) refusal = reply.completion.failure;
  }
  if (unlimited) {
    log_warning("judge: {} keeps to no limit of a reply's length", connection.endpoint);
    return speak_and_remember(protocol, *unlimited, ledger, name);
  }
  fail(ExitCode::kConfig,
       "the judge at {} refuses every form of request for model '{}'; the first refusal: {}. Check "
       "judge.base_url, judge.model and judge.extra_body",
       connection.endpoint,
       connection.model,
       refusal);
}

}  // namespace thoughtrank
