/// Frames that are not the guest's.
#pragma once

#include "lib/guest.hpp"
#include "lib/memory.hpp"

/// A frame of RAM (above 16 MiB) that the guest does not own, by the machine-to-phys table.
inline lib::Frame somebody_elses_frame() {
    for (std::uint64_t raw = 0x1000;; ++raw) {
        std::uint64_t const pfn = lib::page_of(lib::Frame{raw}).pfn();
        if (pfn >= lib::startup().nr_pages || lib::frame_of_pfn(pfn) != lib::Frame{raw})
            return lib::Frame{raw};
    }
}

/// How mapping it is refused: it is another's; or, where a domain's numbers are its own, it is nothing.
inline bool refused_as_anothers(std::int64_t answer) {
    return answer == (lib::is_translated() ? lib::kEPERM : lib::kEBUSY);
}
