#include <ATen/Parallel.h>

#include <algorithm>
#include <vector>

#include "kernels/decode_step/decode_step_operations.h"

namespace thoughtrank::decode_step {
namespace {

// One query row's running attention.
struct Part {
  Softmax state;
  float* sums;  // (D): of weights · values
};

template <class T>
float dot(const T* query, const T* key, int D) {
  float sum = 0;
  for (int d = 0; d < D; ++d) sum += widen(query[d]) * widen(key[d]);
  return sum;
}

// Adds `count` keys and values that follow each other in one page.
template <class T>
void add_keys(Part& part, const T* query, const T* keys, const T* values, int count, int D) {
  float scores[kPage];
  const float scale = 1.0f / std::sqrt(static_cast<float>(D));
  float highest = part.state.highest;
  for (int i = 0; i < count; ++i) {
    scores[i] = dot(query, keys + i * D, D) * scale;
    highest = higher(highest, scores[i]);
  }
  const float factor = factor_of(part.state.highest, highest);
  part.state = {highest, part.state.sum * factor};
  for (int d = 0; d < D; ++d) part.sums[d] *= factor;
  for (int i = 0; i < count; ++i) {
    const float weight = factor_of(scores[i], highest);
    part.state.sum += weight;
    for (int d = 0; d < D; ++d) part.sums[d] += weight * widen(values[i * D + d]);
  }
}

template <class T>
void add_kv_block(
    Part& part, const T* query, const KvBlock& kv_block, const KvLayer<const T>& kv, int kv_head) {
  for (int first = 0; first < kv_block.length; first += kPage) {
    const int64_t page = kv_block.pages[first / kPage];
    add_keys(part,
             query,
             kv.key(page, kv_head, 0),
             kv.value(page, kv_head, 0),
             std::min(kPage, kv_block.length - first),
             kv.heads.size);
  }
}

// function(slot, query head) for each of them.
template <class Function>
void for_each_head(const Slots& slots, const Heads& heads, const Function& function) {
  const int64_t rows = int64_t{slots.count} * heads.query;
  at::parallel_for(0, rows, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) {
      function(static_cast<int>(row / heads.query), static_cast<int>(row % heads.query));
    }
  });
}

}  // namespace

template <class T>
void on_cpu::run(const AttendPrefixes<T>& o) {
  const Heads& heads = o.kv.heads;
  for_each_head(o.slots, heads, [&](int slot, int head) {
    const int64_t row = int64_t{slot} * heads.query + head;
    Part part = {no_keys(), o.sums + row * heads.size};
    std::fill_n(part.sums, heads.size, 0.0f);
    const T* query = o.qkv + slot * heads.row() + int64_t{head} * heads.size;
    add_kv_block(part, query, prefix_of(o.slots, slot), o.kv, head / heads.group());
    o.states[row * 2] = part.state.highest;
    o.states[row * 2 + 1] = part.state.sum;
  });
}

template <class T>
void on_cpu::run(const AttendSuffixes<T>& o) {
  const Heads& heads = o.kv.heads;
  const int D = heads.size;
  for_each_head(o.slots, heads, [&](int slot, int head) {
    const int64_t row = int64_t{slot} * heads.query + head;
    T* out = o.out + row * D;
    const KvBlock suffix = suffix_of(o.slots, slot);
    if (suffix.length <= 0) {
      std::fill_n(out, D, T{});
      return;
    }
    std::vector<float> sums(o.sums + row * D, o.sums + (row + 1) * D);
    Part part = {{o.states[row * 2], o.states[row * 2 + 1]}, sums.data()};
    const T* query = o.qkv + slot * heads.row() + int64_t{head} * D;
    add_kv_block(part, query, suffix, o.kv, head / heads.group());
    for (int d = 0; d < D; ++d) out[d] = narrow<T>(part.sums[d] / part.state.sum);
  });
}

template void on_cpu::run(const AttendPrefixes<float>&);
template void on_cpu::run(const AttendPrefixes<Bf16>&);
template void on_cpu::run(const AttendSuffixes<float>&);
template void on_cpu::run(const AttendSuffixes<Bf16>&);

}  // namespace thoughtrank::decode_step
