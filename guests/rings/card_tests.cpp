/// The rings of network cards, which dom0's kernel reads. What cannot be in one ends its card for good; so that there is a card for each
/// such attack, beside the two that are to go on.
#include "card.hpp"
#include "lib/test.hpp"
#include "wait.hpp"

using namespace lib;

namespace {

/// Two that live and those that do not.
struct Cards {
    Card sender{0}, receiver{1};

    static Cards& get() {
        static Cards cards;
        return cards;
    }
};

/// Why there is nothing to do; null if there is something.
char const* no_cards() {
    if (char const* const why = not_in_this_run())
        return why;
    return Cards::get().receiver.exists() ? nullptr : "the guest has no cards";
}

struct Attack {
    char const* what;
    void (*make)(Card& card);
};

constexpr Attack kAttacks[] = {
    {"more requests than the ring holds",
     [](Card& card) {
         card.out().req_prod = card.out().rsp_prod + Card::kRequests + 1;
         card.notify();
     }},
    {"requests backwards",
     [](Card& card) {
         card.out().req_prod = card.out().rsp_prod - 1;
         card.notify();
     }},
    {"a frame that leads out of its page",
     [](Card& card) {
         auto request = card.good();
         request.offset = 4090;
         card.put(request);
         card.tell();
     }},
    {"what goes with a frame is of no type that there is",
     [](Card& card) {
         auto request = card.good();
         request.flags = NETTXF_extra_info;
         card.put(request);
         card.put(netif_extra_info{.type = 255, .flags = 0, .u = {}});
         card.tell();
     }},
    {"what goes with a frame does not come",
     [](Card& card) {
         auto request = card.good();
         request.flags = NETTXF_extra_info;
         card.put(request);
         card.tell();
     }},
};

} // namespace

TEST("a frame is sent by one card and received by another") {
    if (char const* const why = no_cards())
        return skip(why);
    auto& [sender, receiver] = Cards::get();
    CHECK(sender.connect());
    CHECK(receiver.connect());
    // The bridge may take a moment before it forwards; what comes first may be somebody else's.
    CHECK(wait_looking([&] { return sender.ask(sender.good()) != NETIF_RSP_OKAY || receiver.received(); }));
    CHECK_EQ(sender.ask(sender.good()), NETIF_RSP_OKAY);
}

TEST("frames that cannot be sent are refused one by one, and the good one after each is sent") {
    if (char const* const why = no_cards())
        return skip(why);
    Card& card = Cards::get().sender;
    struct {
        grant_ref_t ref;
        std::uint16_t size;
    } const wrong[] = {{card.good().gref, 0},           {card.good().gref, 13},
                       {card.none(), Card::kFrameSize}, {card.others(), Card::kFrameSize},
                       {1U << 20, Card::kFrameSize},    {~0U, Card::kFrameSize}};
    for (auto const& [ref, size] : wrong) {
        auto request = card.good();
        request.gref = ref;
        request.size = size;
        auto const status = card.ask(request);
        if (status >= 0)
            fail(__FILE_NAME__, __LINE__, "an error", static_cast<std::uint64_t>(status), ref);
        CHECK_EQ(card.ask(card.good()), NETIF_RSP_OKAY);
    }
}

TEST("places for frames that are none: who sends is served as before, and nothing is kept") {
    if (char const* const why = no_cards())
        return skip(why);
    auto& [sender, receiver] = Cards::get();
    grant_ref_t const refs[] = {receiver.none(), receiver.others(), 1U << 20, ~0U};
    for (unsigned i = 0; i < Card::kRequests; ++i)
        receiver.places()[i].req.gref = refs[i % 4];
    for (RING_IDX const distance : {1000U, 0x8000'0000U, ~0U}) {
        receiver.in().req_prod = receiver.in().rsp_prod + distance;
        receiver.notify();
        for (unsigned i = 0; i < 40; ++i)
            CHECK_EQ(sender.ask(sender.good()), NETIF_RSP_OKAY);
    }
    CHECK(receiver.close());
    CHECK_EQ(sender.ask(sender.good()), NETIF_RSP_OKAY);
}

TEST("a card whose ring cannot be is left alone, and closed; the others are served") {
    if (char const* const why = no_cards())
        return skip(why);
    Card& other = Cards::get().sender;
    unsigned number = 2;
    for (auto const& attack : kAttacks) {
        Card card{number++};
        if (!card.connect() || card.ask(card.good()) != NETIF_RSP_OKAY)
            return fail(__FILE_NAME__, __LINE__, attack.what);
        RING_IDX const answered = card.out().rsp_prod;
        attack.make(card);
        let_others_look();
        CHECK_EQ(other.ask(other.good()), NETIF_RSP_OKAY);
        CHECK_EQ(card.out().rsp_prod, answered);
        if (!card.close())
            fail(__FILE_NAME__, __LINE__, attack.what);
    }
    CHECK(other.close());
}
