# CUDA kernels: .cu files compiled by nvcc 13 in commands of their own, since CMake's CUDA support wants a
# whole toolkit: so the toolkit and the wheels of nvcc do alike. Needs TorchWheel.cmake.
#   -DTHOUGHTRANK_CUDA=AUTO|ON|OFF            AUTO (the default): where nvcc 13 and a CUDA build of torch are found
#   -DTHOUGHTRANK_CUDA_ARCHITECTURES=90;…     code for these; PTX of the last, for cards to come
# Sets THOUGHTRANK_HAS_CUDA, and TorchWheel::cuda: what programs with CUDA kernels link. They start and work
# without a driver or a GPU, too.
set(THOUGHTRANK_CUDA AUTO CACHE STRING "CUDA kernels: AUTO, ON or OFF")
set(THOUGHTRANK_CUDA_ARCHITECTURES "80;86;89;90;100;120" CACHE STRING "compute capabilities, times ten")
set(CUDA_WHEELS ${TORCH_WHEEL}/../nvidia/cu13)
# An older toolkit in PATH does not hide the wheel's nvcc.
function(is_nvcc_13 result candidate)
  execute_process(COMMAND ${candidate} --version OUTPUT_VARIABLE version ERROR_QUIET)
  if(NOT version MATCHES "release 13\\.")
    set(${result} FALSE PARENT_SCOPE)
  endif()
endfunction()
find_program(THOUGHTRANK_NVCC nvcc
  PATHS $ENV{CUDA_HOME}/bin /usr/local/cuda/bin ${CUDA_WHEELS}/bin
  VALIDATOR is_nvcc_13
  DOC "nvcc 13: of the CUDA toolkit, or of the wheel nvidia-cuda-nvcc")

# why_no_cuda(RESULT): empty where CUDA kernels can be built.
function(why_no_cuda result)
  set(${result} "" PARENT_SCOPE)
  if(NOT THOUGHTRANK_NVCC)
    set(${result} "nvcc 13 is not in PATH, CUDA_HOME, /usr/local/cuda or ${CUDA_WHEELS}/bin" PARENT_SCOPE)
    return()
  endif()
  execute_process(COMMAND ${THOUGHTRANK_NVCC} --version OUTPUT_VARIABLE version ERROR_QUIET)
  if(NOT version MATCHES "release 13\\.")
    set(${result} "${THOUGHTRANK_NVCC} is not nvcc 13" PARENT_SCOPE)
    return()
  endif()
  foreach(file ${TORCH_WHEEL}/lib/libtorch_cuda.so ${TORCH_WHEEL}/lib/libc10_cuda.so
               ${CUDA_WHEELS}/lib/libcudart.so.13 ${CUDA_WHEELS}/lib/libcublas.so.13
               ${CUDA_WHEELS}/include/cuda_runtime_api.h)
    if(NOT EXISTS ${file})
      set(${result} "${file} is missing: torch without CUDA, or without its dependencies" PARENT_SCOPE)
      return()
    endif()
  endforeach()
endfunction()

set(THOUGHTRANK_HAS_CUDA FALSE)
if(THOUGHTRANK_CUDA STREQUAL "OFF")
  message(STATUS "CUDA kernels: off (THOUGHTRANK_CUDA=OFF)")
else()
  why_no_cuda(CUDA_PROBLEM)
  if(NOT CUDA_PROBLEM)
    set(THOUGHTRANK_HAS_CUDA TRUE)
    message(STATUS "CUDA kernels: on, for ${THOUGHTRANK_CUDA_ARCHITECTURES} (${THOUGHTRANK_NVCC})")
  elseif(THOUGHTRANK_CUDA STREQUAL "AUTO")
    message(STATUS "CUDA kernels: off (${CUDA_PROBLEM})")
  else()
    message(FATAL_ERROR "THOUGHTRANK_CUDA=${THOUGHTRANK_CUDA}, but ${CUDA_PROBLEM}")
  endif()
endif()

if(THOUGHTRANK_HAS_CUDA)
  add_library(TorchWheel::cuda INTERFACE IMPORTED)
  target_compile_options(TorchWheel::cuda INTERFACE "SHELL:-idirafter ${CUDA_WHEELS}/include")
  # Nothing refers to libtorch_cuda.so: it registers itself when it is loaded.
  target_link_libraries(TorchWheel::cuda INTERFACE
    "-Wl,--push-state,--no-as-needed,${TORCH_WHEEL}/lib/libtorch_cuda.so,--pop-state"
    ${TORCH_WHEEL}/lib/libc10_cuda.so ${CUDA_WHEELS}/lib/libcudart.so.13)
endif()

# cuda_objects(RESULT sources…): the object files of .cu sources of this folder.
function(cuda_objects result)
  set(flags -std=c++20 -O3 --expt-relaxed-constexpr -ccbin ${CMAKE_CXX_COMPILER} -Werror all-warnings
      -Xcompiler=-fPIC,-Wall,-Wextra,-Wshadow,-Werror)
  foreach(architecture ${THOUGHTRANK_CUDA_ARCHITECTURES})
    list(APPEND flags -gencode arch=compute_${architecture},code=sm_${architecture})
  endforeach()
  list(GET THOUGHTRANK_CUDA_ARCHITECTURES -1 last)
  list(APPEND flags -gencode arch=compute_${last},code=compute_${last})
  foreach(source ${ARGN})
    set(object ${CMAKE_CURRENT_BINARY_DIR}/${source}.o)
    add_custom_command(OUTPUT ${object}
      COMMAND ${CMAKE_CXX_COMPILER_LAUNCHER} ${THOUGHTRANK_NVCC} ${flags}
              -I${PROJECT_SOURCE_DIR}/src -I${PROJECT_SOURCE_DIR}/include
              -MD -MF ${object}.d -c ${CMAKE_CURRENT_SOURCE_DIR}/${source} -o ${object}
      DEPENDS ${source} ${THOUGHTRANK_NVCC}
      DEPFILE ${object}.d
      COMMENT "Building CUDA object ${source}"
      VERBATIM)
    list(APPEND objects ${object})
  endforeach()
  set_source_files_properties(${objects} PROPERTIES EXTERNAL_OBJECT TRUE GENERATED TRUE)
  set(${result} ${objects} PARENT_SCOPE)
endfunction()
