// What a transport's reply means for the call: an answer, something to try again, something that
// will not get better, or the end of the work. A pure function.
#pragma once

#include <string>

#include "thoughtrank/core/enum_words.h"
#include "thoughtrank/llm/transport.h"

namespace thoughtrank {

enum class Outcome {
  answered,        // a body worth reading
  retry,           // may be better in a while
  failed,          // will fail again the same way
  too_long,        // 413, or more than the model's context holds: a shorter question may fit
  no_credentials,  // 401, 403
  no_money,        // 402, quota or billing limits
  no_model,        // the server has no such model, or none for this key
  untrusted,       // the server's certificate is not trusted
};

inline constexpr EnumWords<Outcome, 8> kOutcomes = {{{Outcome::answered, "answered"},
                                                     {Outcome::retry, "retry"},
                                                     {Outcome::failed, "failed"},
                                                     {Outcome::too_long, "too_long"},
                                                     {Outcome::no_credentials, "no_credentials"},
                                                     {Outcome::no_money, "no_money"},
                                                     {Outcome::no_model, "no_model"},
                                                     {Outcome::untrusted, "untrusted"}}};

struct Classified {
  Outcome outcome = Outcome::answered;
  std::string reason;          // empty when answered
  bool may_be_billed = false;  // the server may have worked although nothing arrived
};
[[nodiscard]] Classified classify(const TransportReply& reply);

// Tells a server that has too much to do, so that fewer calls at a time help.
[[nodiscard]] bool is_overload(const TransportReply& reply);

}  // namespace thoughtrank
