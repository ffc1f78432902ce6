/// A callable passed down by reference: two words, no allocation, for the length of a call.
///
///     void each(FunctionRef<void(int)> visit);
///     each([&](int number) { sum += number; });
#pragma once

#include <memory>
#include <type_traits>
#include <utility>

namespace base {

template <typename Signature> class FunctionRef;

template <typename R, typename... Args> class FunctionRef<R(Args...)> {
  public:
    /// REQUIRES: @p callable outlives this reference.
    template <typename F>
        requires(!std::is_same_v<std::remove_cvref_t<F>, FunctionRef> && std::is_invocable_r_v<R, F&, Args...> &&
                 !std::is_function_v<std::remove_reference_t<F>>)
    FunctionRef(F&& callable) // NOLINT(bugprone-forwarding-reference-overload): it does see the clause above
        : object_{const_cast<void*>(static_cast<void const*>(std::addressof(callable)))},
          call_{[](void* object, Args... args) -> R {
              return (*static_cast<std::remove_reference_t<F>*>(object))(std::forward<Args>(args)...);
          }} {}

    /// A plain function.
    FunctionRef(R (*function)(Args...))
        : object_{reinterpret_cast<void*>(function)}, call_{[](void* object, Args... args) -> R {
              return reinterpret_cast<R (*)(Args...)>(object)(std::forward<Args>(args)...);
          }} {}

    R operator()(Args... args) const { return call_(object_, std::forward<Args>(args)...); }

  private:
    void* object_;
    R (*call_)(void*, Args...);
};

} // namespace base
