// Finds out by tiny requests which dialect a server speaks, and whether it answers at all.
#pragma once

#include <string>

#include "judge/client.h"
#include "judge/protocol.h"

namespace thoughtrank {

// Makes `protocol` speak the most demanding dialect that the server accepts; asks only when the
// ledger does not know. Error(kJudge) when the server does not answer, Error(kConfig) when it
// accepts no dialect (a wrong model name, a wrong path).
void settle_dialect(Client& client,
                    ChatProtocol& protocol,
                    Ledger& ledger,
                    const std::string& endpoint,
                    const std::string& model);

// Without asking: what the ledger knows, else the most demanding dialect, which is remembered. For
// batch files, which somebody else sends.
void assume_dialect(ChatProtocol& protocol,
                    Ledger& ledger,
                    const std::string& endpoint,
                    const std::string& model);

// One tiny ranking; `nonce` makes it a new request. Empty when the judge ranked, else the reason.
[[nodiscard]] std::string probe_ranking(Client& client,
                                        const Protocol& protocol,
                                        const std::string& nonce);

}  // namespace thoughtrank
