#include "device.hpp"

#include "store.hpp"

using namespace lib;

Device::Device(Text const& home) : home_{home}, back_{Store::get().read(Text{home, "backend"})} {}

void Device::set(std::string_view key, std::string_view value) const { Store::get().write(Text{home_, key}, value); }
void Device::forget(std::string_view key) const { Store::get().ask(XS_RM, Text{home_, key, kEnd}); }
void Device::become(XenbusState state) const { set("state", Text{static_cast<unsigned>(state)}); }

Port Device::offer_port() const {
    auto const port = static_cast<Port>(alloc_unbound(0));
    set_masked(port, true);
    set("event-channel", Text{port});
    return port;
}

bool Device::back_is(XenbusState wanted) const {
    Text const number{static_cast<unsigned>(wanted)};
    return Store::get().await(Text{back_, "/state"}, [&](std::string_view value) { return value == number; });
}

void allow(grant_ref_t ref, Page page, std::uint16_t flags, domid_t to) {
    auto volatile& entry = grant(ref);
    entry.domid = to;
    entry.frame = static_cast<std::uint32_t>(page.frame().raw());
    std::atomic_thread_fence(std::memory_order_release);
    entry.flags = static_cast<std::uint16_t>(GTF_permit_access | flags);
}

bool is_in_use(grant_ref_t ref) { return (grant(ref).flags & (GTF_reading | GTF_writing)) != 0; }
