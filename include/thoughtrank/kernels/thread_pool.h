// A pool of threads for the many short loops of inference: between two loops its threads spin for a
// moment before they sleep. Whoever is free takes the next items, and a loop ends when its items
// are done, not when every thread has come by: where other programs hold a core, the rest goes on.
#pragma once

#include <cstdint>
#include <memory>
#include <type_traits>

namespace thoughtrank {

class ThreadPool {
 public:
  // Starts the threads: `threads` counts the caller's, too, and is at least 1. Throws
  // Error(kInternal) when they cannot be started.
  explicit ThreadPool(int64_t threads);
  ~ThreadPool();
  ThreadPool(const ThreadPool&) = delete;
  ThreadPool& operator=(const ThreadPool&) = delete;

  [[nodiscard]] int64_t threads() const;

  // Calls body(item) once for every item in [0, count), on any thread and in any order; neighbours
  // mostly go to one thread. Returns when all are done; throws what a body threw first, then items
  // may be left out. One caller at a time, not from inside a body.
  template <class Body>
  void for_each(int64_t count, const Body& body) {
    run({.body = &body,
         .call =
             [](const void* context, int64_t begin, int64_t end) {
               for (int64_t i = begin; i < end; ++i) (*static_cast<const Body*>(context))(i);
             },
         .count = count});
  }

 private:
  struct Loop {
    const void* body = nullptr;
    void (*call)(const void* body, int64_t begin, int64_t end) = nullptr;
    int64_t count = 0;  // items, below 2^32
  };
  void run(const Loop& loop);

  struct State;
  std::unique_ptr<State> state_;
};

}  // namespace thoughtrank
