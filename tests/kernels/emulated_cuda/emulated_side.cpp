// Operations on CPU tensors run the emulated CUDA kernels in programs that link this file: it
// stands in for decode_step_cpu.cpp and decode_attention_cpu.cpp.
#include "kernels/decode_step/decode_step_operations.h"

namespace thoughtrank::decode_step {

template <class T>
void on_cpu::run(const EmbedSlots<T>& o) {
  on_cuda::run(o, nullptr);
}
template <class T>
void on_cpu::run(const NormRows<T>& o) {
  on_cuda::run(o, nullptr);
}
template <class T>
void on_cpu::run(const SiluRows<T>& o) {
  on_cuda::run(o, nullptr);
}
template <class T>
void on_cpu::run(const RotateRows<T>& o) {
  on_cuda::run(o, nullptr);
}
template <class T>
void on_cpu::run(const AttendPrefixes<T>& o) {
  on_cuda::run(o, nullptr);
}
template <class T>
void on_cpu::run(const AttendSuffixes<T>& o) {
  on_cuda::run(o, nullptr);
}
void on_cpu::run(const FindPlaces& o) { on_cuda::run(o, nullptr); }
void on_cpu::run(const ChooseTokens& o) { on_cuda::run(o, nullptr); }

template void on_cpu::run(const EmbedSlots<float>&);
template void on_cpu::run(const EmbedSlots<Bf16>&);
template void on_cpu::run(const NormRows<float>&);
template void on_cpu::run(const NormRows<Bf16>&);
template void on_cpu::run(const SiluRows<float>&);
template void on_cpu::run(const SiluRows<Bf16>&);
template void on_cpu::run(const RotateRows<float>&);
template void on_cpu::run(const RotateRows<Bf16>&);
template void on_cpu::run(const AttendPrefixes<float>&);
template void on_cpu::run(const AttendPrefixes<Bf16>&);
template void on_cpu::run(const AttendSuffixes<float>&);
template void on_cpu::run(const AttendSuffixes<Bf16>&);

}  // namespace thoughtrank::decode_step
