// Who is decoded next, without a model: an engine whose memory is a number of tokens.
#include "decode/admission.h"

#include <gtest/gtest.h>

#include <algorithm>

#include "decode/random_llama.h"
#include "thoughtrank/core/log.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

// A pass reads what each branch has not read, and gives each one token: its number of tokens.
class CountingEngine : public SlotKeeper {
 public:
  CountingEngine(std::vector<BranchGroup> groups, int64_t slots, int64_t room)
      : source_(std::move(groups)),
        admission_(*this, {.source = source_, .sink = sink}, model_, slots),
        most_live_(slots),
        room_(room) {}

  void run() {
    for (admission_.fill(); live() > 0 || !admission_.is_empty(); admission_.fill()) step();
  }

  [[nodiscard]] int64_t live() const override { return std::ssize(slots_); }
  std::shared_ptr<SharedText> make_text(const std::vector<int64_t>& ids) override {
    auto text = std::make_shared<Text>(ids);
    texts_.push_back(text);
    return text;
  }
  bool read(SharedText& shared) override {
    auto& text = static_cast<Text&>(shared);
    if (!text.is_read && used() + std::ssize(text.ids) > room_) admission_.forget_idle_texts();
    text.is_read = text.is_read || used() + std::ssize(text.ids) <= room_;
    return text.is_read;
  }
  void forget_unless_used(SharedText& shared) override {
    const auto reads = [&](const Decodable& one) { return one.shared.get() == &shared; };
    if (std::ranges::none_of(slots_, reads)) static_cast<Text&>(shared).is_read = false;
  }
  void occupy(Decodable one) override {
    ASSERT_LT(live(), most_live_);
    order.push_back({one.shared->ids.front(), one.branch.most_tokens()});
    slots_.push_back(std::move(one));
  }
  Decodable vacate_newest() override {
    Decodable newest = std::move(slots_.back());
    slots_.pop_back();
    ++put_off;
    return newest;
  }
  bool has_room() override {
    if (used() + unread() > room_) admission_.forget_idle_texts();
    return used() + unread() <= room_;
  }
  [[nodiscard]] std::string describe_memory() const override { return "no room"; }

  MapSink sink;
  std::vector<std::pair<int64_t, int64_t>> order;  // first shared id and budget, as they came
  int64_t put_off = 0, highest_live = 0;

 private:
  struct Text : SharedText {
    using SharedText::SharedText;
    bool is_read = false;
  };

  void step() {
    admission_.make_room();
    highest_live = std::max(highest_live, live());
    ASSERT_LE(used() + unread(), room_);
    for (Decodable& one : slots_) {
      one.branch.mark_read(one.branch.unread());
      one.branch.add({.id = std::ssize(one.branch.token_ids())});
      if (one.branch.is_finished()) sink.finished(one.branch.take_result());
    }
    std::erase_if(slots_, [](const Decodable& one) { return one.branch.is_finished(); });
  }
  [[nodiscard]] int64_t used() const {
    int64_t tokens = 0;
    for (const auto& weak : texts_) {
      const auto text = weak.lock();
      if (text && text->is_read) tokens += std::ssize(text->ids);
    }
    for (const Decodable& one : slots_) tokens += one.branch.read();
    return tokens;
  }
  [[nodiscard]] int64_t unread() const {
    int64_t tokens = 0;
    for (const Decodable& one : slots_) tokens += one.branch.unread();
    return tokens;
  }

  LlamaConfig model_ = small_config();
  ListSource source_;
  Admission admission_;
  int64_t most_live_, room_;
  std::vector<std::weak_ptr<Text>> texts_;
  std::vector<Decodable> slots_;
};

// Group `n` shares `shared` tokens, the first of which is n; its branches have these budgets.
BranchGroup group_of(int64_t n, int64_t shared, const std::vector<int64_t>& budgets) {
  BranchGroup group;
  group.group = n;
  group.shared_ids.assign(static_cast<size_t>(shared), 1);
  group.shared_ids[0] = n;
  for (size_t b = 0; b < budgets.size(); ++b) {
    group.branches.push_back(start_of(static_cast<int64_t>(b), {1}, budgets[b]));
  }
  return group;
}

template <class... Groups>
std::vector<BranchGroup> list_of(Groups... groups) {
  std::vector<BranchGroup> list;
  (list.push_back(std::move(groups)), ...);
  return list;
}

TEST(Admission, TakesBranchesInOrderAsSlotsFallFree) {
  CountingEngine engine(
      list_of(group_of(1, 4, {5, 2, 9}), group_of(2, 3, {4, 4})), /*slots=*/2, /*room=*/1000);
  engine.run();
  const std::vector<std::pair<int64_t, int64_t>> expected = {
      {1, 5}, {1, 2}, {1, 9}, {2, 4}, {2, 4}};
  EXPECT_EQ(engine.order, expected);
  EXPECT_EQ(engine.highest_live, 2);
  EXPECT_EQ(engine.put_off, 0);
  ASSERT_EQ(engine.sink.branches.size(), 5U);
  for (const auto& [key, branch] : engine.sink.branches) EXPECT_EQ(branch.error, "");
}

TEST(Admission, BranchesThatHaveTheirTokensAlreadyTakeNoSlot) {
  CountingEngine engine(list_of(group_of(1, 4, {1, 3, 1})), 1, 1000);
  engine.run();
  EXPECT_EQ(engine.order.size(), 1U);
  EXPECT_EQ(engine.sink.branches.size(), 3U);
  EXPECT_EQ(engine.sink.branches.at({1, 0}).token_ids, std::vector<int64_t>{1});
}

TEST(Admission, TheNewestArePutOffAndGoOnWithTheSameTokens) {
  start_log(LogFormat::text, LogLevel::error);
  CountingEngine roomy(list_of(group_of(1, 10, {20, 20, 20, 20})), 4, 1000);
  roomy.run();
  CountingEngine tight(list_of(group_of(1, 10, {20, 20, 20, 20})), 4, 50);
  tight.run();
  EXPECT_GT(tight.put_off, 0);
  ASSERT_EQ(tight.sink.branches.size(), 4U);
  for (const auto& [key, branch] : tight.sink.branches) {
    EXPECT_EQ(branch.error, "");
    EXPECT_EQ(branch.token_ids, roomy.sink.branches.at(key).token_ids);
  }
}

TEST(Admission, WhatFitsNowhereGoesBackAndTheOthersGoOn) {
  start_log(LogFormat::text, LogLevel::error);
  CountingEngine engine(list_of(group_of(1, 10, {40, 5}),  // a branch too long to be alone
                                group_of(2, 35, {3, 3}),   // a text too long
                                group_of(3, 6, {4})),
                        2,
                        30);
  engine.run();
  ASSERT_EQ(engine.sink.branches.size(), 5U);
  for (const auto& [key, branch] : engine.sink.branches) {
    const bool is_too_long = key == BranchKey{1, 0} || key.first == 2;
    EXPECT_EQ(branch.error, is_too_long ? "no room" : "") << key.first << ' ' << key.second;
    EXPECT_EQ(branch.cause, is_too_long ? BreakCause::memory : BreakCause::none);
  }
  EXPECT_EQ(engine.sink.branches.at({1, 1}).token_ids.size(), 5U);
}

TEST(Admission, AGroupBeyondTheContextIsRefusedWithItsReason) {
  const int64_t most = small_config().max_position_embeddings;
  CountingEngine engine(
      list_of(group_of(1, 10, {most - 9, 2}), group_of(2, 10, {most - 10})), 2, 10000);
  engine.run();
  for (int64_t b = 0; b < 2; ++b) {
    const FinishedBranch& refused = engine.sink.branches.at({1, b});
    EXPECT_EQ(refused.cause, BreakCause::context);
    EXPECT_NE(refused.error.find("shorten the prompt"), std::string::npos) << refused.error;
  }
  EXPECT_EQ(std::ssize(engine.sink.branches.at({2, 0}).token_ids), most - 10);
}

// Whatever the memory, every branch comes back once: with all its tokens, or with an error if and
// only if it does not fit when it is alone.
TEST(Admission, NobodyIsLostWhateverTheMemory) {
  start_log(LogFormat::text, LogLevel::error);
  RandomStream stream(1, "admission");
  for (int trial = 0; trial < 300; ++trial) {
    const auto room = static_cast<int64_t>(10 + stream.below(150));
    const auto slots = static_cast<int64_t>(1 + stream.below(6));
    std::vector<BranchGroup> groups;
    std::map<BranchKey, std::pair<int64_t, int64_t>> wanted;  // shared tokens, budget
    for (int64_t n = 0; n < 4; ++n) {
      const auto shared = static_cast<int64_t>(1 + stream.below(30));
      std::vector<int64_t> budgets(1 + stream.below(7));
      for (size_t b = 0; b < budgets.size(); ++b) {
        budgets[b] = static_cast<int64_t>(2 + stream.below(40));
        wanted[{n, static_cast<int64_t>(b)}] = {shared, budgets[b]};
      }
      groups.push_back(group_of(n, shared, budgets));
    }
    CountingEngine engine(std::move(groups), slots, room);
    engine.run();
    ASSERT_EQ(engine.sink.branches.size(), wanted.size()) << trial;
    for (const auto& [key, sizes] : wanted) {
      const auto& [shared, budget] = sizes;
      const FinishedBranch& branch = engine.sink.branches.at(key);
      // The last token is chosen, not read.
      const bool fits_alone = shared + budget - 1 <= room;
      ASSERT_EQ(branch.error.empty(), fits_alone) << trial << ": " << shared << " + " << budget;
      if (fits_alone) {
        ASSERT_EQ(std::ssize(branch.token_ids), budget) << trial;
      }
    }
    ASSERT_LE(engine.highest_live, slots);
  }
}

}  // namespace
}  // namespace thoughtrank
