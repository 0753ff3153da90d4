#include <ATen/Parallel.h>

#include <algorithm>

#include "kernels/decode_step/decode_step_operations.h"

namespace thoughtrank::decode_step {
namespace {

template <class Function>
void for_each_row(int64_t rows, const Function& function) {
  at::parallel_for(0, rows, /*grain_size=*/1, [&](int64_t begin, int64_t end) {
    for (int64_t row = begin; row < end; ++row) function(row);
  });
}

template <class T>
void rotate_head(T* head, const float* cos, const float* sin, int D) {
  const int half = D / 2;
  for (int d = 0; d < half; ++d) {
    const Pair x = {widen(head[d]), widen(head[d + half])};
    const Pair turned = rotate(x, {cos[d], cos[d + half]}, {sin[d], sin[d + half]});
    head[d] = narrow<T>(turned.low);
    head[d + half] = narrow<T>(turned.high);
  }
}

Choice choose(const float* logits, int from, int to) {
  Choice choice = no_logits();
  for (int id = from; id < to; ++id) choice = with(choice, logits[id], id);
  return choice;
}

}  // namespace

template <class T>
void on_cpu::run(const EmbedSlots<T>& o) {
  for (int slot = 0; slot < o.slots.count; ++slot) {
    float* x = o.x + int64_t{slot} * o.width;
    if (o.slots.length[slot] <= 0) {
      std::fill_n(x, o.width, 0.0f);
      continue;
    }
    const int token = o.slots.token[slot] < 0 ? o.chosen[slot] : o.slots.token[slot];
    const T* row = o.table + int64_t{token} * o.width;
    for (int c = 0; c < o.width; ++c) x[c] = widen(row[c]);
  }
}

template <class T>
void on_cpu::run(const NormRows<T>& o) {
  for_each_row(o.rows, [&](int64_t row) {
    const int64_t first = row * o.width;
    float* x = o.x + first;
    float squares = 0;
    for (int c = 0; c < o.width; ++c) {
      if (o.delta) x[c] += widen(o.delta[first + c]);
      squares += x[c] * x[c];
    }
    const float factor = 1.0f / std::sqrt(squares / static_cast<float>(o.width) + o.eps);
    for (int c = 0; c < o.width; ++c) {
      o.out[first + c] = narrow<T>(x[c] * factor * widen(o.weight[c]));
    }
  });
}

template <class T>
void on_cpu::run(const SiluRows<T>& o) {
  for_each_row(o.rows, [&](int64_t row) {
    const T* gate = o.gate_up + row * 2 * o.width;
    const T* up = gate + o.width;
    T* out = o.out + row * o.width;
    for (int f = 0; f < o.width; ++f) out[f] = narrow<T>(silu_mul(widen(gate[f]), widen(up[f])));
  });
}

void on_cpu::run(const FindPlaces& o) {
  for (int slot = 0; slot < o.slots.count; ++slot) {
    const KvBlock suffix = suffix_of(o.slots, slot);
    const bool is_empty = suffix.length <= 0;
    const int last = is_empty ? 0 : suffix.length - 1;
    o.position[slot] = o.slots.position[slot];
    o.page[slot] = is_empty ? -1 : suffix.pages[last / kPage];
    o.place[slot] = last % kPage;
  }
}

template <class T>
void on_cpu::run(const RotateRows<T>& o) {
  const Heads& heads = o.kv.heads;
  const int D = heads.size;
  for_each_row(o.rows, [&](int64_t row) {
    T* x = o.qkv + row * heads.row();
    const float* cos = o.cos + int64_t{o.position[row]} * D;
    const float* sin = o.sin + int64_t{o.position[row]} * D;
    for (int h = 0; h < heads.query + heads.kv; ++h) rotate_head(x + h * D, cos, sin, D);
    if (o.page[row] < 0) return;
    for (int k = 0; k < heads.kv; ++k) {
      const T* key = x + (heads.query + k) * D;
      std::copy_n(key, D, o.kv.key(o.page[row], k, o.place[row]));
      std::copy_n(key + heads.kv * D, D, o.kv.value(o.page[row], k, o.place[row]));
    }
  });
}

void on_cpu::run(const ChooseTokens& o) {
  constexpr int kPiece = 256;  // summed apart, so that the sum stays exact over a large vocabulary
  for_each_row(o.slots, [&](int64_t slot) {
    const float* logits = o.logits + slot * o.vocabulary;
    Choice choice = no_logits();
    for (int from = 0; from < o.vocabulary; from += kPiece) {
      choice = join(choice, choose(logits, from, std::min(from + kPiece, o.vocabulary)));
    }
    o.chosen[slot] = chosen_id(choice);
    float* scores = o.scores + slot * 3;
    scores[0] = log_probability(choice);
    scores[1] = choice.best - choice.second;
    scores[2] = choice.is_finite ? 1.0f : 0.0f;
  });
}

template void on_cpu::run(const EmbedSlots<float>&);
template void on_cpu::run(const EmbedSlots<Bf16>&);
template void on_cpu::run(const NormRows<float>&);
template void on_cpu::run(const NormRows<Bf16>&);
template void on_cpu::run(const SiluRows<float>&);
template void on_cpu::run(const SiluRows<Bf16>&);
template void on_cpu::run(const RotateRows<float>&);
template void on_cpu::run(const RotateRows<Bf16>&);

}  // namespace thoughtrank::decode_step
