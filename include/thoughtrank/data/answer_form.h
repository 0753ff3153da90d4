// The forms in which a model is asked, in words.
#pragma once

#include <string>

#include "thoughtrank/data/records.h"

namespace thoughtrank {

// Says "with examples and a thought".
[[nodiscard]] std::string describe_form(AnswerForm form);

}  // namespace thoughtrank
