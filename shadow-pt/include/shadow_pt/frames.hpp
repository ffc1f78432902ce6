/// Other users of frames (SP-1, SP-6).
#pragma once

#include "shadow_pt/paging.hpp"

namespace shadow_pt {

template <Host H> base::Result<base::Mfn> Paging<H>::hold(base::Gfn gfn, Use use) {
    auto const t = TRY(translate_table(gfn));
    if (auto const s = host_.frame(t.frame).get(use); !s.ok()) {
        host_.release(t.frame, t.kind);
        return base::Err{s.error()};
    }
    if (use == Use::descriptor)
        retire_writers(host_.frame(t.frame));
    return t.frame;
}

template <Host H> void Paging<H>::unhold(base::Mfn frame, Use use) {
    host_.frame(frame).put(use);
    host_.release(frame, TargetKind::own);
}

} // namespace shadow_pt
