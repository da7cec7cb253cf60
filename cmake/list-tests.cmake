# Run after a test program is linked: asks it for its tests and writes them down for CTest, one each.
# PROGRAM, PREFIX of the names, EMULATOR (may be empty) and OUTPUT are given with -D.
execute_process(COMMAND ${EMULATOR} ${PROGRAM} --list OUTPUT_VARIABLE names RESULT_VARIABLE status)
if(NOT status EQUAL 0)
    message(FATAL_ERROR "${PROGRAM} --list: ${status}")
endif()
string(REGEX MATCHALL "[^\n]+" names "${names}")
set(text "# Written by cmake/list-tests.cmake.\n")
foreach(name ${names})
    set(title "${PREFIX}${name}")
    string(APPEND text "add_test([=[${title}]=] ${EMULATOR} [=[${PROGRAM}]=] [=[--filter=${name}]=])\n"
        "set_tests_properties([=[${title}]=] PROPERTIES SKIP_REGULAR_EXPRESSION [=[0 passed, 0 failed, 1 skipped]=])\n")
endforeach()
file(WRITE ${OUTPUT} "${text}")
