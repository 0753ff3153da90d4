#include "thoughtrank/data/jsonl.h"

#include "data_room.h"

namespace thoughtrank {
namespace {

class JsonlFile : public FileTest {};

MetricsRow metrics(int64_t step) {
  MetricsRow row;
  row.round = 1;
  row.step = step;
  row.loss = 1.0 / static_cast<double>(step);
  return row;
}

TEST_F(JsonlFile, RowsComeBackAndTheSameRowsAreTheSameBytes) {
  const std::vector<MetricsRow> rows = {metrics(1), metrics(2), metrics(3)};
  publish_rows(folder_ / "a.jsonl", rows);
  publish_rows(folder_ / "b.jsonl", read_rows<MetricsRow>(folder_ / "a.jsonl"));
  EXPECT_EQ(read_rows<MetricsRow>(folder_ / "b.jsonl").size(), 3u);
  EXPECT_EQ(read_file(folder_ / "a.jsonl"), read_file(folder_ / "b.jsonl"));
}

TEST_F(JsonlFile, NoRowsAreAnEmptyFile) {
  publish_rows(folder_ / "a.jsonl", std::vector<MetricsRow>{});
  EXPECT_EQ(read_file(folder_ / "a.jsonl"), "");
  EXPECT_TRUE(read_rows<MetricsRow>(folder_ / "a.jsonl").empty());
}

TEST_F(JsonlFile, GivesEachRowWithItsPlace) {
  std::vector<std::string> places;
  const auto path = write("a.jsonl", "{\"n\":1}\n{\"n\":2}\r\n{\"n\":3}\n\n \n");
  read_jsonl(path, [&](const Json& row, const std::string& where) {
    places.push_back(where.substr(where.rfind('/') + 1) + "=" + dump_json(row));
  });
  EXPECT_EQ(places,
            (std::vector<std::string>{
                "a.jsonl:1={\"n\":1}", "a.jsonl:2={\"n\":2}", "a.jsonl:3={\"n\":3}"}));
}

TEST_F(JsonlFile, DamageIsAnErrorThatNamesTheLine) {
  const auto ignore = [](const Json&, const std::string&) {};
  for (const char* blank : {"", "  ", "\r"}) {
    const auto path = write("a.jsonl", std::string("{\"n\":1}\n") + blank + "\n{\"n\":3}\n");
    expect_bad_data([&] { read_jsonl(path, ignore); }, {"a.jsonl:2", "an empty line"});
  }
  for (const std::string& line : {std::string("{\"n\":"),
                                  std::string("{\"n\":1} x"),
                                  std::string("{\"n\":1,\"n\":2}"),
                                  std::string("{\"n\":\"\xFF\"}"),
                                  std::string("\0\0\0", 3)}) {
    const auto path = write("a.jsonl", "{\"n\":1}\n" + line + "\n{\"n\":3}\n");
    expect_bad_data([&] { read_jsonl(path, ignore); }, {"a.jsonl:2"});
  }
}

TEST_F(JsonlFile, ARowsErrorNamesLineAndKey) {
  Json bad = to_json(metrics(1));
  bad["skipped"] = 7;
  const auto path =
      write("metrics.jsonl", dump_json(to_json(metrics(1))) + "\n" + dump_json(bad) + "\n");
  expect_bad_data([&] { (void)read_rows<MetricsRow>(path); }, {"metrics.jsonl:2", "skipped"});
}

TEST_F(JsonlFile, AMissingFileIsMissingInput) {
  expect_error([&] { (void)read_rows<MetricsRow>(folder_ / "none.jsonl"); },
               ExitCode::kMissingInput,
               {"none.jsonl"});
}

}  // namespace
}  // namespace thoughtrank
