# One room, two worlds: the same sources are compiled twice, without any #ifdef.
#
#   add_two_world_library(<name> SOURCES ... HEADERS ... USES ...)
#
# makes <name>, hosted (sanitizers, GoogleTest, clang-tidy), and <name>-bare, freestanding, which is linked into the
# hypervisor. USES names other two-world rooms; each world links its own twin, and sees only the include folders of
# the rooms that it uses: a forbidden include is "No such file or directory".

add_library(world_common INTERFACE)
target_compile_options(world_common INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-Wall -Wextra -Wshadow -Wconversion -Wold-style-cast>)

# Bare: no runtime below us, no vector registers, position-independent but linked at one address in the upper half.
add_library(world_bare INTERFACE)
target_link_libraries(world_bare INTERFACE world_common)
target_compile_options(world_bare INTERFACE
  $<$<COMPILE_LANGUAGE:CXX>:-ffreestanding -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-use-cxa-atexit>
  -mgeneral-regs-only -mno-red-zone -fPIE -mcmodel=small -fvisibility=hidden -fno-stack-protector
  -fno-asynchronous-unwind-tables -fno-omit-frame-pointer -ffunction-sections -fdata-sections -O2 -g
  # Structures word by word, not by REP: that takes long to begin, and an emulator goes round for each word.
  $<$<CXX_COMPILER_ID:GNU>:-mmemcpy-strategy=unrolled_loop:256:noalign,libcall:-1:noalign>
  $<$<CXX_COMPILER_ID:GNU>:-mmemset-strategy=unrolled_loop:256:noalign,libcall:-1:noalign>)

# For what the hypervisor's image is made of: it ships optimised as a whole. Not by way of world_bare, which guests have as
# well: their tests do behind the compiler's back (traps, tables under several types) what holds only from file to file.
function(optimise_as_a_whole)
  set_target_properties(${ARGN} PROPERTIES INTERPROCEDURAL_OPTIMIZATION_RELEASE ON)
endfunction()

option(HOSTED_SANITIZERS "Build the hosted world with ASan and UBSan" ON)
add_library(world_hosted INTERFACE)
target_link_libraries(world_hosted INTERFACE world_common)
if(HOSTED_SANITIZERS)
  # -g1: a report needs lines, and no more; an eighth of the time to compile.
  target_compile_options(world_hosted INTERFACE -fsanitize=address,undefined -fno-sanitize-recover=all -fno-omit-frame-pointer -g1)
  target_link_options(world_hosted INTERFACE -fsanitize=address,undefined)
endif()
option(TERN_FUZZ "Make the libFuzzer targets (clang only)" OFF)
if(TERN_FUZZ)
  target_compile_options(world_hosted INTERFACE -fsanitize=fuzzer-no-link)
endif()

set_property(GLOBAL PROPERTY two_world_libraries "")

function(add_two_world_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;USES" ${ARGN})
  foreach(world IN ITEMS hosted bare)
    if(world STREQUAL "hosted")
      set(target ${name})
      set(twin "")
    else()
      set(target ${name}-bare)
      set(twin -bare)
    endif()
    if(arg_SOURCES)
      set(kind STATIC)
      set(scope PUBLIC)
    else()
      set(kind INTERFACE)
      set(scope INTERFACE)
    endif()
    add_library(${target} ${kind} ${arg_SOURCES})
    target_sources(${target} ${scope} FILE_SET HEADERS BASE_DIRS include FILES ${arg_HEADERS})
    target_link_libraries(${target} ${scope} world_${world})
    if(world STREQUAL "bare" AND kind STREQUAL "STATIC")
      set_target_properties(${target} PROPERTIES EXPORT_COMPILE_COMMANDS OFF) # clang-tidy reads the hosted twin
      optimise_as_a_whole(${target})
    endif()
    foreach(used IN LISTS arg_USES)
      target_link_libraries(${target} ${scope} ${used}${twin})
    endforeach()
  endforeach()
  if(arg_SOURCES)
    set_property(GLOBAL APPEND PROPERTY two_world_libraries ${name})
  endif()
endfunction()
