// The operations of a decoding step as values: raw pointers and sizes, checked by decode_step.cpp
// and run as kernels on a stream (decode_step.cu, or decode_step_without_cuda.cpp in builds without
// nvcc). No tensors here: CUDA sources stay free of ATen. T is float or Bf16. A new operation is a
// struct, a member of the variant, its checks and its kernel.
#pragma once

#include <cstdint>
#include <variant>

#include "kernels/decode_step/decode_step_element.h"
#include "kernels/machine/cuda_stream.h"

namespace thoughtrank::decode_step {

template <class T>
struct EmbedSlots {
  Slots slots;
  const int32_t* chosen;  // (B)
  const T* table;         // (V, C)
  float* x;               // (B, C); rows of empty slots become 0
  int width;              // C
};

template <class T>
struct NormRows {
  float* x;         // (R, C)
  const T* delta;   // (R, C) or nullptr
  const T* weight;  // (C)
  T* out;           // (R, C)
  int64_t rows;
  int width;  // C
  float eps;
};

template <class T>
struct SiluRows {
  const T* gate_up;  // (R, 2·F)
  T* out;            // (R, F)
  int64_t rows;
  int width;  // F
};

struct FindPlaces {
  Slots slots;
  int32_t *position, *page, *place;  // (B)
};

template <class T>
struct RotateRows {
  T* qkv;  // (R, (H + 2·K)·D)
  int64_t rows;
  const int32_t *position, *page, *place;  // (R)
  const float *cos, *sin;                  // (positions, D)
  KvLayer<T> kv;
};

template <class T>
struct AttendPrefixes {
  const T* qkv;  // (B, (H + 2·K)·D)
  Slots slots;
  KvLayer<const T> kv;
  float *sums, *states;  // (B, H, D), (B, H, 2)
};

template <class T>
struct AttendSuffixes {
  const T* qkv;  // (B, (H + 2·K)·D)
  Slots slots;
  KvLayer<const T> kv;
  const float *sums, *states;  // of the prefixes
  T* out;                      // (B, H·D)
};

struct ChooseTokens {
  const float* logits;  // (B, V)
  int slots, vocabulary;
  int32_t* chosen;  // (B)
  float* scores;    // (B, 3)
};

// Any of them: what enqueue.h takes.
using Operation = std::variant<EmbedSlots<float>,
                               EmbedSlots<Bf16>,
                               NormRows<float>,
                               NormRows<Bf16>,
                               SiluRows<float>,
                               SiluRows<Bf16>,
                               FindPlaces,
                               RotateRows<float>,
                               RotateRows<Bf16>,
                               AttendPrefixes<float>,
                               AttendPrefixes<Bf16>,
                               AttendSuffixes<float>,
                               AttendSuffixes<Bf16>,
                               ChooseTokens>;

// Enqueues the kernel of an operation. Throws Error(kDevice) where it cannot be launched.
void run_on_cuda(const Operation& operation, cuda::Stream stream);

// The same for the operations that have a source of their own: decode_prefixes.cu and
// decode_suffixes.cu.
template <class T>
void launch(const AttendPrefixes<T>& operation, cuda::Stream stream);
template <class T>
void launch(const AttendSuffixes<T>& operation, cuda::Stream stream);

}  // namespace thoughtrank::decode_step
