// Folders whose weights are not safetensors: the error says what is there, with the command that
// converts it.
#include "model/golden.h"
#include "support/expect_error.h"
#include "support/temporary_folder.h"
#include "thoughtrank/model/config.h"
#include "thoughtrank/model/safetensors.h"

namespace thoughtrank {
namespace {

using std::string_literals::operator""s;

void expect_told(const std::string& name,
                 const std::string& bytes,
                 ExitCode code,
                 const MessageParts& parts) {
  const TemporaryFolder folder;
  (void)folder.write(name, bytes);
  expect_error([&] { (void)SafetensorsReader::open_model(folder.path()); }, code, parts);
}

TEST(ForeignWeights, OtherFormatsInTheFolderAreTold) {
  const auto told = [](const std::string& name, const MessageParts& parts) {
    expect_told(name, "", ExitCode::kMissingInput, parts);
  };
  told("pytorch_model.bin", {"pickle", "torch.load", "/pytorch_model*.bin", "/model.safetensors"});
  told("best.pth", {"best.pth", "torch.load"});
  told("model-Q4.gguf", {"GGUF"});
  told("adapter_config.json", {"LoRA adapter", "merge_and_unload"});
  told("consolidated.00.pth", {"Meta's own format"});
  told("llama.safetensors", {"mv ", "/model.safetensors"});
  told("tf_model.h5", {"save_pretrained"});
  told("model-00001-of-00002.safetensors", {"index"});
}

TEST(ForeignWeights, AFolderWithoutConfigIsTold) {
  const auto told = [](const std::string& name, const MessageParts& parts) {
    const TemporaryFolder folder;
    std::filesystem::create_directories((folder / name).parent_path());
    (void)folder.write(name, "{}");
    expect_error([&] { (void)read_llama_config(folder.path()); }, ExitCode::kMissingInput, parts);
  };
  told("adapter_config.json", {"config.json", "LoRA adapter"});
  told("model.gguf", {"config.json", "GGUF"});
  told("params.json", {"config.json", "Meta's own format"});
  told("snapshots/0123/config.json", {"snapshots/0123"});  // of the Hub's cache
  told("checkpoint-500/config.json", {"checkpoint-500"});
  told("notes.txt", {"config.json", "Check the path"});
}

TEST(ForeignWeights, AFileUnderAWrongNameIsTold) {
  const auto told = [](const std::string& bytes, const MessageParts& parts) {
    expect_told("model.safetensors", bytes, ExitCode::kBadData, parts);
  };
  told("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 269060552\n",
       {"model.safetensors", "Git LFS", "git -C", "lfs pull"});
  told("<!DOCTYPE html><html><head>", {"HTML"});
  told("GGUF\x03\0\0\0"s, {"GGUF"});
  told("PK\x03\x04\0\0\x08\x08\0\0archive/data.pkl"s, {"pickle", "torch.load"});
  told("\x1F\x8B\x08 compressed", {"gzip -dc"});
}

TEST(ForeignWeights, ALinkWhoseFileIsGoneIsTold) {
  const TemporaryFolder folder;
  std::filesystem::create_symlink("../../blobs/0123", folder / "model.safetensors");
  expect_error([&] { (void)SafetensorsReader::open_model(folder.path()); },
               ExitCode::kMissingInput,
               {"model.safetensors", "../../blobs/0123"});
}

}  // namespace
}  // namespace thoughtrank
