// judge-test: what planted answers tell about a judge. Pure functions.
#pragma once

#include <vector>

#include "thoughtrank/judge/judge.h"

namespace thoughtrank {

// From rankings of self_test_tasks(). `max_abstained`: the share of calls that may fail.
[[nodiscard]] Judge::TestResult examine(const std::string& judge,
                                        const std::vector<VerdictRow>& rows,
                                        double max_abstained);

}  // namespace thoughtrank
