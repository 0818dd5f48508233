# Builds compute shaders into one library, fovea_shaders: every variant is compiled by glslang, checked by spirv-val and
# embedded; `shaders/shader_library.hpp`, generated when CMake runs, names them. A shader that fails fails the build.
#
#   add_kernel_shader(NAME matvec SOURCE linear/matvec.comp AXES FORMAT=Q8_0,Q4_K FORM=ROW,SUBGROUP [DEFINES TILE=4])
#   ...
#   add_shader_library()            # once, after the last shader
#
# builds the product of the axes. The variant ShaderId::matvec_Q8_0_ROW is compiled with FORMAT_Q8_0=1 and FORM_ROW=1.
# Shaders include from shaders/include ("dequant.glsl") and from the repository root ("shaders/interface/matvec.h").
set_property(GLOBAL PROPERTY FOVEA_SHADER_IDS "")

# One variant: SPIR-V that exists only when it is valid, rebuilt when the source or anything it includes changes.
function(fovea_add_shader_variant id source)
  get_property(known GLOBAL PROPERTY FOVEA_SHADER_IDS)
  if(id IN_LIST known)
    message(FATAL_ERROR "add_kernel_shader: the shader ${id} is declared twice")
  endif()
  set_property(GLOBAL APPEND PROPERTY FOVEA_SHADER_IDS ${id})
  list(TRANSFORM ARGN PREPEND -D OUTPUT_VARIABLE defines)
  set(spirv "${CMAKE_BINARY_DIR}/shaders/spirv/${id}.spv")
  add_custom_command(OUTPUT "${spirv}"
    COMMAND ${FOVEA_GLSLANG} --quiet -V --target-env vulkan1.3 -S comp ${defines}
      "-I${PROJECT_SOURCE_DIR}/shaders/include" "-I${PROJECT_SOURCE_DIR}"
      --depfile "${spirv}.d" -o "${spirv}" "${source}"
    COMMAND ${FOVEA_SPIRV_VAL} --target-env vulkan1.3 --scalar-block-layout "${spirv}"
    DEPENDS "${source}" DEPFILE "${spirv}.d" COMMENT "Shader ${id}" VERBATIM)
endfunction()

function(add_kernel_shader)
  cmake_parse_arguments(SHADER "" "NAME;SOURCE" "AXES;DEFINES" ${ARGN})
  if(NOT SHADER_NAME OR NOT SHADER_SOURCE OR SHADER_UNPARSED_ARGUMENTS)
    message(FATAL_ERROR "add_kernel_shader(NAME name SOURCE file.comp [AXES AXIS=A,B ...] [DEFINES NAME=VALUE ...]): "
      "got ${ARGN}")
  endif()
  get_filename_component(source "${SHADER_SOURCE}" ABSOLUTE)
  # Partial variants "id|DEFINE|DEFINE...", multiplied by one axis at a time.
  set(variants "${SHADER_NAME}")
  foreach(axis IN LISTS SHADER_AXES)
    if(NOT axis MATCHES "^([A-Z][A-Z0-9_]*)=([A-Za-z0-9_]+(,[A-Za-z0-9_]+)*)$")
      message(FATAL_ERROR "add_kernel_shader(${SHADER_NAME}): the axis \"${axis}\" is not of the form AXIS=VALUE,VALUE")
    endif()
    set(name "${CMAKE_MATCH_1}")
    string(REPLACE "," ";" values "${CMAKE_MATCH_2}")
    set(product "")
    foreach(variant IN LISTS variants)
      foreach(value IN LISTS values)
        string(REGEX MATCH "^([^|]+)(.*)$" matched "${variant}")
        list(APPEND product "${CMAKE_MATCH_1}_${value}${CMAKE_MATCH_2}|${name}_${value}=1")
      endforeach()
    endforeach()
    set(variants "${product}")
  endforeach()
  foreach(variant IN LISTS variants)
    string(REPLACE "|" ";" defines "${variant}")
    list(POP_FRONT defines id)
    fovea_add_shader_variant(${id} "${source}" ${defines} ${SHADER_DEFINES})
  endforeach()
endfunction()

# The SPIR-V comes in through the assembler's .incbin: no text to parse, so a changed shader costs one small object.
function(add_shader_library)
  get_property(ids GLOBAL PROPERTY FOVEA_SHADER_IDS)
  list(LENGTH ids FOVEA_SHADER_COUNT)
  set(FOVEA_SHADER_ENUMERATORS "")
  set(FOVEA_SHADER_BLOBS "")
  set(FOVEA_SHADER_ENTRIES "")
  set(spirv_files "")
  foreach(id IN LISTS ids)
    set(spirv "${CMAKE_BINARY_DIR}/shaders/spirv/${id}.spv")
    list(APPEND spirv_files "${spirv}")
    string(APPEND FOVEA_SHADER_ENUMERATORS "  ${id},\n")
    string(APPEND FOVEA_SHADER_BLOBS "FOVEA_EMBED_SPIRV(${id}, \"${spirv}\")\n")
    string(APPEND FOVEA_SHADER_ENTRIES
      "    Entry{\"${id}\", fovea_spirv_${id}, fovea_spirv_${id}_end},\n")
  endforeach()
  set(generated "${CMAKE_BINARY_DIR}/shaders")
  file(MAKE_DIRECTORY "${generated}/spirv")
  set(templates "${CMAKE_CURRENT_FUNCTION_LIST_DIR}")
  configure_file("${templates}/shader_library.hpp.in" "${generated}/shader_library.hpp" @ONLY)
  configure_file("${templates}/shader_library.cpp.in" "${generated}/shader_library.cpp" @ONLY)
  set_source_files_properties("${generated}/shader_library.cpp" PROPERTIES OBJECT_DEPENDS "${spirv_files}")
  add_library(fovea_shaders STATIC "${generated}/shader_library.cpp" "${generated}/shader_library.hpp")
  target_include_directories(fovea_shaders PUBLIC "${CMAKE_BINARY_DIR}" "${PROJECT_SOURCE_DIR}")
  target_link_libraries(fovea_shaders PRIVATE house_warnings)
endfunction()
