// SPDX-License-Identifier: Apache-2.0
// CRC-32C (Castagnoli, RFC 3720 appendix B.4) by the processor's own instruction; the caller falls back where there is none.
#pragma once
#include <stddef.h>
#include <stdint.h>

#if defined(__x86_64__)
static inline int crc32c_hardware_available(void) {
    __builtin_cpu_init();
    return __builtin_cpu_supports("sse4.2") != 0;
}

/// Continues `crc` (not inverted, neither in nor out). Only where crc32c_hardware_available().
__attribute__((target("sse4.2"))) static inline uint32_t crc32c_hardware(uint32_t crc, const void *bytes, size_t count) {
    const unsigned char *p = (const unsigned char *)bytes;
    uint64_t state = crc;
    while (count >= 8) {
        uint64_t word;
        __builtin_memcpy(&word, p, 8);
        state = __builtin_ia32_crc32di(state, word);
        p += 8;
        count -= 8;
    }
    uint32_t rest = (uint32_t)state;
    while (count--) rest = __builtin_ia32_crc32qi(rest, *p++);
    return rest;
}
#elif defined(__aarch64__) && defined(__ARM_FEATURE_CRC32)
static inline int crc32c_hardware_available(void) { return 1; }

static inline uint32_t crc32c_hardware(uint32_t crc, const void *bytes, size_t count) {
    const unsigned char *p = (const unsigned char *)bytes;
    while (count >= 8) {
        uint64_t word;
        __builtin_memcpy(&word, p, 8);
        crc = __builtin_arm_crc32cd(crc, word);
        p += 8;
        count -= 8;
    }
    while (count--) crc = __builtin_arm_crc32cb(crc, *p++);
    return crc;
}
#else
static inline int crc32c_hardware_available(void) { return 0; }

static inline uint32_t crc32c_hardware(uint32_t crc, const void *bytes, size_t count) {
    (void)bytes;
    (void)count;
    return crc;
}
#endif
