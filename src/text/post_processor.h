// The "post_processor" of tokenizer.json: which ids stand before a text.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "text/strict_json.h"

namespace thoughtrank {

// Error(kBadData) for processors that are not understood, and for those that put ids after the
// text.
[[nodiscard]] std::vector<int64_t> read_leading_ids(const Json& post_processor,
                                                    int64_t vocabulary_size,
                                                    const std::string& where);

}  // namespace thoughtrank
