#include "card.hpp"

#include "lib/guest.hpp"

using namespace lib;

namespace {

constexpr grant_ref_t kFirst = 32, kEach = 8; // above those of the disk

std::uint16_t volatile& type_of(Page frame) { return reinterpret_cast<std::uint16_t volatile*>(frame.va())[6]; }

} // namespace

Card::Card(unsigned number) : device_{Text{"device/vif/", number, "/"}}, first_{kFirst + number * kEach} {
    allow(first_, out_);
    allow(first_ + 1, in_);
    allow(first_ + 2, frame_);
    allow(first_ + 3, place_);
    allow(others(), frame_, 0, static_cast<domid_t>(self() + 1));
    auto* const octets = reinterpret_cast<std::uint8_t*>(frame_.va());
    __builtin_memset(octets, 0xff, 6); // to all
    octets[6] = 2;                     // from an address that nobody is given
    octets[11] = static_cast<std::uint8_t>(number);
    type_of(frame_) = kOurType;
}

bool Card::connect() {
    if (!device_.back_is(XenbusStateInitWait))
        return false;
    out().req_event = 1;
    in().req_event = 1;
    port_ = device_.offer_port();
    device_.set("tx-ring-ref", Text{first_});
    device_.set("rx-ring-ref", Text{first_ + 1});
    device_.set("request-rx-copy", "1");
    device_.set("feature-rx-notify", "1");
    give_place();
    device_.become(XenbusStateConnected);
    return device_.back_is(XenbusStateConnected);
}

bool Card::close() {
    device_.become(XenbusStateClosed);
    bool closed = device_.back_is(XenbusStateClosed);
    lib::close(port_);
    for (grant_ref_t ref = first_; ref < none(); ++ref)
        closed = closed && !is_in_use(ref);
    return closed;
}

netif_tx_request Card::good() const {
    return {.gref = first_ + 2, .offset = 0, .flags = 0, .id = static_cast<std::uint16_t>(end_), .size = kFrameSize};
}

void Card::tell() { publish(out(), end_, port_); }

std::int16_t Card::answer() {
    if (!all_answered(out(), end_, port_))
        return kNoAnswer;
    return sent()[(end_ - 1) % kRequests].rsp.status;
}

void Card::give_place() {
    type_of(place_) = 0;
    auto volatile& request = places()[in_end_++ % __CONST_RING_SIZE(netif_rx, kPageSize)].req;
    request.id = 0;
    request.gref = first_ + 3;
    publish(in(), in_end_, port_);
}

bool Card::received() {
    if (in().rsp_prod != in_end_)
        return false;
    bool const ours = type_of(place_) == kOurType;
    if (!ours)
        give_place();
    return ours;
}
