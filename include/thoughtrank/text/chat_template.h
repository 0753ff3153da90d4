// The one prompt function. A template is data (configs/templates/*.yaml): pieces around the user's
// content. Pieces are encoded with their special tokens, content as ordinary text, so that
// "<|eot_id|>" in a prompt can never become a special token. The same data carries the Jinja text
// exported with a checkpoint.
#pragma once

#include <cstdint>
#include <filesystem>
#include <string>
#include <vector>

#include "thoughtrank/text/tokenizer.h"

namespace thoughtrank {

struct ChatTemplate {
  std::string name;
  std::string bos;  // text of the begin token, or ""
  std::string system_open, system_close;
  std::string default_system;  // used when the prompt has no system message; "" = none
  std::string user_open, user_close;
  std::string assistant_open;   // ends in a newline or a special token (checked on load)
  std::string assistant_close;  // after a finished answer
  std::string example_close;    // after the answer of an earlier turn; "" = assistant_close
  std::vector<std::string>
      stop;  // tokens that end an answer, as text; the first one is the eos that is exported
  std::string jinja;  // gives the same ids for content without special-token text
  std::vector<std::string>
      recognises;  // SHA-256 of chat templates of known models that it stands for
};

struct ChatTurn {
  std::string user;
  std::string assistant;
};

struct ChatPrompt {
  std::string system;
  std::string user;
  std::vector<ChatTurn> earlier = {};  // turns before the prompt
};

// `choice`: auto | a name in templates_dir | path of a .yaml. auto recognises the model's own chat
// template by its hash, takes `plain` where the model has none, and is Error(kConfig) for one it
// does not know.
[[nodiscard]] ChatTemplate load_template(const std::string& choice,
                                         const std::filesystem::path& templates_dir,
                                         const std::filesystem::path& model_folder);

// All ids before the branch head: bos, system, earlier turns, user, assistant_open.
[[nodiscard]] std::vector<int64_t> encode_prompt(const ChatTemplate& chat_template,
                                                 const Tokenizer& tokenizer,
                                                 const ChatPrompt& prompt);
// The same as text, for people.
[[nodiscard]] std::string render_prompt(const ChatTemplate& chat_template,
                                        const ChatPrompt& prompt);
// The ids of `stop` (plus the model's own eos ids, which the caller adds). Error(kConfig) when one
// is no token.
[[nodiscard]] std::vector<int64_t> stop_ids(const ChatTemplate& chat_template,
                                            const Tokenizer& tokenizer);

// configs/templates beside the running program: <exe>/../configs/templates or
// <exe>/configs/templates.
[[nodiscard]] std::filesystem::path find_templates_dir();

}  // namespace thoughtrank
