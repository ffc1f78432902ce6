/// RAM that the guest does not own: the hypervisor's image, its heap, shadows, what each CPU has, what is free.
#pragma once

#include "lib/dice.hpp"
#include "lib/memory.hpp"

class Others {
  public:
    /// From 1 MiB up, by the machine's map; what is below is dom0's to map as it maps devices.
    static Others const& get();

    [[nodiscard]] std::uint64_t count() const { return count_; }
    [[nodiscard]] lib::Frame any(lib::Dice& dice) const { return at(dice.below(count_)); }
    /// The @p index-th of them.
    [[nodiscard]] lib::Frame at(std::uint64_t index) const;
    template <typename Use> void for_each(Use const& use) const {
        for (unsigned i = 0; i < runs_; ++i)
            for (lib::Frame frame = run_[i].first; frame < run_[i].end; frame = frame + 1)
                use(frame);
    }

  private:
    struct Run {
        lib::Frame first, end;
    };
    static constexpr unsigned kMostRuns = 512;

    Others();
    void add(lib::Frame frame);

    Run run_[kMostRuns];
    unsigned runs_ = 0;
    std::uint64_t count_ = 0;
};
