// Tokens that are cut out of the text before anything else ("<|eot_id|>"). The longest one wins at
// each place.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace thoughtrank {

struct AddedToken {
  int64_t id = 0;
  std::string content;
  bool takes_space_before = false;  // lstrip
  bool takes_space_after = false;   // rstrip
  bool is_late = false;             // normalized: looked for after the others
  bool is_special = false;
};

// Bytes [begin, end) of a text.
struct TextRange {
  size_t begin = 0;
  size_t end = 0;
};

struct TextSegment {
  TextRange range;
  int64_t id = -1;  // the added token; -1: ordinary text
};

class AddedTokens {
 public:
  void add(AddedToken token);
  [[nodiscard]] const std::vector<AddedToken>& all() const { return tokens_; }
  // Cuts `text` at the added tokens that lie wholly inside one of `searched` (sorted). Empty
  // ordinary segments are left out.
  [[nodiscard]] std::vector<TextSegment> split(std::string_view text,
                                               const std::vector<TextRange>& searched) const;

 private:
  const AddedToken* find_at(std::string_view text, bool is_late) const;
  std::vector<TextSegment> split_range(std::string_view text,
                                       TextRange range,
                                       const std::vector<TextRange>& searched,
                                       bool is_late) const;

  std::vector<AddedToken> tokens_;
  std::array<std::vector<size_t>, 256>
      by_first_byte_;  // indices into tokens_, longest content first
};

}  // namespace thoughtrank
