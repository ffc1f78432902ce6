/// What one CPU at a time may do to a domain or a vCPU, where nobody waits.
#pragma once

#include <atomic>

namespace domain {

/// Holds what @p taken stands for, for a scope; false if another CPU has it. Whoever is second asks again (Error::preempted):
/// what is done by a claim is bounded, or preempted itself.
class [[nodiscard]] Claim {
  public:
    explicit Claim(std::atomic<bool>& taken) : taken_{taken}, mine_{!taken.exchange(true, std::memory_order_acquire)} {}
    Claim(Claim const&) = delete;
    Claim& operator=(Claim const&) = delete;
    ~Claim() {
        if (mine_)
            taken_.store(false, std::memory_order_release);
    }
    explicit operator bool() const { return mine_; }

  private:
    std::atomic<bool>& taken_;
    bool const mine_;
};

} // namespace domain
