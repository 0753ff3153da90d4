#include "llm/batch_writer.h"

#include <utility>

#include "thoughtrank/core/files.h"

namespace thoughtrank {

BatchWriter::BatchWriter(std::filesystem::path file,
                         CallAccounts accounts,
                         const Protocol& protocol)
    : file_(std::move(file)), accounts_(std::move(accounts)), protocol_(protocol) {}

void BatchWriter::submit(uint64_t ticket, std::string body) {
  const Call call = accounts_.open(ticket, std::move(body));
  if (std::optional<Reply> known = accounts_.find_reply(call)) {
    ready_.push_back(std::move(*known));
    return;
  }
  // Before the ledger says that the call is out: a protocol without batch files fails here.
  std::string line = protocol_.batch_line(accounts_.ledger().export_id(call.request), call.body);
  if (accounts_.ledger().is_exported(call.request)) {
    ++exported_before_;
  } else {
    if (std::optional<Reply> failed = accounts_.find_final_failure(call)) {
      ready_.push_back(std::move(*failed));
      return;
    }
    if (!accounts_.is_affordable(call)) accounts_.fail_for_cap(call);
    accounts_.ledger().export_call(call.request, call.reserved_usd);
  }
  lines_.push_back(std::move(line));
}

std::vector<Reply> BatchWriter::wait() {
  // Replies that are ready may lead to further requests of this stage, which belong into the file.
  if (!ready_.empty() || lines_.empty()) return std::exchange(ready_, {});
  std::string text;
  for (const std::string& line : lines_) text += line + "\n";
  publish_file(file_, text);
  throw BatchWritten(std::ssize(lines_), exported_before_);
}

void BatchWriter::forget(const std::string& request_sha256) {
  accounts_.ledger().forget(request_sha256);
}

}  // namespace thoughtrank
