#include "thoughtrank/llm/batch.h"

#include <map>
#include <sstream>

#include "llm/call_accounts.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

struct Result {
  std::string id;  // the name of the call in the file
  Json line;
};

// Every line, before any is taken.
std::vector<Result> read_lines(const std::filesystem::path& file, const std::string& text) {
  std::istringstream lines(text);
  std::vector<Result> results;
  int64_t number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = fmt::format("{}:{}", file.string(), ++number);
    if (line.empty()) continue;
    Result result{.id = {}, .line = parse_json(line, where)};
    result.id = require_string(result.line, "custom_id", where);
    const bool is_result = result.line.contains("response") || result.line.contains("error") ||
                           result.line.contains("result");
    if (!is_result) {
      fail(ExitCode::kBadData,
           "{}: expected the result of a call, found the call itself: is it the file that --export "
           "wrote? --import takes what the provider makes of it",
           where);
    }
    results.push_back(std::move(result));
  }
  return results;
}

enum class Imported : uint8_t { answered, failed, refused, known, foreign };

class Importer {
 public:
  Importer(const Connection& connection, CallAccounts accounts)
      : connection_(connection), accounts_(std::move(accounts)) {}

  Imported take(const Result& result) {
    const BatchedCall* found = accounts_.ledger().find_exported(result.id);
    if (found == nullptr) return Imported::foreign;
    if (found->state == BatchedCall::State::ended) return Imported::known;
    const BatchedCall batched = *found;  // the ledger's own changes
    TransportReply reply = connection_.protocol->batch_reply(result.line);
    reply.body = connection_.secret->redact(std::move(reply.body));
    const Classified meaning = classify(reply);
    if (meaning.outcome == Outcome::answered || meaning.outcome == Outcome::too_long) {
      const Call call{
          .request = batched.request, .reserved_usd = batched.reserved_usd, .attempts = 1};
      (void)accounts_.settle(call, std::move(reply.body), meaning.outcome, &batched);
      return Imported::answered;
    }
    return take_failure(batched, meaning);
  }

 private:
  Imported take_failure(const BatchedCall& batched, const Classified& meaning) {
    const std::string reason = connection_.secret->redact(meaning.reason);
    const bool is_final = meaning.outcome == Outcome::failed;
    log_debug("judge: a call of the batch failed: {}", reason);
    accounts_.ledger().lose(batched.request,
                            {.reason = reason, .is_final = is_final, .of_batch = &batched});
    return is_final ? Imported::refused : Imported::failed;
  }

  const Connection& connection_;
  CallAccounts accounts_;
};

using Counts = std::map<Imported, int64_t>;

void log_counts(Counts& counts) {
  log_info("judge: {} results imported, {} were known already, {} are not this run's",
           counts[Imported::answered],
           counts[Imported::known],
           counts[Imported::foreign]);
  if (const int64_t failed = counts[Imported::failed]; failed > 0) {
    log_warning(
        "judge: {} calls of the batch failed (-v says why); they are in the next file, three times "
        "at most",
        failed);
  }
  if (const int64_t refused = counts[Imported::refused]; refused > 0) {
    log_warning("judge: {} calls of the batch were refused for good (-v says why): they abstain",
                refused);
  }
}

}  // namespace

int64_t import_batch(const std::filesystem::path& file,
                     const Connection& connection,
                     const ChannelOptions& options,
                     Ledger& ledger) {
  const std::string text = read_file(file);
  const std::vector<Result> results = read_lines(file, text);
  Importer importer(connection, accounts_of(connection, options, ledger));
  Counts counts;
  for (const Result& result : results) ++counts[importer.take(result)];
  if (counts[Imported::foreign] == std::ssize(results)) {
    fail(ExitCode::kBadData,
         "{}: expected results of this run's batch, found {} lines that are not. Is it the results "
         "file of the batch that --export wrote?",
         file.string(),
         results.size());
  }
  log_counts(counts);
  return counts[Imported::answered];
}

}  // namespace thoughtrank
