// Broken and unknown tokenizer files: each is refused with exit 65 and a message that names the
// place.
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "text/support.h"

namespace thoughtrank::test {
namespace {

struct Damage {
  const char* name;
  const char* style;
  std::function<void(Json&)> apply;
  const char* expected;  // part of the message
};

void PrintTo(const Damage& damage, std::ostream* out) { *out << damage.name; }

class HostileTokenizer : public testing::TestWithParam<Damage> {};

TEST_P(HostileTokenizer, IsRefusedByName) {
  const Damage& damage = GetParam();
  Json tokenizer = read_json(fixture(damage.style) / "tokenizer.json");
  const TemporaryFolder folder;
  folder.write("tokenizer.json", dump_json(tokenizer));
  ASSERT_NO_THROW(static_cast<void>(load_tokenizer(folder.path())));
  damage.apply(tokenizer);
  folder.write("tokenizer.json", dump_json(tokenizer));
  expect_error([&] { static_cast<void>(load_tokenizer(folder.path())); },
               ExitCode::kBadData,
               damage.expected);
}

Json& model(Json& t) { return t["model"]; }
Json& byte_step(Json& t) { return t["pre_tokenizer"]["pretokenizers"][1]; }
Json& split_step(Json& t) { return t["pre_tokenizer"]["pretokenizers"][0]; }

const Damage kDamages[] = {
    {"UnknownTopKey", "llama3_style", [](Json& t) { t["extra"] = 1; }, "'extra'"},
    {"UnknownModelKey", "llama3_style", [](Json& t) { model(t)["magic"] = 1; }, "'magic'"},
    {"UnigramModel", "llama3_style", [](Json& t) { model(t)["type"] = "Unigram"; }, "Unigram"},
    {"Dropout", "llama3_style", [](Json& t) { model(t)["dropout"] = 0.1; }, "dropout"},
    {"SubwordPrefix",
     "llama3_style",
     [](Json& t) { model(t)["continuing_subword_prefix"] = "##"; },
     "continuing_subword_prefix"},
    {"NoVocabulary", "llama3_style", [](Json& t) { model(t).erase("vocab"); }, "vocab"},
    {"NoMerges", "llama3_style", [](Json& t) { model(t).erase("merges"); }, "merges"},
    {"NegativeId", "llama3_style", [](Json& t) { model(t)["vocab"]["!"] = -1; }, "vocab[\"!\"]"},
    {"TextId", "llama3_style", [](Json& t) { model(t)["vocab"]["!"] = "0"; }, "vocab[\"!\"]"},
    {"DuplicateId", "llama3_style", [](Json& t) { model(t)["vocab"]["\""] = 0; }, "has too"},
    {"HoleInIds", "llama3_style", [](Json& t) { model(t)["vocab"]["!"] = 1'000'000; }, "hole"},
    {"EmptyPiece", "llama3_style", [](Json& t) { model(t)["vocab"][""] = 5; }, "empty piece"},
    {"MergeIsNumber", "llama3_style", [](Json& t) { model(t)["merges"][3] = 7; }, "merges[3]"},
    {"MergeOfThree", "gpt2_style", [](Json& t) { model(t)["merges"][3] = "a b c"; }, "merges[3]"},
    {"MergeOfUnknownPiece",
     "llama3_style",
     [](Json& t) {
       model(t)["merges"][3] = {"qqqq", "z"};
     },
     "\"qqqq\" is not in the vocabulary"},
    {"MergeMakesUnknownPiece",
     "llama3_style",
     [](Json& t) {
       model(t)["merges"][3] = {"!", "~"};
     },
     "\"!~\" is not in the vocabulary"},
    {"MergeTwice",
     "llama3_style",
     [](Json& t) { model(t)["merges"][4] = Json(model(t)["merges"][3]); },
     "twice"},
    {"MergesOfAPieceApart",
     "llama3_style",
     [](Json& t) { model(t)["merges"].push_back(Json(model(t)["merges"][3])); },
     "in a row"},
    {"UnknownTokenMissing",
     "llama3_style",
     [](Json& t) { model(t)["unk_token"] = "<none>"; },
     "<none>"},
    {"ByteMissing",
     "llama2_style",
     [](Json& t) {
       model(t)["vocab"]["gone"] = Json(model(t)["vocab"]["<0x41>"]);
       model(t)["vocab"].erase("<0x41>");
     },
     "<0x41>"},
    {"NoByteFallback",
     "llama2_style",
     [](Json& t) { model(t)["byte_fallback"] = false; },
     "byte_fallback"},
    {"Nfc",
     "llama3_style",
     [](Json& t) {
       t["normalizer"] = {{"type", "NFC"}};
     },
     "NFC"},
    {"NfkcWithSentencePiece",
     "llama2_style",
     [](Json& t) {
       t["normalizer"] = {{"type", "NFKC"}};
     },
     "NFKC"},
    {"UnknownPreTokenizer",
     "llama3_style",
     [](Json& t) {
       t["pre_tokenizer"] = {{"type", "Whitespace"}};
     },
     "Whitespace"},
    {"NoPreTokenizer",
     "llama3_style",
     [](Json& t) { t["pre_tokenizer"] = nullptr; },
     "pre_tokenizer"},
    {"PreTokenizerOption", "llama3_style", [](Json& t) { byte_step(t)["speed"] = 9; }, "'speed'"},
    {"SplitBehavior",
     "llama3_style",
     [](Json& t) { split_step(t)["behavior"] = "Removed"; },
     "behavior"},
    {"SplitInverted", "llama3_style", [](Json& t) { split_step(t)["invert"] = true; }, "invert"},
    {"BrokenPattern",
     "llama3_style",
     [](Json& t) { split_step(t)["pattern"]["Regex"] = "(a"; },
     "regular expression"},
    {"UnknownEscape",
     "llama3_style",
     [](Json& t) { split_step(t)["pattern"]["Regex"] = "\\h+"; },
     "\\h"},
    {"MetaspaceSplit", "metaspace", [](Json& t) { t["pre_tokenizer"]["split"] = true; }, "split"},
    {"MetaspaceScheme",
     "metaspace",
     [](Json& t) { t["pre_tokenizer"]["prepend_scheme"] = "often"; },
     "prepend_scheme"},
    {"TrailingId",
     "llama2_style",
     [](Json& t) {
       auto& single = t["post_processor"]["single"];
       std::swap(single[0], single[1]);
     },
     "after each text"},
    {"UnknownPostProcessor",
     "llama2_style",
     [](Json& t) {
       t["post_processor"] = {{"type", "RobertaProcessing"}};
     },
     "RobertaProcessing"},
    {"PostProcessorId",
     "llama2_style",
     [](Json& t) { t["post_processor"]["special_tokens"]["<s>"]["ids"][0] = 1 << 20; },
     "<s>"},
    {"UnknownDecoder",
     "llama3_style",
     [](Json& t) {
       t["decoder"] = {{"type", "CTC"}};
     },
     "byte_fallback"},
    {"DecoderStep", "llama2_style", [](Json& t) { t["decoder"]["decoders"].erase(1); }, "decoder"},
    {"AddedSingleWord",
     "llama3_style",
     [](Json& t) { t["added_tokens"][0]["single_word"] = true; },
     "single_word"},
    {"AddedNormalized",
     "llama2_style",
     [](Json& t) { t["added_tokens"][0]["normalized"] = true; },
     "normalized"},
    {"AddedTwice",
     "llama3_style",
     [](Json& t) { t["added_tokens"][1]["content"] = Json(t["added_tokens"][0]["content"]); },
     "twice"},
    {"AddedIdTaken",
     "llama3_style",
     [](Json& t) { t["added_tokens"][1]["id"] = 5; },
     "vocabulary says otherwise"},
    {"AddedIdTwice",
     "llama3_style",
     [](Json& t) { t["added_tokens"][1]["id"] = Json(t["added_tokens"][0]["id"]); },
     "twice"},
    {"AddedEmpty",
     "llama3_style",
     [](Json& t) { t["added_tokens"][0]["content"] = ""; },
     "empty content"},
};

INSTANTIATE_TEST_SUITE_P(Files,
                         HostileTokenizer,
                         testing::ValuesIn(kDamages),
                         [](const auto& damage) { return std::string(damage.param.name); });

TEST(HostileTokenizerText, IsRefused) {
  for (const std::string text : {"",
                                 "{",
                                 "[]",
                                 "{\"model\": {}, \"model\": {}}",
                                 "{\"model\": {\"vocab\": {\"a\": 0, \"a\": 1}}}",
                                 "\xFF\xFE"}) {
    const TemporaryFolder folder;
    folder.write("tokenizer.json", text);
    SCOPED_TRACE(text);
    expect_error([&] { static_cast<void>(load_tokenizer(folder.path())); }, ExitCode::kBadData);
  }
  const TemporaryFolder deep;
  deep.write("tokenizer.json", std::string(100'000, '['));
  expect_error([&] { static_cast<void>(load_tokenizer(deep.path())); }, ExitCode::kBadData);
}

class HostileModel : public testing::Test {
 protected:
  HostileModel() {
    for (const char* name : {"tokenizer.model", "tokenizer_config.json", "added_tokens.json"}) {
      folder.write(name, read_file(fixture("sentencepiece") / name));
    }
  }
  void expect_refused(const std::string& expected) {
    expect_error(
        [&] { static_cast<void>(load_tokenizer(folder.path())); }, ExitCode::kBadData, expected);
  }
  TemporaryFolder folder;
};

TEST_F(HostileModel, GarbageIsRefused) {
  folder.write("tokenizer.model", "not a model");
  expect_refused("not a sentencepiece model");
}

// Found by the fuzzer: the trie of a unigram model throws at it.
TEST_F(HostileModel, APieceThatBeginsWithNulIsRefused) {
  using namespace std::string_literals;
  folder.write("tokenizer.model",
               "\n\x0e\n\x05<unk>\x15\0\0\0\0\x18\x02"
               "\n\x09\n\x02\0a\x15\0\0\0\0"s);
  expect_refused("not a sentencepiece model");
}

TEST_F(HostileModel, TrailingEosIsRefused) {
  folder.write("tokenizer_config.json", R"({"add_eos_token": true})");
  expect_refused("add_eos_token");
}

TEST_F(HostileModel, HolesAndDisagreementsAreRefused) {
  folder.write("added_tokens.json", R"({"<x>": 5000})");
  expect_refused("hole");
  folder.write("added_tokens.json", R"({"<x>": 601})");
  expect_refused("<|im_start|>");
  folder.write("added_tokens.json", R"({"<x>": 1})");
  expect_refused("added tokens say '<x>'");
}

}  // namespace
}  // namespace thoughtrank::test
