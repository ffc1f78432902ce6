# Rooms of user space: compiled once, for Linux, with the sanitizers where the hosted world has them.
#
#   add_hosted_library(<name> SOURCES ... HEADERS ... USES ... PRIVATELY ...)
#
# USES names the rooms and libraries that its headers need, PRIVATELY those that only its sources do. As with two-world rooms, what is
# not named is not seen.
function(add_hosted_library name)
  cmake_parse_arguments(arg "" "" "SOURCES;HEADERS;USES;PRIVATELY" ${ARGN})
  add_library(${name} STATIC ${arg_SOURCES})
  target_sources(${name} PUBLIC FILE_SET HEADERS BASE_DIRS include FILES ${arg_HEADERS})
  target_compile_options(${name} PRIVATE -Wno-restrict) # GCC 12 is wrong about it, optimising std::string (its bug 105651)
  target_link_libraries(${name} PUBLIC world_hosted ${arg_USES} PRIVATE ${arg_PRIVATELY} fewer_checks)
endfunction()

# Asked at each use of each pointer, these are half of what libraries of templates take to compile; ASan finds a null pointer, too.
# Linked last: it takes back what comes before it.
add_library(fewer_checks INTERFACE)
if(HOSTED_SANITIZERS)
  target_compile_options(fewer_checks INTERFACE -fno-sanitize=null,alignment,object-size)
endif()
