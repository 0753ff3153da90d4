#include "thoughtrank/core/file_kind.h"

#include <algorithm>
#include <array>
#include <cctype>

#include "thoughtrank/core/error.h"
#include "thoughtrank/core/files.h"

namespace thoughtrank {
namespace {

using namespace std::string_view_literals;  // for bytes with NUL among them

// What a file of a kind begins with.
struct Magic {
  FileKind kind;
  std::string_view bytes;
};

// The longer of two that begin alike stands first.
constexpr std::array kMagics = {
    Magic{FileKind::lfs_pointer, "version https://git-lfs.github.com/spec/"sv},
    Magic{FileKind::lfs_pointer, "version https://hawser.github.com/spec/"sv},  // its first name
    Magic{FileKind::gzip, "\x1F\x8B"sv},
    Magic{FileKind::zip, "PK\x03\x04"sv},
    Magic{FileKind::zstd, "\x28\xB5\x2F\xFD"sv},
    Magic{FileKind::xz, "\xFD\x37zXZ\0"sv},
    Magic{FileKind::utf32, "\xFF\xFE\0\0"sv},
    Magic{FileKind::utf32, "\0\0\xFE\xFF"sv},
    Magic{FileKind::utf16, "\xFF\xFE"sv},
    Magic{FileKind::utf16, "\xFE\xFF"sv},
    Magic{FileKind::parquet, "PAR1\x15"sv},  // and the first page's header
    Magic{FileKind::arrow, "ARROW1\0\0"sv},
    Magic{FileKind::gguf, "GGUF\x01\0\0\0"sv},  // with its version
    Magic{FileKind::gguf, "GGUF\x02\0\0\0"sv},
    Magic{FileKind::gguf, "GGUF\x03\0\0\0"sv},
    Magic{FileKind::hdf5, "\x89HDF\r\n\x1A\n"sv},
    Magic{FileKind::pickle, "\x80\x02\x8A\x0Al\xFC\x9C"sv},  // torch.save before its zip format
};

std::string lower(std::string_view text) {
  std::string result(text);
  std::ranges::transform(result, result.begin(), [](unsigned char c) { return std::tolower(c); });
  return result;
}

// A page, not a prompt about one: its first tag and another of every page.
bool is_html(std::string_view bytes) {
  if (bytes.starts_with("\xEF\xBB\xBF")) bytes.remove_prefix(3);
  const size_t begin = bytes.find_first_not_of(" \t\r\n");
  if (begin == std::string_view::npos || bytes[begin] != '<') return false;
  const std::string text = lower(bytes.substr(begin));
  const bool opens = text.starts_with("<!doctype html") || text.starts_with("<html");
  return opens &&
         (text.find("<head") != std::string::npos || text.find("<body") != std::string::npos ||
          text.find("<meta") != std::string::npos);
}

bool is_plain_byte(char c) { return (c >= ' ' && c <= '~') || c == '\n' || c == '\r' || c == '\t'; }

// Two characters of ASCII, two bytes each: what text of a file format begins with.
FileKind utf16_without_mark(std::string_view bytes) {
  if (bytes.size() < 4) return FileKind::unknown;
  const bool has_low_first = is_plain_byte(bytes[0]) && is_plain_byte(bytes[2]);
  const bool has_high_first = is_plain_byte(bytes[1]) && is_plain_byte(bytes[3]);
  if (has_low_first && bytes[1] == '\0' && bytes[3] == '\0') return FileKind::utf16_le;
  if (has_high_first && bytes[0] == '\0' && bytes[2] == '\0') return FileKind::utf16_be;
  return FileKind::unknown;
}

// A stream's first message, as `datasets` caches tables: a mark, then a length of a few kilobytes.
bool is_arrow_stream(std::string_view bytes) {
  return bytes.size() >= 8 && bytes.starts_with("\xFF\xFF\xFF\xFF") &&
         bytes.substr(6, 2) == "\0\0"sv;
}

// The header's length in eight bytes, then its JSON.
bool is_safetensors(std::string_view bytes) {
  return bytes.size() > 8 && bytes.substr(5, 4) == "\0\0\0{"sv;
}

struct Wording {
  std::string_view what;
  std::string mend;
};

// "gzip -dc < prompts.jsonl > prompts.converted.jsonl", which takes files of any name.
std::string filter_line(std::string_view program, const std::filesystem::path& path) {
  return fmt::format("Convert it: {} < {} > {}",
                     program,
                     shell_word(path.string()),
                     shell_word(converted_path(path, path.extension().string()).string()));
}

std::string unpack_line(std::string_view program, const std::filesystem::path& path) {
  std::filesystem::path unpacked = path;
  for (const char* packed : {".gz", ".zst", ".bz2", ".xz"}) {
    if (path.extension() != packed) continue;
    unpacked.replace_extension();
    return fmt::format("Unpack it: {} < {} > {}",
                       program,
                       shell_word(path.string()),
                       shell_word(unpacked.string()));
  }
  return filter_line(program, path);
}

std::string rows_line(std::string_view code, const std::filesystem::path& path) {
  return fmt::format("Convert it: {} {}",
                     python_line(code, path),
                     shell_word(converted_path(path, ".jsonl").string()));
}

std::string fetch_line(const std::filesystem::path& path) {
  const std::filesystem::path folder = path.parent_path();
  return fmt::format(
      "Fetch the file: git -C {} lfs pull (git-lfs must be installed), or download it anew with hf "
      "download",
      shell_word(folder.empty() ? "." : folder.string()));
}

Wording wording_of(FileKind kind, const std::filesystem::path& path) {
  switch (kind) {
    case FileKind::lfs_pointer:
      return {"a Git LFS pointer, not the file itself", fetch_line(path)};
    case FileKind::html:
      return {"an HTML page, not the file itself",
              "Download the file anew: its address on the Hub has /resolve/ where the page's has "
              "/blob/, and a gated one needs hf auth login first"};
    case FileKind::gzip:
      return {"compressed with gzip", unpack_line("gzip -dc", path)};
    case FileKind::zip:
      return {"a ZIP archive", fmt::format("Unpack it: unzip {}", shell_word(path.string()))};
    case FileKind::zstd:
      return {"compressed with zstd", unpack_line("zstd -dc", path)};
    case FileKind::bzip2:
      return {"compressed with bzip2", unpack_line("bzip2 -dc", path)};
    case FileKind::xz:
      return {"compressed with xz", unpack_line("xz -dc", path)};
    case FileKind::tar:
      return {"a tar archive", fmt::format("Unpack it: tar -xf {}", shell_word(path.string()))};
    case FileKind::utf16:
      return {"text in UTF-16, expected UTF-8", filter_line("iconv -f UTF-16 -t UTF-8", path)};
    case FileKind::utf16_le:
      return {"text in UTF-16 (low byte first, without a mark), expected UTF-8",
              filter_line("iconv -f UTF-16LE -t UTF-8", path)};
    case FileKind::utf16_be:
      return {"text in UTF-16 (high byte first, without a mark), expected UTF-8",
              filter_line("iconv -f UTF-16BE -t UTF-8", path)};
    case FileKind::utf32:
      return {"text in UTF-32, expected UTF-8", filter_line("iconv -f UTF-32 -t UTF-8", path)};
    case FileKind::parquet:
      return {"a Parquet table",
              rows_line("import sys, pandas; pandas.read_parquet(sys.argv[1]).to_json(sys.argv[2], "
                        "orient='records', lines=True, force_ascii=False)",
                        path)};
    case FileKind::arrow:
      return {"an Arrow table",
              rows_line("import sys, datasets; datasets.Dataset.from_file(sys.argv[1])"
                        ".to_json(sys.argv[2], force_ascii=False)",
                        path)};
    case FileKind::pickle:
      return {"weights in PyTorch's pickle format, expected safetensors", ""};
    case FileKind::gguf:
      return {"a GGUF file of llama.cpp",
              "Take the model's Hugging Face folder, with config.json and *.safetensors, instead"};
    case FileKind::safetensors:
      return {"a safetensors file", ""};
    case FileKind::hdf5:
      return {"an HDF5 file", "Take the model's folder with *.safetensors instead"};
    case FileKind::unknown:
      break;
  }
  fail(ExitCode::kInternal, "{}: its kind is not known", path.string());
}

}  // namespace

FileKind kind_of(std::string_view first_bytes) {
  const std::string_view bytes = first_bytes.substr(0, kKindBytes);
  if (is_safetensors(bytes)) return FileKind::safetensors;  // whatever its length looks like
  for (const Magic& magic : kMagics) {
    if (!bytes.starts_with(magic.bytes)) continue;
    // torch.save writes a ZIP archive whose first entry is NAME/data.pkl.
    const bool is_torch = magic.kind == FileKind::zip &&
                          bytes.substr(0, 256).find("/data.pkl") != std::string_view::npos;
    return is_torch ? FileKind::pickle : magic.kind;
  }
  if (is_arrow_stream(bytes)) return FileKind::arrow;
  const bool is_bzip2 =
      bytes.size() >= 10 && bytes.starts_with("BZh") && bytes.substr(4, 6) == "1AY&SY";
  if (is_bzip2) return FileKind::bzip2;
  if (bytes.size() > 262 && bytes.substr(257, 5) == "ustar") return FileKind::tar;
  if (is_html(bytes)) return FileKind::html;
  return utf16_without_mark(bytes);
}

std::string describe_foreign(const std::filesystem::path& path, FileKind kind) {
  const Wording words = wording_of(kind, path);
  return fmt::format(
      "{}: is {}{}{}", path.string(), words.what, words.mend.empty() ? "" : ". ", words.mend);
}

void require_text(const std::filesystem::path& path, std::string_view text) {
  const FileKind kind = kind_of(text);
  if (kind != FileKind::unknown) fail(ExitCode::kBadData, "{}", describe_foreign(path, kind));
}

std::string read_text_file(const std::filesystem::path& path, uint64_t max_bytes) {
  std::string text = read_file(path, max_bytes);
  require_text(path, text);
  return text;
}

std::string shell_word(const std::string& word) {
  const auto is_safe = [](unsigned char c) {
    return std::isalnum(c) != 0 || c >= 0x80 ||
           std::string_view("/._-+=:,@%").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!word.empty() && std::ranges::all_of(word, is_safe)) return word;
  std::string quoted = "'";
  for (const char c : word) quoted += c == '\'' ? std::string("'\\''") : std::string(1, c);
  return quoted + "'";
}

std::string python_line(std::string_view code, const std::filesystem::path& path) {
  return fmt::format("python3 -c \"{}\" {}", code, shell_word(path.string()));
}

std::filesystem::path converted_path(const std::filesystem::path& path,
                                     const std::string& extension) {
  std::filesystem::path converted = path;
  converted.replace_extension(".converted" + extension);
  return converted;
}

}  // namespace thoughtrank
