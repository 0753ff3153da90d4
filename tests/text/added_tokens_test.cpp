#include "text/added_tokens.h"

#include <gtest/gtest.h>

#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

AddedTokens tokens_of(const std::vector<AddedToken>& tokens) {
  AddedTokens added;
  for (const AddedToken& token : tokens) added.add(token);
  return added;
}

// "ab<x>c" with <x> = 5 -> "ab|5:<x>|c"
std::string cut(const AddedTokens& added,
                std::string_view text,
                const std::vector<TextRange>& searched) {
  std::string shown;
  for (const TextSegment& segment : added.split(text, searched)) {
    if (!shown.empty()) shown += '|';
    if (segment.id >= 0) shown += std::to_string(segment.id) + ':';
    shown += text.substr(segment.range.begin, segment.range.end - segment.range.begin);
  }
  return shown;
}

std::string cut(const AddedTokens& added, std::string_view text) {
  return cut(added, text, {{0, text.size()}});
}

TEST(AddedTokens, TheLongestOneWinsAtEachPlace) {
  const AddedTokens added = tokens_of({{.id = 1, .content = "<a"},
                                       {.id = 2, .content = "<a>b"},
                                       {.id = 3, .content = "<a>"},
                                       {.id = 4, .content = "a>b<"}});
  EXPECT_EQ(cut(added, "x<a>b<a>c<a"), "x|2:<a>b|3:<a>|c|1:<a");
  EXPECT_EQ(cut(added, "a>b<a>"), "4:a>b<|a>");
  EXPECT_EQ(cut(added, ""), "");
  EXPECT_EQ(cut(added, "plain"), "plain");
}

TEST(AddedTokens, WhiteSpaceBesideGoesWithThoseThatTakeIt) {
  const AddedTokens added = tokens_of({{.id = 1, .content = "<l>", .takes_space_before = true},
                                       {.id = 2, .content = "<r>", .takes_space_after = true},
                                       {.id = 3, .content = "<n>"}});
  EXPECT_EQ(cut(added, "a \n<l> b"), "a|1: \n<l>| b");
  EXPECT_EQ(cut(added, "a <r>\u3000\t b"), "a |2:<r>\u3000\t |b");
  EXPECT_EQ(cut(added, " <n> "), " |3:<n>| ");
  EXPECT_EQ(cut(added, "<r>  <l>"), "2:<r>  |1:<l>");  // the first one has taken it
}

TEST(AddedTokens, LateOnesAreLookedForInWhatTheOthersLeave) {
  const AddedTokens added = tokens_of({{.id = 1, .content = "bc"},
                                       {.id = 2, .content = "abc", .is_late = true},
                                       {.id = 3, .content = "d", .is_late = true}});
  EXPECT_EQ(cut(added, "abcd"), "a|1:bc|3:d");
  EXPECT_EQ(cut(added, "ab cd"), "ab c|3:d");
}

TEST(AddedTokens, OnlyThoseWhollyInsideAWindowAreCut) {
  const AddedTokens added = tokens_of({{.id = 1, .content = "<x>"}});
  const std::string text = "<x><x><x>";
  EXPECT_EQ(cut(added, text, {}), text);
  EXPECT_EQ(cut(added, text, {{3, 6}}), "<x>|1:<x>|<x>");
  EXPECT_EQ(cut(added, text, {{0, 2}, {4, 9}}), "<x><x>|1:<x>");
  EXPECT_EQ(cut(added, text, {{0, 4}, {4, 6}, {6, 9}}), "1:<x>|<x>|1:<x>");
}

// Segments are neighbours, cover the text, and no ordinary one holds a token.
TEST(AddedTokens, SegmentsCoverTheTextOnceAndLeaveNoTokenBehind) {
  const std::vector<AddedToken> tokens = {{.id = 0, .content = "ab", .takes_space_before = true},
                                          {.id = 1, .content = "aba"},
                                          {.id = 2, .content = "c", .takes_space_after = true},
                                          {.id = 3, .content = "bb", .is_late = true}};
  const AddedTokens added = tokens_of(tokens);
  RandomStream stream(5, "added tokens");
  for (int trial = 0; trial < 2000; ++trial) {
    std::string text;
    for (uint64_t left = stream.below(25); left > 0; --left) text += "abcd "[stream.below(5)];
    size_t end = 0;
    for (const TextSegment& segment : added.split(text, {{0, text.size()}})) {
      ASSERT_EQ(segment.range.begin, end) << text;
      ASSERT_GT(segment.range.end, end) << text;
      end = segment.range.end;
      const std::string part = text.substr(segment.range.begin, end - segment.range.begin);
      for (const AddedToken& token : tokens) {
        const bool holds = part.find(token.content) != std::string::npos;
        if (segment.id == token.id || segment.id < 0) {
          ASSERT_EQ(holds, segment.id >= 0) << text;
        }
      }
    }
    ASSERT_EQ(end, text.size()) << text;
  }
}

}  // namespace
}  // namespace thoughtrank
