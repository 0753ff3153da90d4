// The operations of a decoding step as values: raw pointers and sizes, checked by decode_step.cpp.
// Both sides run the same values: on_cpu in plain loops (decode_step_cpu.cpp), on_cuda as kernels
// on a stream (decode_step.cu, decode_suffixes.cu, decode_prefixes.cu, or
// decode_step_without_cuda.cpp in builds without nvcc). No tensors here: CUDA sources stay free of
// ATen. T is float or Bf16.
#pragma once

#include <cstdint>

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

namespace on_cpu {
template <class T>
void run(const EmbedSlots<T>& operation);
template <class T>
void run(const NormRows<T>& operation);
template <class T>
void run(const SiluRows<T>& operation);
template <class T>
void run(const RotateRows<T>& operation);
template <class T>
void run(const AttendPrefixes<T>& operation);
template <class T>
void run(const AttendSuffixes<T>& operation);
void run(const FindPlaces& operation);
void run(const ChooseTokens& operation);
}  // namespace on_cpu

namespace on_cuda {
using cuda::Stream;

// Enqueue the operation. Error(kDevice) where a kernel cannot be launched.
template <class T>
void run(const EmbedSlots<T>& operation, Stream stream);
template <class T>
void run(const NormRows<T>& operation, Stream stream);
template <class T>
void run(const SiluRows<T>& operation, Stream stream);
template <class T>
void run(const RotateRows<T>& operation, Stream stream);
template <class T>
void run(const AttendPrefixes<T>& operation, Stream stream);
template <class T>
void run(const AttendSuffixes<T>& operation, Stream stream);
void run(const FindPlaces& operation, Stream stream);
void run(const ChooseTokens& operation, Stream stream);
}  // namespace on_cuda

}  // namespace thoughtrank::decode_step
