/// The xenstore ring as it is meant to be, and messages in it that mean nothing: each is answered, and the next one is served.
#include <string_view>

#include "lib/dice.hpp"
#include "lib/test.hpp"
#include "store.hpp"
#include "text.hpp"
#include "wait.hpp"

using namespace lib;

namespace {

using Message = Store::Message;

/// The store serves this guest.
bool serves() {
    Store& store = Store::get();
    return store.write("data/rings", "served") && store.read("data/rings") == "served";
}

/// Asks what is wrong. Debian's xenstored (4.17.5) aborts by an assertion at some messages whose words it cannot make out, XS_MKDIR
/// with three of them, say: it means to answer errno, which is 0 unless something failed before. That is known, and not what is
/// asked here; so something fails before.
Message ask_wrongly(std::uint32_t type, std::string_view body, std::uint32_t transaction = 0) {
    Store& store = Store::get();
    store.read("data/nothing");
    return store.ask(type, body, transaction);
}

/// A body of many times the same letter.
class Many {
  public:
    explicit Many(char letter) { __builtin_memset(text_, letter, sizeof text_); }
    [[nodiscard]] std::string_view of(unsigned count) const { return {text_, count}; }

  private:
    char text_[XENSTORE_PAYLOAD_MAX];
};

} // namespace

TEST("what is written into the store is read, listed and removed again") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    Store& store = Store::get();
    CHECK_EQ(store.read("domid") == Text{unsigned{self()}}, true);
    CHECK(serves());
    CHECK(store.ask(XS_DIRECTORY, Text{"data", kEnd}).body.find("rings") != std::string_view::npos);
    CHECK_EQ(store.ask(XS_RM, Text{"data/rings", kEnd}).type, XS_RM);
    CHECK(store.read("data/rings").empty());
}

TEST("a message of a type that there is not, or that is not a guest's to send, is answered by an error") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    Store& store = Store::get();
    for (std::uint32_t const type :
         {std::uint32_t{XS_WATCH_EVENT}, std::uint32_t{XS_ERROR}, std::uint32_t{XS_SET_TARGET} + 1,
          std::uint32_t{XS_TYPE_COUNT}, std::uint32_t{XS_INVALID}, 0x7fff'ffffU, 0x8000'0000U, ~0U,
          std::uint32_t{XS_CONTROL}, std::uint32_t{XS_INTRODUCE}, std::uint32_t{XS_RELEASE}, std::uint32_t{XS_RESUME},
          std::uint32_t{XS_SET_TARGET}})
        if (auto const answer = store.ask(type, Text{"1", kEnd, "1", kEnd, "1", kEnd}); answer.type != XS_ERROR)
            fail(__FILE_NAME__, __LINE__, "an error", answer.type, type);
    CHECK(serves());
}

TEST("a message whose body is none, is not ended, leads to where there is nothing, or to another's, gets an error") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    static Many const letters{'a'}, slashes{'/'}, ends{'\0'};
    struct {
        std::uint32_t type;
        std::string_view body;
        std::uint32_t transaction = 0;
    } const wrong[] = {
        {XS_READ, ""},
        {XS_READ, "domid"},
        {XS_READ, kEnd},
        {XS_READ, {"a//b\0", 5}},
        {XS_READ, {"a\x80\xff\0", 4}},
        {XS_READ, {"@releaseDomain\0", 15}},
        {XS_READ, letters.of(XENSTORE_PAYLOAD_MAX)},
        {XS_READ, slashes.of(XENSTORE_PAYLOAD_MAX)},
        {XS_READ, ends.of(XENSTORE_PAYLOAD_MAX)},
        {XS_READ, {"domid\0", 6}, 77},
        {XS_WRITE, ""},
        {XS_WRITE, letters.of(3)},
        {XS_WRITE, {"/local/domain/0/name\0mine", 25}},
        {XS_WRITE, {"/tool/rings\0mine", 16}},
        {XS_MKDIR, letters.of(XENSTORE_ABS_PATH_MAX + 1)},
        {XS_RM, {"/\0", 2}},
        {XS_RM, {"/local/domain/0\0", 16}},
        {XS_SET_PERMS, {"data\0", 5}},
        {XS_SET_PERMS, {"data\0x99\0", 9}},
        {XS_SET_PERMS, {"/local/domain/0\0n0\0", 19}},
        {XS_WATCH, {"data\0", 5}},
        {XS_WATCH, ends.of(4096)},
        {XS_UNWATCH, {"never\0watched\0", 14}},
        {XS_TRANSACTION_END, {"T\0", 2}},
        {XS_TRANSACTION_END, {"T\0", 2}, ~0U},
        {XS_TRANSACTION_END, {"X\0", 2}},
        {XS_GET_DOMAIN_PATH, ""},
        {XS_DIRECTORY_PART, {"data\0", 5}},
    };
    unsigned number = 0;
    for (auto const& [type, body, transaction] : wrong) {
        if (auto const answer = ask_wrongly(type, body, transaction); answer.type != XS_ERROR)
            fail(__FILE_NAME__, __LINE__, "an error", answer.type, number);
        ++number;
    }
    CHECK(serves());
}

TEST("messages by chance, of every type and of all lengths that may be, are answered one by one") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    Store& store = Store::get();
    Dice dice{0x5708e};
    static char body[XENSTORE_PAYLOAD_MAX];
    std::string_view const words[] = {"data", "data/rings", "domid", "@releaseDomain", "/local", "/", "T",
                                      "",     "0",          "n0"};
    unsigned refused = 0;
    for (unsigned i = 0; i < 300; ++i) {
        unsigned length = 0;
        if (dice.once_in(3))
            for (auto const end = dice.below(dice.once_in(8) ? sizeof body : 64); length < end; ++length)
                body[length] = static_cast<char>(dice.next());
        else
            for (auto left = dice.below(4); left != 0; --left) {
                std::string_view const word = dice.one_of(words);
                for (char const letter : word)
                    body[length++] = letter;
                body[length++] = '\0';
            }
        auto const type = static_cast<std::uint32_t>(dice.below(XS_TYPE_COUNT + 2));
        if (type == XS_RM) // what the other tests use
            continue;
        auto const transaction = static_cast<std::uint32_t>(dice.once_in(4) ? dice.below(4) : 0);
        auto const answer = ask_wrongly(type, {body, length}, transaction);
        if (answer.type == XS_INVALID)
            return fail(__FILE_NAME__, __LINE__, "an answer", type, i);
        refused += answer.type == XS_ERROR;
    }
    print("# ", refused, " refused\n");
    CHECK(refused > 50);
    CHECK_EQ(store.ask(XS_RESET_WATCHES, kEnd).type, XS_RESET_WATCHES);
    CHECK(serves());
}

TEST("a message that comes octet by octet, and stops between head and body, is answered when it is whole") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    Store& store = Store::get();
    Text const path{"domid", kEnd};
    std::string_view const body = path;
    auto const id = store.put_head(XS_READ, static_cast<std::uint32_t>(body.size()));
    for (unsigned i = 0; i < body.size(); ++i) {
        CHECK(wait_until(store.port(), [&] { return store.ring().req_cons == store.ring().req_prod; }));
        CHECK_EQ(store.ring().rsp_prod, store.ring().rsp_cons); // no answer to a half
        CHECK(store.put({body.data() + i, 1}));
    }
    auto const answer = store.take_answer();
    CHECK_EQ(answer.type, XS_READ);
    CHECK_EQ(answer.id, id);
}

TEST("more is asked than answers find room: they wait until they are taken, and all of them come, in order") {
    if (char const* const why = not_in_this_run())
        return skip(why);
    Store& store = Store::get();
    // As many as the ring of requests holds, of which each is answered by a list of all that the guest has.
    Text const home{"/local/domain/", unsigned{self()}, kEnd};
    std::string_view const body = home;
    auto const count = static_cast<unsigned>(XENSTORE_RING_SIZE / (sizeof(xsd_sockmsg) + body.size()));
    CHECK(wait_until(store.port(), [&] { return store.ring().req_cons == store.ring().req_prod; }));
    std::uint32_t first = 0;
    for (unsigned i = 0; i < count; ++i) {
        auto const id = store.put_head(XS_DIRECTORY, static_cast<std::uint32_t>(body.size()));
        CHECK(store.put(body));
        first = i == 0 ? id : first;
    }
    // Before the first is taken, the ring of answers is full.
    CHECK(
        wait_until(store.port(), [&] { return store.ring().rsp_prod - store.ring().rsp_cons == XENSTORE_RING_SIZE; }));
    for (unsigned i = 0; i < count; ++i) {
        auto const answer = store.take_answer();
        if (answer.type != XS_DIRECTORY || answer.id != first + i)
            return fail(__FILE_NAME__, __LINE__, "the answers in order", answer.id, first + i);
    }
    CHECK(serves());
}
