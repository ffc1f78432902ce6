#include "disk.hpp"

#include <xen/io/protocols.h>

#include "lib/guest.hpp"

using namespace lib;

Disk& Disk::get() {
    static Disk disk;
    return disk;
}

Disk::Disk() : device_{Text{"device/vbd/51712/"}} {
    allow(kRing, ring_);
    allow(kData, data_);
    allow(kReadOnly, data_, GTF_readonly);
    allow(kOthers, data_, 0, static_cast<domid_t>(self() + 1));
}

void Disk::offer() {
    __builtin_memset(ring_.entries(), 0, kPageSize);
    ring().req_event = 1;
    ring().rsp_event = 1;
    end_ = 0;
    port_ = device_.offer_port();
    device_.set("ring-ref", Text{kRing});
    device_.set("protocol", XEN_IO_PROTO_ABI_X86_64);
}

bool Disk::connect() {
    if (!device_.back_is(XenbusStateInitWait))
        return false;
    offer();
    device_.become(XenbusStateInitialised);
    bool const taken = device_.back_is(XenbusStateConnected);
    device_.become(XenbusStateConnected);
    return taken;
}

bool Disk::connects_wrongly(std::string_view key, std::string_view value) {
    if (!device_.back_is(XenbusStateInitWait))
        return false;
    offer();
    device_.set(key, value);
    device_.become(XenbusStateInitialised);
    bool const refused = device_.back_is(XenbusStateClosing);
    device_.forget(key);
    return refused;
}

bool Disk::close() {
    device_.become(XenbusStateClosed);
    bool closed = device_.back_is(XenbusStateClosed);
    lib::close(port_);
    for (grant_ref_t const ref : {kRing, kData, kReadOnly, kOthers})
        closed = closed && !is_in_use(ref);
    device_.become(XenbusStateInitialising);
    return closed && device_.back_is(XenbusStateInitWait);
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

void Disk::tell() { publish(ring(), end_, port_); }

std::int16_t Disk::answer() {
    if (!all_answered(ring(), end_, port_))
        return kNoAnswer;
    return reinterpret_cast<blkif_response volatile&>(slot(end_ - 1)).status;
}
