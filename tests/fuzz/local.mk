# SPDX-License-Identifier: Apache-2.0
# Each target is built twice: check-X runs its corpus in `make check`, fuzz-X is libFuzzer's (tests/fuzz/README).
FUZZ_COMMON = tests/fuzz/fuzz.h
LIBFUZZER = $(AM_LDFLAGS) -fsanitize=fuzzer
FUZZ_CHECKS =

FUZZ_CHECKS += tests/fuzz/check-cgparse
tests_fuzz_check_cgparse_SOURCES = tests/fuzz/fuzz-cgparse.c daemon/helper/mountinfo.c tests/fuzz/standalone.c $(FUZZ_COMMON)
tests_fuzz_check_cgparse_LDADD = libdaemon.la
FUZZERS += tests/fuzz/fuzz-cgparse
tests_fuzz_fuzz_cgparse_SOURCES = tests/fuzz/fuzz-cgparse.c daemon/helper/mountinfo.c $(FUZZ_COMMON)
tests_fuzz_fuzz_cgparse_LDADD = libdaemon.la
tests_fuzz_fuzz_cgparse_LDFLAGS = $(LIBFUZZER)

FUZZ_CHECKS += tests/fuzz/check-client
tests_fuzz_check_client_SOURCES = tests/fuzz/fuzz-client.c tests/fuzz/standalone.c $(FUZZ_COMMON)
tests_fuzz_check_client_LDADD = libclient.la libproto.la
FUZZERS += tests/fuzz/fuzz-client
tests_fuzz_fuzz_client_SOURCES = tests/fuzz/fuzz-client.c $(FUZZ_COMMON)
tests_fuzz_fuzz_client_LDADD = libclient.la libproto.la
tests_fuzz_fuzz_client_LDFLAGS = $(LIBFUZZER)

FUZZ_CHECKS += tests/fuzz/check-codec
tests_fuzz_check_codec_SOURCES = tests/fuzz/fuzz-codec.c tests/fuzz/standalone.c tests/lib/fill.c tests/lib/fill.h $(FUZZ_COMMON)
tests_fuzz_check_codec_LDADD = libproto.la
FUZZERS += tests/fuzz/fuzz-codec
tests_fuzz_fuzz_codec_SOURCES = tests/fuzz/fuzz-codec.c tests/lib/fill.c tests/lib/fill.h $(FUZZ_COMMON)
tests_fuzz_fuzz_codec_LDADD = libproto.la
tests_fuzz_fuzz_codec_LDFLAGS = $(LIBFUZZER)

FUZZ_CHECKS += tests/fuzz/check-http
tests_fuzz_check_http_SOURCES = tests/fuzz/fuzz-http.c tests/fuzz/standalone.c $(FUZZ_COMMON)
tests_fuzz_check_http_LDADD = libdaemon.la
FUZZERS += tests/fuzz/fuzz-http
tests_fuzz_fuzz_http_SOURCES = tests/fuzz/fuzz-http.c $(FUZZ_COMMON)
tests_fuzz_fuzz_http_LDADD = libdaemon.la
tests_fuzz_fuzz_http_LDFLAGS = $(LIBFUZZER)

FUZZ_CHECKS += tests/fuzz/check-record
tests_fuzz_check_record_SOURCES = tests/fuzz/fuzz-record.c tests/fuzz/standalone.c tests/lib/fill.c tests/lib/fill.h $(FUZZ_COMMON)
tests_fuzz_check_record_LDADD = libdaemon.la
FUZZERS += tests/fuzz/fuzz-record
tests_fuzz_fuzz_record_SOURCES = tests/fuzz/fuzz-record.c tests/lib/fill.c tests/lib/fill.h $(FUZZ_COMMON)
tests_fuzz_fuzz_record_LDADD = libdaemon.la
tests_fuzz_fuzz_record_LDFLAGS = $(LIBFUZZER)

FUZZ_CHECKS += tests/fuzz/check-request
tests_fuzz_check_request_SOURCES = tests/fuzz/fuzz-request.c tests/fuzz/standalone.c $(FAKE_TRANSPORT) $(FUZZ_COMMON)
tests_fuzz_check_request_LDADD = libdaemon.la
FUZZERS += tests/fuzz/fuzz-request
tests_fuzz_fuzz_request_SOURCES = tests/fuzz/fuzz-request.c $(FAKE_TRANSPORT) $(FUZZ_COMMON)
tests_fuzz_fuzz_request_LDADD = libdaemon.la
tests_fuzz_fuzz_request_LDFLAGS = $(LIBFUZZER)

FUZZ_CHECKS += tests/fuzz/check-segment
tests_fuzz_check_segment_SOURCES = tests/fuzz/fuzz-segment.c tests/fuzz/standalone.c $(FUZZ_COMMON)
tests_fuzz_check_segment_LDADD = libdaemon.la
FUZZERS += tests/fuzz/fuzz-segment
tests_fuzz_fuzz_segment_SOURCES = tests/fuzz/fuzz-segment.c $(FUZZ_COMMON)
tests_fuzz_fuzz_segment_LDADD = libdaemon.la
tests_fuzz_fuzz_segment_LDFLAGS = $(LIBFUZZER)

FUZZ_CHECKS += tests/fuzz/check-spec
tests_fuzz_check_spec_SOURCES = tests/fuzz/fuzz-spec.c tests/fuzz/standalone.c $(FUZZ_COMMON)
tests_fuzz_check_spec_LDADD = libdaemon.la
FUZZERS += tests/fuzz/fuzz-spec
tests_fuzz_fuzz_spec_SOURCES = tests/fuzz/fuzz-spec.c $(FUZZ_COMMON)
tests_fuzz_fuzz_spec_LDADD = libdaemon.la
tests_fuzz_fuzz_spec_LDFLAGS = $(LIBFUZZER)

FUZZ_CHECKS += tests/fuzz/check-toml
tests_fuzz_check_toml_SOURCES = tests/fuzz/fuzz-toml.c tests/fuzz/standalone.c $(FUZZ_COMMON)
tests_fuzz_check_toml_LDADD = libtoml.la
FUZZERS += tests/fuzz/fuzz-toml
tests_fuzz_fuzz_toml_SOURCES = tests/fuzz/fuzz-toml.c $(FUZZ_COMMON)
tests_fuzz_fuzz_toml_LDADD = libtoml.la
tests_fuzz_fuzz_toml_LDFLAGS = $(LIBFUZZER)

FUZZ_CHECKS += tests/fuzz/check-ttrpc
tests_fuzz_check_ttrpc_SOURCES = tests/fuzz/fuzz-ttrpc.c tests/fuzz/standalone.c $(FUZZ_COMMON)
tests_fuzz_check_ttrpc_LDADD = libshim.la
FUZZERS += tests/fuzz/fuzz-ttrpc
tests_fuzz_fuzz_ttrpc_SOURCES = tests/fuzz/fuzz-ttrpc.c $(FUZZ_COMMON)
tests_fuzz_fuzz_ttrpc_LDADD = libshim.la
tests_fuzz_fuzz_ttrpc_LDFLAGS = $(LIBFUZZER)

FUZZ_CHECKS += tests/fuzz/check-urpc
tests_fuzz_check_urpc_SOURCES = tests/fuzz/fuzz-urpc.c tests/fuzz/standalone.c $(FUZZ_COMMON)
tests_fuzz_check_urpc_LDADD = libdaemon.la
FUZZERS += tests/fuzz/fuzz-urpc
tests_fuzz_fuzz_urpc_SOURCES = tests/fuzz/fuzz-urpc.c $(FUZZ_COMMON)
tests_fuzz_fuzz_urpc_LDADD = libdaemon.la
tests_fuzz_fuzz_urpc_LDFLAGS = $(LIBFUZZER)

check_PROGRAMS += $(FUZZ_CHECKS)
TESTS += $(FUZZ_CHECKS)
EXTRA_PROGRAMS += $(FUZZERS) tests/fuzz/seeds-codec
EXTRA_DIST += tests/fuzz/README tests/fuzz/run.sh tests/fuzz/corpus

tests_fuzz_seeds_codec_SOURCES = tests/fuzz/seeds-codec.c tests/lib/fill.c tests/lib/fill.h $(FUZZ_COMMON)
tests_fuzz_seeds_codec_LDADD = libproto.la

.PHONY: fuzzers fuzz-seeds
if FUZZERS
fuzzers: $(FUZZERS)
	@echo $(FUZZERS)
else
fuzzers:
	@echo "configure with CC=clang and --enable-fuzzers, or run tests/fuzz/run.sh" >&2; exit 1
endif
fuzz-seeds: tests/fuzz/seeds-codec$(EXEEXT)
	tests/fuzz/seeds-codec$(EXEEXT) $(srcdir)/tests/fuzz/corpus/codec
