// What `init` writes as prompts.jsonl: enough for its two rounds of six and four held out, with
// some to spare.
#pragma once

#include <array>
#include <string>

namespace thoughtrank {

inline const std::array<std::string, 24> kExamplePrompts = {
    "Why is the sky blue at noon and red in the evening?",
    "Explain to a ten-year-old why the moon has phases.",
    "A train leaves at 9:40 and arrives at 11:05. How long is the ride?",
    "Give three reasons to keep a diary.",
    "What is the difference between weather and climate?",
    "How do I stop bread dough from sticking to my hands?",
    "Write a short, polite message to a neighbour about loud music.",
    "Which is heavier, a kilogram of iron or a kilogram of feathers? Why?",
    "How can I remember people's names better?",
    "What should I check before buying a used bicycle?",
    "Why do leaves change colour in autumn?",
    "I have 12 eggs and use 3 a day. After how many days do I need more?",
    "Suggest a simple vegetarian dinner for two.",
    "What makes a good question in an interview?",
    "How does a vaccine protect the body?",
    "Summarise the plot of Romeo and Juliet in two sentences.",
    "Is it better to study in the morning or at night?",
    "What is a prime number? Name the first five.",
    "How do I explain inflation to my grandmother?",
    "Describe how to tie a shoelace to someone who cannot see it.",
    "Why does ice float on water?",
    "What are the risks of sharing a password?",
    "Name three animals that are active at night and say why.",
    "How can a small shop compete with a large online store?",
};

}  // namespace thoughtrank
