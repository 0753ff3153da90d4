// The decode engine: tokens in, tokens out; it knows no text. A group is one prompt with its
// branches: the shared ids are prefilled once and their keys and values are read by all branches of
// the group. Branches run in a fixed number of slots; a slot takes the next branch the moment its
// branch ends, so several prompts are in flight. Greedy: argmax in float32, lowest id on ties;
// branches with a temperature draw their tokens.
//
// What a branch generates depends on its own ids only: not on its slot, its neighbours, or what was
// interrupted.
#pragma once

#include <cstdint>
#include <filesystem>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "thoughtrank/core/clock.h"
#include "thoughtrank/model/compute.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

// Tells how a token of a branch was added.
struct TokenChoice {
  int64_t id = 0;
  bool is_forced = false;
  double log_probability = 0;  // natural log of a chosen token's probability; 0 when forced
  double margin = 0;           // top-1 minus top-2 logit; 0 when forced
};

// Says what a branch does after a token.
struct BranchStep {
  enum class Kind { go_on, force, stop };
  Kind kind = Kind::go_on;
  // The token just chosen is discarded: only with force or stop, never a forced token.
  bool drops_token = false;
  std::vector<int64_t> forced;  // ids that come next, in order, where the kind is force
};

// A rule is told every token after the head, chosen or forced, in order. It runs on the host and
// may lag behind a device: its result must depend on the sequence of tokens only.
class BranchRule {
 public:
  virtual ~BranchRule() = default;
  virtual BranchStep on_token(const TokenChoice& token) = 0;
};

// How a branch chooses its tokens. The n-th draw of a stream is a function of its logits alone.
struct Sampling {
  double temperature = 0;  // 0: the most probable token
  double top_p = 1;        // above 0
  uint64_t stream = 0;     // names the branch's random numbers
};

struct BranchStart {
  int64_t branch = 0;  // the caller's number, given back in FinishedBranch
  // The ids follow the group's shared ones: at least one, unless first_of is given.
  std::vector<int64_t> head_ids;
  // Where it is not empty, the most probable of these tokens is taken first after head_ids.
  std::vector<int64_t> first_of;
  int64_t max_tokens = 0;  // upper bound of everything after the shared ids
  std::unique_ptr<BranchRule> rule;
  Sampling sampling = {};  // on the CPU only: Error(kConfig) for a temperature on a device
};

struct BranchGroup {
  int64_t group = 0;                // the caller's number
  std::vector<int64_t> shared_ids;  // at least one token
  std::vector<BranchStart> branches;
};

// Tells why a branch was broken off: its prompt is too long for the model, its logits were not
// finite numbers, or this machine had no memory for it now.
enum class BreakCause { none, context, not_finite, memory };

struct FinishedBranch {
  int64_t group = 0;
  int64_t branch = 0;
  std::vector<int64_t> token_ids;    // everything after shared_ids: head, then every kept token
  std::unique_ptr<BranchRule> rule;  // the branch's rule again, with what it has counted
  BreakCause cause = BreakCause::none;
  std::string error;  // the cause in words, "" without one
};

// A source is asked for the next group when slots are free; nullopt says that there is no more
// work.
class GroupSource {
 public:
  virtual ~GroupSource() = default;
  virtual std::optional<BranchGroup> next() = 0;
};

class BranchSink {
 public:
  virtual ~BranchSink() = default;
  virtual void finished(FinishedBranch branch) = 0;
  // Called after each step with the number of tokens it generated, for progress lines.
  virtual void stepped(int64_t tokens) = 0;
};

struct DecodeOptions {
  std::optional<int64_t> slots = {};    // slots, a multiple of 16; nullopt: chosen from memory
  std::optional<int64_t> threads = {};  // threads; nullopt: as many as libtorch uses
  // Limits the memory for keys and values; nullopt: to what is left once the weights are packed,
  // less a sixteenth. Where it does not last for all slots, branches are put off and go on later.
  std::optional<int64_t> kv_bytes = {};
  // On CUDA a step is recorded in a graph and replayed; false: enqueued anew each time.
  bool records_steps = true;
  // Names kernels of step_kernel_names() to do without on CUDA, for measurements.
  std::vector<std::string> without = {};
};

// Names the kernels of our own that plain tensor operations can replace.
[[nodiscard]] const std::vector<std::string>& step_kernel_names();

// Holds the log-likelihood of one continuation.
struct ContinuationScore {
  double log_probability = 0;  // natural log, the sum over its tokens
  int64_t tokens = 0;          // tokens that were scored
};

class Decoder {
 public:
  struct Engine;  // src/decode/decoder.cpp
  // Takes the model over; its weights live in the decoder, packed for speed, in one copy, on the
  // model's device.
  Decoder(Llama model, DecodeOptions options);
  ~Decoder();
  Decoder(Decoder&&) noexcept;

  // Runs until the source is dry or `stop` is set (then throws as StopFlag does; finished branches
  // have been handed over). The branches of a group that does not fit the model's context or the
  // memory are given back with an error, the other groups go on. Error(kBadData) for ids that the
  // model does not know.
  void run(GroupSource& source, BranchSink& sink, const StopFlag& stop);

  // Returns log p of each continuation after `shared_ids`, teacher-forced; the shared part is
  // computed once. Where `given` is not empty, the first given[i] tokens of continuation i are read
  // and not scored.
  [[nodiscard]] std::vector<ContinuationScore> score(
      const std::vector<int64_t>& shared_ids,
      const std::vector<std::vector<int64_t>>& continuations,
      const std::vector<int64_t>& given = {});

  [[nodiscard]] int64_t slots() const;
  [[nodiscard]] const LlamaConfig& config() const;

 private:
  std::unique_ptr<Engine> engine_;
};

// Loads the folder's model in the setup's dtype, on its device and threads. Throws Error(kConfig)
// when the device has no room for the weights.
[[nodiscard]] Decoder load_decoder(const std::filesystem::path& model_folder,
                                   const ComputeSetup& compute,
                                   DecodeOptions options);

}  // namespace thoughtrank
