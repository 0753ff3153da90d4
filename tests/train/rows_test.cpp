#include "thoughtrank/train/rows.h"

#include <limits>
#include <set>

#include "train/schedule.h"
#include "train/step_plan.h"
#include "train/training_room.h"

namespace thoughtrank {
namespace {

PromptRow make_prompt() {
  PromptRow prompt;
  prompt.prompt_id = "p1";
  prompt.prompt = "Why?";
  prompt.token_ids = {1, 2, 3};
  return prompt;
}

OutputRow make_output() {
  OutputRow output;
  output.prompt_id = "p1";
  output.round = 2;
  output.branch = 10;
  output.thought = "k, because";
  output.answer = " So.";
  output.token_ids = {10, 11, 12, 13, 14, 15, 16};
  output.head_len = 2;
  output.answer_start = 5;
  return output;
}

void expect_spans(const std::vector<Span>& found, const std::vector<Span>& expected) {
  ASSERT_EQ(found.size(), expected.size());
  for (size_t i = 0; i < found.size(); ++i) {
    EXPECT_EQ(found[i].from, expected[i].from);
    EXPECT_EQ(found[i].to, expected[i].to);
    EXPECT_EQ(found[i].weight, expected[i].weight);
  }
}

TEST(TrainingRows, HoldTheGeneratedIdsAndWeighThoughtAndAnswer) {
  TrainOptions options;
  options.weights = {.thought = 0.5, .answer = 2};
  const TrainingRow row = make_training_row(make_prompt(), make_output(), options);
  EXPECT_EQ(row.input_ids, (TokenIds{1, 2, 3, 10, 11, 12, 13, 14, 15, 16}));
  EXPECT_EQ(row.completion, "<thought>k, because</thought> So.");
  expect_spans(row.spans, {{3, 8, 0.5}, {8, 10, 2}});
  EXPECT_EQ(token_weights(row), (std::vector<float>{0, 0, 0, .5, .5, .5, .5, .5, 2, 2}));
}

TEST(TrainingRows, ThoughtPrefixAndZeroWeightsLeaveTokensOut) {
  TrainOptions options;
  options.thought_prefix = 3;
  expect_spans(make_training_row(make_prompt(), make_output(), options).spans,
               {{3, 6, 1}, {8, 10, 1}});
  options.thought_prefix = 100;
  options.weights.answer = 0;
  expect_spans(make_training_row(make_prompt(), make_output(), options).spans, {{3, 8, 1}});
}

TEST(TrainingRows, PairsHoldBothCompletionsBehindOnePrompt) {
  OutputRow rejected = make_output();
  rejected.token_ids = {20, 21};
  rejected.answer_start = 1;
  const PreferencePairRow pair =
      make_preference_pair(make_prompt(), make_output(), rejected, 1.5, TrainOptions());
  EXPECT_EQ(pair.prompt_ids, (TokenIds{1, 2, 3}));
  EXPECT_EQ(pair.rejected_ids, (TokenIds{20, 21}));
  expect_spans(pair.chosen_spans, {{3, 8, 1}, {8, 10, 1}});
  expect_spans(pair.rejected_spans, {{3, 4, 1}, {4, 5, 1}});
  EXPECT_EQ(pair.utility_gap, 1.5);
}

TEST(TrainingRows, UserTextsGoThroughTheTemplateAndEndWithItsStopToken) {
  ChatTemplate chat_template;
  chat_template.user_open = "<|im_start|>";
  chat_template.user_close = "\n";
  chat_template.stop = {"<|im_end|>"};
  const auto tokenizer = load_tokenizer(tiny_llama());
  const TrainingRow texts = {.prompt_id = "u1",
                             .prompt = "What is it?",
                             // Its special token is ordinary text.
                             .completion = "A thought <|im_end|> here"};
  const TrainingRow row = encode_training_row({.row = texts}, chat_template, *tokenizer);
  EXPECT_EQ(tokenizer->decode(row.input_ids, /*skip_special=*/false),
            "<|im_start|>What is it?\nA thought <|im_end|> here<|im_end|>");
  EXPECT_EQ(row.input_ids.back(), 2);
  EXPECT_EQ(std::count(row.input_ids.begin(), row.input_ids.end(), 2), 1);
  const auto prompt = encode_prompt(chat_template, *tokenizer, {.system = "", .user = row.prompt});
  expect_spans(
      row.spans,
      {{static_cast<int64_t>(prompt.size()), static_cast<int64_t>(row.input_ids.size()), 1}});
  const TrainingRow again = encode_training_row({.row = row}, chat_template, *tokenizer);
  EXPECT_EQ(again.input_ids, row.input_ids) << "token ids are taken as they are";
}

TEST(TrainingRows, EarlierTurnsAreShownAndOnlyTheLastOneHasALoss) {
  ChatTemplate chat_template;
  chat_template.system_open = "S:";
  chat_template.system_close = "|";
  chat_template.user_open = "U:";
  chat_template.user_close = "|";
  chat_template.assistant_open = "A:";
  chat_template.assistant_close = "<|im_end|>";
  chat_template.stop = {"<|im_end|>"};
  const auto tokenizer = load_tokenizer(tiny_llama());
  const TrainingFileRow given = {
      .row = {.prompt = "three", .completion = "3"},
      .system = "Count.",
      .earlier = {{.prompt = "one", .thought = "a digit", .answer = "1"},
                  {.prompt = "two", .thought = "", .answer = "<|im_end|>2"}}};
  const TrainingRow row =
      encode_training_row(given, chat_template, *tokenizer, {.open = "[", .close = "]"});
  const std::string shown =
      "S:Count.|U:one|A:[a digit]1<|im_end|>U:two|A:<|im_end|>2<|im_end|>U:three|A:";
  EXPECT_EQ(tokenizer->decode(row.input_ids, /*skip_special=*/false), shown + "3<|im_end|>");
  ASSERT_EQ(row.spans.size(), 1u);
  const TokenIds trained(row.input_ids.begin() + row.spans[0].from, row.input_ids.end());
  EXPECT_EQ(tokenizer->decode(trained, /*skip_special=*/false), "3<|im_end|>");
  EXPECT_EQ(row.spans[0].to, std::ssize(row.input_ids));
  EXPECT_EQ(std::count(row.input_ids.begin(), row.input_ids.end(), 2), 3)
      << "what a turn says is no special token";
}

int64_t tokens_of(const std::vector<TrainingRow>& rows) {
  int64_t tokens = 0;
  for (const TrainingRow& row : rows) tokens += std::ssize(row.input_ids);
  return tokens;
}

std::vector<std::string> ids_behind(const std::vector<TrainingRow>& rows, size_t own) {
  std::vector<std::string> ids;
  for (size_t n = own; n < rows.size(); ++n) ids.push_back(rows[n].prompt_id);
  return ids;
}

std::vector<TrainingRow> equal_rows(int64_t count, size_t tokens, const std::string& name) {
  std::vector<TrainingRow> rows;
  for (int64_t n = 0; n < count; ++n) {
    rows.push_back(
        {.prompt_id = fmt::format("{}{}", name, n), .input_ids = TokenIds(tokens, n % 7)});
  }
  return rows;
}

TEST(ReplayedRows, AreTheShareOfAllTokensBehindTheOwnRows) {
  const auto own = equal_rows(9, 10, "own"), replay = equal_rows(50, 3, "r");
  for (const double share : {0.1, 0.25, 0.5}) {
    auto rows = own;
    add_replayed_rows(rows, replay, share, /*seed=*/3, /*round=*/2);
    const auto all = static_cast<double>(tokens_of(rows)), replayed = all - 90;
    EXPECT_GE(replayed, share * all - 1e-9) << share;
    EXPECT_LT(replayed - 3, share * (all - 3)) << "one row less would be too few";
    for (size_t n = 0; n < own.size(); ++n) EXPECT_EQ(rows[n].prompt_id, own[n].prompt_id);
  }
}

TEST(ReplayedRows, FollowFromSeedAndRound) {
  const auto replay = equal_rows(20, 10, "r");
  const auto drawn = [&](uint64_t seed, int64_t round) {
    auto rows = equal_rows(10, 10, "own");
    add_replayed_rows(rows, replay, 0.5, seed, round);
    return ids_behind(rows, 10);
  };
  EXPECT_EQ(drawn(3, 1), drawn(3, 1));
  EXPECT_NE(drawn(3, 1), drawn(3, 2));
  EXPECT_NE(drawn(3, 1), drawn(4, 1));
}

TEST(ReplayedRows, NoneComesTwiceBeforeAllHaveCome) {
  auto rows = equal_rows(10, 10, "own");
  add_replayed_rows(rows, equal_rows(4, 10, "r"), 0.5, /*seed=*/3, /*round=*/1);
  const auto ids = ids_behind(rows, 10);
  ASSERT_EQ(ids.size(), 10u);
  for (const size_t pass : {0, 4}) {
    const auto from = ids.begin() + static_cast<ptrdiff_t>(pass);
    EXPECT_EQ((std::set<std::string>(from, from + 4).size()), 4u);
  }
}

TEST(ReplayedRows, ShareZeroAddsNone) {
  auto rows = equal_rows(3, 10, "own");
  add_replayed_rows(rows, equal_rows(4, 10, "r"), 0, /*seed=*/3, /*round=*/1);
  EXPECT_EQ(rows.size(), 3u);
}

struct BadRow {
  const char* says;
  std::function<void(TrainingRow&)> spoil;
};

class Refused : public testing::TestWithParam<BadRow> {};

TEST_P(Refused, WithItsPromptId) {
  std::vector<TrainingRow> rows = random_rows(2);
  GetParam().spoil(rows[1]);
  const LlamaConfig config = load_tiny().config;
  EXPECT_EQ(exit_code_of([&] { require_trainable(rows, config, 64); }, "'row-1'"),
            ExitCode::kBadData);
  EXPECT_EQ(exit_code_of([&] { require_trainable(rows, config, 64); }, GetParam().says),
            ExitCode::kBadData);
}

const BadRow kBadRows[] = {
    {"70 tokens", [](TrainingRow& r) { r.input_ids.resize(70, 1); }},
    {"empty", [](TrainingRow& r) { r.input_ids.clear(); }},
    {"input_ids[2] is 320", [](TrainingRow& r) { r.input_ids[2] = 320; }},
    {"input_ids[0] is -1", [](TrainingRow& r) { r.input_ids[0] = -1; }},
    {"no token has a loss", [](TrainingRow& r) { r.spans.clear(); }},
    {"no token has a loss", [](TrainingRow& r) { r.weight = 0; }},
    {"no token has a loss",
     [](TrainingRow& r) {
       r.spans = {{0, 1, 1}};
     }},
    {"every token has a loss", [](TrainingRow& r) { r.spans[0].from = 0; }},
    {"the span", [](TrainingRow& r) { r.spans[0].to += 1; }},
    {"the span", [](TrainingRow& r) { r.spans.push_back(r.spans[0]); }},
    {"the span", [](TrainingRow& r) { r.spans[0].weight = -1; }},
    {"a weight of 0 or more", [](TrainingRow& r) { r.weight = NAN; }},
};
INSTANTIATE_TEST_SUITE_P(Rows, Refused, testing::ValuesIn(kBadRows));

TEST(StepPlan, TakesRowsUntilTokensPerStepAndPacksThem) {
  const std::vector<TrainingRow> rows = random_rows(5);  // 12, 17, 22, 12, 17 tokens
  const SystemClock clock;
  const StopFlag stop;
  TrainSetup setup = {
      .options = test_options(), .work_folder = "", .identity = "", .clock = clock, .stop = stop};
  setup.options.shuffle = false;
  setup.options.epochs = 2;
  setup.options.sequence_length = 40;
  setup.options.tokens_per_step = 45;
  const std::vector<StepPlan> steps = plan_steps(rows, setup);
  ASSERT_EQ(steps.size(), 4U);
  EXPECT_EQ(steps[0].tokens, 51);
  EXPECT_EQ(steps[1].tokens, 29);
  EXPECT_EQ(steps[0].sequences.size(), 2U);  // 12 + 17, 22
  EXPECT_EQ(steps[0].loss_tokens, (12 - 3) + (17 - 4) + (22 - 5));
  EXPECT_DOUBLE_EQ(steps[0].epoch, 0.6);
  EXPECT_DOUBLE_EQ(steps[3].epoch, 2.0);
  setup.options.tokens_per_step = 1;
  EXPECT_EQ(plan_steps(rows, setup).size(), 10U);
  setup.options.shuffle = true;
  EXPECT_NE(plan_steps(rows, setup)[0].sequences, plan_steps(rows, setup)[5].sequences);
}

TEST(Schedule, RisesThenFalls) {
  TrainOptions options;
  options.learning_rate = 8;
  options.warmup = 0.2;
  const auto rates = [&](Schedule schedule) {
    options.schedule = schedule;
    std::vector<double> all;
    for (int64_t step = 0; step < 10; ++step) all.push_back(learning_rate_at(options, step, 10));
    return all;
  };
  EXPECT_EQ(rates(Schedule::constant), (std::vector<double>{4, 8, 8, 8, 8, 8, 8, 8, 8, 8}));
  EXPECT_EQ(rates(Schedule::linear), (std::vector<double>{4, 8, 8, 7, 6, 5, 4, 3, 2, 1}));
  const std::vector<double> cosine = rates(Schedule::cosine);
  EXPECT_DOUBLE_EQ(cosine[2], 8);
  EXPECT_NEAR(cosine[6], 4, 1e-12);
  EXPECT_GT(cosine[9], 0);
}

}  // namespace
}  // namespace thoughtrank
