#include "thoughtrank/kernels/huge_page_arena.h"

#include <ATen/ops/from_blob.h>
#include <c10/core/ScalarType.h>
#include <c10/util/accumulate.h>
#include <sys/mman.h>

#include <algorithm>
#include <cstdlib>
#include <new>

#include "kernels/vector/vector_kernels.h"

namespace thoughtrank {
namespace {

constexpr size_t kHugePage = size_t{2} << 20;
constexpr size_t kChunk = 16 * kHugePage;

size_t round_up(size_t bytes, size_t unit) { return (bytes + unit - 1) / unit * unit; }

}  // namespace

void HugePageArena::open_chunk(size_t bytes) {
  const size_t size = std::max(kChunk, round_up(bytes, kHugePage));
  void* memory = std::aligned_alloc(kHugePage, size);
  if (memory == nullptr) throw std::bad_alloc();
  chunk_ = {static_cast<char*>(memory), std::free};
  size_ = size;
  used_ = 0;
  ::madvise(memory, size, MADV_HUGEPAGE);  // a wish: without it all works, slower
}

at::Tensor HugePageArena::take(at::IntArrayRef sizes, at::ScalarType dtype) {
  const size_t bytes = static_cast<size_t>(c10::multiply_integers(sizes)) * c10::elementSize(dtype);
  const size_t needed = round_up(bytes, kCacheLine);
  if (used_ + needed > size_) open_chunk(needed);
  char* piece = chunk_.get() + used_;
  used_ += needed;
  return at::from_blob(
      piece, sizes, [chunk = chunk_](void*) {}, at::TensorOptions(dtype));
}

}  // namespace thoughtrank
