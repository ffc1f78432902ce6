/// Other users of a frame than entries: registered areas, grants, copies, descriptor tables (SP-1, SP-6).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

template <Host H> base::Result<base::Mfn> Paging<H>::hold(base::Gfn gfn, Use use) {
    auto const target = TRY(translate_table(gfn));
    auto& frame = host_.frame(target.frame);
    if (!frame.get(use).ok()) {
        host_.release(target.frame, target.kind);
        return refuse(Refusal::wrong_use, gfn);
    }
    if (use == Use::descriptor)
        retire_writers(frame);
    return target.frame;
}

template <Host H> void Paging<H>::unhold(base::Mfn frame, Use use) {
    host_.frame(frame).put(use);
    host_.release(frame, TargetKind::own);
}

} // namespace shadow_pt
