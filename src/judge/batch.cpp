#include "judge/batch.h"

#include <sstream>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {

namespace {

struct Counts {
  int64_t lines = 0, answered = 0, failed = 0, known = 0, foreign = 0;

  void add(Client::Imported what) {
    switch (what) {
      case Client::Imported::answered:
        ++answered;
        break;
      case Client::Imported::failed:
        ++failed;
        break;
      case Client::Imported::known:
        ++known;
        break;
      case Client::Imported::foreign:
        ++foreign;
    }
  }
};

}  // namespace

int64_t read_batch_results(const std::filesystem::path& file,
                           const Protocol& protocol,
                           Client& client) {
  std::istringstream lines(read_file(file));
  Counts counts;
  for (std::string line; std::getline(lines, line);) {
    const std::string where = fmt::format("{}:{}", file.string(), ++counts.lines);
    if (line.empty()) continue;
    const Json result = parse_json(line, where);
    const std::string request = require_string(result, "custom_id", where);
    counts.add(client.import(request, protocol.batch_reply(result)));
  }
  if (counts.foreign == counts.lines) {
    fail(ExitCode::kBadData,
         "{}: expected results of this run's batch, found {} lines that are not. Is it the results "
         "file of the batch that --export wrote?",
         file.string(),
         counts.lines);
  }
  log_info("judge: {} results imported, {} were known already, {} are not this run's",
           counts.answered,
           counts.known,
           counts.foreign);
  if (counts.failed > 0) {
    log_warning(
        "judge: {} calls of the batch failed (-v says why); they are asked again, some "
        "three times at most",
        counts.failed);
  }
  return counts.answered;
}

}  // namespace thoughtrank
