/// Emulation of a guest's direct store to a page-table entry (docs/abi.md §2.3, SP-18).
///
/// The store is split from its effect, so that the page-table code stays atomic against A/D updates and against its
/// own translation: it decodes once (SP-7), then reads the entry, asks what the store makes of it, exchanges entry
/// and shadow, and asks again if the entry had changed meanwhile.
///
///     auto const store = decode_store(code, CodeMode::bits64, registers, bases, fault_address);
///     if (!store) ...                                    // not one of ours: bounce the #PF
///     do {
///         old = read(store->entry());
///         after = registers;
///         effect = store->apply(old, after);
///     } while (!exchange(store->entry(), old, effect.entry));
///     registers = after;                                 // flags, operands, RIP
///     if (effect.single_step) ...                        // raise #DB
#pragma once

#include <cstdint>

#include "arch/registers.hpp"
#include "base/bytes.hpp"
#include "base/frame.hpp"
#include "base/result.hpp"
#include "emulate/decode.hpp"

namespace emulate {

enum class StoreRefusal : std::uint8_t {
    not_decodable, ///< see decode()
    not_a_store,   ///< it writes no memory operand
    misplaced,     ///< it does not write the entry that faulted (another CPU changed the code), or is misaligned
};

/// A store of 1, 2, 4 or 8 naturally aligned bytes into one 8-byte entry.
class StoreOperation {
  public:
    struct Effect {
        std::uint64_t entry = 0;  ///< the whole entry afterwards; may equal the old one
        bool single_step = false; ///< the guest had TF set: it is owed a #DB
    };

    StoreOperation(Instruction const& instruction, base::Vaddr address)
        : instruction_{instruction}, address_{address} {}

    [[nodiscard]] base::Vaddr address() const { return address_; } ///< the first byte written
    [[nodiscard]] base::Vaddr entry() const { return base::Vaddr{address_.raw() & ~std::uint64_t{7}}; }
    [[nodiscard]] unsigned size() const { return instruction_.operand_bytes; } ///< in bytes

    /// What the instruction does when the entry holds @p old. @p registers are those it was decoded with, and become those
    /// afterwards: RIP past the instruction, exact flags, operands.
    [[nodiscard]] Effect apply(std::uint64_t old, arch::Registers& registers) const;

  private:
    Instruction instruction_;
    base::Vaddr address_;
};

/// Decodes the store at RIP that faulted at @p fault. @p bases are asked for only by what has a segment override.
[[nodiscard]] base::Result<StoreOperation, StoreRefusal> decode_store(base::Bytes code, CodeMode mode,
                                                                      arch::Registers const& registers,
                                                                      SegmentBases (*bases)(), base::Vaddr fault);

} // namespace emulate
