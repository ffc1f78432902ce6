#include "crew/crew.hpp"

#include "base/assert.hpp"

namespace crew {

Crew::Crew(unsigned members) : failures_(members) {
    ASSERT(members >= 1);
    threads_.reserve(members - 1);
    for (unsigned member = 1; member < members; ++member)
        threads_.emplace_back([this, member] { work(member); });
}

Crew::~Crew() {
    {
        std::lock_guard const guard{mutex_};
        over_ = true;
    }
    begun_.notify_all();
    for (auto& thread : threads_)
        thread.join();
}

outcome::Result<void> Crew::all(Share const& share) {
    if (threads_.empty())
        return share(0);
    {
        std::lock_guard const guard{mutex_};
        share_ = &share;
        busy_ = threads_.size();
        ++times_;
    }
    begun_.notify_all();
    auto const own = share(0);
    std::unique_lock guard{mutex_};
    done_.wait(guard, [this] { return busy_ == 0; });
    if (!own)
        return own;
    for (auto const& failure : failures_)
        if (failure)
            return base::Err{*failure};
    return {};
}

void Crew::work(unsigned member) {
    std::unique_lock guard{mutex_};
    for (unsigned seen = 0;;) {
        begun_.wait(guard, [&] { return over_ || times_ != seen; });
        if (over_)
            return;
        seen = times_;
        auto const& share = *share_;
        guard.unlock();
        auto const done = share(member);
        guard.lock();
        failures_[member] = done ? std::nullopt : std::optional{done.error()};
        if (--busy_ == 0)
            done_.notify_one();
    }
}

} // namespace crew
