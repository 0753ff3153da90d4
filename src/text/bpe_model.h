// The "model" part of tokenizer.json: vocabulary and merges, checked, as pieces for the merger.
#pragma once

#include <cstdint>
#include <string>
#include <unordered_map>
#include <vector>

#include "text/merger.h"
#include "text/strict_json.h"

namespace thoughtrank {

struct BpeModel {
  std::vector<MergePiece> pieces;  // by id; score = -rank of the merge that makes the piece
  std::unordered_map<std::string, int64_t> ids;  // of the vocabulary, without added tokens
  bool ignore_merges = false;  // a whole pre-token of the vocabulary wins before merging
  bool byte_fallback = false;
  bool has_unknown = false;  // unk_token is set
};

// Error(kBadData) naming the entry when it is not understood or does not fit together: ids that are
// missing or given twice, merges of unknown pieces.
[[nodiscard]] BpeModel read_bpe_model(BigJson model, const std::string& where);

}  // namespace thoughtrank
