# use_torch_headers(TARGET): TARGET takes libtorch's headers, which cost six seconds a file, from one precompiled header.
# Its flags must be those of the header's own target below. The compiler says where they are not, and reads the headers
# themselves then. Needs Packages.cmake and TorchWheel.cmake.
set(TORCH_HEADERS_SOURCE ${CMAKE_CURRENT_BINARY_DIR}/torch_headers.cpp)
file(CONFIGURE OUTPUT ${TORCH_HEADERS_SOURCE} CONTENT "// Holds nothing: a precompiled header needs a source.\n")
add_library(torch_headers OBJECT ${TORCH_HEADERS_SOURCE})
target_link_libraries(torch_headers PRIVATE TorchWheel::torch nlohmann_json::nlohmann_json spdlog::spdlog)
target_compile_options(torch_headers PRIVATE -fopenmp -Wpedantic) # a macro tells of the latter
target_precompile_headers(torch_headers PRIVATE
  <ATen/ATen.h> <ATen/Parallel.h> <torch/csrc/autograd/custom_function.h> <nlohmann/json.hpp> <spdlog/fmt/fmt.h>)

function(use_torch_headers target)
  target_precompile_headers(${target} REUSE_FROM torch_headers)
  target_compile_options(${target} PRIVATE $<$<CXX_COMPILER_ID:GNU>:-Wno-error=invalid-pch>)
endfunction()
