// The whole room on a tiny random Llama: every row equals the plain reference's.
#include <gtest/gtest.h>

#include <csignal>
#include <filesystem>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "generate/plain_generation.h"
#include "support/expect_error.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/generate/generate.h"

namespace thoughtrank {
namespace {

using Key = std::pair<size_t, int64_t>;  // prompt index, branch
using Rows = std::map<Key, OutputRow>;

class GeneratorTest : public testing::Test {
 protected:
  static std::filesystem::path folder() { return std::string(TEST_DATA_DIR) + "/tiny-llama"; }

  GeneratorTest() {
    show_progress(false);
    for (const std::string text : {"What is the answer?\n", "The sea and the town, then\n"}) {
      PromptRow prompt;
      prompt.prompt_id = "p" + std::to_string(prompts_.size());
      prompt.token_ids = tokenizer_->encode(text);
      prompt.token_ids.insert(prompt.token_ids.begin(), 0);
      prompts_.push_back(prompt);
    }
  }

  Generator::Setup setup(HeadMode mode = HeadMode::literal) const {
    return {.tokenizer = *tokenizer_,
            .branches = {.mode = mode},
            .generate = {.thought_tokens = 12, .answer_tokens = 10, .loop_rule = true, .slots = {}},
            .eos_ids = {0, 2},
            .model_sha256 = "abcd",
            .round = 1};
  }
  Rows generate(Generator& generator, const std::set<Key>& done = {}) {
    Rows rows;
    generator.generate_branches(
        prompts_,
        [&](size_t prompt, int64_t branch) {
          return done.contains({prompt, branch});
        },
        [&](size_t prompt, OutputRow row) {
          const Key key{prompt, row.branch};
          EXPECT_FALSE(done.contains(key));
          EXPECT_TRUE(rows.emplace(key, std::move(row)).second) << "a row twice";
        },
        stop_,
        progress_);
    return rows;
  }
  Rows generate_greedy(Generator& generator, bool with_thought, std::set<size_t> done = {}) {
    Rows rows;
    generator.generate_greedy(
        prompts_,
        with_thought,
        [&](size_t prompt) { return done.contains(prompt); },
        [&](size_t prompt, OutputRow row) {
          rows[{prompt, 0}] = std::move(row);
        },
        stop_,
        progress_);
    return rows;
  }
  OutputRow plain_row(const Generator::Setup& setup, const OutputRow& row) const;

  std::unique_ptr<Tokenizer> tokenizer_ = load_tokenizer(folder());
  Llama model_ = load_llama(folder(), at::kFloat, at::kCPU);
  Decoder decoder_{load_llama(folder(), at::kFloat, at::kCPU), {.slots = 16}};
  std::vector<PromptRow> prompts_;
  SystemClock clock_;
  Progress progress_{{.stage = "test", .unit = "branches", .rate_unit = "tok"}, clock_};
  StopFlag stop_;
};

// What the reference makes of the branch of `row`.
OutputRow GeneratorTest::plain_row(const Generator::Setup& setup, const OutputRow& row) const {
  const auto& [chars, samples, open, close, mode] = setup.branches;
  const TokenIds& prompt = prompts_[row.prompt_id == "p0" ? 0 : 1].token_ids;
  PlainGeneration plain(model_, setup);
  plain.guess(prompt, row.token_ids);
  if (mode == HeadMode::literal) {
    return plain.think_and_answer(prompt, tokenizer_->encode(open + row.char_), row.char_);
  }
  TokenIds head = tokenizer_->encode(open);
  if (mode == HeadMode::token) {
    for (const int64_t id : tokenizer_->encode(row.char_)) head.push_back(id);
    return plain.think_and_answer(prompt, head, row.char_);
  }
  std::vector<int64_t> first_of;
  for (int64_t id = 3; id < tokenizer_->vocabulary_size(); ++id) {  // 0, 1, 2 are special
    if (std::ranges::find(setup.eos_ids, id) != setup.eos_ids.end()) continue;
    if (tokenizer_->token_bytes(id).starts_with(row.char_)) first_of.push_back(id);
  }
  return plain.think_and_answer(prompt, head, "", first_of);
}

void expect_same(const OutputRow& row, const OutputRow& plain) {
  EXPECT_EQ(row.token_ids, plain.token_ids);
  EXPECT_EQ(row.thought, plain.thought);
  EXPECT_EQ(row.answer, plain.answer);
  EXPECT_EQ(row.head_len, plain.head_len);
  EXPECT_EQ(row.answer_start, plain.answer_start);
  EXPECT_EQ(row.answer_offset, plain.answer_offset);
  EXPECT_EQ(row.thought_end, plain.thought_end);
  EXPECT_EQ(row.finish, plain.finish);
  EXPECT_NEAR(row.thought_logprob, plain.thought_logprob, 1e-3);
  EXPECT_NEAR(row.answer_logprob, plain.answer_logprob, 1e-3);
  EXPECT_NEAR(row.answer_margin, plain.answer_margin, 1e-4);
}

class EveryBranch : public GeneratorTest, public testing::WithParamInterface<HeadMode> {
 protected:
  // How often each way to end occurred, thought and answer.
  std::map<std::string, int> expect_plain_rows(const Generator::Setup& setup) {
    Generator generator(decoder_, setup);
    const Rows rows = generate(generator);
    EXPECT_EQ(std::ssize(rows), 2 * generator.branch_count());
    std::map<std::string, int> ends;
    for (const auto& [key, row] : rows) {
      SCOPED_TRACE(row.prompt_id + " " + row.char_);
      expect_same(row, plain_row(setup, row));
      ends["thought " + word_of(row.thought_end, kThoughtEnds)] += 1;
      ends["answer " + word_of(row.finish, kFinishes)] += 1;
      ends[row.answer_offset > 0 ? "offset" : "no offset"] += 1;
    }
    return ends;
  }
};

TEST_P(EveryBranch, EqualsThePlainReference) {
  auto ends = expect_plain_rows(setup(GetParam()));
  for (const std::string end : {"thought cap", "thought loop", "answer length", "answer loop"}) {
    EXPECT_GT(ends[end], 0) << end;
  }
}

// Tags and eos ids that this model writes of itself, so that the other ways to end occur: the close
// tag lies inside of tokens ("ha", "The"), eos are "en" and the byte 4.
TEST_P(EveryBranch, EqualsThePlainReferenceWhereTheModelClosesItself) {
  Generator::Setup setup = this->setup(GetParam());
  setup.branches = {.chars = "a-gi-zA-Z0-9", .open = "<t>", .close = "h", .mode = GetParam()};
  setup.eos_ids = {0, 2, *tokenizer_->find_token("en"), 195};
  auto ends = expect_plain_rows(setup);
  for (const std::string end : {"thought model", "thought eos", "answer eos", "offset"}) {
    EXPECT_GT(ends[end], 0) << end;
  }
}

INSTANTIATE_TEST_SUITE_P(Modes,
                         EveryBranch,
                         testing::Values(HeadMode::literal, HeadMode::token, HeadMode::constrained),
                         [](const auto& mode) { return word_of(mode.param, kHeadModes); });

TEST_F(GeneratorTest, WhatIsDoneIsNotDoneAgainAndChangesNothing) {
  Generator generator(decoder_, setup());
  const Rows all = generate(generator);
  int64_t chosen = 0;
  for (const auto& [key, row] : all) {
    const int64_t closing = std::ssize(tokenizer_->encode("</thought>"));  // forced
    chosen += std::ssize(row.token_ids) - row.head_len - closing;
  }
  EXPECT_GE(progress_.work(), chosen);
  std::set<Key> done;
  for (int64_t branch = 0; branch < 62; ++branch) done.insert({0, branch});  // a whole prompt
  for (int64_t branch = 0; branch < 62; branch += 3) done.insert({1, branch});
  const Rows rest = generate(generator, done);
  ASSERT_EQ(rest.size() + done.size(), all.size());
  for (const auto& [key, row] : rest) EXPECT_EQ(to_json(row), to_json(all.at(key)));
}

TEST_F(GeneratorTest, GreedyEqualsThePlainReference) {
  const Generator::Setup setup = this->setup();
  Generator generator(decoder_, setup);
  PlainGeneration plain(model_, setup);
  const TokenIds open = tokenizer_->encode("<thought>");
  const Rows thinking = generate_greedy(generator, /*with_thought=*/true);
  const Rows direct = generate_greedy(generator, /*with_thought=*/false);
  ASSERT_EQ(thinking.size() + direct.size(), 4u);
  for (const size_t prompt : {0u, 1u}) {
    const TokenIds& ids = prompts_[prompt].token_ids;
    expect_same(thinking.at({prompt, 0}), plain.think_and_answer(ids, open, ""));
    expect_same(direct.at({prompt, 0}), plain.answer_directly(ids));
  }
  EXPECT_EQ(generate_greedy(generator, /*with_thought=*/true, /*done=*/{0}).size(), 1u);
}

TEST_F(GeneratorTest, StopsWhereItIsAskedTo) {
  Generator generator(decoder_, setup());
  stop_.request(SIGTERM);
  expect_error([&] { (void)generate(generator); }, ExitCode::kStopped);
}

TEST_F(GeneratorTest, ATextCutInsideACharacterHasTheReplacement) {
  const TokenIds half = tokenizer_->encode("é");
  ASSERT_EQ(half.size(), 2u);  // one token for each byte
  EXPECT_EQ(token_text(*tokenizer_, half), "é");
  EXPECT_EQ(token_text(*tokenizer_, {half[0]}), "\xEF\xBF\xBD");
}

// Samples stand beside each other, character by character; what one draws follows from seed, round,
// prompt and branch.
TEST_F(GeneratorTest, SamplesOfACharacterAreBranchesOfTheirOwn) {
  const auto rows_with = [&](int64_t seed, int64_t round, double temperature) {
    Generator::Setup drawing = setup();
    drawing.branches.chars = "abc";
    drawing.branches.samples_per_char = 4;
    drawing.generate.temperature = temperature;
    drawing.seed = seed;
    drawing.round = round;
    Generator generator(decoder_, drawing);
    EXPECT_EQ(generator.branch_count(), 12);
    return generate(generator);
  };
  const auto texts_of = [](const Rows& rows) {
    std::map<Key, TokenIds> ids;
    for (const auto& [key, row] : rows) ids[key] = row.token_ids;
    return ids;
  };
  const Rows rows = rows_with(7, 1, 1.5);
  ASSERT_EQ(rows.size(), 24u);
  std::map<std::string, std::set<TokenIds>> distinct;
  for (const auto& [key, row] : rows) {
    EXPECT_EQ(row.char_, std::string(1, "abc"[key.second / 4])) << key.second;
    EXPECT_EQ(row.thought.substr(0, 1), row.char_);
    distinct[row.char_ + row.prompt_id].insert(row.token_ids);
  }
  for (const auto& [character, texts] : distinct) EXPECT_GT(texts.size(), 1u) << character;
  EXPECT_EQ(texts_of(rows_with(7, 1, 1.5)), texts_of(rows));
  EXPECT_NE(texts_of(rows_with(8, 1, 1.5)), texts_of(rows));
  EXPECT_NE(texts_of(rows_with(7, 2, 1.5)), texts_of(rows));
  // What is left after an interruption is what would have been drawn.
  std::set<Key> done;
  for (const auto& [key, row] : rows) {
    if (key.second % 3 == 0) done.insert(key);
  }
  Generator::Setup drawing = setup();
  drawing.branches = {.chars = "abc", .samples_per_char = 4};
  drawing.generate.temperature = 1.5;
  drawing.seed = 7;
  Generator generator(decoder_, drawing);
  for (const auto& [key, row] : generate(generator, done)) {
    EXPECT_EQ(row.token_ids, rows.at(key).token_ids);
  }
}

}  // namespace
}  // namespace thoughtrank
