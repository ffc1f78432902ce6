#include "base/list.hpp"

#include <gmock/gmock.h>

#include <vector>

namespace {

using testing::ElementsAre;
using testing::IsEmpty;

struct ByAge;
struct ByName;
struct Bird : base::ListNode<ByAge>, base::ListNode<ByName> {
    explicit Bird(int which) : number{which} {}
    int number;
};
using Flock = base::List<Bird, ByAge>;

std::vector<int> numbers(Flock& flock) {
    std::vector<int> found;
    for (Bird* bird = flock.front(); bird != nullptr; bird = flock.next(*bird))
        found.push_back(bird->number);
    return found;
}

class ListTest : public testing::Test {
  protected:
    ~ListTest() override {
        while (flock_.pop_front() != nullptr) {
        }
    }
    Bird one_{1}, two_{2}, three_{3};
    Flock flock_;
};

TEST_F(ListTest, StartsEmpty) {
    EXPECT_TRUE(flock_.empty());
    EXPECT_EQ(flock_.front(), nullptr);
    EXPECT_EQ(flock_.pop_front(), nullptr);
}

TEST_F(ListTest, KeepsTheOrderInWhichMembersCame) {
    flock_.push_back(two_);
    flock_.push_back(three_);
    flock_.push_front(one_);
    EXPECT_THAT(numbers(flock_), ElementsAre(1, 2, 3));
    EXPECT_EQ(flock_.pop_front(), &one_);
    EXPECT_FALSE(static_cast<base::ListNode<ByAge>&>(one_).linked());
}

TEST_F(ListTest, InsertsBeforeAMemberOrAtTheEnd) {
    flock_.push_back(three_);
    flock_.insert_before(&three_, one_);
    flock_.insert_before(nullptr, two_);
    EXPECT_THAT(numbers(flock_), ElementsAre(1, 3, 2));
}

TEST_F(ListTest, LosesAMemberFromAnyPlace) {
    for (auto* const bird : {&one_, &two_, &three_})
        flock_.push_back(*bird);
    flock_.remove(two_);
    EXPECT_THAT(numbers(flock_), ElementsAre(1, 3));
    flock_.remove(three_);
    flock_.remove(one_);
    EXPECT_THAT(numbers(flock_), IsEmpty());
    flock_.push_back(two_);
    EXPECT_THAT(numbers(flock_), ElementsAre(2));
}

TEST_F(ListTest, AMemberMayBeInSeveralListsByDifferentTags) {
    base::List<Bird, ByName> names;
    flock_.push_back(one_);
    names.push_back(one_);
    names.remove(one_);
    EXPECT_THAT(numbers(flock_), ElementsAre(1));
}

using ListDeathTest = ListTest;

TEST_F(ListDeathTest, BeingInOneListTwiceIsABug) {
    flock_.push_back(one_);
    EXPECT_DEATH(flock_.push_back(one_), "assertion failed");
    EXPECT_DEATH(flock_.remove(two_), "assertion failed");
}

TEST_F(ListDeathTest, DyingInAListIsABug) {
    EXPECT_DEATH(
        {
            Bird bird{4};
            flock_.push_back(bird);
        },
        "assertion failed");
}

} // namespace
