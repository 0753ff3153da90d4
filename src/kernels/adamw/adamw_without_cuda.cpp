#include "kernels/adamw/adamw_cuda.h"

// cuda::current_stream() is asked for before any update runs, and throws.
namespace thoughtrank::adamw {

template <class Weight, class Moment>
void update_on_cuda(const FlatUpdate<Weight, Moment>&, cuda::Stream) {}

template <class Weight>
void update_on_cuda(const ByteUpdate<Weight>&, cuda::Stream) {}
void update_on_cuda(const MasterUpdate&, cuda::Stream) {}

template void update_on_cuda(const FlatUpdate<float, float>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<float, uint16_t>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<uint16_t, float>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<uint16_t, uint16_t>&, cuda::Stream);
template void update_on_cuda(const ByteUpdate<float>&, cuda::Stream);
template void update_on_cuda(const ByteUpdate<uint16_t>&, cuda::Stream);

}  // namespace thoughtrank::adamw
