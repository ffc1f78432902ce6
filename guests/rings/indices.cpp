/// The xenstore ring's end: indices and lengths that no client could mean. The store gives such a ring up, for good; so that each
/// of these needs a guest of its own, whose command line says which it is. It is the last test.
#include <string_view>

#include "lib/test.hpp"
#include "store.hpp"
#include "text.hpp"
#include "wait.hpp"

using namespace lib;

namespace {

using Ring = xenstore_domain_interface volatile;

struct Attack {
    std::string_view name;
    void (*make)(Store& store, Ring& ring);
    std::uint32_t error; ///< what the store says of it
};

/// Something to be answered.
void ask_domid(Store& store) {
    Text const body{"domid", kEnd};
    store.put_head(XS_READ, static_cast<std::uint32_t>(std::string_view{body}.size()));
    store.put(body);
}

constexpr Attack kAttacks[] = {
    {"requests-far", [](Store&, Ring& ring) { ring.req_prod = ring.req_cons + XENSTORE_RING_SIZE + 1; },
     XENSTORE_ERROR_RINGIDX},
    {"requests-back", [](Store&, Ring& ring) { ring.req_prod = ring.req_cons - 1; }, XENSTORE_ERROR_RINGIDX},
    {"requests-taken", [](Store&, Ring& ring) { ring.req_cons = ring.req_prod + 1000; }, XENSTORE_ERROR_RINGIDX},
    {"requests-both",
     [](Store&, Ring& ring) {
         ring.req_prod = 0x8000'0000;
         ring.req_cons = 0;
     },
     XENSTORE_ERROR_RINGIDX},
    {"answers-far",
     [](Store& store, Ring& ring) {
         ring.rsp_cons = ring.rsp_prod + 1;
         ask_domid(store);
     },
     XENSTORE_ERROR_RINGIDX},
    {"answers-back",
     [](Store& store, Ring& ring) {
         ring.rsp_cons = ring.rsp_prod - XENSTORE_RING_SIZE - 1;
         ask_domid(store);
     },
     XENSTORE_ERROR_RINGIDX},
    {"answers-given",
     [](Store& store, Ring& ring) {
         ring.rsp_prod = ring.rsp_cons + 0x4000'0000;
         ask_domid(store);
     },
     XENSTORE_ERROR_RINGIDX},
    {"length", [](Store& store, Ring&) { store.put_head(XS_READ, XENSTORE_PAYLOAD_MAX + 1); }, XENSTORE_ERROR_PROTO},
    {"length-most", [](Store& store, Ring&) { store.put_head(XS_WRITE, ~std::uint32_t{0}); }, XENSTORE_ERROR_PROTO},
};

} // namespace

TEST("a ring of the store's that cannot be is given up") {
    SKIP_UNLESS(!is_dom0(), kDomusOwn);
    auto const asked_for = option("store=");
    SKIP_UNLESS(!asked_for.empty(), "the run keeps its store");
    Store& store = Store::get();
    for (auto const& attack : kAttacks) {
        if (attack.name != asked_for)
            continue;
        CHECK(!store.read("domid").empty());
        attack.make(store, store.ring());
        store.notify();
        CHECK(wait_looking([&] { return store.ring().error != XENSTORE_ERROR_NONE; }));
        CHECK_EQ(store.ring().error, attack.error);
        return;
    }
    fail(__FILE_NAME__, __LINE__, "an attack of that name");
}

TEST("half a message, of a guest that goes before it says the rest") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    Store& store = Store::get();
    store.put_head(XS_WRITE, 100);
    CHECK(store.put("data/rings"));
    CHECK(wait_until(store.port(), [&] { return store.ring().req_cons == store.ring().req_prod; }));
}
