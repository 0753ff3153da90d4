// Files that break one rule of the format each: exit code 65, a message that names the rule, no
// memory beyond the file's size.
#include <sys/stat.h>

#include <cstring>

#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/model/safetensors.h"

namespace thoughtrank {
namespace {

std::string with_length(uint64_t length, const std::string& rest) {
  std::string bytes(8, '\0');
  std::memcpy(bytes.data(), &length, 8);
  return bytes + rest;
}

// A whole file: the header and `data_bytes` bytes of data.
std::string file_of(const std::string& header, size_t data_bytes) {
  return with_length(header.size(), header + std::string(data_bytes, 'd'));
}

struct Case {
  const char* name;
  std::string bytes;
  const char* words;
};

std::vector<Case> framing_cases() {
  const std::string one = R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  return {
      {"Empty", "", "8 at least"},
      {"SevenBytes", "1234567", "8 at least"},
      {"LengthBeyondFile", with_length(100, "{}"), "header has 100 bytes"},
      {"LengthTwoTo64", with_length(UINT64_MAX, "{}"), "header has"},
      {"LengthAboveLimit", with_length(100'000'001, "{}"), "100 MB"},
      {"NoHeader", with_length(0, ""), "does not begin with '{'"},
      {"NotJson", file_of("{nonsense", 0), "not JSON"},
      {"List", file_of("[]", 0), "does not begin with '{'"},
      {"LeadingSpace", file_of(" {}", 0), "does not begin with '{'"},
      {"TextAfterJson", file_of("{}x", 0), "not JSON"},
      {"CutJson", file_of(one.substr(0, one.size() - 1), 4), "not JSON"},
      {"InvalidUtf8", file_of("{\"\xff\":{}}", 0), "not JSON"},
      {"DataMissing", file_of(one, 3), "at least 4"},
      {"DataLeftOver", file_of(one, 5), "holds 5 bytes"},
      {"Picture", std::string("\x89PNG\r\n\x1a\n") + std::string(100, 'x'), "safetensors file?"},
      {"DeepLists", file_of("{\"a\":" + std::string(100'000, '['), 0), "'a' has a list"},
      {"DeepObjects",
       file_of(std::string(1000, ' ').replace(0, 5, "{\"a\":") + "{", 0),
       "not JSON"},
  };
}

// The one tensor "a" with this description, and four bytes of data.
Case entry(const char* name, const std::string& description, const char* words) {
  return {name, file_of("{\"a\":" + description + "}", 4), words};
}

std::vector<Case> entry_cases() {
  return {
      entry("EntryNull", "null", "'a' has null"),
      entry("EntryNumber", "1", "'a' has a number"),
      entry("EntryList", "[]", "'a' has a list"),
      entry("NoDtype", R"({"shape":[4],"data_offsets":[0,4]})", "no dtype"),
      entry("NoShape", R"({"dtype":"U8","data_offsets":[0,4]})", "no shape"),
      entry("NoOffsets", R"({"dtype":"U8","shape":[4]})", "needs data_offsets"),
      entry("OneOffset", R"({"dtype":"U8","shape":[4],"data_offsets":[4]})", "needs data_offsets"),
      entry("ThreeOffsets", R"({"dtype":"U8","shape":[4],"data_offsets":[0,4,4]})", "needs data_"),
      entry("UnknownDtype", R"({"dtype":"Q4","shape":[4],"data_offsets":[0,4]})", "'Q4'"),
      entry("DtypeNumber", R"({"dtype":5,"shape":[4],"data_offsets":[0,4]})", "a.dtype"),
      entry("DtypeObject", R"({"dtype":{},"shape":[4],"data_offsets":[0,4]})", "a.dtype"),
      entry("UnknownKey", R"({"dtype":"U8","shape":[4],"data_offsets":[0,4],"x":1})", "'a.x'"),
      entry("TwiceDtype", R"({"dtype":"U8","dtype":"U8"})", "a.dtype' occurs twice"),
      entry("TwiceShape", R"({"shape":[4],"shape":[4]})", "a.shape' occurs twice"),
      entry("ShapeText", R"({"dtype":"U8","shape":"4","data_offsets":[0,4]})", "a.shape"),
      entry("ShapeNegative", R"({"dtype":"U8","shape":[-4],"data_offsets":[0,4]})", "-4"),
      entry("ShapeFloat", R"({"dtype":"U8","shape":[4.0],"data_offsets":[0,4]})", "4.0"),
      entry("ShapeNested", R"({"dtype":"U8","shape":[[4]],"data_offsets":[0,4]})", "a.shape"),
      entry("ShapeTwoTo64",
            R"({"dtype":"U8","shape":[18446744073709551616],"data_offsets":[0,4]})",
            "18446744073709551616"),
      entry("ShapeOverflows",
            R"({"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]})",
            "2^63"),
      entry("ShapeWrapsToFour",
            R"({"dtype":"U8","shape":[9223372036854775809,4],"data_offsets":[0,4]})",
            "2^63"),
      entry("NineDimensions",
            R"({"dtype":"U8","shape":[1,1,1,1,1,1,1,1,4],"data_offsets":[0,4]})",
            "more than 8"),
      entry("BytesUnlikeShape", R"({"dtype":"U8","shape":[3],"data_offsets":[0,4]})", "3 bytes"),
      entry("BytesUnlikeDtype", R"({"dtype":"F16","shape":[4],"data_offsets":[0,4]})", "8 bytes"),
      entry("EndBeforeBegin", R"({"dtype":"U8","shape":[4],"data_offsets":[4,0]})", "[4, 0]"),
      entry(
          "HoleAtBegin", R"({"dtype":"U8","shape":[3],"data_offsets":[1,4]})", "begins at byte 1"),
      entry(
          "FarOffset",
          R"({"dtype":"U8","shape":[0],"data_offsets":[9000000000000000000,9000000000000000000]})",
          "begins at byte 9000000000000000000"),
      entry("MetadataList", R"({},"__metadata__":[])", "__metadata__"),
      entry("MetadataNumber", R"({},"__metadata__":{"n":1})", "__metadata__.n"),
      entry("MetadataTwice", R"({},"__metadata__":{},"__metadata__":{})", "occurs twice"),
      entry("MetadataKeyTwice", R"({},"__metadata__":{"n":"1","n":"1"})", "occurs twice"),
      entry("NameTwice", R"({},"a":{})", "'a' occurs twice"),
      {"Overlap",
       file_of(R"({"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
               R"("b":{"dtype":"U8","shape":[3],"data_offsets":[1,4]}})",
               4),
       "no overlap"},
      {"Hole",
       file_of(R"({"a":{"dtype":"U8","shape":[1],"data_offsets":[0,1]},)"
               R"("b":{"dtype":"U8","shape":[2],"data_offsets":[2,4]}})",
               4),
       "no hole"},
  };
}

class HostileFile : public testing::TestWithParam<Case> {};

TEST_P(HostileFile, IsRefused) {
  const TemporaryFolder folder;
  const auto path = folder.write("model.safetensors", GetParam().bytes);
  expect_error(
      [&] { (void)SafetensorsReader::open_file(path); }, ExitCode::kBadData, GetParam().words);
  expect_error(
      [&] { (void)SafetensorsReader::open_file(path); }, ExitCode::kBadData, path.string());
}

const auto kCaseName = [](const auto& each) { return std::string(each.param.name); };
INSTANTIATE_TEST_SUITE_P(Framing, HostileFile, testing::ValuesIn(framing_cases()), kCaseName);
INSTANTIATE_TEST_SUITE_P(Entry, HostileFile, testing::ValuesIn(entry_cases()), kCaseName);

// The file that the cases above spoil.
TEST(HostileFile, ControlIsAccepted) {
  const TemporaryFolder folder;
  const std::string header = R"({"__metadata__":{"n":"1"},)"
                             R"("a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}   )";
  const auto reader =
      SafetensorsReader::open_file(folder.write("ok.safetensors", file_of(header, 4)));
  EXPECT_EQ(reader.tensors().at("a").shape, std::vector<int64_t>{4});
  EXPECT_EQ(reader.read("a").numel(), 4);
}

TEST(HostileFile, FolderAndFifoAreRefused) {
  const TemporaryFolder folder;
  expect_error([&] { (void)SafetensorsReader::open_file(folder.path()); },
               ExitCode::kBadData,
               "regular file");
  const auto fifo = folder.path() / "fifo";
  ASSERT_EQ(::mkfifo(fifo.c_str(), 0600), 0);
  expect_error(
      [&] { (void)SafetensorsReader::open_file(fifo); }, ExitCode::kBadData, "regular file");
}

struct IndexCase {
  const char* name;
  const char* index;
  const char* words;
};

class HostileIndex : public testing::TestWithParam<IndexCase> {};

// Beside the index lie one.safetensors with tensor "a" and two.safetensors with tensor "b".
TEST_P(HostileIndex, IsRefused) {
  const TemporaryFolder folder;
  const std::string rest = R"(":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  folder.write("one.safetensors", file_of("{\"a" + rest, 4));
  folder.write("two.safetensors", file_of("{\"b" + rest, 4));
  folder.write("model.safetensors.index.json", GetParam().index);
  expect_error([&] { (void)SafetensorsReader::open_model(folder.path()); },
               ExitCode::kBadData,
               GetParam().words);
}

INSTANTIATE_TEST_SUITE_P(
    Rules,
    HostileIndex,
    testing::Values(
        IndexCase{"NotJson", "{", "index.json"},
        IndexCase{"List", "[]", "index.json"},
        IndexCase{"NoMap", "{}", "weight_map"},
        IndexCase{"EmptyMap", R"({"weight_map":{}})", "weight_map"},
        IndexCase{"MapIsList", R"({"weight_map":["a"]})", "weight_map"},
        IndexCase{"Number", R"({"weight_map":{"a":1}})", "'a' is 1"},
        IndexCase{"Absolute", R"({"weight_map":{"a":"/etc/x.safetensors"}})", "same folder"},
        IndexCase{"Upwards", R"({"weight_map":{"a":"../one.safetensors"}})", "same folder"},
        IndexCase{"Below", R"({"weight_map":{"a":"x/one.safetensors"}})", "same folder"},
        IndexCase{"Backslash", R"({"weight_map":{"a":"x\\one.safetensors"}})", "same folder"},
        IndexCase{"Nul", R"({"weight_map":{"a":"x\u0000.safetensors"}})", "same folder"},
        IndexCase{"Pickle", R"({"weight_map":{"a":"model.bin"}})", "same folder"},
        IndexCase{
            "KeyTwice", R"({"weight_map":{"a":"one.safetensors","a":"one.safetensors"}})", "a"},
        IndexCase{"NotInShard",
                  R"({"weight_map":{"a":"one.safetensors","c":"one.safetensors"}})",
                  "'c' is not in one.safetensors"},
        IndexCase{"NotListed", R"({"weight_map":{"c":"one.safetensors"}})", "does not list"},
        IndexCase{"Swapped",
                  R"({"weight_map":{"a":"two.safetensors","b":"one.safetensors"}})",
                  "places in"}),
    [](const auto& each) { return std::string(each.param.name); });

TEST(HostileIndex, MissingShardIsMissingInput) {
  const TemporaryFolder folder;
  folder.write("model.safetensors.index.json", R"({"weight_map":{"a":"no.safetensors"}})");
  expect_error([&] { (void)SafetensorsReader::open_model(folder.path()); },
               ExitCode::kMissingInput,
               "no.safetensors");
}

}  // namespace
}  // namespace thoughtrank
