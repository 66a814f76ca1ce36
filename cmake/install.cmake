# cmake --install: headers, the static library and a CMake package for find_package(lpdnn).
include(CMakePackageConfigHelpers)
include(GNUInstallDirs)

install(TARGETS lpdnn EXPORT lpdnn COMPONENT lpdnn ARCHIVE DESTINATION ${CMAKE_INSTALL_LIBDIR})
install(DIRECTORY src/cpp/ DESTINATION include/lpdnn COMPONENT lpdnn
  FILES_MATCHING PATTERN "*.h" PATTERN python EXCLUDE)
install(EXPORT lpdnn NAMESPACE lepton:: FILE lpdnn-targets.cmake COMPONENT lpdnn
  DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lpdnn)
write_basic_package_version_file(lpdnn-config-version.cmake COMPATIBILITY SameMinorVersion)
file(WRITE ${CMAKE_CURRENT_BINARY_DIR}/lpdnn-config.cmake [[
include(CMakeFindDependencyMacro)
find_dependency(OpenMP COMPONENTS CXX)
include(${CMAKE_CURRENT_LIST_DIR}/lpdnn-targets.cmake)
]])
install(FILES ${CMAKE_CURRENT_BINARY_DIR}/lpdnn-config.cmake
  ${CMAKE_CURRENT_BINARY_DIR}/lpdnn-config-version.cmake
  COMPONENT lpdnn DESTINATION ${CMAKE_INSTALL_LIBDIR}/cmake/lpdnn)
