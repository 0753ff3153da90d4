# TorchWheel::torch: libtorch from the Python wheel torch==2.11.0, without the wheel's own CMake package,
# which does not configure on a machine without the CUDA toolkit.
#   -DTORCH_WHEEL=DIR   the wheel's torch/ folder (default: the one scripts/setup.sh installs in .deps/)
set(TORCH_WHEEL_VERSION 2.11.0)
if(NOT TORCH_WHEEL)
  file(GLOB TORCH_WHEEL_FOUND ${PROJECT_SOURCE_DIR}/.deps/venv/lib/python3*/site-packages/torch)
  list(LENGTH TORCH_WHEEL_FOUND TORCH_WHEEL_COUNT)
  if(NOT TORCH_WHEEL_COUNT EQUAL 1)
    message(FATAL_ERROR "torch==${TORCH_WHEEL_VERSION} is not in .deps/: run scripts/setup.sh, "
                        "or pass -DTORCH_WHEEL=<site-packages>/torch")
  endif()
  set(TORCH_WHEEL ${TORCH_WHEEL_FOUND})
endif()
file(STRINGS ${TORCH_WHEEL}/version.py TORCH_WHEEL_HAS REGEX "^__version__")
if(NOT TORCH_WHEEL_HAS MATCHES "'${TORCH_WHEEL_VERSION}[+']")
  message(FATAL_ERROR "${TORCH_WHEEL} is not torch ${TORCH_WHEEL_VERSION} (${TORCH_WHEEL_HAS}): "
                      "remove .deps/ and run scripts/setup.sh")
endif()

add_library(TorchWheel::torch INTERFACE IMPORTED)
# Last in the search order: the wheel brings headers of other libraries (fmt) that must not hide Debian's.
target_compile_options(TorchWheel::torch INTERFACE
  "SHELL:-idirafter ${TORCH_WHEEL}/include"
  "SHELL:-idirafter ${TORCH_WHEEL}/include/torch/csrc/api/include")
target_link_libraries(TorchWheel::torch INTERFACE
  ${TORCH_WHEEL}/lib/libtorch_cpu.so ${TORCH_WHEEL}/lib/libc10.so)
