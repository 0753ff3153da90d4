#include "text/added_tokens.h"

#include <algorithm>
#include <utility>

#include "text/unicode.h"

namespace thoughtrank {

void AddedTokens::add(AddedToken token) {
  auto& same_start = by_first_byte_[static_cast<unsigned char>(token.content.at(0))];
  const auto place = std::ranges::find_if(same_start, [&](size_t other) {
    return tokens_[other].content.size() < token.content.size();
  });
  same_start.insert(place, tokens_.size());
  tokens_.push_back(std::move(token));
}

const AddedToken* AddedTokens::find_at(std::string_view text, bool is_late) const {
  for (const size_t index : by_first_byte_[static_cast<unsigned char>(text[0])]) {
    const AddedToken& token = tokens_[index];
    if (token.is_late == is_late && text.starts_with(token.content)) return &token;
  }
  return nullptr;
}

std::vector<TextSegment> AddedTokens::split_range(std::string_view text,
                                                  TextRange range,
                                                  const std::vector<TextRange>& searched,
                                                  bool is_late) const {
  std::vector<TextSegment> segments;
  size_t done = range.begin;
  for (const TextRange& window : searched) {
    const size_t end = std::min(window.end, range.end);
    size_t at = std::max(window.begin, done);
    while (at < end) {
      const AddedToken* token = find_at(text.substr(at, end - at), is_late);
      if (token == nullptr) {
        ++at;
        continue;
      }
      size_t begin = at;
      size_t stop = at + token->content.size();
      if (token->takes_space_before) {
        begin -= trailing_white_space(text.substr(done, begin - done));
      }
      if (token->takes_space_after) {
        stop += leading_white_space(text.substr(stop, range.end - stop));
      }
      if (begin > done) segments.push_back({{done, begin}});
      segments.push_back({{begin, stop}, token->id});
      done = at = stop;
    }
  }
  if (done < range.end) segments.push_back({{done, range.end}});
  return segments;
}

std::vector<TextSegment> AddedTokens::split(std::string_view text,
                                            const std::vector<TextRange>& searched) const {
  std::vector<TextSegment> segments;
  for (const auto& segment : split_range(text, {0, text.size()}, searched, /*is_late=*/false)) {
    if (segment.id >= 0) {
      segments.push_back(segment);
      continue;
    }
    const auto parts = split_range(text, segment.range, searched, /*is_late=*/true);
    segments.insert(segments.end(), parts.begin(), parts.end());
  }
  return segments;
}

}  // namespace thoughtrank
