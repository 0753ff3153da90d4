#include "thoughtrank/core/hash.h"

#include <gtest/gtest.h>

#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace thoughtrank {
namespace {

// FIPS 180-2, appendix B.
TEST(Hash, MatchesPublishedSha256) {
  EXPECT_EQ(sha256(""), "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  EXPECT_EQ(sha256("abc"), "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  EXPECT_EQ(sha256(std::string(1000000, 'a')),
            "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

TEST(Hash, StreamAndFileAgreeWithWhole) {
  const TemporaryFolder folder;
  std::string bytes;
  for (int i = 0; i < 2'500'000; ++i) bytes += static_cast<char>(i * 7);
  write_plainly(folder / "a", bytes);
  Sha256 stream;
  stream.update(std::string_view(bytes).substr(0, 1001));
  stream.update(std::string_view(bytes).substr(1001));
  EXPECT_EQ(stream.hex_digest(), sha256(bytes));
  EXPECT_EQ(sha256_file(folder / "a"), sha256(bytes));
}

TEST(Hash, UnreadableFilesAreIoErrors) {
  const TemporaryFolder folder;
  expect_error([&] { (void)sha256_file(folder / "none"); },
               ExitCode::kMissingInput,
               "none: there is no such file");
  expect_error([&] { (void)sha256_file(folder.path()); }, ExitCode::kIo, "cannot read");
}

// RFC 3720, B.4 and the check value of the CRC catalogue.
TEST(Hash, MatchesPublishedCrc32c) {
  EXPECT_EQ(crc32c(""), 0u);
  EXPECT_EQ(crc32c("123456789"), 0xE3069283u);
  EXPECT_EQ(crc32c(std::string(32, '\0')), 0x8A9136AAu);
  EXPECT_EQ(crc32c(std::string(32, '\xff')), 0x62A8AB43u);
}

}  // namespace
}  // namespace thoughtrank
