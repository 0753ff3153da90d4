// Runs the decoder on token ids and prints what it chose, for tests/parity/decode_parity.py.
//   decode_driver MODEL_DIR float32|bfloat16 REQUEST.json
// REQUEST: {"new_tokens": n, "eos": [ids, empty: ignored], "groups": [{"shared": [ids], "heads":
// [[ids], …]}, …]}. One JSON object per branch on stdout: group, branch, ids (after the head),
// margins; the rate on stderr.
#include <ATen/Parallel.h>
#include <fmt/core.h>

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "thoughtrank/core/files.h"
#include "thoughtrank/core/json.h"
#include "thoughtrank/decode/decoder.h"

namespace thoughtrank {
namespace {

using Ids = std::vector<int64_t>;

class StopAtEos : public BranchRule {
 public:
  explicit StopAtEos(Ids eos) : eos_(std::move(eos)) {}
  BranchStep on_token(const TokenChoice& token) override {
    margins.push_back(token.margin);
    const bool is_end = std::find(eos_.begin(), eos_.end(), token.id) != eos_.end();
    return {.kind = is_end ? BranchStep::Kind::stop : BranchStep::Kind::go_on,
            .drops_token = false,
            .forced = {}};
  }
  std::vector<double> margins;

 private:
  Ids eos_;
};

class RequestSource : public GroupSource {
 public:
  explicit RequestSource(const Json& request) : request_(request) {}

  std::optional<BranchGroup> next() override {
    const Json& groups = request_["groups"];
    if (next_ == groups.size()) return std::nullopt;
    BranchGroup group{
        .group = int64_t(next_), .shared_ids = groups[next_]["shared"], .branches = {}};
    for (const Json& head : groups[next_]["heads"]) {
      BranchStart start;
      start.branch = std::ssize(group.branches);
      start.head_ids = head.get<Ids>();
      start.max_tokens = std::ssize(start.head_ids) + request_["new_tokens"].get<int64_t>();
      start.rule = std::make_unique<StopAtEos>(request_["eos"].get<Ids>());
      group.branches.push_back(std::move(start));
    }
    ++next_;
    return group;
  }

 private:
  const Json& request_;
  size_t next_ = 0;
};

class PrintingSink : public BranchSink {
 public:
  void finished(FinishedBranch branch) override {
    const auto& margins = static_cast<const StopAtEos&>(*branch.rule).margins;
    const auto first = branch.token_ids.end() - std::ssize(margins);
    fmt::print("{}\n",
               dump_json({{"group", branch.group},
                          {"branch", branch.branch},
                          {"ids", Ids(first, branch.token_ids.end())},
                          {"margins", margins},
                          {"error", branch.error}}));
  }
  void stepped(int64_t count) override { tokens += count; }
  int64_t tokens = 0;
};

double seconds_since(std::chrono::steady_clock::time_point start) {
  return std::chrono::duration<double>(std::chrono::steady_clock::now() - start).count();
}

int drive(const std::string& folder, const std::string& dtype, const std::string& request_file) {
  const Json request = parse_json(read_file(request_file), request_file);
  Decoder decoder(load_llama(folder, scalar_type(value_of(dtype, kDtypes).value()), at::kCPU), {});
  RequestSource source(request);
  PrintingSink sink;
  const StopFlag stop;
  const auto start = std::chrono::steady_clock::now();
  decoder.run(source, sink, stop);
  const double seconds = seconds_since(start);
  fmt::print(stderr,
             "{} {}: {} tokens in {:.2f} s, {:.0f} tok/s, {} slots, {} threads\n",
             folder,
             dtype,
             sink.tokens,
             seconds,
             static_cast<double>(sink.tokens) / seconds,
             decoder.slots(),
             at::get_num_threads());
  return 0;
}

}  // namespace
}  // namespace thoughtrank

int main(int argc, char** argv) {
  if (argc != 4) {
    fmt::print(stderr, "usage: decode_driver MODEL_DIR float32|bfloat16 REQUEST.json\n");
    return 64;
  }
  try {
    return thoughtrank::drive(argv[1], argv[2], argv[3]);
  } catch (const std::exception& error) {
    fmt::print(stderr, "{}\n", error.what());
    return 70;
  }
}
