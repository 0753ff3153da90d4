// A run folder that a test writes file by file, under the names that stand on the disk.
#pragma once

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "support/temporary_folder.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/journal.h"
#include "thoughtrank/data/jsonl.h"

namespace thoughtrank {

class DiskRun : public testing::Test {
 protected:
  DiskRun() { freeze(R"({"config": {"rounds": 2, "judge": {"kind": "openai"}}})"); }

  void freeze(const std::string& json) const { (void)run_.write("run.json", json); }
  [[nodiscard]] std::filesystem::path file(int64_t round, const std::string& name) const {
    const std::filesystem::path folder = run_ / ("round-0" + std::to_string(round));
    std::filesystem::create_directories((folder / name).parent_path());
    return folder / name;
  }
  template <class Row>
  void publish(int64_t round, const std::string& name, const std::vector<Row>& rows) const {
    std::filesystem::remove(file(round, name));
    publish_rows<Row>(file(round, name), rows);
  }
  void log(const Json& record) const { append("journal.jsonl", record); }
  void pay(const Json& record) const { append("ledger.jsonl", record); }
  void append(const std::filesystem::path& name, const Json& record) const {
    Journal(run_.path() / name, [](const Json&) {}).append(record);
  }
  void start(int64_t round, const std::string& stage) const {
    log({{"event", "stage_started"}, {"round", round}, {"stage", stage}});
  }
  void finish(int64_t round, const std::string& stage) const {
    start(round, stage);
    log({{"event", "stage_finished"},
         {"round", round},
         {"stage", stage},
         {"seconds", 80},
         {"units", 100},
         {"unit", "tokens"},
         {"rows", 12},
         {"steps", 3},
         {"loss_before", 2.5},
         {"loss_after", 1.25}});
  }

  TemporaryFolder run_;
};

}  // namespace thoughtrank
