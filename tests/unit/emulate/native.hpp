/// Executes one instruction on the CPU that runs the test, with registers and flags of choice.
///
/// The page with the code holds, in front of it, a state block that the code loads from and stores to relative to RIP:
/// so that all sixteen registers are free for the instruction. Everything lies below 2 GiB, so that any addressing
/// form reaches the operand.
#pragma once

#include <sys/mman.h>

#include <array>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <initializer_list>
#include <stdexcept>

#include "arch/registers.hpp"
#include "base/bytes.hpp"
#include "emulate/gpr.hpp"

namespace test {

class Native {
  public:
    Native() {
        void* const area = mmap(nullptr, 2 * kPage, PROT_READ | PROT_WRITE | PROT_EXEC,
                                MAP_PRIVATE | MAP_ANONYMOUS | MAP_32BIT, -1, 0);
        if (area == MAP_FAILED)
            throw std::runtime_error{"no low memory that can be executed"};
        page_ = static_cast<std::byte*>(area);
    }
    ~Native() { munmap(page_, 2 * kPage); }
    Native(Native const&) = delete;
    Native& operator=(Native const&) = delete;

    /// Where the 8 bytes lie that an instruction may change.
    [[nodiscard]] std::uint64_t entry_address() const { return address(page_ + kPage + kPage / 2); }

    /// Where the next run() will put an instruction.
    [[nodiscard]] std::uint64_t instruction_address() const { return address(page_) + kCode + kPrologue; }

    /// Runs @p instruction with the entry holding @p entry. Registers, flags and entry are as it left them.
    void run(base::Bytes instruction, arch::Registers& registers, std::uint64_t& entry) {
        for (unsigned number = 0; number < 16; ++number)
            poke(kGprs + 8 * number, emulate::full_register(registers, number));
        poke(kFlags, registers.rflags);
        std::memcpy(page_ + kPage + kPage / 2, &entry, sizeof entry);

        next_ = kCode;
        emit_prologue();
        if (next_ != kCode + kPrologue)
            throw std::logic_error{"kPrologue is not the prologue's length"};
        std::memcpy(page_ + next_, instruction.data(), instruction.size());
        next_ += instruction.size();
        emit_epilogue();
        void (*function)() = nullptr;
        void const* const code = page_ + kCode;
        std::memcpy(&function, &code, sizeof function);
        function();

        for (unsigned number = 0; number < 16; ++number)
            emulate::full_register(registers, number) = peek(kGprs + 8 * number);
        registers.rflags = peek(kFlags);
        std::memcpy(&entry, page_ + kPage + kPage / 2, sizeof entry);
    }

  private:
    static constexpr std::size_t kPage = 4096;
    // offsets in the page
    static constexpr std::size_t kGprs = 0;
    static constexpr std::size_t kFlags = 128;
    static constexpr std::size_t kStack = 136;
    static constexpr std::size_t kCode = 256;
    static constexpr std::size_t kPrologue = 10 + 7 + 6 + 1 + 16 * 7;

    static std::uint64_t address(std::byte const* at) { return reinterpret_cast<std::uint64_t>(at); }

    void poke(std::size_t offset, std::uint64_t value) { std::memcpy(page_ + offset, &value, sizeof value); }
    [[nodiscard]] std::uint64_t peek(std::size_t offset) const {
        std::uint64_t value = 0;
        std::memcpy(&value, page_ + offset, sizeof value);
        return value;
    }

    void emit(std::initializer_list<unsigned> bytes) {
        for (unsigned const byte : bytes)
            page_[next_++] = static_cast<std::byte>(byte);
    }
    /// The four bytes that address @p offset of the page, at the end of an instruction.
    void emit_relative(std::size_t offset) {
        auto const distance = static_cast<std::int32_t>(offset) - static_cast<std::int32_t>(next_ + 4);
        std::memcpy(page_ + next_, &distance, sizeof distance);
        next_ += 4;
    }
    /// mov register, [offset] (0x8b) or mov [offset], register (0x89)
    void emit_move(unsigned opcode, unsigned number, std::size_t offset) {
        emit({0x48U | (number >= 8 ? 4U : 0U), opcode, (number & 7) << 3 | 5});
        emit_relative(offset);
    }

    static constexpr unsigned kLoad = 0x8b;
    static constexpr unsigned kStore = 0x89;

    void emit_prologue() {
        emit({0x53, 0x55, 0x41, 0x54, 0x41, 0x55, 0x41, 0x56, 0x41, 0x57}); // push what a callee must keep
        emit_move(kStore, emulate::kRsp, kStack);
        emit({0xff, 0x35}); // push [flags]
        emit_relative(kFlags);
        emit({0x9d}); // popf
        for (unsigned number = 0; number < 16; ++number)
            emit_move(kLoad, number, kGprs + 8 * number);
    }

    void emit_epilogue() {
        for (unsigned number = 0; number < 16; ++number)
            emit_move(kStore, number, kGprs + 8 * number);
        emit_move(kLoad, emulate::kRsp, kStack);
        emit({0x9c, 0x8f, 0x05}); // pushf; pop [flags]
        emit_relative(kFlags);
        emit({0xfc});                                                       // cld
        emit({0x41, 0x5f, 0x41, 0x5e, 0x41, 0x5d, 0x41, 0x5c, 0x5d, 0x5b}); // pop, in reverse
        emit({0xc3});
    }

    std::byte* page_ = nullptr;
    std::size_t next_ = kCode;
};

} // namespace test
