// The instructions that the kernels use beside C++ and CUDA's own: launching, asynchronous copies,
// matrix products of a warp. Which lane holds what is said in mma_lanes.h. The tests have this
// header once more, for the host (tests/kernels/emulated_cuda).
#pragma once

#include <cuda_runtime.h>

#include "kernels/decode_step/decode_step_element.h"
#include "kernels/machine/cuda_stream.h"

namespace thoughtrank::cuda {

using decode_step::Bf16;

// Enqueues a kernel of one argument. More dynamic shared memory than 48 KiB has to be asked for.
template <class Argument>
void launch(const char* name,
            void (*kernel)(Argument),
            dim3 blocks,
            int threads,
            const Argument& argument,
            Stream stream,
            int shared_bytes = 0) {
  if (blocks.x == 0 || blocks.y == 0 || blocks.z == 0) return;
  cudaError_t status = cudaSuccess;
  if (shared_bytes > 48 * 1024) {
    status =
        cudaFuncSetAttribute(kernel, cudaFuncAttributeMaxDynamicSharedMemorySize, shared_bytes);
  }
  if (status == cudaSuccess) {
    kernel<<<blocks, threads, static_cast<size_t>(shared_bytes), stream>>>(argument);
    status = cudaGetLastError();
  }
  if (status != cudaSuccess) fail_launch(name, cudaGetErrorString(status));
}

__device__ inline Bf16* dynamic_shared() {
  extern __shared__ uint4 shared_memory[];
  return reinterpret_cast<Bf16*>(shared_memory);
}

// Copies 16 bytes to shared memory when it is their turn, or zeros where there is no such source.
__device__ inline void copy_async(void* shared, const void* global, bool is_there) {
  const auto to = static_cast<unsigned>(__cvta_generic_to_shared(shared));
  asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;" ::"r"(to),
               "l"(__cvta_generic_to_global(global)),
               "r"(is_there ? 16 : 0)
               : "memory");
}
// Ends a group of copies.
__device__ inline void commit_copies() { asm volatile("cp.async.commit_group;" ::: "memory"); }
// Waits until at most kPending groups of this thread are under way.
template <int kPending>
__device__ inline void wait_for_copies() {
  asm volatile("cp.async.wait_group %0;" ::"n"(kPending) : "memory");
}

// Four 8 × 8 matrices of 16-bit elements from shared memory: lane 8·i + r names row r of matrix i.
__device__ inline void load_matrices(uint32_t (&to)[4], const Bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
}
__device__ inline void load_transposed_matrices(uint32_t (&to)[4], const Bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(to[0]), "=r"(to[1]), "=r"(to[2]), "=r"(to[3])
               : "r"(static_cast<unsigned>(__cvta_generic_to_shared(row)))
               : "memory");
}
// c (16, 8) float32 += a (16, 16) · b (16, 8) bfloat16.
__device__ inline void multiply_add(float (&c)[4],
                                    const uint32_t (&a)[4],
                                    uint32_t b0,
                                    uint32_t b1) {
  asm("mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, "
      "{%8, %9}, {%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

}  // namespace thoughtrank::cuda
