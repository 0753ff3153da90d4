#include "kernels/adamw_cuda.h"

// cuda::current_stream() is asked for before any update runs, and throws.
namespace thoughtrank::adamw {

template <class Weight, class Moment>
void update_on_cuda(const FlatUpdate<Weight, Moment>&, cuda::Stream) {}

template void update_on_cuda(const FlatUpdate<float, float>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<float, uint16_t>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<uint16_t, float>&, cuda::Stream);
template void update_on_cuda(const FlatUpdate<uint16_t, uint16_t>&, cuda::Stream);

}  // namespace thoughtrank::adamw
