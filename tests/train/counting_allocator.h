// The CPU's allocator with a meter: bytes that live, their peak, and an allocation that fails as a
// full device's would.
//
// libtorch allocates in two ways: tensors by allocate(), oneDNN's scratch memory by raw_allocate(),
// which hands out the context of the block in place of its data and frees it by raw_deleter(). So
// the context of a block is its address, and how many bytes an address stands for is in a table. A
// block of oneDNN's may be older than this allocator or outlive it: every address comes from the
// allocator beneath, which can free it at any time.
#pragma once

#include <ATen/Context.h>
#include <c10/core/Allocator.h>
#include <c10/core/CPUAllocator.h>
#include <c10/util/Exception.h>

#include <algorithm>
#include <atomic>
#include <limits>
#include <mutex>
#include <unordered_map>

namespace thoughtrank {

class CountingAllocator : public c10::Allocator {
 public:
  CountingAllocator() {
    c10::SetAllocator(c10::DeviceType::CPU, this, kPriority);
    installed_ = this;
  }
  // Tensors that were made meanwhile must be gone.
  ~CountingAllocator() override {
    installed_ = nullptr;
    c10::SetAllocator(c10::DeviceType::CPU, c10::GetDefaultCPUAllocator(), kPriority);
  }
  CountingAllocator(const CountingAllocator&) = delete;
  CountingAllocator& operator=(const CountingAllocator&) = delete;

  c10::DataPtr allocate(size_t bytes) override {
    if (bytes >= kLarge && --until_failure_ == 0) {
      TORCH_CHECK_WITH(OutOfMemoryError, false, "planned: no room for ", bytes, " bytes");
    }
    void* address = c10::GetDefaultCPUAllocator()->raw_allocate(bytes);
    if (address != nullptr) add(address, static_cast<int64_t>(bytes));
    return {address, address, free, c10::Device(c10::DeviceType::CPU)};
  }
  [[nodiscard]] c10::DeleterFnPtr raw_deleter() const override { return free; }
  void copy_data(void* to, const void* from, size_t bytes) const override {
    default_copy_data(to, from, bytes);
  }

  // The n-th allocation from now on, of those of at least 512 bytes, throws
  // c10::OutOfMemoryError, once.
  void fail_at(int64_t n) { until_failure_ = n; }
  [[nodiscard]] bool has_failed() const { return until_failure_ <= 0; }
  [[nodiscard]] int64_t live_bytes() const {
    const std::lock_guard lock(mutex_);
    return live_;
  }
  [[nodiscard]] int64_t peak_bytes() const {
    const std::lock_guard lock(mutex_);
    return peak_;
  }
  void restart_peak() {
    const std::lock_guard lock(mutex_);
    peak_ = live_;
  }

 private:
  static constexpr uint8_t kPriority = 100;
  static constexpr size_t kLarge = 512;

  static void free(void* address) {
    if (CountingAllocator* allocator = installed_) allocator->remove(address);
    c10::GetDefaultCPUAllocator()->raw_deallocate(address);
  }
  void add(void* address, int64_t bytes) {
    const std::lock_guard lock(mutex_);
    bytes_of_[address] = bytes;
    live_ += bytes;
    peak_ = std::max(peak_, live_);
  }
  void remove(void* address) {
    const std::lock_guard lock(mutex_);
    const auto found = bytes_of_.find(address);
    if (found == bytes_of_.end()) return;  // older than this allocator
    live_ -= found->second;
    bytes_of_.erase(found);
  }

  inline static std::atomic<CountingAllocator*> installed_ =
      nullptr;  // deleters know addresses only
  mutable std::mutex mutex_;
  std::unordered_map<void*, int64_t> bytes_of_;
  int64_t live_ = 0, peak_ = 0;
  std::atomic<int64_t> until_failure_ = std::numeric_limits<int64_t>::max();
};

}  // namespace thoughtrank
