#include "thoughtrank/model/dtype.h"

namespace thoughtrank {

at::ScalarType scalar_type(Dtype dtype) {
  switch (dtype) {
    case Dtype::float32:
      return at::kFloat;
    case Dtype::bfloat16:
      return at::kBFloat16;
    case Dtype::float16:
      return at::kHalf;
  }
  throw std::logic_error("an element type that is none");
}

int64_t bytes_of(Dtype dtype) { return static_cast<int64_t>(c10::elementSize(scalar_type(dtype))); }

}  // namespace thoughtrank
