// Memory that runs out, and memory as it was foretold.
#include "thoughtrank/train/memory.h"

#include "model/golden.h"
#include "support/small_llama.h"
#include "support/temporary_folder.h"
#include "support/trials.h"
#include "thoughtrank/model/sizes.h"
#include "train/counting_allocator.h"
#include "train/stepper.h"
#include "train/tiers.h"
#include "train/training_room.h"

namespace thoughtrank {
namespace {

TEST(MicroBatches, CutsIntoPiecesOfConsecutiveRows) {
  const std::vector<TrainingRow> rows = random_rows(7);  // 12, 17, 22, 12, 17, 22, 12 tokens
  Sequence sequence;
  for (const TrainingRow& row : rows) sequence.push_back(&row);
  for (int64_t parts = 1; parts <= 16; ++parts) {
    const std::vector<Sequence> cut = cut_sequence(sequence, parts);
    ASSERT_EQ(std::ssize(cut), std::min<int64_t>(parts, 7));
    Sequence joined;
    for (const Sequence& piece : cut) {
      EXPECT_FALSE(piece.empty());
      joined.insert(joined.end(), piece.begin(), piece.end());
    }
    EXPECT_EQ(joined, sequence);
  }
  EXPECT_EQ(cut_sequence(sequence, 2)[0].size(), 4U);  // 63 of 114 tokens
}

TEST(MicroBatches, CutsBetweenUnitsOnly) {
  const std::vector<TrainingRow> rows = random_rows(10);
  Sequence sequence;
  for (const TrainingRow& row : rows) sequence.push_back(&row);
  for (int64_t parts = 1; parts <= 16; ++parts) {
    const std::vector<Sequence> cut = cut_sequence(sequence, parts, /*rows_per_unit=*/2);
    ASSERT_EQ(std::ssize(cut), std::min<int64_t>(parts, 5));
    Sequence joined;
    for (const Sequence& piece : cut) {
      EXPECT_EQ(piece.size() % 2, 0U);
      EXPECT_FALSE(piece.empty());
      joined.insert(joined.end(), piece.begin(), piece.end());
    }
    EXPECT_EQ(joined, sequence);
  }
}

// Three steps on rows that are packed together; `n`-th allocation fails, 0: none.
struct ShortRun {
  TrainResult result;
  bool has_failed = false;
};

ShortRun train_with_shortage(int64_t n, int64_t rows) {
  CountingAllocator memory;
  const TemporaryFolder work;
  TestTraining training(work.path());
  training.options.tokens_per_step = 60;
  training.options.learning_rate = 1e-3;
  ShortRun run;
  {
    Llama model = load_tiny();
    if (n > 0) memory.fail_at(n);
    run.result = training.run(model, random_rows(rows));
    run.has_failed = memory.has_failed();
  }
  return run;
}

TEST(OutOfMemory, AtAnyAllocationCutsTheMicroBatchAndKeepsTheLoss) {
  constexpr int64_t kArena = 4;  // its buffers; without them there is no training
  const ShortRun whole = train_with_shortage(0, 6);
  int64_t failures = 0;
  for (int64_t n = kArena + 1;; n += 5) {
    const ShortRun run = train_with_shortage(n, 6);
    if (!run.has_failed) break;
    ++failures;
    ASSERT_EQ(run.result.metrics.size(), whole.result.metrics.size());
    for (size_t step = 0; step < whole.result.metrics.size(); ++step) {
      EXPECT_NEAR(run.result.metrics[step].loss / whole.result.metrics[step].loss, 1, 1e-6)
          << "allocation " << n << ", step " << step;
    }
    EXPECT_NEAR(run.result.loss_after / whole.result.loss_after, 1, 1e-6) << "allocation " << n;
  }
  EXPECT_GT(failures, 50);
  record_trials(failures);
}

TEST(OutOfMemory, AtOneRowOrInTheArenaEndsTheTraining) {
  EXPECT_EQ(exit_code_of([] { (void)train_with_shortage(2, 1); }, "out of memory"),
            ExitCode::kDevice);
  EXPECT_EQ(exit_code_of([] { (void)train_with_shortage(9, 1); }, "at one training row"),
            ExitCode::kDevice);
}

// Runs out of memory whenever more than one row comes.
TEST(OutOfMemory, TheMicroBatchDoesNotGrowBack) {
  MicroBatches micro_batches;
  const std::vector<TrainingRow> rows = random_rows(4);
  const Sequence sequence = {&rows[0], &rows[1], &rows[2], &rows[3]};
  std::vector<size_t> sizes;
  const auto run = [&] {
    micro_batches.run(
        {sequence},
        [&] { sizes.clear(); },
        [&](const Sequence& micro_batch) {
          sizes.push_back(micro_batch.size());
          TORCH_CHECK_WITH(OutOfMemoryError, micro_batch.size() == 1, "planned");
        });
  };
  run();
  EXPECT_EQ(sizes, std::vector<size_t>(4, 1));
  EXPECT_EQ(micro_batches.parts(), 4);
  run();
  EXPECT_EQ(sizes, std::vector<size_t>(4, 1));
}

// Wide enough that activations outweigh what is rounded up.
LlamaConfig wide_config(bool is_tied) {
  LlamaConfig config = small_config();
  config.hidden_size = 192;
  config.intermediate_size = 512;
  config.num_hidden_layers = 6;
  config.num_attention_heads = 6;
  config.head_dim = 32;
  config.vocab_size = 3000;
  config.max_position_embeddings = 4096;
  config.tie_word_embeddings = is_tied;
  return config;
}

struct Accounting {
  Dtype dtype;
  OptimizerState tier;
  Checkpointing checkpointing;
  bool in_backward, is_tied;
};

class MemoryAccounting : public testing::TestWithParam<Accounting> {};

// What is stated and what the allocator saw, beyond what lived before the arena.
TEST_P(MemoryAccounting, IsTheAllocatorsPeakToFivePercent) {
  const Accounting& c = GetParam();
  CountingAllocator memory;
  const LlamaConfig config = wide_config(c.is_tied);
  constexpr int64_t kTokens = 640;
  TrainOptions options = test_options();
  options.dtype = c.dtype;
  options.optimizer_state = c.tier;
  options.checkpointing = c.checkpointing;
  options.optimizer_in_backward = c.in_backward;
  options.clip = 0;
  options.sequence_length = options.tokens_per_step = kTokens;
  const std::vector<TrainingRow> rows = {random_row(1, kTokens / 4, kTokens)};
  const SystemClock clock;
  const StopFlag stop;
  const TrainSetup setup = {
      .options = options, .work_folder = {}, .identity = "", .clock = clock, .stop = stop};
  const StepPlan step = plan_steps(rows, setup).front();
  const TrainingMemory stated = training_memory(config,
                                                options,
                                                {.tokens = kTokens,
                                                 .loss_tokens = step.loss_tokens,
                                                 .checkpointing = c.checkpointing,
                                                 .weights = weights_dtype(options, at::kFloat)});
  {
    Llama model = random_llama(at::kFloat, config);
    Stepper stepper(model, setup);
    (void)stepper.take(step, {.learning_rate = 1e-4, .update = 1, .step = 0});
    memory.restart_peak();
    (void)stepper.take(step, {.learning_rate = 1e-4, .update = 2, .step = 1});
  }
  const double ratio =
      static_cast<double>(memory.peak_bytes()) / static_cast<double>(stated.total());
  EXPECT_NEAR(ratio, 1, 0.05) << memory.peak_bytes() << " of " << stated.total();
}

// Llama-3.2-3B, all of a sequence with loss.
TrainingMemory memory_of_3b(const TrainOptions& options,
                            int64_t tokens,
                            Checkpointing checkpointing) {
  LlamaConfig config = wide_config(/*is_tied=*/true);
  config.hidden_size = 3072;
  config.intermediate_size = 8192;
  config.num_hidden_layers = 28;
  config.num_attention_heads = 24;
  config.num_key_value_heads = 8;
  config.head_dim = 128;
  config.vocab_size = 128256;
  EXPECT_EQ(parameter_count(config), 3212749824);
  return training_memory(config,
                         options,
                         {.tokens = tokens,
                          .loss_tokens = tokens,
                          .checkpointing = checkpointing,
                          .weights = at::kBFloat16,
                          .device = at::Device("cuda:0")});
}

TEST(StatedMemory, TheSmallestTierOfThreeBillionStaysUnderSixteenGiB) {
  TrainOptions options;
  options.optimizer_state = OptimizerState::int8;
  options.optimizer_in_backward = true;
  const TrainingMemory memory = memory_of_3b(options, 1024, Checkpointing::full);
  EXPECT_LT(memory.total(), uint64_t{14} << 30);
  EXPECT_GT(memory.total(), 4 * uint64_t{3212749824});
  options.optimizer_in_backward = false;
  EXPECT_GT(memory_of_3b(options, 1024, Checkpointing::full).total(), uint64_t{16} << 30);
}

INSTANTIATE_TEST_SUITE_P(
    Tiers,
    MemoryAccounting,
    testing::Values(
        Accounting{Dtype::float32, OptimizerState::float32, Checkpointing::none, false, true},
        Accounting{Dtype::float32, OptimizerState::float32, Checkpointing::selective, false, true},
        Accounting{Dtype::float32, OptimizerState::float32, Checkpointing::full, false, false},
        Accounting{Dtype::bfloat16, OptimizerState::bfloat16, Checkpointing::none, false, true},
        Accounting{Dtype::bfloat16, OptimizerState::bfloat16, Checkpointing::full, false, true},
        Accounting{Dtype::float32, OptimizerState::float32, Checkpointing::full, true, true},
        Accounting{Dtype::bfloat16, OptimizerState::bfloat16, Checkpointing::full, true, false},
        Accounting{Dtype::bfloat16, OptimizerState::int8, Checkpointing::full, true, true},
        Accounting{
            Dtype::bfloat16, OptimizerState::float32_master, Checkpointing::full, false, true}));

}  // namespace
}  // namespace thoughtrank
