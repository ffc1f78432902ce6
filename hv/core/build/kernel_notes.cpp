#include "build/kernel_notes.hpp"

#include "abi/xen.hpp"
#include "boot/words.hpp"

namespace build {

using base::Bytes;
using base::Error;
using base::Vaddr;
using boot::text_of;

namespace {

/// System V ABI, "Note Section": name and contents follow, each padded to four bytes.
struct NoteHeader {
    std::uint32_t name_size;
    std::uint32_t content_size;
    std::uint32_t type;
};

constexpr std::size_t padded(std::size_t size) { return (size + 3) & ~std::size_t{3}; }

/// A number of 8, 4, 2 bytes or one, as the linker wrote it.
Expected<std::uint64_t> number_in(Bytes contents) {
    switch (contents.size()) {
    case 1: return *base::load<std::uint8_t>(contents);
    case 2: return *base::load<std::uint16_t>(contents);
    case 4: return *base::load<std::uint32_t>(contents);
    case 8: return *base::load<std::uint64_t>(contents);
    default: return refuse("ELF notes: a number of an impossible size");
    }
}

Expected<KernelNotes::L1Valid> l1_valid_in(Bytes contents) {
    auto const mask = base::load<std::uint64_t>(contents);
    auto const value = base::load<std::uint64_t>(contents, sizeof *mask);
    if (!mask || !value)
        return refuse("ELF notes: L1_MFN_VALID is too short");
    return KernelNotes::L1Valid{*mask, *value};
}

/// What is found on the way, beside the notes themselves.
struct Seen {
    bool any = false;
    bool entry = false;
};

Expected<Seen> read_note(std::uint32_t type, Bytes contents, KernelNotes& into, Seen seen) {
    seen.any = true;
    switch (type) {
    case XEN_ELFNOTE_ENTRY:
        into.entry = Vaddr{TRY(number_in(contents))};
        seen.entry = true;
        break;
    case XEN_ELFNOTE_HYPERCALL_PAGE: into.hypercall_page = Vaddr{TRY(number_in(contents))}; break;
    case XEN_ELFNOTE_VIRT_BASE: into.virt_base = Vaddr{TRY(number_in(contents))}; break;
    case XEN_ELFNOTE_PADDR_OFFSET: into.paddr_offset = TRY(number_in(contents)); break;
    case XEN_ELFNOTE_XEN_VERSION: into.xen_version = text_of(contents); break;
    case XEN_ELFNOTE_GUEST_OS: into.guest_os = text_of(contents); break;
    case XEN_ELFNOTE_GUEST_VERSION: into.guest_version = text_of(contents); break;
    case XEN_ELFNOTE_LOADER: into.loader = text_of(contents); break;
    case XEN_ELFNOTE_PAE_MODE: into.pae_mode = text_of(contents); break;
    case XEN_ELFNOTE_FEATURES: into.features = TRY(parse_features(text_of(contents), into.features)); break;
    case XEN_ELFNOTE_HV_START_LOW: into.hv_start_low = Vaddr{TRY(number_in(contents))}; break;
    case XEN_ELFNOTE_L1_MFN_VALID: into.l1_valid = TRY(l1_valid_in(contents)); break;
    case XEN_ELFNOTE_SUSPEND_CANCEL: into.suspend_cancel = TRY(number_in(contents)) != 0; break;
    case XEN_ELFNOTE_INIT_P2M: into.init_p2m = Vaddr{TRY(number_in(contents))}; break;
    case XEN_ELFNOTE_MOD_START_PFN: into.mod_start_pfn = TRY(number_in(contents)) != 0; break;
    case XEN_ELFNOTE_SUPPORTED_FEATURES:
        into.features.supported |= static_cast<std::uint32_t>(TRY(number_in(contents)));
        into.says_features = true;
        break;
    case XEN_ELFNOTE_PHYS32_ENTRY: into.phys32_entry = TRY(number_in(contents)); break;
    default: break; // a later header's: by rule such a note can be passed over
    }
    return seen;
}

/// Reads the notes of one segment; those of other owners (GNU's build id) are passed over.
Expected<Seen> read_segment(Bytes notes, KernelNotes& into, Seen seen) {
    std::size_t at = 0;
    while (auto const header = base::load<NoteHeader>(notes, at)) { // fewer bytes than that are padding
        auto const name_at = at + sizeof *header;
        auto const content_at = name_at + padded(header->name_size);
        auto const name = base::slice(notes, name_at, header->name_size);
        auto const contents = base::slice(notes, content_at, header->content_size);
        if (!name || !contents)
            return refuse("ELF notes: a note is cut off");
        if (text_of(*name) == "Xen")
            seen = TRY(read_note(header->type, *contents, into, seen));
        at = content_at + padded(header->content_size);
    }
    return seen;
}

} // namespace

Expected<KernelNotes> parse_notes(ElfImage const& image) {
    KernelNotes notes;
    Seen seen;
    for (auto const& segment : image.notes)
        seen = TRY(read_segment(segment, notes, seen));

    if (!seen.any)
        return refuse(Error::not_supported, "the kernel has no Xen notes: it was not built to run as a Xen guest");
    if (!seen.entry)
        return refuse(Error::not_supported,
                      "the kernel has no PV entry point (note ENTRY): it runs as an HVM guest only");
    if ((notes.features.required & ~kOfferedFeatures) != 0)
        return refuse(Error::not_supported, "the kernel requires a feature that Tern does not offer");
    return notes;
}

} // namespace build
