// What an Attention keeps between its batches: the plan of the batch in tiles and the buffers.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "kernels/vector/vector_kernels.h"
#include "thoughtrank/kernels/attention.h"

namespace thoughtrank {

// Query rows of one key/value head that go through the micro-kernel together. Query row i of a head
// is token row i / G, query head i % G of the group.
struct QueryTile {
  const KvSequence* sequence;
  // The sequence's first page holds its tokens from first_place() on; the places before are those
  // of the last page of this prefix, where there is one.
  const KvSequence* prefix;
  int64_t head;   // of K
  int64_t first;  // query row
  int64_t rows;
  // Places of the sequence's pages that query row i sees: all `visible`, or, when causal,
  // visible + (i / G − token row of the run's first).
  int64_t visible;
  bool is_causal;
  int64_t run_first;  // token row
};

// Where the keys and values of one token row go.
struct KvPlace {
  const KvSequence* sequence;
  int64_t place;     // in the sequence's pages
  int64_t position;  // of the text
  bool is_first;     // of its sequence
  bool is_last;      // of its run
};

struct Attention::State {
  AttentionShape shape;
  int64_t group;        // G = H / K
  int64_t value_width;  // D rounded up to whole panels
  int64_t most_rows;
  std::vector<KvPlace> places;               // (M)
  std::vector<const KvSequence*> prefix_of;  // (M) nullptr: none
  std::vector<QueryTile> prefix_tiles, sequence_tiles;
  at::Tensor q_memory;        // (K, most_rows · G, D), rotated and scaled
  at::Tensor sums_memory;     // (K, most_rows · G, value_width) float32: weights · values so far
  at::Tensor softmax_memory;  // (K, most_rows · G, 2) float32: SoftmaxState
  void* q = nullptr;          // first elements of the three
  float* sums = nullptr;
  SoftmaxState* softmax = nullptr;

  [[nodiscard]] int64_t query_row(int64_t head, int64_t row) const {
    return head * most_rows * group + row;
  }
  // Into tiles of the kernels that multiply the queries.
  [[nodiscard]] RowCut cut(int64_t query_rows) const {
    const VectorKernels& kernels = vector_kernels();
    return q_memory.scalar_type() == at::kFloat ? RowCut(query_rows, kernels.f32_tiles)
                                                : RowCut(query_rows, kernels.dot_tiles);
  }
  [[nodiscard]] int64_t visible_to(const QueryTile& tile, int64_t row) const {
    return tile.is_causal ? tile.visible + row / group - tile.run_first : tile.visible;
  }
  template <class T>
  [[nodiscard]] T* q_row(int64_t head, int64_t row) const {
    return static_cast<T*>(q) + query_row(head, row) * shape.kv.head_dim;
  }
  [[nodiscard]] float* sums_row(int64_t head, int64_t row) const {
    return sums + query_row(head, row) * value_width;
  }
  [[nodiscard]] SoftmaxState& softmax_row(int64_t head, int64_t row) const {
    return softmax[query_row(head, row)];
  }
};

}  // namespace thoughtrank
