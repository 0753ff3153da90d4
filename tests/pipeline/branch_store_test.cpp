#include "pipeline/branch_store.h"

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace thoughtrank {
namespace {

OutputRow make_row(const std::string& prompt_id, int64_t branch, const std::string& model) {
  OutputRow row;
  row.prompt_id = prompt_id;
  row.round = 1;
  row.branch = branch;
  row.char_ = "a";
  row.answer = "answer " + std::to_string(branch);
  row.token_ids = {1, 2, 3};
  row.thought_end = ThoughtEnd::model;
  row.finish = Finish::eos;
  row.thought_logprob = -0.1;
  row.model_sha256 = model;
  return row;
}

TEST(BranchStore, FindsWhatWasStoredBefore) {
  const TemporaryFolder folder;
  {
    BranchStore store(folder / "branches.jsonl", "m");
    store.add(make_row("p", 7, "m"));
    store.add(make_row("p", 3, "m"));
    store.add(make_row("q", 0, "m"));
  }
  const BranchStore store(folder / "branches.jsonl", "m");
  EXPECT_EQ(store.count(), 3);
  EXPECT_TRUE(store.has("p", 3));
  EXPECT_FALSE(store.has("p", 4));
  const auto rows = store.rows_of("p");
  ASSERT_EQ(rows.size(), 2u);
  EXPECT_EQ(rows[0].branch, 3);
  EXPECT_EQ(rows[1].branch, 7);
  EXPECT_EQ(dump_json(to_json(rows[0])), dump_json(to_json(make_row("p", 3, "m"))));
}

TEST(BranchStore, ForgetsBranchesOfOtherWeights) {
  const TemporaryFolder folder;
  {
    BranchStore store(folder / "branches.jsonl", "m");
    store.add(make_row("p", 0, "m"));
  }
  const BranchStore store(folder / "branches.jsonl", "other");
  EXPECT_EQ(store.count(), 0);
}

TEST(BranchStore, KeepsHeldOutGenerations) {
  const TemporaryFolder folder;
  OutputRow row = make_row("p", -1, "m");
  row.char_ = "";
  row.thought_end = ThoughtEnd::none;
  row.round = 0;
  {
    BranchStore store(folder / "heldout.jsonl", "m");
    store.add(row);
  }
  const BranchStore store(folder / "heldout.jsonl", "m");
  ASSERT_TRUE(store.has("p", -1));
  EXPECT_EQ(dump_json(to_json(store.rows_of("p")[0])), dump_json(to_json(row)));
}

}  // namespace
}  // namespace thoughtrank
