#include "thoughtrank/core/journal.h"

#include <fcntl.h>
#include <unistd.h>

#include <charconv>
#include <optional>
#include <string_view>

#include "core/nonce.h"
#include "core/system_call.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/core/files.h"
#include "thoughtrank/core/hash.h"
#include "thoughtrank/core/log.h"

namespace thoughtrank {
namespace {

constexpr std::string_view kBeforeSeq = "{\"seq\":";
constexpr std::string_view kBeforeCrc = ",\"crc32c\":\"";
constexpr std::string_view kBeforeBody = "\",\"body\":";
constexpr size_t kCrcDigits = 8;
constexpr int kDeepestBody = kDeepestJson - 1;  // the record around it is one level

// The checksum covers seq and body, so that no flipped bit of a line goes unseen.
std::string checksum(int64_t seq, std::string_view body) {
  return fmt::format("{:08x}", crc32c(fmt::format("{}:{}", seq, body)));
}

std::string frame(int64_t seq, std::string_view body) {
  return fmt::format(
      "{}{}{}{}{}{}}}\n", kBeforeSeq, seq, kBeforeCrc, checksum(seq, body), kBeforeBody, body);
}

bool take(std::string_view& rest, std::string_view expected) {
  if (!rest.starts_with(expected)) return false;
  rest.remove_prefix(expected.size());
  return true;
}

struct Record {
  int64_t seq = 0;
  std::string_view body;
};

// Nothing when the line (without its newline) is not exactly what frame() writes.
std::optional<Record> unframe(std::string_view line) {
  Record record;
  std::string_view rest = line;
  if (!take(rest, kBeforeSeq)) return std::nullopt;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + rest.size(), record.seq);
  if (error != std::errc() || record.seq < 0) return std::nullopt;
  rest.remove_prefix(static_cast<size_t>(end - rest.data()));
  if (!take(rest, kBeforeCrc) || rest.size() < kCrcDigits) return std::nullopt;
  const std::string_view crc = rest.substr(0, kCrcDigits);
  rest.remove_prefix(kCrcDigits);
  if (!take(rest, kBeforeBody) || !rest.ends_with('}')) return std::nullopt;
  rest.remove_suffix(1);
  record.body = rest;
  if (checksum(record.seq, record.body) != crc) return std::nullopt;
  return record;
}

// The lines of a file, one at a time.
class LineReader {
 public:
  LineReader(int fd, const fs::path& path) : fd_(fd), path_(path), chunk_(1 << 16, '\0') {}

  // False at the end of the file. `line` is without its newline; the last one may not have had any.
  bool next(std::string& line, bool& has_newline) {
    line.clear();
    has_newline = false;
    while (!has_newline) {
      if (at_ == filled_ && !refill()) return !line.empty();
      const std::string_view ready(chunk_.data() + at_, filled_ - at_);
      const size_t newline = ready.find('\n');
      has_newline = newline != std::string_view::npos;
      line += ready.substr(0, newline);
      at_ += has_newline ? newline + 1 : ready.size();
    }
    return true;
  }

 private:
  bool refill() {
    filled_ = read_some(fd_, chunk_.data(), chunk_.size(), offset_, path_);
    offset_ += filled_;
    at_ = 0;
    return filled_ > 0;
  }

  int fd_;
  const fs::path& path_;
  std::string chunk_;
  uint64_t offset_ = 0;
  size_t at_ = 0, filled_ = 0;
};

struct ScanResult {
  int64_t records = 0;
  uint64_t good_bytes = 0;  // the end of the last good record
  bool has_torn_tail = false;
};

// Gives every good body to `replay`. Where each append was durable before the next began, only the
// last line may be bad.
ScanResult scan(int fd,
                const fs::path& path,
                const std::function<void(const Json&)>& replay,
                Durability durability) {
  LineReader reader(fd, path);
  ScanResult result;
  std::string line;
  bool has_newline = false;
  while (reader.next(line, has_newline)) {
    const int64_t line_number = result.records + 1;
    if (result.has_torn_tail) {
      fail(ExitCode::kBadData,
           "{}:{}: damaged record before the end of the journal. Restore the file from a copy",
           path.string(),
           line_number);
    }
    const std::optional<Record> record = unframe(line);
    if (!has_newline || !record) {
      result.has_torn_tail = true;
      if (durability == Durability::grouped) break;
      continue;
    }
    if (record->seq != result.records) {
      fail(ExitCode::kBadData,
           "{}:{}: expected record {}, found record {}. Restore the file from a copy",
           path.string(),
           line_number,
           result.records,
           record->seq);
    }
    replay(parse_json(record->body, fmt::format("{}:{}", path.string(), line_number)));
    result.records += 1;
    result.good_bytes += line.size() + 1;
  }
  return result;
}

bool is_deeper(const Json& value, int levels) {
  if (!value.is_structured()) return false;
  if (levels == 0) return true;
  for (const Json& child : value) {
    if (is_deeper(child, levels - 1)) return true;
  }
  return false;
}

void cut_tail(int fd, const fs::path& path, uint64_t good_bytes) {
  log_warning("{}: what follows byte {} was not finished (killed or power cut); it is cut off",
              path.string(),
              good_bytes);
  const auto length = static_cast<off_t>(good_bytes);
  if (retry_interrupted([&] { return ::ftruncate(fd, length); }) != 0) {
    fail_io(path, "cut off the unfinished last record", errno);
  }
  if (retry_interrupted([&] { return ::fsync(fd); }) != 0) fail_io(path, "fsync", errno);
}

}  // namespace

Journal::Journal(fs::path path,
                 const std::function<void(const Json& body)>& replay,
                 Durability durability)
    : path_(std::move(path)), durability_(durability) {
  // The owner's only: judges' replies may be in it.
  FileHandle file = open_file(path_, O_CREAT | O_RDWR | O_APPEND, 0600);
  sync_folder(folder_of(path_));
  const ScanResult found = scan(file.fd(), path_, replay, durability);
  if (found.has_torn_tail) cut_tail(file.fd(), path_, found.good_bytes);
  next_seq_ = found.records;
  fd_ = file.release();
}

Journal::~Journal() {
  if (fd_ >= 0) ::close(fd_);
}

void Journal::append(const Json& body) {
  const std::string text = dump_json(body);
  if (is_deeper(body, kDeepestBody)) {
    fail(ExitCode::kInternal, "{}: a record is nested too deep to be read again", path_.string());
  }
  const std::lock_guard<std::mutex> guard(mutex_);
  if (fd_ < 0) fail(ExitCode::kIo, "{}: closed after an earlier write error", path_.string());
  FileHandle file(fd_);  // closes the journal for good unless the record becomes durable
  fd_ = -1;
  write_all(file.fd(), frame(next_seq_, text), path_);
  sync(file.fd());
  ++next_seq_;
  fd_ = file.release();
}

void Journal::sync(int fd) {
  using std::chrono::steady_clock;
  constexpr steady_clock::duration kShortest = std::chrono::seconds(1);
  constexpr int kTimesWork = 100;  // for each unit of time spent waiting for the disk
  const SteadyTime started = steady_clock::now();
  if (durability_ == Durability::grouped && started < next_sync_) return;
  if (retry_interrupted([&] { return ::fdatasync(fd); }) != 0) fail_io(path_, "fdatasync", errno);
  const SteadyTime ended = steady_clock::now();
  next_sync_ = ended + std::max(kShortest, kTimesWork * (ended - started));
}

void read_journal(const fs::path& path, const std::function<void(const Json& body)>& replay) {
  const FileHandle file = open_file(path, O_RDONLY);
  scan(file.fd(), path, replay, Durability::each_record);
}

}  // namespace thoughtrank
