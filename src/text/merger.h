// Byte-pair merging by sentencepiece: a model of its own format is built in memory from pieces and
// scores.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace sentencepiece {
class SentencePieceProcessor;
}

namespace thoughtrank {

enum class PieceKind : int {
  kNormal = 1,   // a single character, or the product of a merge
  kControl = 3,  // never made from text
  kByte = 6,     // "<0x0A>": stands for a byte of a character that has no piece
};

struct MergePiece {
  std::string text;
  float score = 0;  // higher merges first
  PieceKind kind = PieceKind::kNormal;
};

class Merger {
 public:
  // The index of a piece is its id. Error(kBadData) beginning with `where` when sentencepiece
  // refuses them.
  Merger(const std::vector<MergePiece>& pieces, bool byte_fallback, const std::string& where);
  ~Merger();
  Merger(Merger&&) noexcept;
  // Appends the ids of `text`, which is merged as one piece of text. Safe to call from several
  // threads.
  void encode(std::string_view text, std::vector<int64_t>& ids) const;

 private:
  std::unique_ptr<sentencepiece::SentencePieceProcessor> processor_;
  int64_t unknown_ = 0;
};

}  // namespace thoughtrank
