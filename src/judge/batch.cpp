#include "judge/batch.h"

#include <sstream>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {

int64_t read_batch_results(const std::filesystem::path& file,
                           const Protocol& protocol,
                           Client& client) {
  std::istringstream lines(read_file(file));
  int64_t taken = 0, foreign = 0, number = 0;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = fmt::format("{}:{}", file.string(), ++number);
    if (line.empty()) continue;
    const Json result = parse_json(line, where);
    const std::string request = require_string(result, "custom_id", where);
    ++(client.import(request, protocol.batch_reply(result)) ? taken : foreign);
  }
  if (taken == 0) {
    fail(ExitCode::kMissingInput,
         "{}: expected results of this run's batch, found {} lines that are not. Is it the results "
         "file of the batch that `judge --export` wrote, and not imported already?",
         file.string(),
         number);
  }
  log_info("judge: {} results imported, {} were known already or not this run's", taken, foreign);
  return taken;
}

}  // namespace thoughtrank
