// The corpus of tests/data/judge_replies: whatever a server sends becomes the ranking it says, in
// full, or none at all.
#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <set>

#include "judge/judge_room.h"
#include "judge/rank_caller.h"
#include "judge/reply.h"
#include "llm/scripted_transport.h"
#include "support/trials.h"

namespace thoughtrank {
namespace {

const std::vector<std::string> kLabels = {"C", "A", "F", "B"};  // those of every file

struct SavedReply {
  std::string name;
  std::string provider;
  TransportReply reply;
  std::string expect;
  LabelRanking ranking;
};

std::string body_of(const Json& file, const std::string& where) {
  std::string body;
  if (file.contains("hex")) {
    const std::string hex = require_string(file, "hex", where);
    for (size_t at = 0; at + 1 < hex.size(); at += 2) {
      body += static_cast<char>(std::stoi(hex.substr(at, 2), nullptr, 16));
    }
    return body;
  }
  for (const Json& piece : require(file, "pieces", where)) {
    for (int64_t n = piece[1].get<int64_t>(); n > 0; --n) body += piece[0].get<std::string>();
  }
  return body;
}

SavedReply read_reply(const fs::path& path) {
  const std::string where = path.string();
  const Json file = parse_json(read_file(path), where);
  SavedReply saved;
  saved.name = path.stem().string();
  saved.provider = require_string(file, "provider", where);
  saved.reply.status = static_cast<int>(require_int(file, "status", 100, 599, where));
  saved.reply.content_type = require_string(file, "content_type", where);
  saved.reply.body = body_of(file, where);
  saved.expect = require_string(file, "expect", where);
  if (saved.expect == "ranking") {
    saved.ranking = require(file, "ranking", where).get<LabelRanking>();
  }
  const std::string origin = require_string(file, "origin", where);
  EXPECT_TRUE(origin.starts_with("written from ") || origin.starts_with("recorded from ")) << where;
  return saved;
}

std::vector<SavedReply> corpus() {
  std::vector<fs::path> paths;
  for (const char* folder : {"written", "recorded"}) {
    for (const auto& entry :
         fs::directory_iterator(fs::path(TEST_DATA_DIR) / "judge_replies" / folder)) {
      if (entry.path().extension() == ".json") paths.push_back(entry.path());
    }
  }
  std::sort(paths.begin(), paths.end());
  std::vector<SavedReply> replies;
  for (const fs::path& path : paths) replies.push_back(read_reply(path));
  return replies;
}

class RepliesTest : public JudgeTest {
 protected:
  RepliesTest() {
    question_.prompt_id = "p";
    question_.prompt = "Which?";
  }

  [[nodiscard]] static ServerKind kind_of(const SavedReply& saved) {
    return saved.provider == "anthropic" ? ServerKind::anthropic : ServerKind::openai;
  }

  // What a caller makes of a judge that always says this, and how many times it asked.
  std::pair<VerdictRow, int> ask(const SavedReply& saved) {
    Ledger accounts(folder_ / saved.name);
    auto scripted = std::make_unique<ScriptedTransport>([&](int) { return saved.reply; });
    const ScriptedTransport& transport = *scripted;
    const Connection connection = connection_over(std::move(scripted), kind_of(saved));
    const auto channel =
        open_channel(connection, {}, {.ledger = accounts, .clock = clock_, .stop = stop_});
    RankCaller caller(*channel, *connection.protocol, {.judge = "test", .seed = 1, .round = 1}, 8);
    RankCall call{.task = 0, .number = 0, .stage = VerdictStage::pass_a};
    call.prompt = &question_;
    call.answers = {"one", "two", "three", "four"};
    call.branches = {0, 1, 2, 3};
    caller.submit(call);
    const auto done = caller.wait();
    EXPECT_EQ(done.size(), 1u);
    return {done.at(0).verdict, transport.started};
  }

  PromptRow question_;
};

TEST_F(RepliesTest, every_reply_is_the_ranking_it_says_or_none) {
  const auto replies = corpus();
  EXPECT_GE(replies.size(), 200u);
  for (const SavedReply& saved : replies) {
    SCOPED_TRACE(saved.name);
    const Classified meaning = classify(saved.reply);
    const bool is_read = saved.expect == "ranking" || saved.expect == "abstain";
    EXPECT_EQ(word_of(meaning.outcome, kOutcomes), is_read ? "answered" : saved.expect)
        << meaning.reason;
    if (meaning.outcome != Outcome::answered) continue;
    const Completion completion = make_protocol(kind_of(saved), {})->read_body(saved.reply.body);
    const Verdict verdict = completion.failure.empty() ? read_ranking(completion.text, kLabels)
                                                       : Verdict(Abstention{completion.failure});
    const auto* ranking = std::get_if<LabelRanking>(&verdict);
    EXPECT_EQ(ranking != nullptr, saved.expect == "ranking")
        << (ranking == nullptr ? std::get<Abstention>(verdict).reason : "a ranking was read");
    if (ranking != nullptr) {
      EXPECT_EQ(*ranking, saved.ranking);
    }
  }
}

// The labels of a call are random, so that even the good replies of the corpus rank nothing here.
TEST_F(RepliesTest, a_judge_that_always_says_this_abstains_after_being_asked_twice) {
  for (const SavedReply& saved : corpus()) {
    if (saved.expect != "ranking" && saved.expect != "abstain") continue;
    SCOPED_TRACE(saved.name);
    const auto [verdict, asked] = ask(saved);
    EXPECT_TRUE(verdict.abstained);
    EXPECT_FALSE(verdict.reason.empty());
    EXPECT_TRUE(verdict.ranking.empty());
    EXPECT_EQ(asked, 2);
  }
}

// R24: labels are a bijection in every showing; a judge who knows the best answer finds it.
TEST_F(RepliesTest, ten_thousand_shuffles_lose_no_answer) {
  const int trials = trials_of(10000);
  record_trials(trials);
  for (int trial = 0; trial < trials; ++trial) {
    RankCall call{.task = 0, .number = trial, .stage = VerdictStage::pass_a};
    call.prompt = &question_;
    const int count = 2 + trial % 25;
    for (int n = 0; n < count; ++n) {
      call.answers.push_back("answer " + std::to_string(n));
      call.branches.push_back(n);
    }
    const ShownCall shown = show(call, {.seed = 3, .round = 1, .prompt = 9}, trial % 2);
    const std::string text = user_text(call, shown);
    std::vector<bool> was_seen(call.answers.size());
    std::string best;
    for (size_t i = 0; i < shown.labels.size(); ++i) {
      const size_t item = shown.order[i];
      ASSERT_FALSE(was_seen[item]);
      was_seen[item] = true;
      const std::string fenced = "<answer " + shown.labels[i] + " " + shown.nonce + ">\n" +
                                 call.answers[item] + "\n</answer ";
      ASSERT_NE(text.find(fenced), std::string::npos);
      if (item == 0) best = shown.labels[i];
    }
    LabelRanking order = shown.labels;
    std::swap(*std::find(order.begin(), order.end(), best), order[0]);
    Json reply;
    reply["ranking"] = order;
    const Verdict verdict = read_ranking(dump_json(reply), shown.labels);
    ASSERT_TRUE(std::holds_alternative<LabelRanking>(verdict));
    const auto at =
        std::find(shown.labels.begin(), shown.labels.end(), std::get<LabelRanking>(verdict)[0]);
    ASSERT_EQ(shown.order[static_cast<size_t>(at - shown.labels.begin())], 0u);
  }
}

// A group over the judge's context is asked for in two parts, each ranked as far as it goes.
TEST_F(RepliesTest, a_group_that_is_too_long_is_split) {
  Ledger accounts(ledger());
  const Connection connection =
      connection_over(std::make_unique<ScriptedTransport>([](int) { return status_reply(413); }));
  const auto channel =
      open_channel(connection, {}, {.ledger = accounts, .clock = clock_, .stop = stop_});
  RankCaller caller(*channel, *connection.protocol, {.judge = "test", .seed = 1, .round = 1}, 8);
  RankCall call{.task = 0, .number = 2, .stage = VerdictStage::pass_a};
  call.prompt = &question_;
  for (int n = 0; n < 7; ++n) {
    call.answers.push_back("answer " + std::to_string(n));
    call.branches.push_back(n);
  }
  caller.submit(call);
  std::vector<JudgedCall> all;
  for (auto done = caller.wait(); !done.empty(); done = caller.wait()) {
    for (JudgedCall& one : done) all.push_back(std::move(one));
  }
  size_t most_answers = 0;
  for (const JudgedCall& one : all) {
    EXPECT_TRUE(one.verdict.abstained);
    most_answers = std::max(most_answers, one.verdict.labels.size());
  }
  EXPECT_EQ(most_answers, 2u) << "nothing fits: only pairs are left";
  EXPECT_EQ(std::count_if(all.begin(), all.end(), [](const auto& one) { return one.is_last; }), 1);
  EXPECT_TRUE(all.back().is_last);
  std::vector<int64_t> numbers;
  for (const JudgedCall& one : all) numbers.push_back(one.verdict.call);
  std::sort(numbers.begin(), numbers.end());
  EXPECT_EQ(std::unique(numbers.begin(), numbers.end()), numbers.end());
}

TEST_F(RepliesTest, the_parts_of_a_call_hold_every_answer) {
  RankCall call{.task = 0, .number = 5, .stage = VerdictStage::pass_a};
  for (int64_t count = 3; count <= 26; ++count) {
    call.answers.assign(static_cast<size_t>(count), "x");
    call.branches.resize(static_cast<size_t>(count));
    std::iota(call.branches.begin(), call.branches.end(), 0);
    const auto parts = split_call(call);
    ASSERT_EQ(parts.size(), 2u);
    std::set<int64_t> held;
    for (const RankCall& part : parts) {
      EXPECT_GE(part.branches.size(), 2u);
      EXPECT_LT(part.branches.size(), call.branches.size());
      held.insert(part.branches.begin(), part.branches.end());
    }
    EXPECT_EQ(held.size(), static_cast<size_t>(count));
  }
}

}  // namespace
}  // namespace thoughtrank
