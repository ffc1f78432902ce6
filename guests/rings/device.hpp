/// What both ends of a device write into the store to find each other (<xen/io/xenbus.h>), the grants by which they share, and what
/// their rings have in common.
#pragma once

#include <atomic>

#include <xen/io/xenbus.h>

#include "lib/events.hpp"
#include "lib/grants.hpp"
#include "lib/memory.hpp"
#include "text.hpp"
#include "wait.hpp"

class Device {
  public:
    /// @p home is where the guest's half is, as "device/vbd/51712/".
    explicit Device(Text const& home);

    /// The domain was given it.
    [[nodiscard]] bool exists() const { return !std::string_view{back_}.empty(); }
    void set(std::string_view key, std::string_view value) const;
    void forget(std::string_view key) const;
    void become(XenbusState state) const;
    /// A port for the back end to bind to; it is waited for, not taken.
    [[nodiscard]] lib::Port offer_port() const;
    /// Waits until the back end is there; false if it never was.
    [[nodiscard]] bool back_is(XenbusState wanted) const;

  private:
    Text home_, back_;
};

/// Tells the back end, by @p port, of the requests of @p ring before @p end, and asks for an event when the last is answered.
template <typename Ring> void publish(Ring volatile& ring, unsigned end, lib::Port port) {
    std::atomic_thread_fence(std::memory_order_release);
    ring.req_prod = end;
    ring.rsp_event = end;
    lib::send(port);
}
/// Waits until all of them are answered, and the answers can be read; false if they never were.
template <typename Ring> bool all_answered(Ring volatile& ring, unsigned end, lib::Port port) {
    bool const answered = wait_until(port, [&] { return ring.rsp_prod == end; });
    std::atomic_thread_fence(std::memory_order_acquire);
    return answered;
}

/// Grants @p page, to dom0 unless it is said to whom.
void allow(grant_ref_t ref, lib::Page page, std::uint16_t flags = 0, domid_t to = 0);
/// Somebody has it mapped.
bool is_in_use(grant_ref_t ref);
