#include "disk.hpp"

#include <atomic>

#include <xen/io/protocols.h>

#include "lib/guest.hpp"
#include "store.hpp"
#include "wait.hpp"

using namespace lib;

namespace {

constexpr std::string_view kHome = "device/vbd/51712/";

void allow(grant_ref_t ref, Page page, std::uint16_t flags = 0, domid_t to = 0) {
    auto volatile& entry = grant(ref);
    entry.domid = to;
    entry.frame = static_cast<std::uint32_t>(page.frame().raw());
    std::atomic_thread_fence(std::memory_order_release);
    entry.flags = GTF_permit_access | flags;
}

} // namespace

Disk& Disk::get() {
    static Disk disk;
    return disk;
}

Disk::Disk() : back_{Store::get().read(Text{kHome, "backend"})} {
    allow(kRing, ring_);
    allow(kData, data_);
    allow(kReadOnly, data_, GTF_readonly);
    allow(kOthers, data_, 0, static_cast<domid_t>(self() + 1));
}

bool Disk::back_is(XenbusState wanted) {
    Text const number{static_cast<unsigned>(wanted)};
    return Store::get().await(Text{back_, "/state"}, [&](std::string_view value) { return value == number; });
}

void Disk::become(XenbusState state) { Store::get().write(Text{kHome, "state"}, Text{static_cast<unsigned>(state)}); }

void Disk::offer() {
    __builtin_memset(ring_.entries(), 0, kPageSize);
    ring().req_event = 1;
    ring().rsp_event = 1;
    end_ = 0;
    port_ = static_cast<Port>(alloc_unbound(0));
    set_masked(port_, true);
    Store& store = Store::get();
    store.write(Text{kHome, "ring-ref"}, Text{kRing});
    store.write(Text{kHome, "event-channel"}, Text{port_});
    store.write(Text{kHome, "protocol"}, XEN_IO_PROTO_ABI_X86_64);
}

bool Disk::connect() {
    if (!back_is(XenbusStateInitWait))
        return false;
    offer();
    become(XenbusStateInitialised);
    bool const taken = back_is(XenbusStateConnected);
    become(XenbusStateConnected);
    return taken;
}

bool Disk::connects_wrongly(std::string_view key, std::string_view value) {
    if (!back_is(XenbusStateInitWait))
        return false;
    offer();
    Store::get().write(Text{kHome, key}, value);
    become(XenbusStateInitialised);
    bool const refused = back_is(XenbusStateClosing);
    Store::get().ask(XS_RM, Text{kHome, key, kEnd});
    return refused;
}

bool Disk::close() {
    become(XenbusStateClosed);
    bool closed = back_is(XenbusStateClosed);
    lib::close(port_);
    for (grant_ref_t const ref : {kRing, kData, kReadOnly, kOthers})
        closed = closed && (grant(ref).flags & (GTF_reading | GTF_writing)) == 0;
    become(XenbusStateInitialising);
    return closed && back_is(XenbusStateInitWait);
}

blkif_request Disk::good(std::uint8_t operation) const {
    blkif_request request{};
    request.operation = operation;
    request.nr_segments = 1;
    request.handle = 51712;
    request.id = end_;
    request.seg[0] = {.gref = kData, .first_sect = 0, .last_sect = 7};
    return request;
}

void Disk::put(blkif_request const& request) {
    __builtin_memcpy(const_cast<blkif_request*>(&slot(end_++)), &request, sizeof request);
}

void Disk::tell() {
    std::atomic_thread_fence(std::memory_order_release);
    ring().req_prod = end_;
    ring().rsp_event = end_;
    notify();
}

std::int16_t Disk::answer() {
    if (!wait_until(port_, [&] { return ring().rsp_prod == end_; }))
        return kNoAnswer;
    std::atomic_thread_fence(std::memory_order_acquire);
    return reinterpret_cast<blkif_response volatile&>(slot(end_ - 1)).status;
}
