// Generation written down plainly, as the reference: one branch at a time, the whole sequence
// through the plain forward pass, no cache, no state machine. The logits of a guessed sequence are
// used for as long as the reference's own choices agree with the guess: one pass for a right guess.
#pragma once

#include <ATen/ATen.h>

#include <string>
#include <vector>

#include "generate/plain_rules.h"
#include "generate/token_bytes.h"
#include "thoughtrank/core/utf8.h"
#include "thoughtrank/generate/generate.h"
#include "thoughtrank/model/llama.h"

namespace thoughtrank {

class PlainGeneration {
 public:
  PlainGeneration(const Llama& model, const Generator::Setup& setup)
      : model_(model), setup_(setup), tokenizer_(setup.tokenizer) {}

  // What the next sequence, prompt and row, is thought to be.
  void guess(const TokenIds& prompt, const TokenIds& row) {
    guess_ = prompt;
    guess_.insert(guess_.end(), row.begin(), row.end());
    guess_logits_ = forward(guess_);
  }

  // The row of a thought that begins with `head`, whose bytes after the open tag are `begun`.
  // `first_of`, where not empty: the tokens of which the head's last one is chosen.
  OutputRow think_and_answer(const TokenIds& prompt,
                             const TokenIds& head,
                             std::string begun,
                             const std::vector<int64_t>& first_of = {}) {
    start(prompt, head);
    if (!first_of.empty()) begun += bytes_of(tokenizer_, keep(choose(first_of).id));
    row_.head_len = std::ssize(row_.token_ids);
    think(begun);
    answer();
    return row_;
  }

  OutputRow answer_directly(const TokenIds& prompt) {
    start(prompt, {});
    answer();
    return row_;
  }

 private:
  struct Choice {
    int64_t id;
    double log_probability, margin;
  };

  void start(const TokenIds& prompt, const TokenIds& head) {
    row_ = {};
    row_.token_ids = head;
    sequence_ = prompt;
    sequence_.insert(sequence_.end(), head.begin(), head.end());
    answer_text_.clear();
  }

  at::Tensor forward(const TokenIds& ids) const {  // (T, V)
    return forward_logits(model_, {at::tensor(ids, at::kLong), {0, std::ssize(ids)}});
  }

  at::Tensor next_logits() const {
    const int64_t last = std::ssize(sequence_) - 1;
    const bool is_as_guessed = std::ranges::mismatch(sequence_, guess_).in1 == sequence_.end();
    return is_as_guessed ? guess_logits_[last] : forward(sequence_)[last];
  }

  Choice choose(const std::vector<int64_t>& allowed = {}) const {
    const at::Tensor logits = next_logits();  // (V)
    at::Tensor open = at::zeros_like(logits);
    if (!allowed.empty()) {
      open.fill_(-INFINITY).index_fill_(/*dim=*/0, at::tensor(allowed, at::kLong), 0);
    }
    const int64_t id = (logits + open).argmax().item<int64_t>();
    const at::Tensor best = std::get<0>(logits.topk(/*k=*/2));  // (2)
    return {.id = id,
            .log_probability = logits.to(at::kDouble).log_softmax(/*dim=*/0)[id].item<double>(),
            .margin = (best[0] - best[1]).item<double>()};
  }

  int64_t keep(int64_t id) {
    sequence_.push_back(id);
    row_.token_ids.push_back(id);
    return id;
  }

  bool is_eos(int64_t id) const {
    return std::ranges::find(setup_.eos_ids, id) != setup_.eos_ids.end();
  }

  void think(const std::string& begun) {
    const std::string& close = setup_.branches.close;
    std::string text = begun;
    TokenIds thought;
    while (row_.thought_end == ThoughtEnd::none) {
      if (text.find(close) != std::string::npos) {
        row_.thought_end = ThoughtEnd::model;
      } else if (setup_.generate.loop_rule && ends_in_loop(thought)) {
        row_.thought_end = ThoughtEnd::loop;
      } else if (count_thought_tokens(tokenizer_, close, begun, thought) >=
                 setup_.generate.thought_tokens) {
        row_.thought_end = ThoughtEnd::cap;
      } else if (const Choice choice = choose(); is_eos(choice.id)) {
        row_.thought_end = ThoughtEnd::eos;
      } else {
        row_.thought_logprob += choice.log_probability;
        thought.push_back(keep(choice.id));
        text += bytes_of(tokenizer_, choice.id);
      }
    }
    if (row_.thought_end != ThoughtEnd::model) {
      row_.thought = to_valid_utf8(text);
      for (const int64_t id : tokenizer_.encode(close)) keep(id);
      return;
    }
    row_.thought = to_valid_utf8(text.substr(0, text.find(close)));
    answer_text_ = text.substr(text.find(close) + close.size());
    row_.answer_offset = std::ssize(answer_text_);
  }

  void answer() {
    row_.answer_start = std::ssize(row_.token_ids);
    TokenIds answer;
    double margins = 0;
    std::optional<Finish> finish;
    while (!finish) {
      const Choice choice = choose();
      row_.answer_logprob += choice.log_probability;
      margins += choice.margin;
      answer.push_back(keep(choice.id));
      if (is_eos(choice.id)) {
        finish = Finish::eos;
        break;
      }
      answer_text_ += bytes_of(tokenizer_, choice.id);
      if (setup_.generate.loop_rule && ends_in_loop(answer)) {
        finish = Finish::loop;
      } else if (std::ssize(answer) >= setup_.generate.answer_tokens) {
        finish = Finish::length;
      }
    }
    row_.finish = *finish;
    row_.answer_margin = margins / static_cast<double>(answer.size());
    row_.answer = to_valid_utf8(answer_text_);
  }

  const Llama& model_;
  const Generator::Setup& setup_;
  const Tokenizer& tokenizer_;
  TokenIds sequence_;        // prompt and row_.token_ids
  TokenIds guess_;           // T ids
  at::Tensor guess_logits_;  // (T, V)
  OutputRow row_;
  std::string answer_text_;
};

}  // namespace thoughtrank
