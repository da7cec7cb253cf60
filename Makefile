# Oxbow's build for GNU make: no configure step, nothing generated, nothing needed but a compiler and binutils.
# `make help` lists the targets. Everything that is written goes under $(BUILD), which may lie outside the tree.
#
#   make CXX=clang++ CXXFLAGS=-O3      another compiler; your flags come after ours and so win over them
#   make CROSS_COMPILE=aarch64-linux-gnu- BUILD=/tmp/arm64      another machine, another place
#   make V=1                           the whole commands instead of one word and a file
#   make WARNINGS=-Wall                without -Werror, for a compiler that is newer than this file

SANITIZE ?=
# Objects with and without sanitizers must never mix, so each set has a directory of its own.
BUILD ?= build$(if $(SANITIZE),/$(SANITIZE))
PREFIX ?= /usr/local
TESTFLAGS ?=
# For the sources in test/ alone, as where a slow compilation of them is for nothing.
TEST_CXXFLAGS ?=
CASE ?=
FORMAT ?=
QUICK ?=
BENCH_JSON ?=
BENCH_SVG ?= bench/bench.svg
CHECK_INSTRUCTIONS ?=
PROGRAMS ?=
KERNELS ?=
KERNEL ?=
ARCH ?=
KERNEL_TESTS ?=
EFFORT ?=
SEED ?=
CUTS ?=
ENGINES ?=

# `origin` tells make's own default (`g++`, `ar`) from a value that a person gave.
ifeq ($(origin CXX),default)
CXX := $(CROSS_COMPILE)g++
endif
ifeq ($(origin AR),default)
AR := $(CROSS_COMPILE)ar
endif
STRIP ?= $(CROSS_COMPILE)strip
NM ?= $(CROSS_COMPILE)nm
SIZE ?= $(CROSS_COMPILE)size
# What the checks that need a second compiler use.
OTHER_CXX ?= $(if $(findstring clang,$(CXX)),g++,clang++)
OTHER_BUILD := $(BUILD)/$(if $(findstring clang,$(OTHER_CXX)),clang,gcc)
JOBS ?= $(shell nproc)

# ------------------------------------------------------------------------------------------ flags
WARNINGS := -Wall -Wextra -Wpedantic -Wconversion -Wshadow -Werror
# Functions begin at a multiple of 32: at 16, where each lies after an unrelated change was worth up to
# five percent of a server's time, one way or the other.
COMMON := -std=c++20 -O2 -falign-functions=32 -g $(WARNINGS)
# Sanitizer builds are the debug builds too: OXBOW_CHECK is on in them.
ifneq ($(SANITIZE),)
COMMON += -O1 -fsanitize=$(SANITIZE) -fno-sanitize-recover=all -fno-omit-frame-pointer
SANITIZERS := -fsanitize=$(SANITIZE)
endif
# g++ refuses fences there, of which its ThreadSanitizer knows nothing. What they order are atomics.
ifneq ($(findstring thread,$(SANITIZE)),)
ifeq ($(findstring clang,$(CXX)),)
COMMON += -Wno-tsan
endif
endif
# No exceptions, RTTI or guarded statics: their run-time support lives in libraries that a program
# without libc does not have. Position-independent with hidden symbols, so that one archive serves
# an executable and a shared library alike, at no cost. aarch64's outlined atomics would pull in libgcc.
LIBRARY := $(COMMON) -fno-exceptions -fno-rtti -fno-threadsafe-statics -fno-stack-protector \
	-ffunction-sections -fdata-sections -fPIC -fvisibility=hidden
ifneq ($(findstring aarch64,$(shell $(CXX) -dumpmachine)),)
LIBRARY += -mno-outline-atomics
endif
# -ffreestanding keeps the compiler from putting strlen, bcmp and other libc calls into our loops.
FREESTANDING := $(LIBRARY) -ffreestanding -fno-asynchronous-unwind-tables
NO_LIBC := -nostdlib -static -Wl,-u,_start -Wl,--gc-sections -Wl,-z,noseparate-code -Wl,-z,norelro -Wl,--build-id=none

# ---------------------------------------------------------------------------------------- sources
# What a program without libc needs besides is an archive of its own: inside liboxbow.a the linker
# would take our small memcpy for a hosted program's too. (start.cc compiled as hosted, which goes
# into the others, is no more than a `main` for programs that define oxbow_main and none.)
START := $(wildcard $(addprefix syscall/,start.cc environment.cc memory.cc runtime.cc))
SYSCALL := $(filter-out %/start.cc %/memory.cc %/runtime.cc,$(wildcard syscall/*.cc))
RING := $(SYSCALL) $(filter-out uring/engine%,$(wildcard uring/*.cc))
ALL := $(RING) $(wildcard loop/*.cc uring/engine*.cc epoll/*.cc io/*.cc)
TESTS := $(filter-out test/numbers_check.cc,$(wildcard test/*.cc))
# What runs tests; and those that look at what is written for each machine apart.
HARNESS := $(wildcard test/init*.cc) $(addprefix test/,check_value.cc files.cc harness.cc hook.cc main.cc \
	options.cc report.cc runner.cc skips.cc)
MACHINE_TESTS := $(wildcard $(addprefix test/,arch_test.cc call_*_test.cc memory_test.cc errno_test.cc text_test.cc))
POWER_CUT := $(wildcard test/power_cut/*.cc test/init*.cc) $(addprefix test/,check_value.cc files.cc harness.cc hook.cc)
EXAMPLES := $(patsubst example/%.cc,%,$(wildcard example/*.cc))
# A peer is measured where its header is installed: bench/CASE/PEER.cc.
installed = $(wildcard /usr/include/$1 /usr/local/include/$1)
PEERS := liburing libuv libev libevent asio_epoll asio_uring
PEERS_HERE := $(if $(call installed,liburing.h),liburing) $(if $(call installed,uv.h),libuv) \
	$(if $(call installed,ev.h),libev) $(if $(call installed,event2/event.h),libevent) \
	$(if $(call installed,asio.hpp),asio_epoll $(if $(call installed,liburing.h),asio_uring))
ALL_BENCHES := $(patsubst bench/%.cc,$(BUILD)/bench/%,$(filter-out \
	$(patsubst %,\%/%.cc,$(filter-out $(PEERS_HERE),$(PEERS))),$(wildcard bench/*/*.cc)))
# Servers without a C library, as small as can be, on the library as `make size` pins it.
BARE_BENCHES := $(filter $(BUILD)/bench/server/raw_% $(BUILD)/bench/server/oxbow_%,$(ALL_BENCHES))
BENCHES := $(filter-out $(BARE_BENCHES),$(ALL_BENCHES))
# And those of the peers once more without shared libraries, where all of theirs can be had so.
STATIC_OF_libuv := uv_a
STATIC_OF_libev := ev
STATIC_OF_libevent := event_core
STATIC_OF_asio_uring := uring
comma := ,
static_archive = $(wildcard $(shell $(CXX) -print-file-name=lib$1.a))
STATIC_PEERS := $(if $(call static_archive,c),$(foreach peer,$(filter-out liburing,$(PEERS_HERE)),\
	$(if $(STATIC_OF_$(peer)),$(if $(call static_archive,$(STATIC_OF_$(peer))),$(peer)),$(peer))))
STATIC_BENCHES := $(STATIC_PEERS:%=$(BUILD)/bench/static/%)
FORMATTED := $(wildcard syscall/*.[ch]* loop/*.[ch]* uring/*.[ch]* epoll/*.[ch]* io/*.[ch]* \
	test/*.[ch]* test/*/*.[ch]* example/*.[ch]* bench/*.[ch]* bench/*/*.[ch]*)

INSTALLED := $(wildcard syscall/*.h loop/*.h uring/*.h epoll/*.h io/*.h uring/compat/*.h)

NUMBERS := $(patsubst %.cc,$(BUILD)/%.o,$(wildcard test/numbers_check.cc))
TEST_PROGRAMS := $(BUILD)/test/oxbow-test $(if $(SANITIZE),,$(BUILD)/test/oxbow-test-freestanding)
HOSTED_EXAMPLES := $(EXAMPLES:%=$(BUILD)/example/%)
STATIC_EXAMPLES := $(if $(SANITIZE),,$(EXAMPLES:%=$(BUILD)/example/%-static))
ARCHIVES := $(BUILD)/liboxbow-ring.a $(BUILD)/liboxbow.a $(BUILD)/liboxbow-start.a

# ---------------------------------------------------------------------------------------- targets
.PHONY: all archives examples tests demo info check check-freestanding check-kernel check-power-cut asan ubsan tsan fuzz cross \
	symbols layers size headers abi vendor bench bench-plot format format-check tidy install uninstall clean help FORCE
.SECONDARY:
.DELETE_ON_ERROR:

all: archives examples ## build the archives and the examples (the default)
archives: $(ARCHIVES) ## build liboxbow-ring.a, liboxbow.a and liboxbow-start.a (for programs without libc)
examples: $(HOSTED_EXAMPLES) $(STATIC_EXAMPLES) ## build example/*.cc, each hosted and as NAME-static without libc
tests: $(TEST_PROGRAMS) $(NUMBERS) ## build the test programs, hosted and without libc

demo: $(BUILD)/example/copy-static $(BUILD)/example/tour-static ## copy a file beside cp, and run a server with 200 clients, timers, a thread and a file on both engines
	@sh example/demo.sh $^
info: $(BUILD)/example/info ## print what this kernel's io_uring offers
	@$<
check: ## build and run all tests with both compilers, then symbols, layers, size and headers
	+@$(ENVIRONMENT) MAKE='$(MAKE)' JOBS='$(JOBS)' sh test/check.sh $(TESTFLAGS)
check-freestanding: $(BUILD)/test/oxbow-test-freestanding ## build and run the tests without libc
	$< $(TESTFLAGS)
# Tests that provoke a fault in a child look for its signal, so the sanitizer must not catch it.
asan: ## build the tests with AddressSanitizer and UndefinedBehaviorSanitizer and run them
	+@ASAN_OPTIONS=handle_segv=0 $(MAKE) --no-print-directory SANITIZE=address,undefined BUILD=$(BUILD)/asan run-tests
ubsan: ## build the tests with UndefinedBehaviorSanitizer alone and run them
	+@$(MAKE) --no-print-directory SANITIZE=undefined BUILD=$(BUILD)/ubsan run-tests
# The raw rings share memory with the kernel, of which ThreadSanitizer knows nothing; threads are in the loop.
tsan: ## build the tests with ThreadSanitizer and run those of the loop
	+@$(MAKE) --no-print-directory SANITIZE=thread BUILD=$(BUILD)/tsan \
		TESTFLAGS='--filter=loop_*,worker_pool_*,wait_thread_*,remote_queue_*,buffer_pool_* $(TESTFLAGS)' run-tests
run-tests: $(TEST_PROGRAMS)
	$< $(TESTFLAGS)
fuzz: $(BUILD)/test/oxbow-test ## run random programs on every engine until two disagree (PROGRAMS=n, SEED=n)
	@PROGRAMS='$(PROGRAMS)' SEED='$(SEED)' sh test/fuzz.sh $<
check-kernel: ## boot kernels in QEMU with the tests as the only process (KERNELS=core, all or names; KERNEL=FILE ARCH=...)
	+@BUILD='$(BUILD)' MAKE='$(MAKE)' JOBS='$(JOBS)' KERNELS='$(KERNELS)' KERNEL='$(KERNEL)' ARCH='$(ARCH)' \
		TESTS='$(KERNEL_TESTS)' EFFORT='$(EFFORT)' sh test/kernel/check.sh
check-power-cut: ## cut the power of a machine in QEMU that appends to files, again and again (CUTS=n ENGINES=... KERNELS=names SEED=n)
	+@BUILD='$(BUILD)' MAKE='$(MAKE)' JOBS='$(JOBS)' KERNELS='$(KERNELS)' CUTS='$(CUTS)' \
		ENGINES='$(ENGINES)' SEED='$(SEED)' sh test/kernel/power_cut.sh
cross: ## compile and link the tests for the other machines, and run what qemu-user can
	+@BUILD='$(BUILD)' MAKE='$(MAKE)' EFFORT='$(EFFORT)' sh test/cross.sh
# Of the hosted tests, those that compare us with the machine's headers: they assert it when compiled.
COMPARING := $(wildcard test/abi_kernel_test.cc test/abi_system_test.cc test/abi_header_test.cc test/errno_test.cc)
cross-programs: $(ARCHIVES) $(STATIC_EXAMPLES) $(BUILD)/test/oxbow-test-freestanding $(NUMBERS) \
	$(COMPARING:%.cc=$(BUILD)/test/obj/%.o) symbols
bench: $(ALL_BENCHES) $(STATIC_BENCHES) ## measure beside hand-written code and the peers that are installed (CASE=name, FORMAT=json, QUICK=1)
	@python3 bench/run.py --build '$(BUILD)' --case '$(CASE)' --format '$(or $(FORMAT),table)' $(if $(QUICK),--quick) \
		$(if $(CHECK_INSTRUCTIONS),--check-instructions)
MEASURED := $(or $(BENCH_JSON),$(BUILD)/bench.json)
bench-plot: $(if $(BENCH_JSON),,$(ALL_BENCHES) $(STATIC_BENCHES)) ## measure, draw bench/bench.svg and print its table (BENCH_JSON=FILE of make bench FORMAT=json: draw only that)
	$(if $(BENCH_JSON),,@python3 bench/run.py --build '$(BUILD)' --case '$(CASE)' --format json $(if $(QUICK),--quick) > $(MEASURED))
	@python3 bench/plot.py --compiler '$(CXX)' --svg '$(BENCH_SVG)' '$(MEASURED)'
	@python3 bench/plot.py --compiler '$(CXX)' --table '$(MEASURED)'
symbols: $(ARCHIVES) ## fail if an object needs more than memcpy, memset, memmove and memcmp
	@NM='$(NM)' sh test/symbols.sh $^
layers: ## fail on an include that runs against syscall <- loop <- uring, epoll <- io
	@sh test/layers.sh .
SIZED := $(patsubst test/size/%.cc,$(BUILD)/size/%,$(wildcard test/size/*.cc))
size: $(SIZED) $(STATIC_EXAMPLES) ## print the pinned sizes and fail on one that grew
	@SIZE='$(SIZE)' LIMIT_PERCENT=$(if $(findstring clang,$(CXX)),120,100) sh test/size.sh $^
headers: ## compile each header alone, with both compilers, hosted and freestanding
	@JOBS='$(JOBS)' sh test/headers.sh '$(CXX)' '$(OTHER_CXX)'
abi: ## compare our ABI with the newest kernel headers to be had (fetches a few Debian packages)
	+@$(ENVIRONMENT) MAKE='$(MAKE)' JOBS='$(JOBS)' sh test/newest_headers.sh
vendor: ## build a sample parent project in each way that a user can take Oxbow in
	+@$(ENVIRONMENT) MAKE='$(MAKE)' JOBS='$(JOBS)' sh test/vendor.sh
format: ## rewrite the sources as .clang-format says
	clang-format -i $(FORMATTED)
format-check: ## fail if `make format` would change a file
	clang-format --dry-run --Werror $(FORMATTED)
tidy: ## run clang-tidy over the library and the examples
	clang-tidy --quiet $(ALL) $(START) $(EXAMPLES:%=example/%.cc) -- $(filter-out -mno-outline-atomics,$(LIBRARY))
clean: ## remove $(BUILD)
	rm -rf $(BUILD)
help: ## list the targets
	@sed -n 's/^\([a-z][a-z-]*\):.*## \(.*\)/\1\t\2/p' $(MAKEFILE_LIST) | \
		awk -F '\t' '{ printf "  make %-18s  %s\n", $$1, $$2 }'

# What the scripts need to know of this call of make.
ENVIRONMENT = BUILD='$(BUILD)' CXX='$(CXX)' OTHER_CXX='$(OTHER_CXX)' OTHER_BUILD='$(OTHER_BUILD)'

# ------------------------------------------------------------------------------------------ rules
# run(word, command): prints the command with V=1, and else the word and the file that it makes.
ifeq ($(V),1)
run = mkdir -p $(@D) && $2
else
run = @mkdir -p $(@D) && printf '  %-5s %s\n' '$1' '$@' && $2
endif

# Everything depends on this file and on the Makefile; this one changes when the compiler or a flag
# does: so nothing is ever a mixture of two settings.
SETTING = $(CXX) $(FREESTANDING) $(CPPFLAGS) $(CXXFLAGS) $(LDFLAGS)$(TEST_CXXFLAGS:%= %)
$(BUILD)/setting: FORCE
	@mkdir -p $(@D) && echo '$(SETTING)' | cmp -s - $@ || echo '$(SETTING)' > $@

# objects(directory, flags): how a source becomes an object of one kind. The user's flags come last.
define objects
$(BUILD)/$1/%.o: %.cc $(BUILD)/setting Makefile
	$$(call run,CXX,$$(CXX) $2 $$(CPPFLAGS) $$(CXXFLAGS) $$(LAST) -MMD -MP -c $$< -o $$@)
endef
$(eval $(call objects,obj,$$(FREESTANDING)))
$(eval $(call objects,obj-hosted,$$(LIBRARY)))
# The hosted tests are a debug build, where misuse traps; those without libc are a release build.
$(eval $(call objects,test/obj,$$(LIBRARY) -DOXBOW_TEST_HOOK -DOXBOW_DEBUG))
$(eval $(call objects,test/obj-freestanding,$$(FREESTANDING) -DOXBOW_TEST_HOOK))
$(eval $(call objects,program/obj,$$(COMMON)))
$(eval $(call objects,program/obj-freestanding,$$(FREESTANDING) -Os))
# The pinned size is that of one setting, whatever the user's flags are.
$(eval $(call objects,size,$$(FREESTANDING)))

$(BUILD)/size/%.o: LAST = -Oz
$(BUILD)/test/obj/test/%.o $(BUILD)/test/obj-freestanding/test/%.o: LAST = $(TEST_CXXFLAGS)

object = $(patsubst %.cc,$(BUILD)/$1/%.o,$2)
archive = $(call run,AR,rm -f $@ && $(AR) rcs $@ $(filter %.o,$^))
hosted_link = $(call run,LINK,$(CXX) $(CXXFLAGS) $(SANITIZERS) $(filter %.o %.a,$^) $(LDFLAGS) -o $@)
# `-u _start` pulls the entry out of its archive; the linker alone would not.
no_libc_link = $(call run,LINK,$(CXX) $(CXXFLAGS) $(NO_LIBC) $(filter %.o %.a,$^) $(LDFLAGS) -o $@)

MAIN := $(patsubst %.cc,$(BUILD)/obj-hosted/%.o,$(wildcard syscall/start.cc))
$(BUILD)/liboxbow-ring.a: $(call object,obj,$(RING)) $(MAIN)
	$(archive)
$(BUILD)/liboxbow.a: $(call object,obj,$(ALL)) $(MAIN)
	$(archive)
$(BUILD)/liboxbow-start.a: $(call object,obj,$(START))
	$(archive)

$(BUILD)/test/oxbow-test: $(call object,test/obj,$(sort $(START) $(ALL)) $(TESTS))
	$(hosted_link)
$(BUILD)/test/oxbow-test-freestanding: $(call object,test/obj-freestanding,$(sort $(START) $(ALL)) $(TESTS))
	$(no_libc_link)
# The machine's own numbers against ours: static_asserts, so compiling it is the test.
$(BUILD)/test/numbers_check.o: test/numbers_check.cc $(BUILD)/setting
	$(call run,CXX,$(CXX) $(COMMON) $(CPPFLAGS) $(CXXFLAGS) -MMD -MP -c $< -o $@)

# The release library, as users link it; of the tests only what a first process is made of.
$(BUILD)/test/power-cut: $(call object,program/obj-freestanding,$(POWER_CUT)) $(BUILD)/liboxbow.a $(BUILD)/liboxbow-start.a
	$(no_libc_link) && $(STRIP) $@

$(HOSTED_EXAMPLES): $(BUILD)/example/%: $(BUILD)/program/obj/example/%.o $(BUILD)/liboxbow.a
	$(hosted_link)
$(STATIC_EXAMPLES): $(BUILD)/example/%-static: $(BUILD)/program/obj-freestanding/example/%.o \
		$(BUILD)/liboxbow.a $(BUILD)/liboxbow-start.a
	$(no_libc_link) && $(STRIP) $@
LIBRARY_OF_liburing := -luring
LIBRARY_OF_libuv := -luv
LIBRARY_OF_libev := -lev
LIBRARY_OF_libevent := -levent -levent_pthreads
LIBRARY_OF_asio_uring := -luring
$(BENCHES): $(BUILD)/bench/%: $(BUILD)/program/obj/bench/%.o $(BUILD)/liboxbow.a
	$(hosted_link) $(LIBRARY_OF_$(@F))
$(BARE_BENCHES): $(BUILD)/bench/%: $(BUILD)/size/bench/%.o $(BUILD)/size/liboxbow.a
	$(no_libc_link) && $(STRIP) $@
$(STATIC_BENCHES): $(BUILD)/bench/static/%: $(BUILD)/program/obj/bench/server/%.o
	$(call run,LINK,$(CXX) $(CXXFLAGS) -static -Wl$(comma)--gc-sections $^ $(LDFLAGS) -o $@) \
		$(STATIC_OF_$(*):%=-l%)
$(BUILD)/size/liboxbow.a: $(call object,size,$(sort $(START) $(ALL)))
	$(archive)
$(SIZED): $(BUILD)/size/%: $(BUILD)/size/test/size/%.o $(BUILD)/size/liboxbow.a
	$(no_libc_link) && $(STRIP) $@

# What the compiler found each object to include.
-include $(shell find $(BUILD) -name '*.d' 2>/dev/null)

# ---------------------------------------------------------------------------------------- install
VERSION := $(shell awk '/^project.oxbow/ { print $$3 }' CMakeLists.txt)
install: archives ## install headers, archives and pkg-config files under $(DESTDIR)$(PREFIX)
	@set -e; for header in $(INSTALLED); do \
		install -D -m 644 $$header $(DESTDIR)$(PREFIX)/include/oxbow/$$header; done
	install -D -m 644 -t $(DESTDIR)$(PREFIX)/lib $(ARCHIVES)
	@set -e; for name in oxbow oxbow-ring; do mkdir -p $(DESTDIR)$(PREFIX)/lib/pkgconfig; \
		sed -e 's|@PREFIX@|$(PREFIX)|' -e 's|@LIBDIR@|$${prefix}/lib|' -e 's|@NAME@|'$$name'|' \
			-e 's|@VERSION@|$(VERSION)|' cmake/oxbow.pc.in \
			> $(DESTDIR)$(PREFIX)/lib/pkgconfig/$$name.pc; done
uninstall: ## remove what `make install` put there
	rm -rf $(DESTDIR)$(PREFIX)/include/oxbow
	rm -f $(addprefix $(DESTDIR)$(PREFIX)/lib/,$(notdir $(ARCHIVES)) pkgconfig/oxbow.pc pkgconfig/oxbow-ring.pc)
