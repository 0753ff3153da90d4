#include "generate/thought_rule.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "generate/rule_driver.h"
#include "generate/toy_tokenizer.h"

namespace thoughtrank {
namespace {

const std::string kClose = "</thought>";

// A rule over the ASCII characters and `more`, thinking budget 20, answer budget 10.
struct Bench {
  ToyTokenizer tokenizer;
  ThoughtPlan plan;

  explicit Bench(std::vector<std::string> more = {})
      : tokenizer(ascii_tokenizer(std::move(more))),
        plan{.tokenizer = tokenizer,
             .close = kClose,
             .close_ids = tokenizer.encode(kClose),
             .eos_ids = {eos()},
             .thought_tokens = 20,
             .answer_tokens = 10,
             .loop_rule = true} {}

  int64_t eos() const { return *tokenizer.find_token("<eos>"); }
  // Ids of the given tokens.
  std::vector<int64_t> ids(const std::vector<std::string>& tokens) const {
    std::vector<int64_t> found;
    for (const std::string& token : tokens) found.push_back(tokenizer.find_token(token).value());
    return found;
  }
  RuleDriver drive(ThoughtStart start = {.thought = "T"}) const { return {plan, start}; }
};

std::vector<int64_t> operator+(std::vector<int64_t> a, const std::vector<int64_t>& b) {
  a.insert(a.end(), b.begin(), b.end());
  return a;
}

// The pieces of `text` cut after byte i wherever bit i of `cuts` is set.
std::vector<std::string> cut(const std::string& text, unsigned cuts) {
  std::vector<std::string> pieces = {""};
  for (size_t i = 0; i < text.size(); ++i) {
    pieces.back() += text[i];
    if (cuts >> i & 1 && i + 1 < text.size()) pieces.emplace_back();
  }
  return pieces;
}

TEST(ThoughtRule, FindsTheCloseTagHoweverItIsSplit) {
  for (const std::string before : {"", "x", "</", "<</thought"}) {
    for (const std::string after : {"", "\n\n", "<", "</thought>"}) {
      for (unsigned cuts = 0; cuts < 512; ++cuts) {
        std::vector<std::string> pieces = cut(kClose, cuts);
        pieces.front() = before + pieces.front();
        pieces.back() += after;
        const Bench bench(pieces);
        RuleDriver branch = bench.drive();
        branch.choose(bench.ids(pieces) + bench.ids({"o", "k"}));
        const ThoughtResult& result = branch.result();
        ASSERT_EQ(result.thought, "T" + before) << cuts;
        ASSERT_EQ(result.answer, after + "ok") << cuts;
        ASSERT_EQ(result.answer_offset, std::ssize(after)) << cuts;
        ASSERT_EQ(result.answer_tokens, 2) << cuts;
        ASSERT_EQ(result.thought_end, ThoughtEnd::model) << cuts;
        ASSERT_FALSE(branch.is_stopped());
      }
    }
  }
}

TEST(ThoughtRule, TheTagMayBeginInTheHeadsCharacter) {
  const Bench bench;
  RuleDriver branch = bench.drive({.thought = "<"});
  branch.choose(bench.tokenizer.encode("/thought>a"));
  EXPECT_EQ(branch.result().thought, "");
  EXPECT_EQ(branch.result().answer, "a");
}

TEST(ThoughtRule, EosInTheThoughtIsDroppedAndTheTagForced) {
  const Bench bench;
  RuleDriver branch = bench.drive();
  branch.choose(bench.ids({"h", "i", "<", "<eos>", "o", "k", "<eos>"}));
  EXPECT_EQ(branch.kept(),
            bench.ids({"h", "i", "<"}) + bench.plan.close_ids + bench.ids({"o", "k", "<eos>"}));
  const ThoughtResult& result = branch.result();
  EXPECT_EQ(result.thought, "Thi<");
  EXPECT_EQ(result.answer, "ok");
  EXPECT_EQ(result.thought_end, ThoughtEnd::eos);
  EXPECT_EQ(result.finish, Finish::eos);
  EXPECT_EQ(result.answer_tokens, 3);
  EXPECT_EQ(result.answer_offset, 0);
  EXPECT_DOUBLE_EQ(result.thought_logprob, -3);  // neither the dropped nor the forced ones
  EXPECT_DOUBLE_EQ(result.answer_logprob, -3);   // eos was chosen
  EXPECT_DOUBLE_EQ(result.margin_sum, 1.5);
  EXPECT_TRUE(branch.is_stopped());
}

TEST(ThoughtRule, EosAtOnceLeavesTheHeadAlone) {
  const Bench bench;
  RuleDriver branch = bench.drive();
  branch.choose({bench.eos()});
  EXPECT_EQ(branch.kept(), bench.plan.close_ids);
  EXPECT_EQ(branch.result().thought, "T");
}

TEST(ThoughtRule, EveryEosIdCounts) {
  Bench bench({"<eot>"});
  const int64_t eot = *bench.tokenizer.find_token("<eot>");
  bench.plan.eos_ids.push_back(eot);
  RuleDriver branch = bench.drive();
  branch.choose({eot, eot});
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::eos);
  EXPECT_EQ(branch.kept(), bench.plan.close_ids + std::vector<int64_t>{eot});
  EXPECT_EQ(branch.result().answer, "");
  EXPECT_EQ(branch.result().finish, Finish::eos);
}

TEST(ThoughtRule, TheBudgetKeepsItsLastTokenAndForcesTheTag) {
  Bench bench;
  bench.plan.thought_tokens = 3;
  RuleDriver branch = bench.drive();
  branch.choose(bench.tokenizer.encode("abc") + bench.tokenizer.encode("0123456789!"));
  EXPECT_EQ(branch.result().thought, "Tabc");
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::cap);
  EXPECT_EQ(branch.result().answer, "0123456789");
  EXPECT_EQ(branch.result().finish, Finish::length);
  EXPECT_EQ(
      branch.kept(),
      bench.tokenizer.encode("abc") + bench.plan.close_ids + bench.tokenizer.encode("0123456789"));
}

TEST(ThoughtRule, AZeroBudgetClosesTheThoughtAtOnce) {
  for (const std::string first : {"a", "<", "<eos>", "</thought>"}) {
    Bench bench({"</thought>"});
    bench.plan.thought_tokens = 0;
    RuleDriver branch = bench.drive();
    branch.choose(bench.ids({first, "b"}));
    EXPECT_EQ(branch.kept(), bench.plan.close_ids + bench.ids({"b"}));
    EXPECT_EQ(branch.result().thought, "T");
    EXPECT_EQ(branch.result().thought_end, ThoughtEnd::cap);
    EXPECT_DOUBLE_EQ(branch.result().thought_logprob, 0);
  }
}

TEST(ThoughtRule, AZeroAnswerBudgetStopsAfterTheTag) {
  Bench bench;
  bench.plan.answer_tokens = 0;
  RuleDriver written = bench.drive();
  EXPECT_EQ(written.choose(bench.tokenizer.encode("a</thought>b")), 11u);
  EXPECT_EQ(written.result().finish, Finish::length);
  RuleDriver forced = bench.drive();
  EXPECT_EQ(forced.choose({bench.eos(), bench.eos()}), 1u);
  EXPECT_EQ(forced.kept(), bench.plan.close_ids);
  EXPECT_EQ(forced.result().finish, Finish::length);
}

TEST(ThoughtRule, ATagHalfWrittenAtTheBudgetMayBeCompleted) {
  Bench bench;
  bench.plan.thought_tokens = 2;
  RuleDriver branch = bench.drive();
  branch.choose(bench.tokenizer.encode("a</thought>b"));
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::model);
  EXPECT_EQ(branch.result().thought, "Ta");
  EXPECT_EQ(branch.result().answer, "b");
}

TEST(ThoughtRule, ATagBrokenOffBeyondTheBudgetEndsTheThought) {
  Bench bench;
  bench.plan.thought_tokens = 2;
  RuleDriver branch = bench.drive();
  branch.choose(bench.tokenizer.encode("a</thoughts!"));
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::cap);
  EXPECT_EQ(branch.result().thought, "Ta</thoughts");
  EXPECT_EQ(branch.result().answer, "!");
}

TEST(ThoughtRule, TheTagIsNotWaitedForOnceTheBudgetIsReached) {
  Bench bench({"a<"});  // begins before the tag: counts
  bench.plan.thought_tokens = 1;
  RuleDriver branch = bench.drive();
  branch.choose(bench.ids({"a<", "/"}));
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::cap);
  EXPECT_EQ(branch.result().thought, "Ta<");
  EXPECT_EQ(branch.result().answer, "/");
}

TEST(ThoughtRule, TokensWithoutBytesCannotHoldTheBudgetOff) {
  Bench bench;
  bench.plan.loop_rule = false;
  const int64_t beyond = bench.tokenizer.vocabulary_size() + 5;
  RuleDriver branch = bench.drive();
  const size_t chosen = branch.choose(bench.ids({"<"}) + std::vector<int64_t>(100, beyond));
  EXPECT_EQ(branch.result().thought, "T<");
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::cap);
  EXPECT_LE(std::ssize(branch.kept()), bench.plan.most_tokens());
  EXPECT_LT(chosen, 100u);
}

TEST(ThoughtRule, ALoopEndsTheThoughtAndTheAnswer) {
  Bench bench;
  RuleDriver branch = bench.drive();
  branch.choose(bench.tokenizer.encode("aaaaaaaabbbbbbbbc"));
  EXPECT_EQ(branch.result().thought, "Taaaaaaaa");
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::loop);
  EXPECT_EQ(branch.result().answer, "bbbbbbbb");
  EXPECT_EQ(branch.result().finish, Finish::loop);
  EXPECT_EQ(branch.result().answer_tokens, 8);
}

TEST(ThoughtRule, TheLoopRuleSeesOneStageOnly) {
  Bench bench;
  bench.plan.close = bench.plan.close[0];
  bench.plan.close_ids = bench.ids({"<"});
  RuleDriver branch = bench.drive();
  branch.choose(bench.tokenizer.encode("aaaaa<aaaaaaab"));  // 5, then 7
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::model);
  EXPECT_EQ(branch.result().finish, std::nullopt);
  EXPECT_EQ(branch.result().answer, "aaaaaaab");
}

TEST(ThoughtRule, TheLoopRuleCanBeOff) {
  Bench bench;
  bench.plan.loop_rule = false;
  RuleDriver branch = bench.drive();
  branch.choose(std::vector<int64_t>(30, bench.ids({"a"})[0]));
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::cap);
  EXPECT_EQ(branch.result().finish, Finish::length);
}

TEST(ThoughtRule, EosAsTheLastTokenOfTheBudgetIsEos) {
  Bench bench;
  RuleDriver branch = bench.drive();
  branch.choose(bench.tokenizer.encode("</thought>012345678") + std::vector<int64_t>{bench.eos()});
  EXPECT_EQ(branch.result().answer_tokens, 10);
  EXPECT_EQ(branch.result().finish, Finish::eos);
}

TEST(ThoughtRule, ABranchWithoutAThoughtAnswersDirectly) {
  const Bench bench;
  RuleDriver branch = bench.drive({.has_thought = false});
  branch.choose(bench.tokenizer.encode("</thought>"));
  EXPECT_EQ(branch.result().answer, "</thought>");
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::none);
  EXPECT_EQ(branch.result().finish, Finish::length);
  RuleDriver silent = bench.drive({.has_thought = false});
  silent.choose({bench.eos()});
  EXPECT_EQ(silent.result().answer, "");
  EXPECT_EQ(silent.result().finish, Finish::eos);
}

TEST(ThoughtRule, AFirstTokenTakenIsHeadNotThought) {
  Bench bench({"The"});
  bench.plan.thought_tokens = 2;
  RuleDriver branch = bench.drive({.takes_first = true});
  branch.choose(bench.ids({"The", "y", "!", "a"}));
  EXPECT_EQ(branch.result().thought, "They!");
  EXPECT_EQ(branch.result().thought_end, ThoughtEnd::cap);
  EXPECT_EQ(branch.result().head_tokens, 1);
  EXPECT_DOUBLE_EQ(branch.result().thought_logprob, -2);
  EXPECT_DOUBLE_EQ(branch.result().answer_logprob, -1);
}

TEST(ThoughtRule, AFirstTokenMayHoldTheWholeTag) {
  const Bench bench({"T</thought>a"});
  RuleDriver branch = bench.drive({.takes_first = true});
  branch.choose(bench.ids({"T</thought>a", "b"}));
  EXPECT_EQ(branch.result().thought, "T");
  EXPECT_EQ(branch.result().answer, "ab");
  EXPECT_EQ(branch.result().answer_offset, 1);
}

}  // namespace
}  // namespace thoughtrank
