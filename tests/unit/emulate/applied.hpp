/// A store carried out on a copy of the registers.
#pragma once

#include "emulate/store.hpp"

namespace test {

struct Applied {
    std::uint64_t entry = 0;
    bool single_step = false;
    arch::Registers registers{}; ///< afterwards
};

inline Applied applied(emulate::StoreOperation const& store, std::uint64_t old, arch::Registers const& before) {
    Applied after{.registers = before};
    auto const effect = store.apply(old, after.registers);
    after.entry = effect.entry;
    after.single_step = effect.single_step;
    return after;
}

} // namespace test
