// What the engine needs of a device beside tensors: a queue of its own, in which a step is recorded
// once and replayed, and marks. device_queue_cuda.cpp, or device_queue_without_cuda.cpp in builds
// without CUDA, where only the CPU can be opened.
#pragma once

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <memory>

namespace thoughtrank {

class DeviceQueue {
 public:
  virtual ~DeviceQueue() = default;
  // Everything that this thread enqueues from now on goes into this queue, until the object ends.
  // Enqueues a step: by calling `enqueue`, or by replaying what it recorded.
  virtual void run_step(const std::function<void()>& enqueue) = 0;
  // The next step is enqueued anew: its tensors have changed.
  virtual void forget_recording() = 0;
  // Marks 0 and 1. wait() returns when everything before the mark's last place is done.
  virtual void mark(size_t index) = 0;
  virtual void wait(size_t index) = 0;
  // Host memory that copies to and from the device need not wait for.
  [[nodiscard]] virtual bool pins_memory() const = 0;
};

// The CPU's: everything is done at once.
class ImmediateQueue : public DeviceQueue {
 public:
  void run_step(const std::function<void()>& enqueue) override { enqueue(); }
  void forget_recording() override {}
  void mark(size_t /*index*/) override {}
  void wait(size_t /*index*/) override {}
  [[nodiscard]] bool pins_memory() const override { return false; }
};

// `records_steps`: false enqueues every step anew. Error(kDevice) where the build does not have the
// device.
[[nodiscard]] std::unique_ptr<DeviceQueue> open_device_queue(at::Device device,
                                                             bool records_steps = true);

}  // namespace thoughtrank
