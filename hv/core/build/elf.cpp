#include "build/elf.hpp"

#include <array>
#include <limits>

namespace build {

using base::Bytes;
using base::Error;

namespace {

struct FileHeader {
    std::array<std::uint8_t, 4> magic;
    std::uint8_t file_class;
    std::uint8_t byte_order;
    std::uint8_t version;
    std::uint8_t abi[9];
    std::uint16_t type;
    std::uint16_t machine;
    std::uint32_t object_version;
    std::uint64_t entry;
    std::uint64_t program_headers; ///< offset in the file
    std::uint64_t section_headers;
    std::uint32_t flags;
    std::uint16_t header_size;
    std::uint16_t program_header_size;
    std::uint16_t program_header_count;
    std::uint16_t section_header_size;
    std::uint16_t section_header_count;
    std::uint16_t section_names;
};
static_assert(sizeof(FileHeader) == 64);

struct ProgramHeader {
    std::uint32_t type;
    std::uint32_t flags;
    std::uint64_t offset;
    std::uint64_t virtual_address;
    std::uint64_t physical_address;
    std::uint64_t file_size;
    std::uint64_t memory_size;
    std::uint64_t alignment;
};
static_assert(sizeof(ProgramHeader) == 56);

constexpr std::array<std::uint8_t, 4> kMagic{0x7f, 'E', 'L', 'F'};
constexpr std::uint8_t kClass64 = 2;
constexpr std::uint8_t kLittleEndian = 1;
constexpr std::uint16_t kExecutable = 2;
constexpr std::uint16_t kMachineAmd64 = 62;
constexpr std::uint32_t kLoad = 1;
constexpr std::uint32_t kNote = 4;

Expected<FileHeader> read_file_header(Bytes file) {
    auto const header = base::load<FileHeader>(file);
    if (!header || header->magic != kMagic)
        return refuse("not an ELF file");
    if (header->file_class != kClass64 || header->byte_order != kLittleEndian || header->machine != kMachineAmd64)
        return refuse(Error::not_supported, "an ELF file, but not for 64-bit x86");
    if (header->type != kExecutable)
        return refuse(Error::not_supported, "an ELF file, but not an executable linked at a fixed address");
    if (header->program_header_size != sizeof(ProgramHeader))
        return refuse("ELF: program headers of an impossible size");
    return *header;
}

Expected<Segment> read_segment(Bytes file, ProgramHeader const& header) {
    auto const contents = base::slice(file, header.offset, header.file_size);
    if (!contents)
        return refuse("ELF: a segment reaches past the end of the file");
    if (header.memory_size < header.file_size)
        return refuse("ELF: a segment is larger in the file than in memory");
    if (header.physical_address > std::numeric_limits<std::uint64_t>::max() - header.memory_size)
        return refuse("ELF: a segment reaches past the end of memory");
    return Segment{.virtual_address = header.virtual_address,
                   .physical_address = header.physical_address,
                   .memory_size = header.memory_size,
                   .contents = *contents};
}

} // namespace

Expected<ElfImage> parse_elf(Bytes file) {
    FileHeader const header = TRY(read_file_header(file));
    auto const table = base::slice(file, header.program_headers, header.program_header_count * sizeof(ProgramHeader));
    if (!table)
        return refuse("ELF: the program headers reach past the end of the file");

    ElfImage image;
    image.entry = header.entry;
    for (std::size_t i = 0; i < header.program_header_count; ++i) {
        auto const one = *base::load<ProgramHeader>(*table, i * sizeof(ProgramHeader));
        if (one.type == kLoad && one.memory_size != 0) {
            Segment const segment = TRY(read_segment(file, one));
            if (!image.segments.push_back(segment))
                return refuse(Error::no_space, "ELF: too many segments");
        } else if (one.type == kNote) {
            auto const contents = base::slice(file, one.offset, one.file_size);
            if (!contents)
                return refuse("ELF: the notes reach past the end of the file");
            if (!image.notes.push_back(*contents))
                return refuse(Error::no_space, "ELF: too many note segments");
        }
    }
    if (image.segments.empty())
        return refuse("ELF: nothing to load");
    return image;
}

} // namespace build
