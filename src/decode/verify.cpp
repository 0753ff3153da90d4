#include "thoughtrank/decode/verify.h"

#include <bit>
#include <map>
#include <utility>

#include "decode/verify_variants.h"
#include "thoughtrank/core/error.h"
#include "thoughtrank/decode/list_source.h"

namespace thoughtrank {
namespace {

// The chosen tokens of each branch: by group, branch.
using Tokens = std::map<std::pair<int64_t, int64_t>, std::vector<TokenChoice>>;

struct Decoded {
  Tokens tokens;
  std::string first_error;  // of a branch that broke off
  bool lacks_memory = false;
};

class TokenSink : public BranchSink {
 public:
  TokenSink(Decoded& decoded, Progress& progress) : decoded_(decoded), progress_(progress) {}

  void finished(FinishedBranch branch) override {
    progress_.advance(/*done=*/1, /*work=*/0);
    if (branch.group == kNoise || branch.branch == kNoise) return;
    decoded_.lacks_memory = decoded_.lacks_memory || branch.cause == BreakCause::memory;
    if (!branch.error.empty() && decoded_.first_error.empty()) {
      decoded_.first_error =
          fmt::format("group {}, branch {}: {}", branch.group, branch.branch, branch.error);
    }
    decoded_.tokens[{branch.group, branch.branch}] =
        std::move(static_cast<TokenRecorder&>(*branch.rule).tokens);
  }
  void stepped(int64_t tokens) override { progress_.advance(/*done=*/0, /*work=*/tokens); }

 private:
  Decoded& decoded_;
  Progress& progress_;
};

Decoded decode(Decoder& decoder, Variant& variant, const VerifyJob& job) {
  Decoded decoded;
  for (std::vector<BranchGroup>& groups : variant.runs) {
    ListSource source(std::move(groups));
    TokenSink sink(decoded, job.progress);
    decoder.run(source, sink, job.stop);
  }
  return decoded;
}

bool same_bits(double a, double b) {
  return std::bit_cast<uint64_t>(a) == std::bit_cast<uint64_t>(b);
}

bool is_same(const TokenChoice& a, const TokenChoice& b) {
  return a.id == b.id && same_bits(a.log_probability, b.log_probability) &&
         same_bits(a.margin, b.margin);
}

std::optional<TokenChoice> token_at(const std::vector<TokenChoice>& tokens, size_t n) {
  return n < tokens.size() ? std::optional(tokens[n]) : std::nullopt;
}

// The place of the first token that is not the same in both; nullopt when all are.
std::optional<size_t> first_difference(const std::vector<TokenChoice>& a,
                                       const std::vector<TokenChoice>& b) {
  const size_t both = std::min(a.size(), b.size());
  for (size_t n = 0; n < both; ++n) {
    if (!is_same(a[n], b[n])) return n;
  }
  return a.size() == b.size() ? std::nullopt : std::optional(both);
}

void compare(const Tokens& expected, const Tokens& found, VariantResult& result) {
  for (const auto& [key, tokens] : expected) {
    const auto& others = found.at(key);
    ++result.branches;
    result.tokens += std::ssize(tokens);
    const auto place = first_difference(tokens, others);
    if (!place) continue;
    ++result.differing_branches;
    if (result.difference) continue;
    result.difference = TokenDifference{.group = key.first,
                                        .branch = key.second,
                                        .token = static_cast<int64_t>(*place),
                                        .expected = token_at(tokens, *place),
                                        .found = token_at(others, *place)};
  }
}

int64_t count_branches(const std::vector<Variant>& variants) {
  int64_t count = 0;
  for (const Variant& variant : variants) {
    for (const auto& groups : variant.runs) {
      for (const BranchGroup& group : groups) count += std::ssize(group.branches);
    }
  }
  return count;
}

}  // namespace

bool verify_decoding(const VerifyJob& job) {
  std::optional<Decoder> decoder(job.make_decoder(job.options.reference));
  std::vector<Variant> variants = make_variants({.groups = job.groups,
                                                 .options = job.options,
                                                 .slots = decoder->slots(),
                                                 .vocab_size = decoder->config().vocab_size});
  job.progress.set_total(count_branches(variants));
  DecoderSetup loaded = variants.front().setup;
  Tokens reference;
  bool holds = true;
  for (Variant& variant : variants) {
    if (variant.setup != loaded) {
      decoder.reset();  // before the next one takes memory
      decoder.emplace(job.make_decoder(variant.setup));
      loaded = variant.setup;
    }
    const Decoded decoded = decode(*decoder, variant, job);
    // A reference that broke off proves nothing, nor does what had no memory.
    if (decoded.lacks_memory || (reference.empty() && !decoded.first_error.empty())) {
      fail(ExitCode::kBadData, "{}: {}", variant.name, decoded.first_error);
    }
    if (reference.empty()) reference = decoded.tokens;
    VariantResult result{.name = variant.name,
                         .slots = decoder->slots(),
                         .threads = loaded.threads,
                         .is_promised = variant.is_promised,
                         .difference = {}};
    compare(reference, decoded.tokens, result);
    holds = holds && (!result.difference || !result.is_promised);
    job.take(result);
  }
  return holds;
}

}  // namespace thoughtrank
