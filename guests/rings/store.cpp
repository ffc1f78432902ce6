#include "store.hpp"

#include <atomic>

#include "lib/guest.hpp"
#include "lib/memory.hpp"
#include "text.hpp"
#include "wait.hpp"

using namespace lib;

namespace {

constexpr std::string_view kToken = "rings";

} // namespace

Store& Store::get() {
    static Store store;
    return store;
}

Store::Store()
    : ring_{reinterpret_cast<xenstore_domain_interface*>(page_of(Frame{startup().store_mfn}).va())},
      port_{startup().store_evtchn} {
    set_masked(port_, true);
}

std::uint32_t Store::put_head(std::uint32_t type, std::uint32_t length, std::uint32_t transaction) {
    xsd_sockmsg const head{.type = type, .req_id = ++last_id_, .tx_id = transaction, .len = length};
    put({reinterpret_cast<char const*>(&head), sizeof head});
    return last_id_;
}

bool Store::put(std::string_view octets) {
    while (!octets.empty()) {
        auto const room = [&] { return XENSTORE_RING_SIZE - (ring_->req_prod - ring_->req_cons); };
        if (!wait_until(port_, [&] { return room() != 0; }))
            return false;
        XENSTORE_RING_IDX end = ring_->req_prod;
        for (auto left = room(); left != 0 && !octets.empty(); --left, octets.remove_prefix(1))
            ring_->req[MASK_XENSTORE_IDX(end++)] = octets.front();
        std::atomic_thread_fence(std::memory_order_release);
        ring_->req_prod = end;
        notify();
    }
    return true;
}

bool Store::take_octets(char* to, unsigned count) {
    while (count != 0) {
        if (!wait_until(port_, [&] { return ring_->rsp_prod != ring_->rsp_cons; }))
            return false;
        std::atomic_thread_fence(std::memory_order_acquire);
        XENSTORE_RING_IDX begin = ring_->rsp_cons;
        for (auto there = ring_->rsp_prod - begin; there != 0 && count != 0; --there, --count)
            *to++ = ring_->rsp[MASK_XENSTORE_IDX(begin++)];
        std::atomic_thread_fence(std::memory_order_release);
        ring_->rsp_cons = begin;
        notify();
    }
    return true;
}

Store::Message Store::take() {
    xsd_sockmsg head;
    if (!take_octets(reinterpret_cast<char*>(&head), sizeof head) || head.len > sizeof body_ ||
        !take_octets(body_, head.len))
        return {};
    return {.type = head.type, .id = head.req_id, .body = {body_, head.len}};
}

Store::Message Store::take_answer() {
    for (;;) {
        Message const message = take();
        if (message.type != XS_WATCH_EVENT)
            return message;
        ++events_;
    }
}

Store::Message Store::ask(std::uint32_t type, std::string_view body, std::uint32_t transaction) {
    std::uint32_t const id = put_head(type, static_cast<std::uint32_t>(body.size()), transaction);
    if (!put(body))
        return {};
    Message const answer = take_answer();
    return answer.id == id ? answer : Message{};
}

std::string_view Store::read(std::string_view path) {
    Message const answer = ask(XS_READ, Text{path, kEnd});
    return answer.type == XS_READ ? answer.body : std::string_view{};
}

bool Store::write(std::string_view path, std::string_view value) {
    return ask(XS_WRITE, Text{path, kEnd, value}).type == XS_WRITE;
}

void Store::watch(std::string_view path) { ask(XS_WATCH, Text{path, kEnd, kToken, kEnd}); }
void Store::unwatch(std::string_view path) { ask(XS_UNWATCH, Text{path, kEnd, kToken, kEnd}); }

bool Store::next_event() {
    if (events_ == 0)
        return take().type == XS_WATCH_EVENT;
    --events_;
    return true;
}
