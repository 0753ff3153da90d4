// Lists of mappings with the same fields.
#include <gtest/gtest.h>

#include "config/field_options.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"

namespace thoughtrank {
namespace {

TestLibrary load(const std::string& yaml) {
  const TemporaryFolder folder;
  write_plainly(folder / "round.yaml", yaml);
  TestLibrary library;
  load_fields({.file = (folder / "round.yaml").string(), .sets = {}},
              [&](FieldVisitor& v) { library.visit(v); });
  for (TestShelf& shelf : library.shelves) {
    if (!shelf.path.empty())
      shelf.path = std::filesystem::relative(shelf.path, folder.path()).string();
  }
  return library;
}

TEST(FieldsGroupList, ReadsEachItemWithItsDefaultsAndPaths) {
  const TestLibrary library = load("shelves:\n  - {path: a/b}\n  - size: 7\n");
  ASSERT_EQ(library.shelves.size(), 2u);
  EXPECT_EQ(library.shelves[0].path, "a/b");
  EXPECT_EQ(library.shelves[0].size, 3);
  EXPECT_EQ(library.shelves[1].size, 7);
  EXPECT_TRUE(load("shelves: []\n").shelves.empty());
}

TEST(FieldsGroupList, ErrorsNameItemAndPlace) {
  const Error error =
      error_of([] { (void)load("shelves:\n  - {size: 0}\n  - {sise: 2}\n  - wood\n"); });
  EXPECT_EQ(error.code(), ExitCode::kConfig);
  const std::string text = error.what();
  EXPECT_NE(text.find("2:12: 'shelves[0].size' should be"), std::string::npos) << text;
  EXPECT_NE(text.find("3:6: unknown key 'sise' in 'shelves[1]' (did you mean 'size'?)"),
            std::string::npos)
      << text;
  EXPECT_NE(text.find("4:5: 'shelves[2]' should be"), std::string::npos) << text;
  EXPECT_EQ(error_of([] { (void)load("shelves: {size: 1}\n"); }).code(), ExitCode::kConfig);
}

TEST(FieldsGroupList, IsShownAsJsonAndDescribedByTheSchema) {
  TestLibrary library;
  library.shelves.resize(1);
  const auto visit = [&](FieldVisitor& v) { library.visit(v); };
  EXPECT_EQ(dump_json(fields_to_json(visit)), R"({"shelves":[{"path":"","size":3}]})");
  const Json type = fields_schema(visit)["properties"]["shelves"];
  EXPECT_EQ(type["type"], "array");
  EXPECT_EQ(type["items"]["properties"]["size"]["minimum"], 1);
  EXPECT_EQ(list_fields({}, visit)[0].value, R"([{"path":"","size":3}])");
}

}  // namespace
}  // namespace thoughtrank
