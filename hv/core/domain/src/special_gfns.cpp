#include "domain/special_gfns.hpp"

namespace domain {

base::Result<base::Gfn> number_special(Domain& domain, base::Mfn frame, base::Gfn gfn) {
    if (!domain.translated())
        return base::Gfn{frame.raw()};
    auto& frames = domain.system.frames;
    if (frames.gfn_of(frame) == gfn)
        return gfn;
    TRY(frames.take_reference(frame));
    auto const entered = domain.gfns.set(gfn, mm::FrameRef::adopt(frames, frame));
    if (!entered && entered.error() != base::Error::exists) // another CPU was faster
        return base::Err{entered.error()};
    return gfn;
}

} // namespace domain
