/* SPDX-License-Identifier: Apache-2.0 */

/* A config.json as Kubernetes' CRI writes it, and what runsc must find in it. */

#include "tests/unit/arena.h"

#include "daemon/runsc_freeze.h"
#include "daemon/spec_gvisor.h"

#define SANDBOX "\"io.kubernetes.cri.container-type\":\"sandbox\","
#define CONTAINER "\"io.kubernetes.cri.container-type\":\"container\","
#define LOGS "\"io.kubernetes.cri.sandbox-log-directory\":\"/var/log/pods/ns_pod_uid-1\","
#define EMPTY_DIR SPEC_GVISOR_PODS "/uid-1/volumes/kubernetes.io~empty-dir/"

static const char *questions(const char *text)
{
        struct error err = ERROR_NULL;
        struct strs list;
        const char *ret = "";

        if (spec_gvisor_questions(text, strlen(text), arena, &list, &err) < 0)
                return arena_strdup(arena, err.message);
        for (size_t i = 0; i < list.n; i++)
                ret = arena_printf(arena, "%s%s%s", ret, i ? " " : "", list.items[i]);
        return ret;
}

static const char *rewritten(const char *text, const struct spec_gvisor_volume *volumes)
{
        struct error err = ERROR_NULL;
        const char *ret;

        if (spec_gvisor_rewrite(text, strlen(text), volumes, arena, &ret, &err) < 0)
                return arena_strdup(arena, err.message);
        return ret ? ret : "the same";
}

#define HAS(text, part)                                                                                                \
        do {                                                                                                           \
                const char *text_ = (text);                                                                            \
                if (!strstr(text_, (part)))                                                                            \
                        fail_msg("%s is not in %s", (part), text_);                                                    \
        } while (0)
#define HAS_NOT(text, part) assert_null(strstr((text), (part)))

static void nothing_to_do(void **state)
{
        static const char plain[] =
                "{\"mounts\":[{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\"}],"
                "\"linux\":{\"cgroupsPath\":\"/a/b\"}}";

        assert_string_equal(questions(plain), "");
        assert_string_equal(rewritten(plain, NULL), "the same");
        HAS(rewritten("{", NULL), "config.json");
}

#define POD_OF_ONE "{\"annotations\":{" SANDBOX LOGS "\"dev.gvisor.spec.mount.vol.type\":\"bind\"%s}}"

static const char *pod_of_one(const char *more)
{
        return arena_printf(arena, POD_OF_ONE, more);
}

static void volumes_of_a_sandbox(void **state)
{
        struct spec_gvisor_volume v = { .n = 1, .path = EMPTY_DIR "vol", .empty = true };
        const char *text = rewritten(pod_of_one(""), &v), *again;

        assert_string_equal(questions(pod_of_one("")), "uid-1/volumes/*/vol");
        HAS(text, "\"dev.gvisor.spec.mount.vol.source\":\"" EMPTY_DIR "vol\"");
        HAS(text, "\"dev.gvisor.spec.mount.vol.type\":\"tmpfs\"");
        HAS_NOT(text, ".share");
        assert_string_equal(questions(text), "uid-1/volumes/*/vol");
        again = rewritten(text, &v);
        assert_string_equal(again, text);

        v.empty = false; /* what is in it must be seen */
        text = rewritten(pod_of_one(""), &v);
        HAS(text, "\"dev.gvisor.spec.mount.vol.type\":\"bind\"");
        HAS(text, "\"dev.gvisor.spec.mount.vol.share\":\"shared\"");
        v.empty = true;
        HAS(rewritten(pod_of_one(",\"dev.gvisor.empty-dir.vol.force-shared\":\"T\""), &v), "\"shared\"");
        HAS_NOT(rewritten(pod_of_one(",\"dev.gvisor.empty-dir.vol.force-shared\":\"yes\""), &v), "\"shared\"");

        v.path = SPEC_GVISOR_PODS "/uid-1/volumes/kubernetes.io~secret/vol";
        text = rewritten(pod_of_one(""), &v);
        HAS(text, "kubernetes.io~secret/vol\"");
        HAS(text, "\"dev.gvisor.spec.mount.vol.type\":\"bind\"");
        HAS_NOT(text, ".share");

        v.n = 0;
        HAS(rewritten(pod_of_one(""), &v), "0 volumes of that name");
        v.n = 2;
        HAS(rewritten(pod_of_one(""), &v), "2 volumes of that name");
}

static void the_pod_is_named_by_its_logs(void **state)
{
        static const char with[] =
                "{\"annotations\":{\"io.kubernetes.cri.sandbox-log-directory\":\"%s\","
                "\"dev.gvisor.spec.mount.v*l.type\":\"bind\",\"dev.gvisor.spec.mount.v.share\":\"pod\"}}";

        assert_string_equal(questions(arena_printf(arena, with, "/var/log/pods/uid")), "uid/volumes/*/v\\*l");
        assert_string_equal(questions(arena_printf(arena, with, "/var/log/pods/a_b_c")), "c/volumes/*/v\\*l");
        assert_string_equal(questions(arena_printf(arena, with, "/var/log/pods/a_b")), "");
        assert_string_equal(questions(arena_printf(arena, with, "/var/log/pods/..")), "");
        assert_string_equal(questions(arena_printf(arena, with, "/var/log/pods/")), "");
}

#define MOUNT(source)                                                                                                  \
        "{\"destination\":\"/m\",\"type\":\"bind\",\"source\":\"" source "\",\"options\":[\"rbind\",\"ro\"]}"

static void volumes_of_a_container(void **state)
{
        static const char text[] =
                "{\"annotations\":{" CONTAINER
                "\"dev.gvisor.spec.mount.vol.type\":\"tmpfs\"},\"mounts\":[" MOUNT(EMPTY_DIR "vol") "," MOUNT(
                        "/elsewhere/vol") "," MOUNT(EMPTY_DIR "other") "," MOUNT(EMPTY_DIR "vol/sub") "]}";
        struct spec_gvisor_volume v = { .n = 1, .path = EMPTY_DIR "vol", .empty = true };
        const char *out = rewritten(text, &v);

        assert_string_equal(questions(text), "uid-1/volumes/kubernetes.io~empty-dir/vol");
        HAS(out, "\"type\":\"tmpfs\",\"source\":\"" EMPTY_DIR "vol\",\"options\":[\"ro\"]");
        HAS(out, "\"type\":\"bind\",\"source\":\"/elsewhere/vol\",\"options\":[\"rbind\",\"ro\"]");
        HAS(out, "\"type\":\"bind\",\"source\":\"" EMPTY_DIR "other\"");
        HAS(out, "\"type\":\"bind\",\"source\":\"" EMPTY_DIR "vol/sub\"");
        v.empty = false;
        assert_string_equal(rewritten(text, &v), "the same");
}

static void sockets_of_gcsfuse(void **state)
{
        static const char text[] =
                "{\"annotations\":{" SANDBOX LOGS "%s\"dev.gvisor.spec.mount.gke-gcsfuse-tmp.type\":\"tmpfs\"}}";
        struct spec_gvisor_volume v = { .n = 1, .path = EMPTY_DIR "gke-gcsfuse-tmp" };

        HAS(rewritten(arena_printf(arena, text, ""), &v), "\"dev.gvisor.flag.host-uds\":\"open\"");
        HAS(rewritten(arena_printf(arena, text, "\"dev.gvisor.flag.host-uds\":\"none\","), &v),
            "\"dev.gvisor.flag.host-uds\":\"none\"");
        v.empty = true;
        HAS_NOT(rewritten(arena_printf(arena, text, ""), &v), "host-uds");
}

static void shared_memory(void **state)
{
        static const char mounts[] =
                "\"mounts\":[{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"shm\"},"
                "{\"destination\":\"/dev/shm\",\"type\":\"bind\",\"source\":\"/run/x/shm\",\"options\":[\"rbind\"]}]";
        const char *out = rewritten(arena_printf(arena, "{\"annotations\":{%s\"a\":\"b\"},%s}", SANDBOX, mounts), NULL);

        HAS(out,
            "\"mounts\":[{\"destination\":\"/dev/shm\",\"type\":\"tmpfs\",\"source\":\"/run/x/shm\",\"options\":[]}]");
        HAS(out, "\"dev.gvisor.spec.mount.gvisorinternaldevshm.source\":\"/run/x/shm\"");
        HAS(out, "gvisorinternaldevshm.type\":\"tmpfs\"");
        HAS(out, "gvisorinternaldevshm.share\":\"pod\"");
        HAS(out, "gvisorinternaldevshm.options\":\"rw\"");
        assert_string_equal(questions(out), "");
        assert_string_equal(rewritten(out, NULL), "the same");
        out = rewritten(arena_printf(arena, "{\"annotations\":{%s\"a\":\"b\"},%s}", CONTAINER, mounts), NULL);
        HAS(out, "\"type\":\"tmpfs\",\"source\":\"/run/x/shm\"");
        HAS_NOT(out, "gvisorinternaldevshm");
}

static void numbers_stay_what_they_are(void **state)
{
        static const char numbers[] =
                "\"a\":18446744073709551615,\"b\":[-1,0.50,1e3,-9223372036854775808,12],\"c\":\"1.5e3 -2\",\"d\":true";

        HAS(rewritten(arena_printf(arena, "{%s,\"linux\":{\"cgroupsPath\":\"/pod1/x\"}}", numbers), NULL), numbers);
        assert_string_equal(rewritten(arena_printf(arena, "{%s}", numbers), NULL), "the same");
}

static void cgroup_of_the_pod(void **state)
{
        static const char with[] = "{\"annotations\":{%s\"a\":\"b\"},\"linux\":{\"cgroupsPath\":\"%s\"}}";

        HAS(rewritten(arena_printf(arena, with, SANDBOX, "/kubepods/burstable/pod1-2/abc"), NULL),
            "\"dev.gvisor.spec.cgroup-parent\":\"/kubepods/burstable/pod1-2\"");
        HAS(rewritten(arena_printf(arena, with, "", "pods/pod1/abc"), NULL), "cgroup-parent\":\"pods/pod1\"");
        assert_string_equal(rewritten(arena_printf(arena, with, CONTAINER, "/kubepods/pod1/abc"), NULL), "the same");
        assert_string_equal(rewritten(arena_printf(arena, with, SANDBOX, "/kubepods/pod1"), NULL), "the same");
        assert_string_equal(rewritten(arena_printf(arena, with, SANDBOX, "kubepods-pod1.slice:cri:abc"), NULL),
                            "the same");
        assert_string_equal(rewritten(arena_printf(arena, with, SANDBOX, "/a/tripod/abc"), NULL), "the same");
        assert_string_equal(rewritten(arena_printf(arena, with, SANDBOX, "/a/pod/abc"), NULL), "the same");
        assert_string_equal(rewritten(arena_printf(arena, with, SANDBOX, "/a/pod1/limited/abc"), NULL), "the same");
        assert_string_equal(rewritten(arena_printf(arena, with, SANDBOX, "/a/pod1/"), NULL), "the same");
        assert_string_equal(rewritten(arena_printf(arena, with, SANDBOX, "abc"), NULL), "the same");
}

static void stacks(void **state)
{
        static const char stopped
                [] = "goroutine 38 [sync.Cond.Wait]:\nx/kernel.(*Task).doStop(0xc0)\nx/kernel.(*Task).run(0xc0, 0x1)\n",
         runs[] = "goroutine 39 [select]:\nx/kernel.(*Task).block(0xc0)\nx/kernel.(*Task).run(0xc0, 0x1)\n";

        assert_true(runsc_freeze_in_stacks(stopped));
        assert_false(runsc_freeze_in_stacks(runs));
        assert_false(runsc_freeze_in_stacks(arena_printf(arena, "%s%s", stopped, runs)));
        assert_false(runsc_freeze_in_stacks("goroutine 1 [running]:\n"));
}

int main(void)
{
        const struct CMUnitTest tests[] = {
                cmocka_unit_test_setup_teardown(nothing_to_do, setup, teardown),
                cmocka_unit_test_setup_teardown(volumes_of_a_sandbox, setup, teardown),
                cmocka_unit_test_setup_teardown(the_pod_is_named_by_its_logs, setup, teardown),
                cmocka_unit_test_setup_teardown(volumes_of_a_container, setup, teardown),
                cmocka_unit_test_setup_teardown(sockets_of_gcsfuse, setup, teardown),
                cmocka_unit_test_setup_teardown(shared_memory, setup, teardown),
                cmocka_unit_test_setup_teardown(numbers_stay_what_they_are, setup, teardown),
                cmocka_unit_test_setup_teardown(cgroup_of_the_pod, setup, teardown),
                cmocka_unit_test_setup_teardown(stacks, setup, teardown),
        };

        return cmocka_run_group_tests(tests, NULL, NULL);
}
