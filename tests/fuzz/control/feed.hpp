/// Foreign octets on the control connection: what is read can be written, and is then read as the same; and both sessions take it, in
/// whatever state, without an assertion.
#pragma once

#include <vector>

#include "migrate/incoming.hpp"
#include "migrate/outgoing.hpp"
#include "policy/xen.hpp"
#include "proto/control.hpp"

namespace fuzz {

/// True if there was a message.
inline bool feed_control(base::Bytes input) {
    policy::Xen policy{{}};
    migrate::Outgoing outgoing{{}, {}, policy};
    migrate::Incoming incoming{{}};
    (void)outgoing.on(migrate::event::Begin{});
    (void)outgoing.on(migrate::event::PeerMet{});
    (void)incoming.on(migrate::event::PeerMet{});
    proto::Reader reader;
    reader.feed(input);
    bool any = false;
    for (;;) {
        auto const next = reader.next();
        if (!next) {
            ASSERT(!proto::text_of(next.error()).empty() && !reader.next().ok());
            return any;
        }
        if (!next.value())
            return any;
        any = true;
        std::vector<std::byte> once;
        std::vector<std::byte> twice;
        ASSERT(proto::write(*next.value(), once));
        proto::Reader again;
        again.feed(once);
        auto const read = again.next();
        ASSERT(read.ok() && read.value() && proto::write(*read.value(), twice) && once == twice);
        for (auto const& action : outgoing.on(migrate::event::Received{*next.value()}))
            if (std::holds_alternative<migrate::action::WriteJournal>(action))
                (void)outgoing.on(migrate::event::JournalDone{});
        for (auto const& action : incoming.on(migrate::event::Received{*next.value()}))
            if (std::holds_alternative<migrate::action::WriteJournal>(action))
                (void)incoming.on(migrate::event::JournalDone{});
    }
}

} // namespace fuzz
