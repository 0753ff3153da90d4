#include <ATen/cuda/CUDAEvent.h>
#include <ATen/cuda/CUDAGraph.h>
#include <c10/cuda/CUDAException.h>
#include <c10/cuda/CUDAGuard.h>

#include <array>

#include "decode/device_queue.h"

namespace thoughtrank {
namespace {

// One side stream; a step runs eagerly twice (libraries set themselves up), then as a CUDA graph.
class CudaQueue : public DeviceQueue {
 public:
  CudaQueue(at::Device device, bool records_steps)
      : stream_(c10::cuda::getStreamFromPool(/*isHighPriority=*/false, device.index())),
        guard_(stream_),
        records_steps_(records_steps) {
    C10_CUDA_CHECK(::cudaDeviceSynchronize());  // the weights came through another stream
  }
  ~CudaQueue() override { ::cudaStreamSynchronize(stream_); }

  void run_step(const std::function<void()>& enqueue) override {
    if (graph_) return graph_->replay();
    if (!records_steps_ || eager_steps_++ < kEagerSteps) return enqueue();
    auto graph = std::make_unique<at::cuda::CUDAGraph>();
    graph->capture_begin();
    enqueue();
    graph->capture_end();
    graph_ = std::move(graph);
    graph_->replay();
  }
  void forget_recording() override {
    stream_.synchronize();
    graph_ = nullptr;
    eager_steps_ = 0;
  }
  void mark(size_t index) override { marks_.at(index).record(stream_); }
  void wait(size_t index) override { marks_.at(index).synchronize(); }
  [[nodiscard]] bool pins_memory() const override { return true; }

 private:
  static constexpr int kEagerSteps = 2;
  c10::cuda::CUDAStream stream_;
  c10::cuda::CUDAStreamGuard guard_;
  std::unique_ptr<at::cuda::CUDAGraph> graph_;
  bool records_steps_;
  int eager_steps_ = 0;
  std::array<at::cuda::CUDAEvent, 2> marks_;
};

}  // namespace

std::unique_ptr<DeviceQueue> open_device_queue(at::Device device, bool records_steps) {
  if (device.is_cpu()) return std::make_unique<ImmediateQueue>();
  return std::make_unique<CudaQueue>(device, records_steps);
}

}  // namespace thoughtrank
