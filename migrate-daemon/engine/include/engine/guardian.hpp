/// A process that puts things right when this one dies in the middle: whatever is owed then is done, and nothing half-made remains.
///
///     auto guardian = Guardian::start();
///     guardian.owe(Debt::resume, 5);      // from now on: if we die, domain 5 goes on
///     … suspend domain 5, save it …
///     guardian.settle(Debt::resume, 5);   // it has ended: nothing is owed
///
/// Start it before anything is opened: connections are not shared with a child. What was put right already when it comes to pay is found so:
/// a domain that is gone, a file that is not there.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include <sys/types.h>

#include "outcome/failure.hpp"

namespace engine {

enum class Debt : char {
    resume_cooperative = 'c', ///< of a domain that was, or may have been, asked to suspend itself
    resume_transparent = 't', ///< of a domain that was, or may have been, paused
    give_back_time = 'k',     ///< a domain has a lower cap than its own: "NUMBER CAP"
    untrack = 'u',            ///< a domain's writes are tracked
    destroy_named = 'n',      ///< a domain that is half-made, by its name
    remove = 'f',             ///< a file
};

class Guardian {
  public:
    static outcome::Result<Guardian> start();
    Guardian(Guardian&& other) noexcept;
    Guardian& operator=(Guardian&&) = delete;
    /// What is still owed is done by now.
    ~Guardian();

    void owe(Debt debt, std::string_view whom) { tell('+', debt, whom); }
    void owe(Debt debt, std::uint32_t domain) { owe(debt, std::to_string(domain)); }
    void settle(Debt debt, std::string_view whom) { tell('-', debt, whom); }
    void settle(Debt debt, std::uint32_t domain) { settle(debt, std::to_string(domain)); }

  private:
    Guardian(int pipe, pid_t child) : pipe_{pipe}, child_{child} {}
    void tell(char sign, Debt debt, std::string_view whom) const;

    int pipe_;
    pid_t child_;
};

} // namespace engine
