#include "kernels/decode_step/decode_step_operations.h"

// cuda::current_stream() is asked for before any operation runs, and throws.
namespace thoughtrank::decode_step {

template <class T>
void on_cuda::run(const EmbedSlots<T>&, Stream) {}
template <class T>
void on_cuda::run(const NormRows<T>&, Stream) {}
template <class T>
void on_cuda::run(const SiluRows<T>&, Stream) {}
template <class T>
void on_cuda::run(const RotateRows<T>&, Stream) {}
template <class T>
void on_cuda::run(const AttendPrefixes<T>&, Stream) {}
template <class T>
void on_cuda::run(const AttendSuffixes<T>&, Stream) {}
void on_cuda::run(const FindPlaces&, Stream) {}
void on_cuda::run(const ChooseTokens&, Stream) {}

template void on_cuda::run(const EmbedSlots<float>&, Stream);
template void on_cuda::run(const EmbedSlots<Bf16>&, Stream);
template void on_cuda::run(const NormRows<float>&, Stream);
template void on_cuda::run(const NormRows<Bf16>&, Stream);
template void on_cuda::run(const SiluRows<float>&, Stream);
template void on_cuda::run(const SiluRows<Bf16>&, Stream);
template void on_cuda::run(const RotateRows<float>&, Stream);
template void on_cuda::run(const RotateRows<Bf16>&, Stream);
template void on_cuda::run(const AttendPrefixes<float>&, Stream);
template void on_cuda::run(const AttendPrefixes<Bf16>&, Stream);
template void on_cuda::run(const AttendSuffixes<float>&, Stream);
template void on_cuda::run(const AttendSuffixes<Bf16>&, Stream);

}  // namespace thoughtrank::decode_step
