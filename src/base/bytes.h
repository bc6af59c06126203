/* SPDX-License-Identifier: MIT */
/* Byte order: loads and stores of fixed-width integers at any alignment. */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdint.h>
#include <string.h>

static inline uint16_t load_be16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap16(value);
}

static inline uint32_t load_be32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap32(value);
}

static inline uint64_t load_be64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return __builtin_bswap64(value);
}

static inline uint16_t load_le16(const uint8_t *bytes)
{
    uint16_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint32_t load_le32(const uint8_t *bytes)
{
    uint32_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline uint64_t load_le64(const uint8_t *bytes)
{
    uint64_t value;
    memcpy(&value, bytes, sizeof(value));
    return value;
}

static inline void store_be16(uint8_t *bytes, uint16_t value)
{
    value = __builtin_bswap16(value);
    memcpy(bytes, &value, sizeof(value));
}

static inline void store_be32(uint8_t *bytes, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(bytes, &value, sizeof(value));
}

static inline void store_be64(uint8_t *bytes, uint64_t value)
{
    value = __builtin_bswap64(value);
    memcpy(bytes, &value, sizeof(value));
}

static inline void store_le16(uint8_t *bytes, uint16_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

static inline void store_le32(uint8_t *bytes, uint32_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

static inline void store_le64(uint8_t *bytes, uint64_t value)
{
    memcpy(bytes, &value, sizeof(value));
}

_Static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "the le loads are plain loads");

/* Forgets a secret: the compiler may not remove it. */
static inline void bytes_wipe(void *bytes, size_t len)
{
    memset(bytes, 0, len);
    __asm__ __volatile__("" : : "r"(bytes) : "memory");
}

/* Compares secrets in constant time. */
static inline _Bool bytes_equal_secret(const uint8_t *a, const uint8_t *b, size_t len)
{
    uint8_t difference = 0;
    for (size_t i = 0; i < len; i++)
        difference |= a[i] ^ b[i];
    return difference == 0;
}

static inline _Bool bytes_are_zero(const uint8_t *bytes, size_t len)
{
    uint8_t any = 0;
    for (size_t i = 0; i < len; i++)
        any |= bytes[i];
    return any == 0;
}

#endif
