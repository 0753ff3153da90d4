// The work of each stage of a round. A stage reads what the stage before it published, resumes its
// own work in .work/, and publishes its files; run.cpp frames it with journal records.
#pragma once

#include <cstdint>
#include <string>

#include "pipeline/session.h"

namespace thoughtrank {

// What a stage has done, for the journal and timing.jsonl.
struct StageReport {
  int64_t units = 0;            // how much, for the rate
  std::string unit;             // what is counted: "tokens"
  Json facts = Json::object();  // further keys of the journal's record
};

StageReport generate_stage(Session& session, int64_t round);
StageReport judge_stage(Session& session, int64_t round);
StageReport train_stage(Session& session, int64_t round);
StageReport evaluate_stage(Session& session, int64_t round);

}  // namespace thoughtrank
