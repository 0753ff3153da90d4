// Runs CUDA kernels on the host, thread by thread: each thread of a block is a fiber that runs up
// to the next barrier. Slow and strict: a barrier that not all threads of a warp or block reach is
// an error, asynchronous copies arrive as late as they may, dynamic shared memory begins as NaN.
#pragma once

#include <cstdint>
#include <functional>

struct dim3 {
  unsigned x, y, z;
  dim3(unsigned x_, unsigned y_ = 1, unsigned z_ = 1) : x(x_), y(y_), z(z_) {}
};

// Of the thread that runs now, and the number of blocks.
inline dim3 threadIdx{0}, blockIdx{0}, gridDim{0};

namespace thoughtrank::emulated {

// Runs `body` once per thread, block after block. Throws std::logic_error where threads wait for
// each other for ever.
void run_blocks(dim3 blocks, int threads, int shared_bytes, const std::function<void()>& body);

void sync_block();
void sync_warp();
void* dynamic_shared();

// What the lanes of the running warp show each other.
struct Lanes {
  uint32_t words[32][8];
  const uint16_t* rows[32];
  float shown[2][32];
  unsigned shuffles[32];  // of each lane so far
};
Lanes& lanes();

void copy_later(void* to, const void* from, bool is_there);  // 16 bytes
void end_group();
void finish_groups_but(int pending);

}  // namespace thoughtrank::emulated
