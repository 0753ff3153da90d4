// Grouped-query attention of many token rows at once. A row may read two blocks of keys and
// values: a prefix that it shares with other rows, and its own sequence up to itself. The shared
// part is multiplied for all its rows together, page by page; both parts join in one running
// softmax over pages that are cut at the same tokens whether the prefix is shared or not: the bits
// are equal. A row's arithmetic depends on its own prefix and sequence only.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <vector>

#include "thoughtrank/kernels/kv_pages.h"
#include "thoughtrank/kernels/thread_pool.h"

namespace thoughtrank {

// Says that the rows [first_row, first_row + rows) read all of `prefix`.
struct PrefixRun {
  const KvSequence* prefix = nullptr;
  int64_t first_row = 0;
  int64_t rows = 0;
};

// Says that the rows [first_row, first_row + rows) are the next tokens of `sequence`, which is
// extended by them: each reads the sequence up to and with itself. `first_position` is the position
// of the first of them in the text (prefix included), for the rotary embedding.
struct SequenceRun {
  KvSequence* sequence = nullptr;
  int64_t first_row = 0;
  int64_t rows = 0;
  int64_t first_position = 0;
};

// A sequence whose rows read a prefix has first_place() = the prefix's length % 64.
// Every row is in exactly one of `sequences` and in at most one of `prefixes`.
struct AttentionBatch {
  int64_t rows = 0;  // M, rows of the batch
  std::vector<PrefixRun> prefixes;
  std::vector<SequenceRun> sequences;
};

struct AttentionShape {
  int64_t heads = 0;  // H, a multiple of kv.kv_heads
  KvShape kv;
};

class Attention {
 public:
  // Makes room for batches of at most `most_rows` rows.
  Attention(AttentionShape shape, int64_t most_rows);
  ~Attention();

  // Takes the batch's runs and extends its sequences; the caller then calls apply() once per layer.
  void begin(const AttentionBatch& batch);
  // Writes one layer's attention to out (M, H·D) in activation_dtype() of the KV's type, and its
  // keys and values into the sequences. qkv (M, (H + 2·K)·D) float32 is as before the rotary
  // embedding; cos, sin (positions, D) are float32.
  void apply(ThreadPool& pool,
             int64_t layer,
             const at::Tensor& qkv,
             const at::Tensor& cos,
             const at::Tensor& sin,
             const at::Tensor& out);

  struct State;  // src/kernels/attention/attention_state.h

 private:
  std::unique_ptr<State> state_;
};

}  // namespace thoughtrank
