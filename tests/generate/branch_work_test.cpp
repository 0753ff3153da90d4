#include "generate/branch_work.h"

#include <gtest/gtest.h>

#include <map>
#include <set>
#include <string>
#include <vector>

#include "generate/scripted_decoder.h"
#include "generate/token_bytes.h"
#include "generate/toy_tokenizer.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/random.h"
#include "thoughtrank/core/utf8.h"

namespace thoughtrank {
namespace {

// A toy model: what comes next is drawn from a hash of the whole sequence so far.
TokenChoice draw(const std::vector<int64_t>& ids,
                 const std::vector<int64_t>& allowed,
                 int64_t vocab_size) {
  std::string key;
  for (const int64_t id : ids) key += std::to_string(id) + ",";
  RandomStream random(/*seed=*/3, key);
  const auto id = allowed.empty() ? static_cast<int64_t>(random.below(vocab_size))
                                  : allowed[random.below(allowed.size())];
  return {.id = id, .is_forced = false, .log_probability = -random.uniform(), .margin = 1};
}

class BranchWorkTest : public testing::Test {
 protected:
  // Tags in pieces are frequent, so that every way to end occurs.
  ToyTokenizer tokenizer_{
      {"<", "t", ">", "</", "t>", ">\n", "a", "b", "c", "ab", "é", "\xc3", "</t>!", "<eos>"}, {14}};
  const int64_t eos_ = 14;
  const PromptRow prompt_{
      .prompt_id = "p1", .prompt = "?", .system = "", .answer = "", .token_ids = {7, 8, 9}};

  Generator::Setup setup(HeadMode mode) const {
    return {.tokenizer = tokenizer_,
            .branches = {.chars = "abc", .open = "<t>", .close = "</t>", .mode = mode},
            .generate = {.thought_tokens = 6, .answer_tokens = 5, .loop_rule = true, .slots = {}},
            .eos_ids = {eos_},
            .model_sha256 = "abcd",
            .round = 2};
  }
  ScriptedDecoder decoder() const {
    return ScriptedDecoder([this](const auto& ids, const auto& allowed, std::string&) {
      return draw(ids, allowed, tokenizer_.vocabulary_size());
    });
  }
  std::map<int64_t, OutputRow> run(const BranchWork& work,
                                   const PromptRow& prompt,
                                   const HeadFamily& family,
                                   const std::set<int64_t>& wanted) const {
    auto group =
        work.make_group(prompt, family, [&](int64_t branch) { return wanted.contains(branch); });
    std::map<int64_t, OutputRow> rows;
    if (!group) return rows;
    for (BranchStart& start : group->branches) {
      const int64_t branch = start.branch;
      const int64_t most = start.max_tokens;
      const FinishedBranch finished = decoder().run(group->shared_ids, std::move(start));
      EXPECT_LE(std::ssize(finished.token_ids), most);
      rows[branch] = work.make_row(prompt, family, finished);
    }
    return rows;
  }
  std::string bytes(const TokenIds& ids, int64_t from, int64_t to) const {
    return bytes_of(tokenizer_, TokenIds(ids.begin() + from, ids.begin() + to));
  }
  void expect_consistent(const OutputRow& row) const;
};

// What the keys of a row say of each other.
void BranchWorkTest::expect_consistent(const OutputRow& row) const {
  const auto size = std::ssize(row.token_ids);
  const std::string until_answer = bytes(row.token_ids, 0, row.answer_start);
  const auto offset = static_cast<size_t>(row.answer_offset);
  EXPECT_EQ(bytes(row.token_ids, 0, row.head_len).rfind("<t>" + row.char_, 0), 0u);
  ASSERT_LE(offset, until_answer.size());
  const std::string tagged = until_answer.substr(0, until_answer.size() - offset);
  EXPECT_TRUE(tagged.ends_with("</t>")) << tagged;
  EXPECT_EQ(row.thought, to_valid_utf8(tagged.substr(3, tagged.size() - 3 - 4)));
  const bool has_eos = size > row.answer_start && row.token_ids.back() == eos_;
  EXPECT_EQ(has_eos, row.finish == Finish::eos);
  EXPECT_EQ(row.answer,
            to_valid_utf8(until_answer.substr(until_answer.size() - offset) +
                          bytes(row.token_ids, row.answer_start, size - (has_eos ? 1 : 0))));
  EXPECT_EQ(row.answer_margin, size > row.answer_start ? 1 : 0);
  EXPECT_EQ(row.model_sha256, "abcd");
  EXPECT_EQ(row.round, 2);
}

TEST_F(BranchWorkTest, RowsSayWhatTheTokensSayInEveryMode) {
  for (const auto& [mode, word] : kHeadModes) {
    const BranchWork work(setup(mode), tokenizer_.vocabulary_size());
    std::set<ThoughtEnd> ends;
    std::set<Finish> finishes;
    for (int64_t trial = 0; trial < 300; ++trial) {
      PromptRow prompt = prompt_;
      prompt.token_ids.push_back(trial);
      for (const auto& [branch, row] : run(work, prompt, work.branches(), {0, 1, 2})) {
        SCOPED_TRACE(fmt::format("{} {} {}", word, trial, branch));
        expect_consistent(row);
        EXPECT_EQ(row.branch, branch);
        EXPECT_EQ(row.head_len, 3);
        ends.insert(row.thought_end);
        finishes.insert(row.finish);
      }
    }
    EXPECT_EQ(ends, (std::set{ThoughtEnd::model, ThoughtEnd::eos, ThoughtEnd::cap}));
    EXPECT_TRUE(finishes.contains(Finish::eos) && finishes.contains(Finish::length));
  }
}

TEST_F(BranchWorkTest, ASubsetOfBranchesGivesTheSameRows) {
  for (const auto& [mode, word] : kHeadModes) {
    const BranchWork work(setup(mode), tokenizer_.vocabulary_size());
    const auto all = run(work, prompt_, work.branches(), {0, 1, 2});
    for (const std::set<int64_t>& wanted : {std::set<int64_t>{1}, {0, 2}, {2}}) {
      const auto some = run(work, prompt_, work.branches(), wanted);
      ASSERT_EQ(some.size(), wanted.size());
      for (const auto& [branch, row] : some) EXPECT_EQ(to_json(row), to_json(all.at(branch)));
    }
    EXPECT_TRUE(run(work, prompt_, work.branches(), {}).empty());
  }
}

TEST_F(BranchWorkTest, TheSharedPrefixDoesNotDependOnWhatIsWanted) {
  const BranchWork work(setup(HeadMode::literal), tokenizer_.vocabulary_size());
  const auto all = work.make_group(prompt_, work.branches(), [](int64_t) { return true; });
  const auto one = work.make_group(prompt_, work.branches(), [](int64_t b) { return b == 1; });
  EXPECT_EQ(all->shared_ids, one->shared_ids);
  EXPECT_EQ(all->branches[1].head_ids, one->branches[0].head_ids);
  EXPECT_EQ(one->branches[0].branch, 1);
}

TEST_F(BranchWorkTest, GreedyWithAThoughtBeginsWithTheOpenTagAlone) {
  const BranchWork work(setup(HeadMode::literal), tokenizer_.vocabulary_size());
  const OutputRow row = run(work, prompt_, work.greedy(true), {0}).at(0);
  expect_consistent(row);
  EXPECT_EQ(row.branch, -1);
  EXPECT_EQ(row.char_, "");
  EXPECT_EQ(bytes(row.token_ids, 0, row.head_len), "<t>");
}

TEST_F(BranchWorkTest, GreedyWithoutAThoughtGivesTheAnswerOnly) {
  const BranchWork work(setup(HeadMode::literal), tokenizer_.vocabulary_size());
  const auto group = work.make_group(prompt_, work.greedy(false), [](int64_t) { return true; });
  EXPECT_EQ(group->shared_ids, (TokenIds{7, 8}));
  EXPECT_EQ(group->branches[0].head_ids, (TokenIds{9}));
  const OutputRow row = run(work, prompt_, work.greedy(false), {0}).at(0);
  EXPECT_EQ(row.branch, -1);
  EXPECT_EQ(row.head_len, 0);
  EXPECT_EQ(row.answer_start, 0);
  EXPECT_EQ(row.thought, "");
  EXPECT_EQ(row.thought_end, ThoughtEnd::none);
  ASSERT_GT(row.token_ids.size(), 0u);
  // Nothing of the prompt is in the row: its first token is what the model chose after the prompt.
  EXPECT_EQ(row.token_ids[0], draw(prompt_.token_ids, {}, tokenizer_.vocabulary_size()).id);
}

TEST_F(BranchWorkTest, ABranchThatBreaksIsARowWithWhatItHas) {
  const BranchWork work(setup(HeadMode::literal), tokenizer_.vocabulary_size());
  for (const size_t good : {0u, 2u}) {
    auto group = work.make_group(prompt_, work.branches(), [](int64_t b) { return b == 0; });
    size_t steps = 0;
    const ScriptedDecoder breaks([&](const auto&, const auto&, std::string& error) {
      if (steps++ == good) error = "non-finite logits";
      return TokenChoice{.id = 8, .log_probability = -1};
    });
    const OutputRow row = work.make_row(
        prompt_, work.branches(), breaks.run(group->shared_ids, std::move(group->branches[0])));
    EXPECT_EQ(row.finish, Finish::error);
    EXPECT_EQ(row.thought, "a" + std::string(good, 'b'));
    EXPECT_EQ(row.answer, "");
    EXPECT_EQ(row.answer_start, std::ssize(row.token_ids));
    EXPECT_EQ(row.head_len, 3);
    EXPECT_EQ(from_json<OutputRow>(to_json(row), "row").finish, Finish::error);
  }
}

TEST_F(BranchWorkTest, APromptWithoutTokensIsAnError) {
  const BranchWork work(setup(HeadMode::literal), tokenizer_.vocabulary_size());
  PromptRow empty = prompt_;
  empty.token_ids = {};
  const auto any = [](int64_t) { return true; };
  EXPECT_THROW((void)work.make_group(empty, work.greedy(false), any), Error);
  empty.token_ids = {1};
  EXPECT_THROW((void)work.make_group(empty, work.greedy(false), any), Error);
}

}  // namespace
}  // namespace thoughtrank
