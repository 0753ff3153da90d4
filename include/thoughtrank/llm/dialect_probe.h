// Finds out by tiny requests which dialect a server speaks.
#pragma once

#include <string>

#include "thoughtrank/llm/channel.h"

namespace thoughtrank {

// Two tiny questions. They differ, so that each is a request of its own in the ledger.
struct ProbeQuestions {
  Question format;  // shows whether the server accepts a dialect
  Question limit;   // shows whether it reads the limit of that dialect
};

// Makes the connection's protocol speak the most demanding dialect that the server accepts, where
// it has dialects at all; asks only when the ledger does not know. Error(kJudge) when the server
// does not answer, Error(kConfig) when it accepts no dialect (a wrong model name, a wrong path).
void settle_dialect(Channel& channel,
                    const Connection& connection,
                    Ledger& ledger,
                    const ProbeQuestions& questions);

// Does the same without asking: what the ledger knows, else the most demanding dialect, which is
// remembered. Batch files need it, since somebody else sends them.
void assume_dialect(const Connection& connection, Ledger& ledger);

}  // namespace thoughtrank
