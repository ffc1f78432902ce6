#include "emulate/alu.hpp"

#include "base/assert.hpp"
#include "emulate/rflags.hpp"

namespace emulate {
namespace {

constexpr std::uint64_t kArithmetic = kStatusFlags;
constexpr std::uint64_t kAllButCarry = kStatusFlags & ~kCarry;

/// PF looks at the low byte alone: set if it has an even number of ones.
bool even_parity(std::uint64_t value) {
    auto folded = static_cast<unsigned>(value & 0xff);
    folded ^= folded >> 4;
    folded ^= folded >> 2;
    folded ^= folded >> 1;
    return (folded & 1) == 0;
}

std::uint64_t flag_if(bool condition, std::uint64_t flag) { return condition ? flag : 0; }

/// Operands of one width: the arithmetic wraps at it, and its top bit is the sign.
class Width {
  public:
    explicit Width(unsigned bytes) : bytes_{bytes} {}

    [[nodiscard]] std::uint64_t wrap(std::uint64_t value) const { return truncate(value, bytes_); }
    [[nodiscard]] bool top(std::uint64_t value) const { return (value >> (8 * bytes_ - 1) & 1) != 0; }

    /// ZF, SF and PF: those that a result alone decides.
    [[nodiscard]] std::uint64_t result_flags(std::uint64_t result) const {
        return flag_if(result == 0, kZero) | flag_if(top(result), kSign) | flag_if(even_parity(result), kParity);
    }

    [[nodiscard]] AluResult sum(std::uint64_t a, std::uint64_t b, unsigned carry) const {
        std::uint64_t const result = wrap(a + b + carry);
        std::uint64_t const carries = (a & b) | ((a | b) & ~result); // out of each bit
        return {result, result_flags(result) | flag_if(top(carries), kCarry) |
                            flag_if(top((a ^ result) & (b ^ result)), kOverflow) | ((a ^ b ^ result) & kAdjust)};
    }

    [[nodiscard]] AluResult difference(std::uint64_t a, std::uint64_t b, unsigned borrow) const {
        std::uint64_t const result = wrap(a - b - borrow);
        std::uint64_t const borrows = (~a & b) | ((~a | b) & result); // into each bit
        return {result, result_flags(result) | flag_if(top(borrows), kCarry) |
                            flag_if(top((a ^ b) & (a ^ result)), kOverflow) | ((a ^ b ^ result) & kAdjust)};
    }

    [[nodiscard]] AluResult logic(std::uint64_t result) const { return {result, result_flags(result)}; }

  private:
    unsigned bytes_;
};

/// @p result with the flags that the instruction leaves alone taken from @p rflags.
AluResult merge(AluResult result, std::uint64_t affected, std::uint64_t rflags) {
    return {result.value, (rflags & ~affected) | (result.rflags & affected)};
}

} // namespace

AluResult compute(Operation operation, std::uint64_t destination, std::uint64_t source, unsigned bytes,
                  std::uint64_t rflags) {
    Width const width{bytes};
    std::uint64_t const a = width.wrap(destination);
    std::uint64_t const b = width.wrap(source);
    unsigned const carry = (rflags & kCarry) != 0 ? 1 : 0;
    switch (operation) {
        using enum Operation;
    case add: return merge(width.sum(a, b, 0), kArithmetic, rflags);
    case adc: return merge(width.sum(a, b, carry), kArithmetic, rflags);
    case sub: return merge(width.difference(a, b, 0), kArithmetic, rflags);
    case sbb: return merge(width.difference(a, b, carry), kArithmetic, rflags);
    case bit_or: return merge(width.logic(a | b), kArithmetic, rflags);
    case bit_and: return merge(width.logic(a & b), kArithmetic, rflags);
    case bit_xor: return merge(width.logic(a ^ b), kArithmetic, rflags);
    case inc: return merge(width.sum(a, 1, 0), kAllButCarry, rflags);
    case dec: return merge(width.difference(a, 1, 0), kAllButCarry, rflags);
    case neg: return merge(width.difference(0, a, 0), kArithmetic, rflags);
    case bit_not: return {width.wrap(~a), rflags};
    default: break;
    }
    ASSERT(false); // not an arithmetic operation
    return {destination, rflags};
}

AluResult change_bit(Operation operation, std::uint64_t destination, unsigned bit, std::uint64_t rflags) {
    ASSERT(bit < 64);
    std::uint64_t const mask = std::uint64_t{1} << bit;
    std::uint64_t const flags = (rflags & ~kCarry) | flag_if((destination & mask) != 0, kCarry);
    switch (operation) {
        using enum Operation;
    case bts: return {destination | mask, flags};
    case btr: return {destination & ~mask, flags};
    case btc: return {destination ^ mask, flags};
    default: break;
    }
    ASSERT(false); // not a bit operation
    return {destination, rflags};
}

} // namespace emulate
