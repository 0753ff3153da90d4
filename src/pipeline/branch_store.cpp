#include "pipeline/branch_store.h"

namespace thoughtrank {

BranchStore::BranchStore(const std::filesystem::path& file, std::string model_sha256)
    : model_sha256_(std::move(model_sha256)),
      journal_(
          file,
          [this, &file](const Json& body) {
            auto row = from_json<OutputRow>(body, file.string());
            if (row.model_sha256 == model_sha256_) {
              rows_[{row.prompt_id, row.branch}] = std::move(row);
            }
          },
          Durability::grouped) {}

bool BranchStore::has(const std::string& prompt_id, int64_t branch) const {
  return rows_.contains({prompt_id, branch});
}

void BranchStore::add(OutputRow row) {
  journal_.append(to_json(row));
  rows_[{row.prompt_id, row.branch}] = std::move(row);
}

std::vector<OutputRow> BranchStore::rows_of(const std::string& prompt_id) const {
  std::vector<OutputRow> rows;
  const auto lowest = std::pair(prompt_id, std::numeric_limits<int64_t>::min());
  for (auto at = rows_.lower_bound(lowest); at != rows_.end() && at->first.first == prompt_id;
       ++at) {
    rows.push_back(at->second);
  }
  return rows;
}

}  // namespace thoughtrank
