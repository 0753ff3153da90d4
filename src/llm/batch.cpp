#include "thoughtrank/llm/batch.h"

#include <map>
#include <sstream>

#include "llm/call_accounts.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/hash.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

struct Result {
  std::string request;
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
    Result result{.request = {}, .line = parse_json(line, where)};
    result.request = require_string(result.line, "custom_id", where);
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

enum class Imported : uint8_t { answered, failed, refused, repeated, known, foreign };

class Importer {
 public:
  // `is_again`: a file of these bytes was imported before.
  Importer(const Connection& connection, CallAccounts accounts, bool is_again)
      : connection_(connection), accounts_(std::move(accounts)), is_again_(is_again) {}

  Imported take(const Result& result) {
    Ledger& ledger = accounts_.ledger();
    const std::string& request = result.request;
    TransportReply reply = connection_.protocol->batch_reply(result.line);
    if (!ledger.is_exported(request) && !ledger.was_discarded(request)) {
      const bool is_known =
          ledger.find(request) != nullptr || ledger.find_failure(request) != nullptr;
      return is_known ? Imported::known : Imported::foreign;
    }
    reply.body = connection_.secret->redact(std::move(reply.body));
    const Classified meaning = classify(reply);
    if (meaning.outcome == Outcome::answered || meaning.outcome == Outcome::too_long) {
      const Call call{
          .request = request, .reserved_usd = ledger.exported_usd(request), .attempts = 1};
      (void)accounts_.settle(call, std::move(reply.body), meaning.outcome);
      return Imported::answered;
    }
    return take_failure(request, meaning);
  }

 private:
  Imported take_failure(const std::string& request, const Classified& meaning) {
    if (is_again_) return Imported::repeated;
    const std::string reason = connection_.secret->redact(meaning.reason);
    const bool is_final = meaning.outcome == Outcome::failed;
    log_debug("judge: a call of the batch failed: {}", reason);
    accounts_.ledger().lose(request, 0, reason, is_final);
    return is_final ? Imported::refused : Imported::failed;
  }

  const Connection& connection_;
  CallAccounts accounts_;
  bool is_again_;
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
  if (const int64_t repeated = counts[Imported::repeated]; repeated > 0) {
    log_warning(
        "judge: a file of these bytes was imported before; its {} failed calls change nothing: "
        "--export writes what is open once more",
        repeated);
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
  const std::string note = "imported " + sha256(text);
  const bool is_again = ledger.note(note) != nullptr;
  Importer importer(connection, accounts_of(connection, options, ledger), is_again);
  Counts counts;
  for (const Result& result : results) ++counts[importer.take(result)];
  if (!is_again && counts[Imported::foreign] == std::ssize(results)) {
    fail(ExitCode::kBadData,
         "{}: expected results of this run's batch, found {} lines that are not. Is it the results "
         "file of the batch that --export wrote?",
         file.string(),
         results.size());
  }
  if (!is_again) ledger.remember(note, true);
  log_counts(counts);
  return counts[Imported::answered];
}

}  // namespace thoughtrank
