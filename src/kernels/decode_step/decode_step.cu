#include "kernels/decode_step/cuda_ops.h"
#include "kernels/decode_step/decode_step_operations.h"

// Rows and their widths are multiples of 8 elements and aligned to 16 bytes: decode_step.cpp
// checks.
namespace thoughtrank::decode_step {
namespace {

using cuda::load;
using cuda::Several;
using cuda::store;

constexpr int kThreads = 256;
constexpr int kChooseThreads = 1024;
constexpr int kVector = 4;  // elements a thread takes at a time

template <class T>
__device__ Several<float, kVector> load_wide(const T* from) {
  const Several<T, kVector> values = load<kVector>(from);
  Several<float, kVector> wide;
  for (int i = 0; i < kVector; ++i) wide.values[i] = widen(values.values[i]);
  return wide;
}

template <class T>
__device__ void store_narrow(T* to, const Several<float, kVector>& values) {
  Several<T, kVector> narrowed;
  for (int i = 0; i < kVector; ++i) narrowed.values[i] = narrow<T>(values.values[i]);
  store<kVector>(to, narrowed);
}

// A block per slot.
template <class T>
__global__ void __launch_bounds__(kThreads) embed_slots_kernel(EmbedSlots<T> o) {
  const int slot = static_cast<int>(blockIdx.x);
  const bool is_empty = o.slots.length[slot] <= 0;
  const int token = is_empty ? 0 : o.slots.token[slot] < 0 ? o.chosen[slot] : o.slots.token[slot];
  const T* row = o.table + int64_t{token} * o.width;
  float* x = o.x + int64_t{slot} * o.width;
  for (int c = threadIdx.x * kVector; c < o.width; c += kThreads * kVector) {
    store<kVector>(x + c, is_empty ? Several<float, kVector>{} : load_wide(row + c));
  }
}

// A block per row. A thread writes and reads again the same elements of x.
template <class T>
__global__ void __launch_bounds__(kThreads) norm_rows_kernel(NormRows<T> o) {
  const int64_t first = int64_t{blockIdx.x} * o.width;
  float* x = o.x + first;
  float squares = 0;
  for (int c = threadIdx.x * kVector; c < o.width; c += kThreads * kVector) {
    Several<float, kVector> sum = load<kVector>(x + c);
    if (o.delta) {
      const Several<float, kVector> added = load_wide(o.delta + first + c);
      for (int i = 0; i < kVector; ++i) sum.values[i] += added.values[i];
      store<kVector>(x + c, sum);
    }
    for (int i = 0; i < kVector; ++i) squares += sum.values[i] * sum.values[i];
  }
  const float mean = cuda::sum_over_block<kThreads>(squares) / static_cast<float>(o.width);
  const float factor = 1.0f / std::sqrt(mean + o.eps);
  for (int c = threadIdx.x * kVector; c < o.width; c += kThreads * kVector) {
    Several<float, kVector> out = load<kVector>(x + c);
    const Several<float, kVector> weight = load_wide(o.weight + c);
    for (int i = 0; i < kVector; ++i) out.values[i] *= factor * weight.values[i];
    store_narrow(o.out + first + c, out);
  }
}

// A block per row and kThreads · kVector columns.
template <class T>
__global__ void __launch_bounds__(kThreads) silu_rows_kernel(SiluRows<T> o) {
  const int f = static_cast<int>(blockIdx.y * kThreads + threadIdx.x) * kVector;
  if (f >= o.width) return;
  const T* gate_up = o.gate_up + int64_t{blockIdx.x} * 2 * o.width + f;
  Several<float, kVector> out = load_wide(gate_up);
  const Several<float, kVector> up = load_wide(gate_up + o.width);
  for (int i = 0; i < kVector; ++i) out.values[i] = silu_mul(out.values[i], up.values[i]);
  store_narrow(o.out + int64_t{blockIdx.x} * o.width + f, out);
}

__global__ void __launch_bounds__(kThreads) find_places_kernel(FindPlaces o) {
  const int slot = static_cast<int>(blockIdx.x * kThreads + threadIdx.x);
  if (slot >= o.slots.count) return;
  const KvBlock suffix = suffix_of(o.slots, slot);
  const bool is_empty = suffix.length <= 0;
  const int last = is_empty ? 0 : suffix.length - 1;
  o.position[slot] = o.slots.position[slot];
  o.page[slot] = is_empty ? -1 : suffix.pages[last / kPage];
  o.place[slot] = last % kPage;
}

// Elements d … d + 3 of a head at x and their partners at x + D/2.
template <class T>
struct Turned {
  Several<T, kVector> low, high;
};
template <class T>
__device__ Turned<T> turn(const T* x, const float* cos, const float* sin, int half) {
  const Several<float, kVector> low = load_wide(x), high = load_wide(x + half);
  const Several<float, kVector> cos_low = load<kVector>(cos), cos_high = load<kVector>(cos + half);
  const Several<float, kVector> sin_low = load<kVector>(sin), sin_high = load<kVector>(sin + half);
  Turned<T> turned;
  for (int i = 0; i < kVector; ++i) {
    const Pair pair = rotate({low.values[i], high.values[i]},
                             {cos_low.values[i], cos_high.values[i]},
                             {sin_low.values[i], sin_high.values[i]});
    turned.low.values[i] = narrow<T>(pair.low);
    turned.high.values[i] = narrow<T>(pair.high);
  }
  return turned;
}

// A block per row: a thread turns 4 pairs of a query or key head, or copies the same of a value.
template <class T>
__global__ void __launch_bounds__(kThreads) rotate_rows_kernel(RotateRows<T> o) {
  const Heads& heads = o.kv.heads;
  const int row = static_cast<int>(blockIdx.x), half = heads.size / 2, vectors = half / kVector;
  T* x = o.qkv + row * heads.row();
  const int64_t position = o.position[row], page = o.page[row];
  const int place = o.place[row];
  const int all_heads = heads.query + 2 * heads.kv;
  for (int n = threadIdx.x; n < all_heads * vectors; n += kThreads) {
    const int head = n / vectors, d = n % vectors * kVector;
    const int key = head - heads.query, value = key - heads.kv;
    T* at = x + head * heads.size + d;
    Turned<T> moved = {};
    if (value >= 0) {
      moved = {load<kVector>(at), load<kVector>(at + half)};
    } else {
      const int64_t angle = position * heads.size + d;
      moved = turn(at, o.cos + angle, o.sin + angle, half);
      store<kVector>(at, moved.low);
      store<kVector>(at + half, moved.high);
    }
    if (key < 0 || page < 0) continue;
    T* to = (value >= 0 ? o.kv.value(page, value, place) : o.kv.key(page, key, place)) + d;
    store<kVector>(to, moved.low);
    store<kVector>(to + half, moved.high);
  }
}

// A block per slot: each thread takes every kChooseThreads-th logit or four of them, then halves of
// the threads join by pairs.
__global__ void __launch_bounds__(kChooseThreads) choose_tokens_kernel(ChooseTokens o) {
  __shared__ Choice choices[kChooseThreads];
  const int thread = static_cast<int>(threadIdx.x), slot = static_cast<int>(blockIdx.x);
  const float* logits = o.logits + int64_t{slot} * o.vocabulary;
  // Rows are aligned to four logits only where the vocabulary is a multiple of them.
  const int in_fours = o.vocabulary % kVector == 0 ? o.vocabulary : 0;
  Choice choice = no_logits();
  for (int id = thread * kVector; id < in_fours; id += kChooseThreads * kVector) {
    const Several<float, kVector> four = load<kVector>(logits + id);
    for (int i = 0; i < kVector; ++i) choice = with(choice, four.values[i], id + i);
  }
  for (int id = in_fours + thread; id < o.vocabulary; id += kChooseThreads) {
    choice = with(choice, logits[id], id);
  }
  choices[thread] = choice;
  __syncthreads();
  for (int half = kChooseThreads / 2; half > 0; half /= 2) {
    if (thread < half) choices[thread] = join(choices[thread], choices[thread + half]);
    __syncthreads();
  }
  if (thread != 0) return;
  o.chosen[slot] = chosen_id(choices[0]);
  float* scores = o.scores + int64_t{slot} * 3;
  scores[0] = log_probability(choices[0]);
  scores[1] = choices[0].best - choices[0].second;
  scores[2] = choices[0].is_finite ? 1.0f : 0.0f;
}

unsigned blocks_of(int64_t items, int64_t per_block) {
  return static_cast<unsigned>((items + per_block - 1) / per_block);
}

template <class T>
void launch(const EmbedSlots<T>& o, cuda::Stream stream) {
  const auto slots = static_cast<unsigned>(o.slots.count);
  cuda::launch("embed_slots", embed_slots_kernel<T>, slots, kThreads, o, stream);
}

template <class T>
void launch(const NormRows<T>& o, cuda::Stream stream) {
  const auto rows = static_cast<unsigned>(o.rows);
  cuda::launch("add_rms_norm_rows", norm_rows_kernel<T>, rows, kThreads, o, stream);
}

template <class T>
void launch(const SiluRows<T>& o, cuda::Stream stream) {
  const dim3 blocks(static_cast<unsigned>(o.rows), blocks_of(o.width, kThreads * kVector));
  cuda::launch("silu_mul_rows", silu_rows_kernel<T>, blocks, kThreads, o, stream);
}

void launch(const FindPlaces& o, cuda::Stream stream) {
  cuda::launch(
      "find_places", find_places_kernel, blocks_of(o.slots.count, kThreads), kThreads, o, stream);
}

template <class T>
void launch(const RotateRows<T>& o, cuda::Stream stream) {
  const auto rows = static_cast<unsigned>(o.rows);
  cuda::launch("rotate_and_store", rotate_rows_kernel<T>, rows, kThreads, o, stream);
}

void launch(const ChooseTokens& o, cuda::Stream stream) {
  const auto slots = static_cast<unsigned>(o.slots);
  cuda::launch("choose_tokens", choose_tokens_kernel, slots, kChooseThreads, o, stream);
}

}  // namespace

void run_on_cuda(const Operation& operation, cuda::Stream stream) {
  std::visit([stream](const auto& o) { launch(o, stream); }, operation);
}

}  // namespace thoughtrank::decode_step
