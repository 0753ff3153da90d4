// What a file is, told by its first bytes, where it is not what a reader expected: a Git LFS
// pointer, a page of a web site, an archive, another program's format. A reader that meets one says
// so and gives the line that converts it, instead of what its parser stumbled over.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <string_view>

namespace thoughtrank {

enum class FileKind : uint8_t {
  unknown,  // nothing that is known here: what the reader expects, or damage
  lfs_pointer,
  html,
  gzip,
  zip,
  zstd,
  bzip2,
  xz,
  tar,
  utf16,  // with its byte order mark
  utf16_le,
  utf16_be,
  utf32,
  parquet,
  arrow,
  pickle,  // PyTorch's .bin, .pt and .pth
  gguf,
  safetensors,
  hdf5,
};

// How many bytes of a file's beginning are enough to tell its kind.
inline constexpr size_t kKindBytes = 1024;

[[nodiscard]] FileKind kind_of(std::string_view first_bytes);

// "PATH is a Git LFS pointer, not the file itself. Fetch it: git -C FOLDER lfs pull"; ends with the
// command that leads to a readable file, where one does. Not for FileKind::unknown.
[[nodiscard]] std::string describe_foreign(const std::filesystem::path& path, FileKind kind);

// Error(kBadData) for bytes that a text file never begins with; `text` is the file, or its
// beginning.
void require_text(const std::filesystem::path& path, std::string_view text);
// read_file() of what should be text.
[[nodiscard]] std::string read_text_file(const std::filesystem::path& path,
                                         uint64_t max_bytes = 1ull << 32);

// The word as a shell takes it: plain words as they are, others in single quotes.
[[nodiscard]] std::string shell_word(const std::string& word);

// "python3 -c "CODE" PATH": a command that runs `code` (without double quotes, $ and `) on a file.
[[nodiscard]] std::string python_line(std::string_view code, const std::filesystem::path& path);

// Where the command of a message puts what it converted: "data/prompts.converted.jsonl".
[[nodiscard]] std::filesystem::path converted_path(const std::filesystem::path& path,
                                                   const std::string& extension);

}  // namespace thoughtrank
