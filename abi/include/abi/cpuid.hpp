/// Xen's public headers on CPUID (libxen-dev, MIT): the hypervisor's own leaves, and a name for every feature bit
/// (XEN_X86_FEATURE_*: 32 * word + bit).
#pragma once

#include <xen/arch-x86/cpufeatureset.h>
#include <xen/arch-x86/cpuid.h>
