/// The reservation calls, an extent or a few at a time, and the guest's own list of frames kept up with them.
#pragma once

#include "lib/guest.hpp"
#include "lib/memory.hpp"

/// How many pages the domain has.
inline std::int64_t reservation() {
    domid_t self = DOMID_SELF;
    return lib::memory_op(XENMEM_current_reservation, &self);
}

/// From now on the guest's page is this frame.
inline void set_frame(lib::Page page, lib::Frame frame) {
    reinterpret_cast<std::uint64_t*>(lib::startup().mfn_list)[page.pfn()] = frame.raw();
}

inline void unmap(lib::Page page) { lib::update_va_mapping(page.va(), 0); }

/// Answers how many are given up.
inline std::int64_t give_up(lib::Frame const* frames, unsigned count, unsigned order = 0) {
    std::uint64_t raw[16] = {};
    for (unsigned i = 0; i < count; ++i)
        raw[i] = frames[i].raw();
    xen_memory_reservation_t request{};
    request.domid = DOMID_SELF;
    request.nr_extents = count;
    request.extent_order = order;
    request.extent_start.p = raw;
    return lib::memory_op(XENMEM_decrease_reservation, &request);
}

/// Takes a frame for that page; answers how many are taken.
inline std::int64_t take(std::uint64_t pfn) {
    std::uint64_t raw = pfn;
    xen_memory_reservation_t request{};
    request.domid = DOMID_SELF;
    request.nr_extents = 1;
    request.extent_start.p = &raw;
    std::int64_t const taken = lib::memory_op(XENMEM_populate_physmap, &request);
    if (taken == 1)
        set_frame(lib::Page{pfn}, lib::Frame{raw});
    return taken;
}

/// Frames for others: what goes in, and for which pages what comes out, one after the other.
class Exchange {
  public:
    struct In {
        lib::Frame const* frames;
        unsigned count, order;
    };
    struct Out {
        std::uint64_t first_pfn;
        unsigned count, order;
    };

    Exchange(In const& in, Out const& out) {
        for (unsigned i = 0; i < in.count; ++i)
            in_[i] = in.frames[i].raw();
        for (unsigned i = 0; i < out.count; ++i)
            out_[i] = out.first_pfn + (std::uint64_t{i} << out.order);
        request_.in.nr_extents = in.count;
        request_.in.extent_order = in.order;
        request_.in.extent_start.p = in_;
        request_.out.nr_extents = out.count;
        request_.out.extent_order = out.order;
        request_.out.extent_start.p = out_;
    }
    std::int64_t make(unsigned flags = 0, domid_t domain = DOMID_SELF) {
        request_.in.domid = request_.out.domid = domain;
        request_.out.mem_flags = flags;
        return lib::memory_op(XENMEM_exchange, &request_);
    }
    /// How many extents went in.
    [[nodiscard]] std::uint64_t done() const { return request_.nr_exchanged; }
    /// The first frame of an extent that came out.
    [[nodiscard]] lib::Frame got(unsigned extent) const { return lib::Frame{out_[extent]}; }

  private:
    std::uint64_t in_[16] = {}, out_[16] = {};
    xen_memory_exchange_t request_{};
};
