#include "irq/interrupts.hpp"

#include <algorithm>

namespace irq {

using base::Err;
using base::Error;
using base::Result;
using base::Status;
using events::EventTable;

namespace {

constexpr std::uint32_t kIsaLines = 16;

} // namespace

// --- finding ------------------------------------------------------------------------------------------------------------

Interrupts::Line* Interrupts::find(EventTable const& owner, Pirq pirq) {
    auto* const found = std::find_if(lines_.begin(), lines_.end(),
                                     [&](Line const& line) { return line.owner == &owner && line.pirq == pirq; });
    return found == lines_.end() ? nullptr : found;
}

Interrupts::Line* Interrupts::find_line(std::uint32_t gsi) {
    auto* const found = std::find_if(lines_.begin(), lines_.end(), [&](Line const& line) {
        return line.owner != nullptr && !line.message && line.pirq == gsi;
    });
    return found == lines_.end() ? nullptr : found;
}

Interrupts::Line* Interrupts::find_free() {
    for (std::uint32_t i = 0; i < kVectors; ++i)
        if (lines_[i].owner == nullptr && arch::kFirstDeviceVector + i != arch::kNoDeviceVector)
            return &lines_[i];
    return nullptr;
}

std::optional<Pirq> Interrupts::free_message_number(EventTable const& owner) {
    for (Pirq pirq = kLines; pirq < kPirqs; ++pirq)
        if (find(owner, pirq) == nullptr)
            return pirq;
    return std::nullopt;
}

arch::Destination Interrupts::destination(Line const& line) const {
    auto const index = static_cast<std::uint32_t>(&line - lines_.data());
    return {.vector = arch::kFirstDeviceVector + index, .cpu = line.cpu};
}

arch::LineMode Interrupts::mode_of(std::uint32_t gsi) const {
    bool const pci = gsi >= kIsaLines;
    return modes_[gsi].mode.value_or(arch::LineMode{.level = pci, .low = pci});
}

// --- start of day, and how lines are driven ---------------------------------------------------------------------------------

void Interrupts::set_default_mode(std::uint32_t gsi, arch::LineMode mode) {
    base::LockGuard const guard{lock_};
    if (gsi < kLines)
        modes_[gsi].mode = mode;
}

void Interrupts::keep(std::uint32_t gsi) {
    base::LockGuard const guard{lock_};
    if (gsi < kLines)
        modes_[gsi].kept = true;
}

Status Interrupts::set_mode(std::uint32_t gsi, arch::LineMode mode) {
    base::LockGuard const guard{lock_};
    if (gsi >= kLines || !arch::has_line(gsi))
        return Err{Error::not_found};
    modes_[gsi].mode = mode;
    if (auto* const line = find_line(gsi); line != nullptr && !line->connected()) {
        line->mode = mode;
        publish(*line, line->needs_end());
    }
    return {};
}

// --- who has what ------------------------------------------------------------------------------------------------------------

Result<Pirq> Interrupts::map_line(EventTable& owner, std::uint32_t gsi) {
    base::LockGuard const guard{lock_};
    if (gsi >= kLines || !arch::has_line(gsi))
        return Err{Error::invalid};
    if (auto const* const line = find_line(gsi); line != nullptr) {
        if (line->owner != &owner)
            return Err{Error::exists};
        return gsi;
    }
    auto* const line = find_free();
    if (line == nullptr)
        return Err{Error::no_space};
    *line = Line{.owner = &owner, .pirq = gsi, .message = std::nullopt, .mode = mode_of(gsi), .port = {}, .cpu = {}};
    publish(*line, line->needs_end());
    return gsi;
}

Result<Pirq> Interrupts::map_message(EventTable& owner, MessageSlot const& slot) {
    base::LockGuard const guard{lock_};
    auto* const line = find_free();
    auto const pirq = free_message_number(owner);
    if (line == nullptr || !pirq)
        return Err{Error::no_space};
    *line = Line{.owner = &owner, .pirq = *pirq, .message = slot, .mode = {}, .port = {}, .cpu = {}};
    if (aim(*line))
        return *pirq;
    *line = {};
    return Err{Error::no_space};
}

Status Interrupts::unmap(EventTable& owner, Pirq pirq) {
    base::LockGuard const guard{lock_};
    auto* const line = find(owner, pirq);
    if (line == nullptr)
        return Err{Error::invalid};
    release(*line);
    return {};
}

void Interrupts::unmap_all(EventTable& owner) {
    base::LockGuard const guard{lock_};
    for (Line& line : lines_)
        if (line.owner == &owner)
            release(line);
}

bool Interrupts::has(EventTable const& owner, Pirq pirq) {
    base::LockGuard const guard{lock_};
    return find(owner, pirq) != nullptr;
}

Result<bool> Interrupts::needs_end(EventTable const& owner, Pirq pirq) {
    base::LockGuard const guard{lock_};
    auto const* const line = find(owner, pirq);
    if (line == nullptr)
        return Err{Error::invalid};
    return line->needs_end();
}

void Interrupts::publish_ends(EventTable& owner, EndWords words) {
    base::LockGuard const guard{lock_};
    ASSERT(told_ == nullptr);
    told_ = &owner;
    end_words_ = words.data();
    for (Line const& line : lines_)
        if (line.owner == &owner)
            publish(line, line.needs_end());
}

// --- interrupting ----------------------------------------------------------------------------------------------------------

/// Sends the interrupt where the line says. A line of an I/O APIC is masked then.
bool Interrupts::aim(Line const& line) {
    if (line.message)
        return write_message(pci_, *line.message, arch::message_for(destination(line)));
    arch::route_line(line.pirq, destination(line), line.mode);
    return true;
}

/// A message cannot be stopped from here without the device's driver; it finds no port.
void Interrupts::silence(Line& line) {
    if (!line.message && line.connected())
        arch::mask_line(line.pirq);
    line.port = {};
    line.in_service = false;
}

/// The bit of @p line in the words that its owner reads, if it has any.
void Interrupts::publish(Line const& line, bool needs_end) {
    if (line.owner != told_)
        return;
    auto& word = end_words_[line.pirq / 64];
    std::uint64_t const bit = std::uint64_t{1} << line.pirq % 64;
    if (needs_end)
        word.fetch_or(bit, std::memory_order_release);
    else
        word.fetch_and(~bit, std::memory_order_release);
}

void Interrupts::release(Line& line) {
    silence(line);
    publish(line, false);
    line = {};
}

Status Interrupts::connect(EventTable& owner, Pirq pirq, base::Port port, base::CpuId cpu) {
    base::LockGuard const guard{lock_};
    auto* const line = find(owner, pirq);
    if (line == nullptr)
        return Err{Error::invalid};
    if (!line->message && modes_[pirq].kept)
        return Err{Error::busy};
    if (line->connected())
        return Err{Error::exists};
    line->port = port;
    line->cpu = cpu;
    if (!aim(*line)) {
        line->port = {};
        return Err{Error::no_space};
    }
    if (!line->message)
        arch::unmask_line(pirq);
    return {};
}

void Interrupts::disconnect(EventTable& owner, Pirq pirq) {
    base::LockGuard const guard{lock_};
    if (auto* const line = find(owner, pirq); line != nullptr)
        silence(*line);
}

void Interrupts::move(EventTable& owner, Pirq pirq, base::CpuId cpu) {
    base::LockGuard const guard{lock_};
    auto* const line = find(owner, pirq);
    if (line == nullptr || line->cpu == cpu)
        return;
    line->cpu = cpu;
    if (!line->connected())
        return;
    static_cast<void>(aim(*line)); // its registers have been reached before
    if (!line->message && !line->in_service)
        arch::unmask_line(pirq);
}

std::optional<events::Notice> Interrupts::on_interrupt(std::uint32_t vector) {
    if (vector < arch::kFirstDeviceVector || vector > arch::kLastDeviceVector)
        return std::nullopt;
    EventTable* owner = nullptr;
    base::Port port;
    Pirq pirq = 0;
    {
        base::LockGuard const guard{lock_};
        Line& line = lines_[vector - arch::kFirstDeviceVector];
        if (!line.connected())
            return std::nullopt;
        if (line.needs_end()) {
            line.in_service = true;
            arch::mask_line(line.pirq);
        }
        owner = line.owner;
        port = line.port;
        pirq = line.pirq;
    }
    // It may be disconnected by now: the table asks again whether the port is still this pirq's. The table itself
    // stays until this CPU has left the hypervisor (events/notice.hpp).
    return owner->raise_pirq(port, pirq);
}

Result<base::Port> Interrupts::end_of_interrupt(EventTable& owner, Pirq pirq) {
    base::LockGuard const guard{lock_};
    auto* const line = find(owner, pirq);
    if (line == nullptr)
        return Err{Error::invalid};
    if (line->in_service) {
        line->in_service = false;
        if (line->connected())
            arch::unmask_line(pirq);
    }
    return line->port;
}

} // namespace irq
