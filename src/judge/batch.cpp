#include "judge/batch.h"

#include <map>
#include <sstream>

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

}  // namespace

int64_t read_batch_results(const std::filesystem::path& file,
                           const Protocol& protocol,
                           Client& client) {
  const std::string text = read_file(file);
  const std::string digest = sha256(text);
  const std::vector<Result> results = read_lines(file, text);
  const bool is_again = client.has_imported(digest);
  std::map<Client::Imported, int64_t> counts;
  for (const Result& result : results) {
    ++counts[client.import(result.request, protocol.batch_reply(result.line), is_again)];
  }
  if (!is_again && counts[Client::Imported::foreign] == std::ssize(results)) {
    fail(ExitCode::kBadData,
         "{}: expected results of this run's batch, found {} lines that are not. Is it the results "
         "file of the batch that --export wrote?",
         file.string(),
         results.size());
  }
  if (!is_again) client.note_import(digest);
  log_info("judge: {} results imported, {} were known already, {} are not this run's",
           counts[Client::Imported::answered],
           counts[Client::Imported::known],
           counts[Client::Imported::foreign]);
  if (const int64_t failed = counts[Client::Imported::failed]; failed > 0) {
    log_warning(
        "judge: {} calls of the batch failed (-v says why); they are in the next file, three times "
        "at most",
        failed);
  }
  if (const int64_t repeated = counts[Client::Imported::repeated]; repeated > 0) {
    log_warning(
        "judge: a file of these bytes was imported before; its {} failed calls change nothing: "
        "--export writes what is open once more",
        repeated);
  }
  if (const int64_t refused = counts[Client::Imported::refused]; refused > 0) {
    log_warning("judge: {} calls of the batch were refused for good (-v says why): they abstain",
                refused);
  }
  return counts[Client::Imported::answered];
}

}  // namespace thoughtrank
