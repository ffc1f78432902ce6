#include "base/pairing_heap.hpp"

#include <gtest/gtest.h>

#include <algorithm>
#include <numeric>
#include <random>
#include <set>
#include <vector>

namespace {

struct Tag;
struct Member : base::HeapNode<Tag> {
    int key = 0;
};
struct Less {
    bool operator()(Member const& a, Member const& b) const { return a.key < b.key; }
};
using Heap = base::PairingHeap<Member, Tag, Less>;

TEST(PairingHeap, AgreesWithASetThroughRandomInsertionsAndRemovals) {
    std::mt19937 random{1};
    std::vector<Member> members(200);
    Heap heap;
    std::multiset<int> keys;
    for (int step = 0; step < 50'000; ++step) {
        Member& member = members[random() % members.size()];
        if (member.in_heap()) {
            Member& out = random() % 2 == 0 ? member : *heap.least();
            keys.erase(keys.find(out.key));
            heap.remove(out);
        } else {
            member.key = static_cast<int>(random() % 100);
            heap.insert(member);
            keys.insert(member.key);
        }
        ASSERT_EQ(heap.empty(), keys.empty());
        if (!keys.empty()) {
            ASSERT_EQ(heap.least()->key, *keys.begin());
        }
    }
    while (!heap.empty())
        heap.remove(*heap.least());
}

TEST(PairingHeap, FindLooksAtEveryMemberAndAtTheLeastFirst) {
    std::mt19937 random{2};
    std::vector<Member> members(64);
    Heap heap;
    for (int i = 0; i < 64; ++i)
        members[static_cast<std::size_t>(i)].key = i;
    std::vector<std::size_t> order(64);
    std::iota(order.begin(), order.end(), 0);
    std::shuffle(order.begin(), order.end(), random);
    for (auto const i : order)
        heap.insert(members[i]);
    heap.remove(members[0]); // gives it some depth
    heap.remove(members[1]);

    EXPECT_EQ(heap.find([](Member const&) { return true; })->key, 2);
    EXPECT_EQ(heap.find([](Member const&) { return false; }), nullptr);
    for (int key = 2; key < 64; ++key)
        ASSERT_EQ(heap.find([&](Member const& member) { return member.key == key; })->key, key);
    std::set<int> seen;
    EXPECT_EQ(heap.find([&](Member const& member) {
        EXPECT_TRUE(seen.insert(member.key).second);
        return false;
    }),
              nullptr);
    EXPECT_EQ(seen.size(), 62u);
    while (!heap.empty())
        heap.remove(*heap.least());
}

} // namespace
