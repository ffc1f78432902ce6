/// Domain 0's kernel, from what is packaged to an ELF file. Here alone code runs that is not ours: liblzma, libzstd and
/// zlib, each called for one whole file (docs/decisions/0005-linked-c-libraries.md).
#include <optional>

#include "arch/cpu.hpp"
#include "console/format.hpp"
#include "console/global.hpp"
#include "console/text.hpp"
#include "module.hpp"
#include "panic.hpp"
#include "start_of_day_steps.hpp"
#include "unpack/unpack.hpp"
#include "x86/c_code.hpp"

namespace {

[[noreturn]] void give_up(std::string_view reason) {
    console::Text<200> text;
    console::format(text, "domain 0's kernel cannot be used: {}", reason);
    panic(text.view());
}

/// What @p work answers, in the world of the C libraries.
template <typename Work> auto in_c(Work&& work) {
    std::optional<decltype(work())> answer;
    x86::run_c_code([&] { answer.emplace(work()); });
    if (!answer->ok())
        give_up(answer->error().reason);
    return std::move(*answer).value();
}

std::uint64_t mebibytes(std::uint64_t bytes) { return (bytes + (1 << 20) - 1) >> 20; }

/// A run of frames for what comes out of @p packed and, behind it, for the decoder.
struct Room {
    mm::FrameRange output;
    mm::FrameRange work;

    static std::span<std::byte> bytes(mm::FrameRange const& frames) {
        return {arch::direct_map(frames.first), frames.count << base::kPageShift};
    }
};

Room take_room(Machine& machine, unpack::Packed const& packed) {
    auto const output = base::frames_for(packed.size);
    auto const work = base::frames_for(packed.work);
    auto const first = machine.memory.allocate(output + work);
    if (first.ok())
        return {.output = {first.value(), output}, .work = {first.value() + output, work}};
    console::Text<100> text;
    console::format(text, "too little memory: it takes {} MiB unpacked, and {} MiB to unpack it",
                    mebibytes(packed.size), mebibytes(packed.work));
    give_up(text.view());
}

base::Bytes unpack_into(Room const& room, unpack::Packed const& packed) {
    auto const begin = arch::read_tsc();
    auto const output = Room::bytes(room.output).first(packed.size);
    auto const work = Room::bytes(room.work);
    x86::expect_scattered_use({output.data(), static_cast<std::size_t>(work.data() + work.size() - output.data())});
    in_c([&] { return unpack::unpack(packed, output, work); });
    console::info("dom0: kernel unpacked in {} ms ({}): {} KiB out of {}", (arch::read_tsc() - begin) / arch::tsc_khz(),
                  name_of(packed.format), packed.size >> 10, packed.bytes.size() >> 10);
    return output;
}

} // namespace

void unpack_kernel(Machine& machine) {
    auto const& modules = machine.info.modules;
    if (modules.empty())
        panic("no kernel for domain 0: give it in the boot loader's configuration, as the first module2");
    auto const packed = in_c([&] { return unpack::examine(bytes_of(modules[0])); });
    if (packed.format == unpack::Format::elf) {
        machine.kernel = packed.bytes;
    } else {
        Room const room = take_room(machine, packed);
        machine.kernel = unpack_into(room, packed);
        machine.unpacked_kernel = room.output;
        if (!machine.memory.add(room.work).ok())
            console::warning("the memory map has too many pieces: {} MiB are not used", mebibytes(packed.work));
    }
    x86::forget_c_code();
}
