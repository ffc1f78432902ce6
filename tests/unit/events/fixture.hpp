/// Domains that consist of an event table and the pages it shares, and words to speak of them.
#pragma once

#include <gtest/gtest.h>

#include <array>
#include <cstdint>
#include <memory>

#include "events/event_table.hpp"

namespace events_test {

using base::DomId;
using base::Error;
using base::Port;
using base::VcpuId;

inline constexpr std::uint32_t kVcpus = 40; // more than shared_info has slots for

struct Domain : events::Owner {
    Domain(std::uint16_t number, events::LinkLock& links, std::size_t ports = events::kPorts)
        : channels{std::make_unique<events::Channel[]>(ports)},
          targets{std::make_unique<events::Target[]>(kVcpus)},
          table{*this, DomId{number}, links, *shared, {channels.get(), ports}, {targets.get(), kVcpus}} {}

    [[nodiscard]] bool pending(Port port) const {
        return (shared->evtchn_pending[port.raw() / 64] >> (port.raw() % 64) & 1) != 0;
    }
    /// What a guest does when it has seen an event.
    void clear_pending(Port port) { shared->evtchn_pending[port.raw() / 64] &= ~(1UL << port.raw() % 64); }
    void mask(Port port) { shared->evtchn_mask[port.raw() / 64] |= 1UL << port.raw() % 64; }
    [[nodiscard]] bool masked(Port port) const {
        return (shared->evtchn_mask[port.raw() / 64] >> (port.raw() % 64) & 1) != 0;
    }
    vcpu_info_t& info(std::uint32_t vcpu = 0) { return *table.vcpu_info(VcpuId{vcpu}); }
    /// What a guest does in its upcall: looks at everything.
    void take_upcall(std::uint32_t vcpu = 0) {
        info(vcpu).evtchn_upcall_pending = 0;
        info(vcpu).evtchn_pending_sel = 0;
    }
    evtchn_status_t status(Port port) { return table.status(port).value(); }

    std::unique_ptr<shared_info_t> shared = std::make_unique<shared_info_t>();
    std::unique_ptr<events::Channel[]> channels;
    std::unique_ptr<events::Target[]> targets;
    events::EventTable table;
};

class Events : public testing::Test {
  protected:
    /// A port of @p a bound to one of @p b; nothing is pending.
    std::pair<Port, Port> connect(Domain& a, Domain& b) {
        auto const there = b.table.alloc_unbound(a.table.id()).value();
        auto const here = a.table.bind_interdomain(b.table, there).value().port;
        a.clear_pending(here);
        a.take_upcall();
        return {here, there};
    }

    events::LinkLock links;
    Domain dom0{0, links};
    Domain dom1{1, links};
    Domain dom2{2, links};
};

template <typename R> void expect_error(R const& result, Error error) {
    ASSERT_FALSE(result.ok());
    EXPECT_EQ(result.error(), error);
}

} // namespace events_test
