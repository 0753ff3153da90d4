// Slots with random texts for tests of the decoding step: some prefixes, and slots that read one of
// them or none. What no token has written is NaN, and layer 0 is NaN throughout.
#pragma once

#include <ATen/ATen.h>

#include <vector>

#include "thoughtrank/kernels/decode_step.h"

namespace thoughtrank {

// Where the tests of this program run the operations: a GPU, or the CPU where it links the emulator
// (gpu_step_device.cpp, emulated_cuda/emulated_step_device.cpp).
[[nodiscard]] at::Device step_device();

inline constexpr int64_t kSceneLayer = 1;  // of two

struct SceneSlot {
  uint64_t seed = 0;   // of its query, keys and values
  int64_t length = 0;  // of its suffix; 0: empty
  int prefix = -1;     // in SceneSpec::prefixes; −1: none
};

struct SceneSpec {
  at::ScalarType dtype = at::kFloat;
  HeadShape shape;
  std::vector<int64_t> prefixes;  // their lengths
  std::vector<SceneSlot> slots;
};

struct Scene {
  SceneSpec spec;
  SlotTable slots;
  DeviceKv kv;
  at::Tensor qkv;  // (B, (H + 2·K)·D)
  PrefixPart part;

  [[nodiscard]] Scene on(at::Device device) const;
  [[nodiscard]] LayerRows rows() const {
    return {.qkv = qkv, .shape = spec.shape, .kv = kv, .layer = kSceneLayer};
  }
};

// Makes it on step_device().
[[nodiscard]] Scene make_scene(const SceneSpec& spec);

// Runs attend_prefixes and attend_suffixes: (B, H·D).
[[nodiscard]] at::Tensor attend(const Scene& scene);
// Does the same by PyTorch in float64, on the CPU.
[[nodiscard]] at::Tensor attend_by_pytorch(const Scene& scene);

// The largest difference that two ways to the same value may have, relative to 1 or to the value;
// none for integers.
[[nodiscard]] double tolerance(at::ScalarType dtype);
// Whether `found` is within the tolerance of its own type from `expected`.
[[nodiscard]] bool is_close(const at::Tensor& found, const at::Tensor& expected);

}  // namespace thoughtrank
