// Memory for weights and KV pages: pieces cut one after the other from large chunks for which huge
// pages are asked. Address translation then misses less, and the first touch of a chunk costs one
// page fault per 2 MiB instead of 512 (Linux: Documentation/admin-guide/mm/transhuge.rst).
#pragma once

#include <ATen/core/Tensor.h>

#include <cstddef>
#include <memory>

namespace thoughtrank {

class HugePageArena {
 public:
  // Returns a contiguous tensor of undefined content on the CPU. It keeps its chunk alive: a chunk
  // is freed with the last of its pieces. Throws std::bad_alloc when the system has no memory left.
  [[nodiscard]] at::Tensor take(at::IntArrayRef sizes, at::ScalarType dtype);

 private:
  void open_chunk(size_t bytes);

  std::shared_ptr<char> chunk_;
  size_t used_ = 0, size_ = 0;  // bytes of the chunk that are taken, and all
};

}  // namespace thoughtrank
