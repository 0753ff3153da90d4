#include "thoughtrank/core/secret.h"

#include <fcntl.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cctype>
#include <cstdlib>

#include "core/system_call.h"
#include "thoughtrank/core/json.h"

namespace thoughtrank {
namespace {

constexpr size_t kLongestFile = 1 << 16;

// Also the bytes that a short string leaves inside its object when it is moved from.
void wipe(std::string& text) {
  text.resize(text.capacity());
  OPENSSL_cleanse(text.data(), text.size());
  text.clear();
}

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = text.find(from); at != std::string::npos; at = text.find(from, at + to.size())) {
    text.replace(at, from.size(), to);
  }
}

std::string json_escaped(const std::string& value) {
  const std::string quoted = dump_json(Json(value));
  return quoted.substr(1, quoted.size() - 2);
}

std::string url_encoded(const std::string& value, bool upper_case) {
  constexpr std::string_view kUnreserved = "-._~";
  std::string encoded;
  for (const char c : value) {
    const auto byte = static_cast<unsigned char>(c);
    if (std::isalnum(byte) != 0 || kUnreserved.find(c) != std::string_view::npos) {
      encoded += c;
    } else {
      encoded += upper_case ? fmt::format("%{:02X}", byte) : fmt::format("%{:02x}", byte);
    }
  }
  return encoded;
}

std::string base64(const std::string& value) {
  std::string encoded(4 * ((value.size() + 2) / 3) + 1, '\0');
  const int length = EVP_EncodeBlock(reinterpret_cast<unsigned char*>(encoded.data()),
                                     reinterpret_cast<const unsigned char*>(value.data()),
                                     static_cast<int>(value.size()));
  encoded.resize(static_cast<size_t>(length));
  return encoded;
}

// No core file and no /proc/PID/mem for others from now on.
void hide_process_memory() { ::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0); }

bool has_control_character(const std::string& value) {
  return std::any_of(value.begin(), value.end(), [](char c) {
    return static_cast<unsigned char>(c) < 0x20 || c == 0x7F;
  });
}

// A line break in a key would smuggle a header into the request.
void check_value(const std::string& value, const std::string& where) {
  if (value.empty()) fail(ExitCode::kConfig, "{}: is empty. It should hold an API key", where);
  if (has_control_character(value)) {
    fail(ExitCode::kConfig, "{}: holds a control character. Is it really an API key?", where);
  }
}

}  // namespace

Secret::Secret(std::string value) : value_(value) { wipe(value); }

Secret::~Secret() { wipe(value_); }

Secret::Secret(Secret&& other) noexcept : value_(std::move(other.value_)) { wipe(other.value_); }

Secret& Secret::operator=(Secret&& other) noexcept {
  if (this == &other) return *this;
  wipe(value_);
  value_ = std::move(other.value_);
  wipe(other.value_);
  return *this;
}

std::string Secret::redact(std::string text) const {
  if (is_empty()) return text;
  for (const std::string& form : {value_,
                                  json_escaped(value_),
                                  url_encoded(value_, /*upper_case=*/true),
                                  url_encoded(value_, /*upper_case=*/false),
                                  base64(value_)}) {
    replace_all(text, form, "[secret]");
  }
  return text;
}

Secret take_secret_from_environment(const std::string& variable) {
  char* found = std::getenv(variable.c_str());
  if (found == nullptr) return {};
  hide_process_memory();
  std::string value = found;
  OPENSSL_cleanse(found, value.size());
  ::unsetenv(variable.c_str());
  if (value.empty()) return {};
  Secret secret(value);
  wipe(value);
  check_value(secret.reveal(), "environment variable " + variable);
  return secret;
}

Secret read_secret_file(const std::string& path) {
  const FileHandle file = open_file(path, O_RDONLY);
  struct stat status {};
  if (::fstat(file.fd(), &status) != 0) fail_io(path, "stat", errno);
  if ((status.st_mode & 077) != 0) {
    fail(ExitCode::kConfig, "{}: others may read this API key. Run: chmod 600 {}", path, path);
  }
  hide_process_memory();
  std::string line(kLongestFile, '\0');
  line.resize(read_some(file.fd(), line.data(), line.size(), /*offset=*/0, path));
  const size_t end = std::min(line.find('\n'), line.size());
  Secret secret(line.substr(0, end > 0 && line[end - 1] == '\r' ? end - 1 : end));
  wipe(line);
  check_value(secret.reveal(), path);
  return secret;
}

}  // namespace thoughtrank
