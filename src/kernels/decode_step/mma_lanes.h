// Which element of a matrix which lane of a warp holds, for mma.m16n8k16 with bfloat16 factors
// (PTX ISA, "Matrix fragments for mma.m16n8k16") and the ldmatrix instructions that feed it, and
// how a tile of keys or values lies in shared memory. Plain functions, tested on the host.
#pragma once

namespace thoughtrank::mma {

struct Cell {
  int row, column;
};

// a (16, 16): register 0…3 of a lane holds this cell and its right neighbour.
constexpr Cell a_cell(int lane, int reg) {
  return {lane / 4 + reg % 2 * 8, lane % 4 * 2 + reg / 2 * 8};
}
// c (16, 8): element 0…3 of a lane.
constexpr Cell c_cell(int lane, int i) { return {lane / 4 + i / 2 * 8, lane % 4 * 2 + i % 2}; }

// b = keysᵀ for 16 keys (two b of 8 columns) and 16 elements of depth, from keys (16, 16) row by
// row: the row (key) and column whose address the lane gives to load_matrices, which then loads
// b0, b1 of the first 8 keys and b0, b1 of the other 8.
constexpr Cell key_row(int lane) { return {lane / 16 * 8 + lane % 8, lane / 8 % 2 * 8}; }
// b = values for 16 keys of depth and 16 columns (two b of 8), from values (16, 16) row by row, for
// load_transposed_matrices: b0, b1 of the first 8 columns and of the other 8.
constexpr Cell value_row(int lane) { return {lane / 8 % 2 * 8 + lane % 8, lane / 16 * 8}; }

// Place of an element in a tile (rows, width) in shared memory: runs of 8 elements (16 bytes) are
// swapped in each row, so that 8 rows of one column lie in 8 different groups of banks. The width
// is a multiple of 64.
constexpr int swizzled(int row, int column, int width) {
  return row * width + ((column / 8) ^ (row % 8)) * 8 + column % 8;
}

}  // namespace thoughtrank::mma
