/// Threads that do one thing together, each its share of it, again and again: the streams of a migration.
///
///     Crew crew{4};
///     TRY(crew.all([&](unsigned member) { return lanes[member].round(); }));
///
/// Its member 0 is whoever calls: a crew of one has no threads. Not for several callers at once.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <optional>
#include <thread>
#include <vector>

#include "outcome/failure.hpp"

namespace crew {

class Crew {
  public:
    using Share = std::function<outcome::Result<void>(unsigned member)>;

    /// REQUIRES: members >= 1.
    explicit Crew(unsigned members);
    Crew(Crew const&) = delete;
    Crew& operator=(Crew const&) = delete;
    ~Crew();

    [[nodiscard]] unsigned members() const { return static_cast<unsigned>(threads_.size()) + 1; }
    /// Each member does its share. Returns when all have; what failed is the failure of the first of them that had one.
    outcome::Result<void> all(Share const& share);

  private:
    void work(unsigned member);

    std::mutex mutex_;
    std::condition_variable begun_, done_;
    // Under mutex_.
    Share const* share_ = nullptr; ///< of what is going on
    unsigned times_ = 0;           ///< that something was begun
    std::size_t busy_ = 0;         ///< threads that are not done with it
    bool over_ = false;
    std::vector<std::optional<outcome::Failure>> failures_; ///< by thread
    std::vector<std::thread> threads_;                      ///< the last to be made
};

} // namespace crew
