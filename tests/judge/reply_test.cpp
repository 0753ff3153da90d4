#include "judge/reply.h"

#include <gtest/gtest.h>

#include "support/trials.h"
#include "thoughtrank/core/random.h"

namespace thoughtrank {
namespace {

// Labels sent: B, K, Q. Expected: the labels in order, or "" for an abstention.
struct Reply {
  std::string text;
  std::string expected;
};

std::string deep(int depth) { return std::string(static_cast<size_t>(depth), '['); }

const std::vector<Reply> kReplies = {
    // Accepted: one JSON object that ranks every label once.
    {R"({"ranking":["K","B","Q"]})", "KBQ"},
    {R"({"ranking": [ "Q" , "B" , "K" ] })", "QBK"},
    {"  \n{\"ranking\":[\"B\",\"K\",\"Q\"]}\n\n", "BKQ"},
    {"```json\n{\"ranking\":[\"K\",\"B\",\"Q\"]}\n```", "KBQ"},
    {"```\n{\"ranking\":[\"K\",\"B\",\"Q\"]}\n```", "KBQ"},
    {"Here is my ranking:\n{\"ranking\":[\"K\",\"B\",\"Q\"]}", "KBQ"},
    {"{\"ranking\":[\"K\",\"B\",\"Q\"]}\nK is the most complete answer.", "KBQ"},
    {R"({"ranking":["K","B","Q"],"scores":{"K":9,"B":5,"Q":1}})", "KBQ"},
    {R"({"reasoning":"K is right {really}","ranking":["K","B","Q"]})", "KBQ"},
    {R"({"reasoning":"a \" quote and a } brace","ranking":["K","B","Q"]})", "KBQ"},
    {"<think>{\"ranking\":[\"Q\",\"B\",\"K\"]} no, wait</think>{\"ranking\":[\"K\",\"B\",\"Q\"]}",
     "KBQ"},
    {"<think>\nhm\n</think>\n\n```json\n{\"ranking\":[\"K\",\"B\",\"Q\"]}\n```", "KBQ"},
    {"</think>{\"ranking\":[\"K\",\"B\",\"Q\"]}", "KBQ"},
    {"The set {K, B, Q} is ranked: {\"ranking\":[\"K\",\"B\",\"Q\"]}", "KBQ"},
    {R"({"note":1} {"ranking":["K","B","Q"]})", "KBQ"},
    {"Größe 😀 {\"ranking\":[\"K\",\"B\",\"Q\"]}", "KBQ"},
    {R"({"ranking":["\u004b","B","Q"]})", "KBQ"},
    // Labels that do not fit.
    {R"({"ranking":["K","B"]})", ""},
    {R"({"ranking":["K"]})", ""},
    {R"({"ranking":[]})", ""},
    {R"({"ranking":["K","B","B"]})", ""},
    {R"({"ranking":["K","B","Q","K"]})", ""},
    {R"({"ranking":["K","B","Q","Z"]})", ""},
    {R"({"ranking":["K","B","Z"]})", ""},
    {R"({"ranking":["k","b","q"]})", ""},
    {R"({"ranking":["K ","B","Q"]})", ""},
    {R"({"ranking":["answer K","B","Q"]})", ""},
    {R"({"ranking":["<answer K>","B","Q"]})", ""},
    {R"({"ranking":["К","B","Q"]})", ""},  // Cyrillic К
    {R"({"ranking":["","B","Q"]})", ""},
    {R"({"ranking":["K","B","Q",""]})", ""},
    // Not a list of labels.
    {R"({"ranking":"KBQ"})", ""},
    {R"({"ranking":"K, B, Q"})", ""},
    {R"({"ranking":{"1":"K","2":"B","3":"Q"}})", ""},
    {R"({"ranking":[["K","B"],["Q"]]})", ""},
    {R"({"ranking":[["K"],["B"],["Q"]]})", ""},
    {R"({"ranking":[1,2,3]})", ""},
    {R"({"ranking":["K",2,"Q"]})", ""},
    {R"({"ranking":["K",null,"Q"]})", ""},
    {R"({"ranking":null})", ""},
    {R"({"ranking":true})", ""},
    {R"({"ranking":3})", ""},
    {R"({"ranking":[{"label":"K"},{"label":"B"},{"label":"Q"}]})", ""},
    {R"({"ranking":["K = B","Q"]})", ""},
    // No object, or not JSON.
    {"", ""},
    {" ", ""},
    {"K > B > Q", ""},
    {"[2] > [1] > [3]", ""},
    {R"(["K","B","Q"])", ""},
    {R"("K")", ""},
    {"3", ""},
    {"-1", ""},
    {"NaN", ""},
    {"null", ""},
    {R"({"Ranking":["K","B","Q"]})", ""},
    {R"({"result":{"ranking":["K","B","Q"]}})", ""},
    {R"({'ranking':['K','B','Q']})", ""},
    {R"({ranking:["K","B","Q"]})", ""},
    {R"({"ranking":["K","B","Q"],})", ""},
    {R"({"ranking":["K","B","Q",]})", ""},
    {R"({"ranking":["K","B","Q")", ""},
    {R"({"ranking":["K","B",)", ""},
    {R"({"ranking":["K","B","Q"],"score":NaN})", ""},
    {R"({"ranking":["K","B","Q"],"score":1e400})", ""},
    {R"({"ranking":["K","B","Q"],"ranking":["Q","B","K"]})", ""},
    {"I'm sorry, but I can't rank answers 1, 2 and 3.", ""},
    {"As an AI, I rate all 3 equally: 5/5.", ""},
    {"{}", ""},
    {"{{{{", ""},
    {"}", ""},
    // Two minds, or an unfinished one.
    {R"({"ranking":["K","B","Q"]}{"ranking":["Q","B","K"]})", ""},
    {R"({"ranking":["K","B","Q"]} or {"ranking":["K","B","Q"]})", ""},
    {R"(<think>{"ranking":["K","B","Q"]})", ""},
    {R"(<think>hm</think> I would rather not say)", ""},
    // Abuse.
    {R"({"ranking":)" + deep(100000), ""},
    {std::string(200000, '{'), ""},
    {"{\"ranking\":[\"K\",\"B\",\"Q\"]}\xFF", ""},
    {"{\"ranking\":[\"K\",\"B\",\"Q\",\"" + std::string(1, '\0') + "\"]}", ""},
    {"\xEF\xBB\xBF{\"ranking\":[\"K\",\"B\",\"Q\"]}", "KBQ"},
};

std::string labels_of(const Verdict& verdict) {
  std::string text;
  if (const auto* ranking = std::get_if<LabelRanking>(&verdict)) {
    for (const std::string& label : *ranking) text += label;
  } else {
    EXPECT_FALSE(std::get<Abstention>(verdict).reason.empty());
  }
  return text;
}

TEST(Reply, corpus_is_a_full_ranking_or_an_abstention) {
  EXPECT_GE(kReplies.size(), 60u);
  record_trials(kReplies.size());
  for (const Reply& reply : kReplies) {
    EXPECT_EQ(labels_of(read_ranking(reply.text, {"K", "Q", "B"})), reply.expected)
        << reply.text.substr(0, 100);
  }
}

TEST(Reply, ten_thousand_random_shuffles_come_back_as_they_were) {
  RandomStream random(1, "shuffles");
  const int trials = trials_of(10000);
  record_trials(trials);
  for (int n = 0; n < trials; ++n) {
    std::vector<std::string> letters;
    for (char c = 'A'; c <= 'Z'; ++c) letters.emplace_back(1, c);
    random.shuffle(letters);
    letters.resize(2 + random.below(7));
    std::vector<std::string> ranking = letters;
    random.shuffle(ranking);
    std::string text = "{\"ranking\":[";
    for (const std::string& label : ranking) text += "\"" + label + "\",";
    text.back() = ']';
    const Verdict verdict = read_ranking(text + "}", letters);
    ASSERT_TRUE(std::holds_alternative<LabelRanking>(verdict)) << text;
    ASSERT_EQ(std::get<LabelRanking>(verdict), ranking);
  }
}

// Every prefix of a good reply, and every reply with one byte changed, is the same ranking or an
// abstention, unless the change itself is a valid ranking.
TEST(Reply, damaged_replies_never_become_another_ranking) {
  const std::string good = R"({"ranking":["K","B","Q"]})";
  record_trials(good.size() * 257);
  for (size_t cut = 0; cut < good.size(); ++cut) {
    EXPECT_EQ(labels_of(read_ranking(good.substr(0, cut), {"K", "Q", "B"})), "");
  }
  for (size_t at = 0; at < good.size(); ++at) {
    for (int byte = 0; byte < 256; ++byte) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(byte);
      const std::string labels = labels_of(read_ranking(damaged, {"K", "Q", "B"}));
      EXPECT_TRUE(labels.empty() || labels == "KBQ") << damaged;
    }
  }
}

}  // namespace
}  // namespace thoughtrank
